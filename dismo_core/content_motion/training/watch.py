"""What a run shows of itself at a checkpoint: some numbers, and sixteen clips in a grid of 4 x 4."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from ...errors import DisMoError
from ...evaluation import fvd
from ...video import write_video
from ...video.picture import to_uint8
from ..evaluation import mean_frame, psnr

SIDE = 4  # clips of the grid along each side
FPS = 4


@dataclass(frozen=True)
class Watch:
    """Makes clips with a model and compares them with real ones.

    Args:
        real: clips [N,3,L,H,W] in -1..1.
        make: gives as many of the model; called in evaluation mode, without gradients.
        folder: of the run; takes `previews/<step>.webp`.
        alike: whether clip i made is to equal clip i; then their PSNR is told, else how much they move beside the real ones.
        i3d: of `load_i3d`; None = no FVD.
    """

    real: Tensor
    make: Callable[[], Tensor]
    folder: Path
    alike: bool
    i3d: fvd.I3D | None = None

    def numbers(self, step: int, model: nn.Module) -> dict[str, float]:
        """See `TrainingRun.on_log`; writes the preview, too."""
        made = self._made(model)
        if self.alike:
            reached = psnr(made, self.real).mean()
            found = {
                "psnr": float(reached),
                "over_mean_frame": float(reached - psnr(mean_frame(self.real), self.real).mean()),
            }
        else:
            found = {"motion": _amount(made, self.real)}
        if self.i3d is not None:
            features = (fvd.fvd_features(self.i3d, as_bytes(clips)) for clips in (self.real, made))
            found["fvd"] = fvd.frechet_distance(*features)
        write_video(self.folder / "previews" / f"{step:07d}.webp", grid(as_bytes(made)), FPS, overwrite=True)
        return found

    def draw(self, model: nn.Module) -> dict[str, Tensor]:
        """See `TrainingRun.draw`: the middle of each clip."""
        frames = grid(as_bytes(self._made(model)))
        return {"clips": frames[len(frames) // 2]}

    @torch.no_grad()
    def _made(self, model: nn.Module) -> Tensor:
        training = model.training
        model.eval()
        try:
            return self.make().float().cpu()
        finally:
            model.train(training)


def as_bytes(clips: Tensor) -> Tensor:
    """[N,3,L,H,W] in -1..1 -> uint8 [N,L,H,W,3]."""
    return to_uint8(clips.permute(0, 2, 3, 4, 1))


def grid(clips: Tensor) -> Tensor:
    """The first clips uint8 [N,L,H,W,3] side by side, at most 4 x 4: [L,rows x H,columns x W,3]; black where there are fewer."""
    shown = clips[: SIDE * SIDE]
    if not len(shown):
        raise DisMoError("There is no clip to show.")
    side = min(SIDE, len(shown))
    rows = -(-len(shown) // side)
    padded: Tensor = torch.cat((shown, shown.new_zeros(rows * side - len(shown), *shown.shape[1:]))).unflatten(
        0, (rows, side)
    )
    return padded.permute(2, 0, 3, 1, 4, 5).flatten(3, 4).flatten(1, 2)


def _amount(made: Tensor, real: Tensor) -> float:
    """Mean difference from frame to frame, over that of real clips."""
    amounts = [float((clips[:, :, 1:] - clips[:, :, :-1]).abs().mean()) for clips in (made, real)]
    return amounts[0] / max(amounts[1], 1e-6)
