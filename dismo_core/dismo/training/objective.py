"""The objective of the paper on drawn clips, with a labelled warm-up that can be annealed to nothing (docs/methods/dismo.md, 5 and 6)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..models.extractor import MotionExtractor
from ..models.generator import FrameGenerator
from ..motion import SOURCES
from .drawn_clips import LABELS


class MotionObjective(nn.Module):
    """Extractor and generator trained together: reconstruct the target from the source and the source's motion.

    Args:
        extractor: the model whose embeddings are learned.
        generator: the model that reconstructs.
        shift: pushes the flow times towards noise, t' = s t / (1 + (s - 1) t) (Esser et al. 2024): in small frames any t
            below about 0.8 shows the answer already, and nothing of it reaches the extractor.
    """

    def __init__(self, extractor: MotionExtractor, generator: FrameGenerator, shift: float = 4.0) -> None:
        super().__init__()
        self.extractor = extractor
        self.generator = generator
        self.readout = nn.Linear(extractor.d_motion, LABELS)  # for the warm-up only; not part of the model
        self.shift = shift

    def forward(
        self,
        clip: Tensor,
        first: Tensor,
        source: Tensor,
        start: Tensor,
        own: int,
        gap: Tensor,
        label: Tensor,
        clean: Tensor,
        noise: Tensor,
        t: Tensor,
        label_weight: Tensor,
    ) -> dict[str, Tensor]:
        """Losses of a batch.

        Args:
            clip: see `ClipBatch`.
            first: see `ClipBatch`.
            source: see `ClipBatch`.
            start: see `ClipBatch`.
            gap: see `ClipBatch`.
            label: see `ClipBatch`.
            clean: latents of the targets [B S, h, w, c].
            noise: noise [B S, h, w, c].
            own: in this many clips the sources are rolled out from frame 0 by the model itself, one frame step at a time, and
                frame 0 is blurred by a random amount: in a roll-out every source but the first is a prediction of predictions.
            t: [B S], before the shift.
            label_weight: of the labelled warm-up, []; 0 = the published objective alone.
        """
        motion = self.extractor.motion(self.extractor.encode(clip))
        label_loss = F.mse_loss(self.readout(motion), label)
        if own > 0:
            predicted = self._rolled_out(start[:own], motion[:own], first[:own], noise[: first[:own].numel()])
            source = torch.cat((predicted, source[own:]))
        conditions = self.generator.conditions(source.flatten(0, 1), _rows(motion, first), gap.flatten())
        t = self.shift * t / (1 + (self.shift - 1) * t)
        flow = self.generator.flow_loss(clean, conditions, t, noise).mean()
        return {"loss": flow + label_weight * label_loss, "flow": flow, "label": label_loss}

    @torch.no_grad()
    def _rolled_out(self, start: Tensor, motion: Tensor, first: Tensor, noise: Tensor) -> Tensor:
        """Frames number `first` [B,S] from frames 0 [B,S,H,W,3], one Euler step a frame step (the conditional mean)."""
        blur = torch.rand(first.shape, device=start.device)[..., None, None, None]
        frame = out = blurred(start, blur).flatten(0, 1)
        one = torch.ones(len(noise), device=noise.device)
        reached = first.flatten()[:, None, None, None]
        for step in range(SOURCES - 1):
            now = motion[:, step, None].expand(-1, first.shape[1], -1).flatten(0, 1)
            latents = self.generator.sample_latents(noise, self.generator.conditions(frame, now, one), steps=1)
            frame = self.generator.decode(latents).clamp(-1, 1)
            out = torch.where(reached > step, frame, out)
        sources: Tensor = out.unflatten(0, first.shape)
        return sources


def blurred(frames: Tensor, amount: Tensor) -> Tensor:
    """Frames [B,S,H,W,3] on the way, `amount` 0..1 (broadcastable), to an average over 3 x 3 pixels twice, about what two strides leave."""
    x = frames.flatten(0, 1).movedim(-1, 1)
    for _ in range(2):
        x = F.avg_pool2d(F.pad(x, (1, 1, 1, 1), mode="replicate"), 3, stride=1)
    out: Tensor = frames + amount * (x.movedim(1, -1).unflatten(0, frames.shape[:2]) - frames)
    return out


def _rows(motion: Tensor, index: Tensor) -> Tensor:
    """Embeddings [B,4,d] at index [B,S] -> [B S, d]."""
    return motion.gather(1, index[..., None].expand(-1, -1, motion.shape[-1])).flatten(0, 1)


def label_fit(embeddings: Tensor, labels: Tensor) -> float:
    """Share of the labels' variance that a linear readout of held-out embeddings explains (R^2), a probe of motion.

    Args:
        embeddings: [N, d]; the first half fits the readout, the second half is scored.
        labels: [N, L].
    """
    half = len(embeddings) // 2
    weight, bias = _least_squares(embeddings[:half], labels[:half])
    target = labels[half:].double()
    residual = (target - embeddings[half:].double() @ weight - bias).square().sum(dim=0)
    spread = (target - target.mean(dim=0)).square().sum(dim=0)
    return float((1 - residual.sum() / spread.sum()).item())


@torch.no_grad()
def fit_readout(readout: nn.Linear, embeddings: Tensor, labels: Tensor) -> None:
    """Set `readout` to the best linear readout of labels [N, L] from embeddings [N, d]."""
    weight, bias = _least_squares(embeddings, labels)
    readout.weight.copy_(weight.T)
    readout.bias.copy_(bias)


def _least_squares(embeddings: Tensor, labels: Tensor, ridge: float = 1e-4) -> tuple[Tensor, Tensor]:
    """Weights [d, L] and bias [L] of a ridge regression, double precision."""
    x = torch.cat((embeddings, torch.ones_like(embeddings[:, :1])), dim=1).double()
    damping = ridge * len(x) * torch.eye(x.shape[1], dtype=x.dtype, device=x.device)
    solution = torch.linalg.solve(x.T @ x + damping, x.T @ labels.double())
    return solution[:-1], solution[-1]
