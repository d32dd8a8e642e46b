"""The layered model: the original picture, warped as a motion says; sharp at any size, on any device."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, overload

import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import interpolate

from ...errors import DisMoError
from ...settings import SamplingDefaults, SamplingSettings
from ..motion import LOOK_AHEAD, Motion
from .head import MotionHead
from .layers import take_apart
from .path import LARGEST_ZOOM, MOVES, Path, extents, integrate, quieted, stopped_zoom
from .renderer import BLUR_STEPS, BORDERS, Renderer, least_zoom
from .segmenter import Segmenter
from .similarity import Similarity

if TYPE_CHECKING:
    from ...runtime import Runtime

log = logging.getLogger(__name__)

SMALLEST, LARGEST = 16, 16_384  # px, sides of a picture
MAX_FPS = 240.0
MAX_ZOOM = 8.0  # that borders "crop" may need
PREVIEW = 512  # px
FOUND = 0.5  # a mask that nowhere reaches it shows nothing


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
    def path(self, motion: Motion, strength: float = 1.0) -> Path:
        """How ground and thing move, as the head reads it; what does not move stands still.

        Args:
            motion: of the head's extractor. Without `still`, what is read of a standstill cannot be taken away, and paths
                are a little less exact.
            strength: factor on every step.

        Raises:
            DisMoError: a motion of another extractor.
        """
        motion.require_extractor(self.extractor_id)
        device = self.head.spread.device
        readings = self.head(motion.embeddings.to(device))
        if motion.still is not None:
            readings = readings - self.head(motion.still.to(device)[None])
        both, alone = (quieted(integrate(case, self.head.spread)) for case in readings)
        ground, thing = self._moving(both)
        steps = both if ground and thing else alone
        steps, frame = stopped_zoom(Path(steps, motion.fps).only(ground, thing).scaled(strength).steps)
        if frame is not None:
            log.warning("The motion zooms by more than %gx; from frame %d on it is stopped.", LARGEST_ZOOM, frame)
        return Path(steps, motion.fps)

    def _moving(self, steps: Tensor) -> tuple[bool, bool]:
        """Whether the ground and whether the thing is to move."""
        if self.moves != "auto":
            return self.moves in ("scene", "both"), self.moves in ("thing", "both")
        far = extents(steps)
        return tuple(  # type: ignore[return-value]
            max(way for kind, way in far.items() if kind.startswith(part)) > 0 for part in ("ground", "thing")
        )

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
        check_image(image)
        path = self.path(motion, settings.strength)
        thing_moves = bool((path.steps[:, 4:] != 0).any())
        if mask is not None:
            mask = fitted_mask(mask, image)
        if thing_moves and mask is None:
            mask = self.find(image)
            if float(mask.max()) < FOUND:
                log.warning(
                    "Nothing that stands out was found in the picture, so all of it moves. Give a mask of what is to move."
                )
                mask = torch.ones_like(mask)
        image = image.to(runtime.device, torch.float32)
        layers = take_apart(image, mask.to(image) if thing_moves and mask is not None else None)
        return RenderedFrames(
            Renderer(layers, self.borders),
            path,
            layers.centre,
            self.output_fps(motion),
            self.shutter,
            self.borders == "crop",
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
        """See `MotionVideoModel.transfer`. There is no text in this model: of the settings it heeds strength alone.

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


class RenderedFrames(Sequence[Tensor]):
    """The frames of a video, uint8 [H, W, 3], each drawn when it is asked for.

    Args:
        renderer: of the layers.
        path: of ground and thing.
        centre: of the thing, (x, y) px from the middle.
        fps: of the video.
        shutter: degrees of 360.
        zoom_in: whether the camera is to zoom in until nothing beyond the picture shows.
    """

    def __init__(
        self,
        renderer: Renderer,
        path: Path,
        centre: tuple[float, float],
        fps: float,
        shutter: float = 0.0,
        zoom_in: bool = False,
    ) -> None:
        self._renderer, self._path, self._centre = renderer, path, complex(*centre)
        self.fps, self._shutter = fps, shutter
        self._count = frame_count(path.frames, path.fps, fps)
        self.zoom = 1.0
        if zoom_in:
            self.zoom = least_zoom(path.ground(self._times(), renderer.size), renderer.size, MAX_ZOOM)
            if self.zoom >= MAX_ZOOM:
                log.warning(
                    "The camera goes so far that even a zoom of %gx shows borders; there the picture is mirrored.",
                    MAX_ZOOM,
                )
            elif self.zoom > 1:
                log.info("Zoomed in by %.2fx, so that no border of the picture is seen.", self.zoom)

    def _times(self) -> Tensor:
        return torch.arange(self._count, dtype=torch.float64) * (self._path.fps / self.fps)

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """[T, H, W, 3]."""
        return (self._count, *self._renderer.size, 3)

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, number: int) -> Tensor: ...
    @overload
    def __getitem__(self, number: slice) -> Sequence[Tensor]: ...
    def __getitem__(self, number: int | slice) -> Tensor | Sequence[Tensor]:
        if isinstance(number, slice):
            return [self[k] for k in range(*number.indices(self._count))]
        if not -self._count <= number < self._count:
            raise IndexError(number)
        return self._frame(number % self._count)

    def __iter__(self) -> Iterator[Tensor]:
        return (self._frame(number) for number in range(self._count))

    @torch.no_grad()
    def _frame(self, number: int) -> Tensor:
        frame_step = self._path.fps / self.fps
        begin, open_for = number * frame_step, self._shutter / 360 * frame_step
        ends = self._moved(torch.tensor([begin, begin + open_for], dtype=torch.float64))
        steps = 1
        if open_for:
            steps = min(BLUR_STEPS, max(1, math.ceil(_farthest(ends, self._renderer.size))))
        if steps == 1:
            moments = [(ground[:1], thing[:1]) for ground, thing in (ends,)]
            ground, thing = moments[0]
        else:
            share = (torch.arange(steps, dtype=torch.float64) + 0.5) / steps
            ground, thing = self._moved(begin + share * open_for)
        return self._renderer.frame([(ground[k], thing[k]) for k in range(steps)])

    def _moved(self, times: Tensor) -> tuple[Similarity, Similarity]:
        """How ground and thing have moved on the screen at these times."""
        size = self._renderer.size
        ground = self._path.ground(times, size)
        if self.zoom > 1:
            ground = Similarity(ground.scale * self.zoom, ground.shift * self.zoom)
        return ground, ground.after(self._path.thing(times, size, self._centre))


