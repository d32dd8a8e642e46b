"""The layered model: the original picture, warped as a motion says; sharp at any size."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from PIL import Image
from torch import Tensor

from ...errors import DisMoError
from ...settings import SamplingDefaults, SamplingSettings
from ..motion import LOOK_AHEAD, Motion
from ..video_model import only_picture
from .checks import FOUND, NOTHING_FOUND, check_choices, check_image, fitted_mask
from .head import MotionHead
from .layers import take_apart
from .path import LARGEST_ZOOM, Path, integrate, moving, quieted, stopped_zoom
from .rendered import RenderedFrames
from .renderer import Renderer
from .segmenter import Segmenter

if TYPE_CHECKING:
    from ...runtime import Runtime

log = logging.getLogger(__name__)

PREVIEW = 512  # px
DRAWING = ("cpu", "cuda")  # kinds of devices that interpolate as this does; for others it is drawn on the CPU
STRONGEST = 100.0


class LayeredModel:
    """A `MotionVideoModel` that warps layers of the picture: the ground as the camera moves, and the thing on it.

    Args:
        head: reads the motion.
        segmenter: finds what moves where no mask is given.
        moves: "scene" (the camera alone), "thing", "both", or "auto": whichever of the two moves in the motion.
        borders: what shows beyond the picture: "mirror", "extend" (blurred), or "crop", which zooms in just so far that
            nothing beyond it is ever seen.
        shutter: degrees of 360 that the shutter is open, for motion blur; 0 = none.
        fps: frames of the video per second, between those of the motion too; 0 = the motion's own.

    Raises:
        DisMoError: a choice that there is not, or a number out of range.
    """

    def __init__(
        self,
        head: MotionHead,
        segmenter: Segmenter,
        moves: str = "auto",
        borders: str = "mirror",
        shutter: float = 0.0,
        fps: float = 0.0,
    ) -> None:
        check_choices(moves, borders, shutter, fps)
        self.head, self.segmenter = head, segmenter
        self.moves, self.borders, self.shutter, self.fps = moves, borders, shutter, fps
        self.extractor_id = head.extractor_id
        self.defaults = SamplingDefaults(steps=1, guidance=1.0, negative_prompt="", fps=8.0, size=None)

    def valid_lengths(self, motion: Motion) -> list[int]:
        """Any length from 5 frames to all of the motion's."""
        return list(range(LOOK_AHEAD + 1, motion.frames + 1))

    def output_fps(self, motion: Motion) -> float:
        """Frames per second of a video with this motion."""
        return self.fps or motion.fps

    @torch.no_grad()
    def path(self, motion: Motion, strength: float | Sequence[float] = 1.0) -> Path:
        """How ground and thing move, as the head reads it; what does not move stands still.

        Args:
            motion: of the head's extractor. Without `still`, what is read of a standstill cannot be taken away, and paths
                are a little less exact.
            strength: factor on every step, 0 to 100; or one for each frame, on the step that begins there.

        Raises:
            DisMoError: a motion of another extractor, or a strength out of range.
        """
        motion.require_extractor(self.extractor_id)
        each = [strength] * motion.frames if isinstance(strength, (int, float)) else list(strength)
        if len(each) != motion.frames:
            raise DisMoError(f"A motion of {motion.frames} frames needs as many strengths, not {len(each)}.")
        for factor in each:
            if not 0 <= factor <= STRONGEST:
                raise DisMoError(f"The strength must be 0 (still) to {STRONGEST:g} (1 = as in the clip), not {factor}.")
        device = self.head.spread.device
        readings = self.head(motion.embeddings.to(device))
        if motion.still is not None:
            readings = readings - self.head(motion.still.to(device)[None])
        else:
            log.info("The motion does not hold how its first frame looks held still, so paths are a little less exact.")
        both, alone = (Path(integrate(case, self.head.spread), motion.fps) for case in readings)
        steps = quieted(both.steps)
        ground, thing = self.moves in ("scene", "both"), self.moves in ("thing", "both")
        if self.moves == "auto":
            ground, thing = moving(steps)
        if not (ground and thing):
            steps = quieted(alone.only(ground, thing).steps)
        factors = torch.tensor(each[:-1], dtype=steps.dtype, device=steps.device).view(-1, *(1,) * (steps.ndim - 1))
        steps, frame = stopped_zoom(steps * factors)
        if frame is not None:
            log.warning("The motion zooms by more than %gx; from frame %d on it is stopped.", LARGEST_ZOOM, frame)
        return Path(steps, motion.fps)

    def find(self, image: Tensor) -> Tensor:
        """The mask [H, W], 0..1, of what stands out from a picture [H, W, 3], 0..1."""
        device = self.head.spread.device
        return self.segmenter.mask(image.to(device)).to(image.device)

    def render(
        self,
        motion: Motion,
        image: Tensor,
        settings: SamplingSettings | None = None,
        *,
        mask: Tensor | None = None,
        runtime: Runtime,
        **keywords: Any,
    ) -> RenderedFrames:
        """The video as a sequence whose frames are drawn when they are asked for: memory does not grow with its length.

        Args and errors as those of `transfer`.
        """
        settings = SamplingSettings.of(settings, keywords)
        image = only_picture(image, "layered model")
        check_image(image)
        path = self.path(motion, settings.strengths(motion.frames))
        ground_moves, thing_moves = moving(path.steps)
        if not (ground_moves or thing_moves) and settings.strength:
            log.warning(
                "Nothing moves in this motion%s.",
                "" if self.moves == "auto" else f" that the choice '{self.moves}' takes",
            )
        if mask is not None:
            mask = fitted_mask(mask, image)
            if ground_moves and not thing_moves:
                log.info(
                    "The mask changes nothing: only the camera moves. To move the thing, choose 'thing' or 'both'."
                )
        if thing_moves and mask is None:
            mask = self.find(image)
            if float(mask.max()) < FOUND:
                log.warning(NOTHING_FOUND)
                mask = torch.ones_like(mask)
        device = runtime.device if runtime.device.type in DRAWING else torch.device("cpu")
        image = image.to(device, torch.float32)
        whole = thing_moves and mask is not None and float(mask.min()) >= FOUND  # all of the picture is thing
        layers = take_apart(image, mask.to(image) if thing_moves and mask is not None and not whole else None)
        return RenderedFrames(
            Renderer(layers, self.borders),
            path,
            layers.centre,
            self.output_fps(motion),
            self.shutter,
            self.borders == "crop",
            whole,
        )

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
        """See `MotionVideoModel.transfer`. There are no text and no steps in this model: of the settings it heeds strength and curve.

        Args:
            motion: of the head's extractor.
            image: [H, W, 3] float, 0..1, of any size; the video has it too.
            settings: of the sampling.
            mask: [H, W] or [1, H, W], 0..1, what is thing; of another size it is scaled. None = the segmenter finds it.
            runtime: device, progress, cancel.
            keywords: fields of `SamplingSettings`.

        Returns:
            uint8 [T, H, W, 3]; T = motion.frames, or as many as `fps` gives in the same time.

        Raises:
            DisMoError: a motion of another extractor, a picture or a mask that cannot be.
        """
        frames = self.render(motion, image, settings, mask=mask, runtime=runtime, **keywords)
        out = torch.empty(len(frames), *image.shape, dtype=torch.uint8)
        for number, frame in enumerate(frames):
            out[number] = frame
            runtime.progress(number + 1, len(frames), preview(frame))
        return out


def preview(frame: Tensor) -> Image.Image:
    """A frame uint8 [H, W, 3], at most 512 px wide and high."""
    every = max(1, math.ceil(max(frame.shape[:2]) / PREVIEW))
    return Image.fromarray(frame[::every, ::every].contiguous().numpy())
