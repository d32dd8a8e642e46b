"""What every motion-conditioned video model offers, whatever lies inside (frame generator, CogVideoX adapter, ...)."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Protocol

from ..errors import DisMoError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from ..runtime import Runtime
    from ..settings import SamplingDefaults, SamplingSettings
    from .motion import Motion

log = logging.getLogger(__name__)


class MotionVideoModel(Protocol):
    """A model that continues a picture with a given motion. The socket DISMO_VIDEO_MODEL carries one."""

    extractor_id: str
    defaults: SamplingDefaults

    def valid_lengths(self, motion: Motion) -> list[int]:
        """Frame counts, ascending, that `transfer` can make from `motion`."""
        ...

    def output_fps(self, motion: Motion) -> float:
        """Frames per second of the video that `transfer` makes from `motion`."""
        ...

    def transfer(
        self,
        motion: Motion,
        image: Tensor,
        settings: SamplingSettings | None = None,
        *,
        mask: Tensor | None = None,
        runtime: Runtime,
        **keywords: Any,
    ) -> Tensor:
        """Move the picture as the motion says.

        Args:
            motion: of the extractor this model was trained with; `motion.frames` must be one of `valid_lengths`.
            image: [H,W,3] float, 0..1, RGB, of exactly `defaults.size`, where that is not None; or several of them,
                [N,H,W,3], for models that make a long video in segments: each begins with its own, as far as they go.
            settings: of the sampling; None = `SamplingSettings()`.
            mask: [H,W], 0..1, what of the picture moves; models that cannot use it say so once.
            runtime: device, progress, cancel, memory.
            keywords: fields of `SamplingSettings`, in place of those in `settings`.

        Returns:
            uint8 [T,H,W,3], RGB, frame 0 = the picture (without motion blur and zoom); T = motion.frames, or as many as
            `output_fps` gives in the same time.
        """
        ...


def leave_mask_unused(mask: Tensor | None, model: str) -> None:
    """Say that a mask changes nothing, where there is one."""
    if mask is not None:
        log.warning("The mask changes nothing: the %s moves the whole picture. The layered model uses masks.", model)


def only_picture(image: Tensor, model: str) -> Tensor:
    """[H,W,3], or several [N,H,W,3] -> the first, with a word about the rest."""
    if image.ndim != 4:
        return image
    if len(image) > 1:
        log.warning("The %s makes no segments: of %d pictures it takes the first.", model, len(image))
    return image[0]


def transfer_in_own_shape(
    model: MotionVideoModel,
    motion: Motion,
    pictures: Sequence[Tensor],
    settings: SamplingSettings,
    fit: str,
    *,
    mask: Tensor | None = None,
    runtime: Runtime,
) -> Tensor:
    """Move pictures of any size: they are fitted to the model's, and what padding added is cut off the video.

    Args:
        model: that moves them.
        motion: of one of its lengths.
        pictures: [H,W,3] float, 0..1; the first begins the video, the others its later segments.
        settings: of the sampling.
        fit: how a picture comes to the model's size, see `fit_image`.
        mask: [H,W], of the first picture.
        runtime: device, progress, cancel, memory.

    Returns:
        uint8 [T,H',W',3], on the device that the model left it on.
    """
    import torch

    from ..video.picture import fit_image, shown_part

    size = model.defaults.size
    fitted = torch.stack([fit_image(picture, size, fit, model.defaults.antialias) for picture in pictures])
    frames = model.transfer(motion, fitted if len(fitted) > 1 else fitted[0], settings, mask=mask, runtime=runtime)
    rows, columns = shown_part(pictures[0].shape[0], pictures[0].shape[1], size, fit)
    return frames[:, rows, columns]


def fit_motion(model: MotionVideoModel, motion: Motion, mode: str) -> Motion:
    """A motion of a length that `model` can make.

    Args:
        mode: "trim" keeps the longest possible beginning; "error" refuses a motion that would have to be cut.

    Raises:
        DisMoError: no length is possible, the motion would have to be cut in mode "error", or another mode.
    """
    if mode not in ("trim", "error"):
        raise DisMoError(f"Unknown length rule {mode!r}. Choose 'trim' or 'error'.")
    lengths = model.valid_lengths(motion)
    if motion.frames in lengths:
        return motion
    shorter = [length for length in lengths if length < motion.frames]
    if not shorter:
        raise DisMoError(
            f"This motion has {motion.frames} frames, too few for this video model. Extract more frames of the clip."
        )
    if mode == "error":
        raise DisMoError(
            f"This motion has {motion.frames} frames; this video model makes {_listed(lengths)}. Extract that many.",
            hint="trim",
            frames=str(shorter[-1]),
        )
    return motion.trimmed(shorter[-1])


def _listed(lengths: list[int]) -> str:
    return ", ".join(str(length) for length in lengths) if len(lengths) <= 8 else f"{lengths[0]} to {lengths[-1]}"