def _farthest(ends: tuple[Similarity, Similarity], size: tuple[int, int]) -> float:
    """How many px a corner of the picture, or what moves on it, goes between two moments."""
    height, width = size
    corners = torch.tensor([complex(x, y) for x in (-width / 2, width / 2) for y in (-height / 2, height / 2)])
    corners = corners.to(ends[0].scale)
    return max(float((move[1](corners) - move[0](corners)).abs().max()) for move in ends)


def frame_count(frames: int, fps: float, output_fps: float) -> int:
    """Frames of a video at `output_fps` that lasts as long as `frames` at `fps`."""
    return int((frames - 1) / fps * output_fps + 1e-6) + 1


def preview(frame: Tensor) -> Image.Image:
    """A frame uint8 [H, W, 3], at most 512 px wide and high."""
    every = max(1, math.ceil(max(frame.shape[:2]) / PREVIEW))
    return Image.fromarray(frame[::every, ::every].contiguous().numpy())


def check_choices(moves: str, borders: str, shutter: float, fps: float) -> None:
    """Raise for choices that there are not and numbers out of range."""
    if moves not in MOVES:
        raise DisMoError(f"There is no choice {moves!r} of what moves. Choose one of: {', '.join(MOVES)}.")
    if borders not in BORDERS:
        raise DisMoError(f"There are no borders {borders!r}. Choose one of: {', '.join(BORDERS)}.")
    if not 0 <= shutter <= 360:
        raise DisMoError(
            f"The shutter angle must be 0 to 360 degrees (0 = no motion blur, 180 is usual), not {shutter}."
        )
    if not 0 <= fps <= MAX_FPS:
        raise DisMoError(f"fps must be above 0 and at most {MAX_FPS:g} (0 = that of the motion), not {fps}.")


def check_image(image: Tensor) -> None:
    """Raise unless it is a finite float picture [H, W, 3], 0..1, of 16 to 16,384 px a side."""
    if image.ndim != 3 or image.shape[-1] != 3:
        raise DisMoError(f"The picture has shape {list(image.shape)}; expected one RGB picture [height, width, 3].")
    height, width = image.shape[:2]
    if not all(SMALLEST <= side <= LARGEST for side in (height, width)):
        raise DisMoError(
            f"The picture is {width}x{height} px; its sides must be {SMALLEST} to {LARGEST:,} px. Scale it first."
        )
    if not image.is_floating_point() or not bool(torch.isfinite(image).all()):
        raise DisMoError(f"The picture must hold finite floating values in 0..1 (dtype {image.dtype}).")
    low, high = (float(v) for v in image.aminmax())
    if low < -1e-3 or high > 1 + 1e-3:
        raise DisMoError(f"The picture holds values from {low:.3g} to {high:.3g}; expected 0..1.")


def fitted_mask(mask: Tensor, image: Tensor) -> Tensor:
    """A mask as [H, W] in the size of the picture [H, W, 3].

    Raises:
        DisMoError: several masks, another rank, NaN, values outside 0..1, or a mask of nothing.
    """
    if mask.ndim == 3 and len(mask) == 1:
        mask = mask[0]
    if mask.ndim != 2 or 0 in mask.shape:
        found = f"{len(mask)} masks" if mask.ndim == 3 else f"the shape {list(mask.shape)}"
        raise DisMoError(f"One mask [height, width] is needed for one picture, but got {found}. Choose one of them.")
    mask = mask.float()
    if not bool(mask.isfinite().all()) or float(mask.min()) < -1e-3 or float(mask.max()) > 1 + 1e-3:
        raise DisMoError("A mask must hold finite values: 0 = ground, 1 = what moves.")
    if float(mask.max()) < FOUND:
        raise DisMoError("The mask is empty: it marks nothing that could move. Draw it, or leave it away.")
    if mask.shape != image.shape[:2]:
        mask = interpolate(mask[None, None], tuple(image.shape[:2]), mode="bilinear", antialias=True)[0, 0]
    return mask.clamp(0, 1)
