"""The objective of the paper on drawn clips, with a labelled warm-up that can be annealed to nothing (specs/dismo.md, 4 and 5)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..models.extractor import MotionExtractor
from ..models.generator import FrameGenerator
from .clips import LABELS


class MotionObjective(nn.Module):
    """Extractor and generator trained together: reconstruct the target from the source and the source's motion.

    Args:
        extractor, generator: the models.
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
        before: Tensor,
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
            clip, first, source, before, gap, label: see `ClipBatch`. clean, noise: latents of the targets and noise [B S, h, w, c].
            own: in this many clips the sources but frame 0 are replaced by the model's own prediction from the frame before:
                in a roll-out every source but the first is one.
            t: [B S], before the shift. label_weight: of the labelled warm-up, []; 0 = the published objective alone.
        """
        motion = self.extractor.motion(self.extractor.encode(clip))
        label_loss = F.mse_loss(self.readout(motion), label)
        if own > 0:
            here = first[:own]
            earlier = _rows(motion[:own], (here - 1).clamp_min(0))
            predicted = self._predicted(before[:own].flatten(0, 1), earlier, noise[: here.numel()])
            predicted = torch.where((here > 0)[..., None, None, None], predicted.unflatten(0, here.shape), source[:own])
            source = torch.cat((predicted, source[own:]))
        conditions = self.generator.conditions(source.flatten(0, 1), _rows(motion, first), gap.flatten())
        t = self.shift * t / (1 + (self.shift - 1) * t)
        flow = self.generator.flow_loss(clean, conditions, t, noise).mean()
        return {"loss": flow + label_weight * label_loss, "flow": flow, "label": label_loss}

    @torch.no_grad()
    def _predicted(self, before: Tensor, motion: Tensor, noise: Tensor) -> Tensor:
        """One frame step on from `before` [N,H,W,3] in a single Euler step (the conditional mean), without gradient."""
        one = torch.ones(len(noise), device=noise.device)
        latents = noise - self.generator.velocity_given(noise, one, self.generator.conditions(before, motion, one))
        return self.generator.decode(latents).clamp(-1, 1)


def _rows(motion: Tensor, index: Tensor) -> Tensor:
    """Embeddings [B,4,d] at index [B,S] -> [B S, d]."""
    return motion.gather(1, index[..., None].expand(-1, -1, motion.shape[-1])).flatten(0, 1)


def label_fit(embeddings: Tensor, labels: Tensor, ridge: float = 1e-2) -> float:
    """Share of the labels' variance that a linear readout of held-out embeddings explains (R^2), a probe of motion.

    Args:
        embeddings: [N, d]; the first half fits the readout, the second half is scored.
        labels: [N, L].
    """
    x = torch.cat((embeddings, torch.ones(len(embeddings), 1)), dim=1).double()
    y = labels.double()
    half = len(x) // 2
    a, b = x[:half], y[:half]
    weight = torch.linalg.solve(a.T @ a + ridge * half / 100 * torch.eye(a.shape[1]), a.T @ b)
    residual = (y[half:] - x[half:] @ weight).square().sum(dim=0)
    spread = (y[half:] - y[half:].mean(dim=0)).square().sum(dim=0)
    return float((1 - residual.sum() / spread.sum()).item())
