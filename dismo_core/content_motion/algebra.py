"""Motion latents: kept as files, scaled, mixed, moved, joined (docs/methods/content_motion.md, 5).

A latent is [D, L, W'+H']: for each frame, what moves along the width (a mean over each column of patches), then what moves along the
height (a mean over each row). So time is the second axis, and a place of the picture is a pair of positions on the third.
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ..errors import DisMoError

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class MotionLatent:
    """The motion of one clip. Each operation gives a new one.

    Args:
        values: float32 [D, L, W'+H'], -1..1, L at least 1.
        fps: rate at which the clip was sampled, frames per second.
        size: (H, W) of the content frame, px (in latent mode: of its latents).
        autoencoder: id of the autoencoder that made it (16 hex digits); no other understands it.
        source: base name of the clip, for people.
        content: float32 [C, H, W], the content frame; None = not kept with it.
        still: like values, the motion of the content frame held still; L may be 1. None where unknown.

    Raises:
        DisMoError: another shape or dtype, values that are not finite, a size that does not fit, or an fps that is not positive.
    """

    values: Tensor
    fps: float
    size: tuple[int, int]
    autoencoder: str
    source: str = ""
    content: Tensor | None = None
    still: Tensor | None = None

    def __post_init__(self) -> None:
        import torch

        z = self.values
        if z.ndim != 3 or 0 in z.shape or z.dtype != torch.float32:
            raise DisMoError(
                f"A motion latent must be float32 [D, L, W'+H'], not {z.dtype} {list(z.shape)}. One clip gives one latent; pass it "
                "without a batch dimension."
            )
        if (
            len(self.size) != 2
            or min(self.size) < 1
            or sum(self.size) % z.shape[2]
            or any(s % self.patch for s in self.size)
        ):
            raise DisMoError(
                f"A motion latent of {z.shape[2]} positions does not belong to a content frame of {self.size} (height, width): it has "
                "one for each column of patches and one for each row."
            )
        if self.still is not None and (
            self.still.ndim != 3
            or self.still.shape[1] not in (1, z.shape[1])
            or (self.still.shape[0], self.still.shape[2]) != (z.shape[0], z.shape[2])
        ):
            raise DisMoError(
                f"The still motion {list(self.still.shape)} does not fit the motion latent {list(z.shape)}."
            )
        if self.content is not None and (self.content.ndim != 3 or tuple(self.content.shape[1:]) != tuple(self.size)):
            raise DisMoError(
                f"The content frame {list(self.content.shape)} is not [C, {self.size[0]}, {self.size[1]}], as the size {self.size} says."
            )
        if not all(bool(part.isfinite().all()) for part in (z, self.still, self.content) if part is not None):
            raise DisMoError(
                "The motion latent holds NaN or infinite values. The clip or the weights are damaged; encode again."
            )
        if not 0 < self.fps < math.inf:
            raise DisMoError(f"The fps of a motion latent must be above 0 and finite, not {self.fps}.")

    @property
    def frames(self) -> int:
        """L."""
        return int(self.values.shape[1])

    @property
    def patch(self) -> int:
        """Pixels of the content frame for each position."""
        return sum(self.size) // int(self.values.shape[2])

    @property
    def columns(self) -> int:
        """W', positions of the width part; it comes first."""
        return self.size[1] // self.patch

    def scaled(self, k: float, still: MotionLatent | Tensor | None = None) -> MotionLatent:
        """still + k (z - still), held in -1..1.

        Args:
            k: 0 = still, 1 = unchanged, 2 = exaggerated.
            still: motion of the content frame held still, of as many frames or of 1; None = the one that is stored.

        Raises:
            DisMoError: none is stored and k is not 1, or it does not fit.
        """
        if not abs(k) <= 100:
            raise DisMoError(f"A strength of {k} is out of range: 0 = still, 1 = unchanged, 2 = exaggerated.")
        if k == 1:
            return self
        if isinstance(still, MotionLatent):
            self._require_alike(still)
            still = still.values
        origin = self.still if still is None else still
        if origin is None:
            raise DisMoError(
                f"Strength {k} needs the motion of the content frame held still, which this latent does not hold. Encode the clip "
                "again, or give it: still=."
            )
        checked = replace(self, still=origin)
        return replace(checked, values=(origin + k * (self.values - origin)).clamp(-1, 1))

    def reversed(self) -> MotionLatent:
        """The clip played backwards: exact where the autoencoder has no positions over time."""
        return self._along_time(self.values.flip(1), self.still if self.still is None else self.still.flip(1))

    def retimed(self, frames: int) -> MotionLatent:
        """The same motion in another number of frames, interpolated linearly; first and last frame stay.

        Raises:
            DisMoError: fewer than 2 frames, or a latent of 1.
        """
        if frames < 2 or self.frames < 2:
            raise DisMoError(
                f"A motion of {self.frames} frames cannot be retimed to {frames}: both must be at least 2."
            )
        if frames == self.frames:
            return self
        still = self.still if self.still is None or self.still.shape[1] == 1 else _resampled(self.still, frames)
        return self._along_time(_resampled(self.values, frames), still)

    def trimmed(self, frames: int, start: int = 0) -> MotionLatent:
        """So many frames from frame `start` on.

        Raises:
            DisMoError: the motion has not these frames.
        """
        if not (1 <= frames <= self.frames - start and start >= 0):
            raise DisMoError(
                f"A motion of {self.frames} frames cannot be trimmed to {frames} from frame {start} on; none may lie after the last."
            )
        return self._taken(range(start, start + frames))

    def loop(self, frames: int) -> MotionLatent:
        """So many frames: the motion again and again from its beginning."""
        _check_frames(frames)
        return self._taken([n % self.frames for n in range(frames)])

    def hold(self, frames: int) -> MotionLatent:
        """So many frames: after the motion its last state, held."""
        _check_frames(frames)
        return self._taken([min(n, self.frames - 1) for n in range(frames)])

    def concatenate(self, other: MotionLatent) -> MotionLatent:
        """This motion, then the other.

        Raises:
            DisMoError: another autoencoder or size.
        """
        import torch

        self._require_alike(other)
        return self._along_time(torch.cat((self.values, other.values), dim=1), self._one_still())

    def mixed(self, other: MotionLatent, amount: float) -> MotionLatent:
        """(1 - amount) z + amount other.

        Args:
            other: of the same autoencoder, size and length.
            amount: 0 = this motion, 1 = the other.

        Raises:
            DisMoError: another autoencoder, size or length, or an amount outside 0..1.
        """
        if not 0 <= amount <= 1:
            raise DisMoError(f"The amount must be 0 (the first motion) to 1 (the second), not {amount}.")
        self._require_alike(other, length=True)
        return replace(self, values=(1 - amount) * self.values + amount * other.values)

    def added(self, other: MotionLatent, amount: float = 1.0) -> MotionLatent:
        """Both motions at once: z + amount (other - still of the other), held in -1..1.

        Args:
            other: of the same autoencoder, size and length; where it stores no still motion, that counts as 0.
            amount: of the other.

        Raises:
            DisMoError: another autoencoder, size or length.
        """
        self._require_alike(other, length=True)
        added = other.values if other.still is None else other.values - other.still
        return replace(self, values=(self.values + amount * added).clamp(-1, 1))

    def shifted(self, x: float, y: float) -> MotionLatent:
        """What moves, moves elsewhere: so many px to the right and down; what leaves comes in at the other side.

        The content frame stays as it is. Whole patches are exact, others interpolated linearly.
        """
        if not (math.isfinite(x) and math.isfinite(y)):
            raise DisMoError(f"A motion cannot be shifted by {x}, {y} px.")
        still = None if self.still is None else self._moved(self.still, x, y)
        return self._along_time(self._moved(self.values, x, y), still)

    def transplanted(
        self, other: MotionLatent, region: tuple[float, float, float, float], feather: float | None = None
    ) -> MotionLatent:
        """The columns and rows of a rectangle from another clip.

        Args:
            other: of the same autoencoder, size and length.
            region: (left, top, right, bottom) of the rectangle, px of the content frame.
            feather: px beyond it over which the other fades out; None = one patch.

        Raises:
            DisMoError: another autoencoder, size or length, or a rectangle that is empty or outside.
        """
        import torch

        self._require_alike(other, length=True)
        left, top, right, bottom = region
        height, width = self.size
        if not (0 <= left < right <= width and 0 <= top < bottom <= height):
            raise DisMoError(
                f"The region {region} (left, top, right, bottom) is empty or not within the content frame of {width}x{height} px."
            )
        feather = self.patch if feather is None else feather
        if not feather >= 0:
            raise DisMoError(f"The feather must be 0 px or more, not {feather}.")
        rows = self.values.shape[2] - self.columns
        weight = torch.cat(
            [
                _within(n, self.patch, first, last, feather)
                for n, first, last in ((self.columns, left, right), (rows, top, bottom))
            ]
        ).to(self.values)
        return replace(self, values=(1 - weight) * self.values + weight * other.values)

    def require_autoencoder(self, autoencoder_id: str) -> None:
        """Raise unless this motion was made by the autoencoder `autoencoder_id`."""
        if self.autoencoder != autoencoder_id:
            raise DisMoError(
                f"This motion ({self.source or 'unnamed'}) was made by autoencoder {self.autoencoder}, but is to be decoded by "
                f"autoencoder {autoencoder_id}. Encode the clip again with that one."
            )

    def save(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> None:
        """Write a `.safetensors` file; see `latent_file.write_latent`."""
        from .latent_file import write_latent

        write_latent(self, path, overwrite=overwrite)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> MotionLatent:
        """Read what `save` wrote; see `latent_file.read_latent`."""
        from .latent_file import read_latent

        return read_latent(path)

    def _comfy_cache_tensors(self) -> list[Tensor]:
        """What ComfyUI's cache counts; the name is ComfyUI's."""
        return [part for part in (self.values, self.content, self.still) if part is not None]

    def _require_alike(self, other: MotionLatent, *, length: bool = False) -> None:
        self.require_autoencoder(other.autoencoder)
        if (other.size, other.values.shape[0], other.values.shape[2]) != (
            self.size,
            self.values.shape[0],
            self.values.shape[2],
        ):
            raise DisMoError(
                f"Two motions of other sizes cannot be joined: {self.size} and {other.size} (height, width). Encode both at one size."
            )
        if length and other.frames != self.frames:
            raise DisMoError(
                f"Two motions of {self.frames} and {other.frames} frames cannot be joined frame by frame. Retime or trim one of them."
            )

    def _along_time(self, values: Tensor, still: Tensor | None) -> MotionLatent:
        return replace(self, values=values.contiguous(), still=still if still is None else still.contiguous())

    def _taken(self, numbers: range | list[int]) -> MotionLatent:
        """Frames of these numbers."""
        numbers = list(numbers)
        still = self.still if self.still is None or self.still.shape[1] == 1 else self.still[:, numbers]
        return self._along_time(self.values[:, numbers], still)

    def _one_still(self) -> Tensor | None:
        """The still motion where it is the same at all times, as one of 1 frame; None where not."""
        if self.still is None:
            return None
        first = self.still[:, :1]
        return first if bool((self.still - first).abs().max() <= 1e-5) else None

    def _moved(self, part: Tensor, x: float, y: float) -> Tensor:
        import torch

        along, down = part.split((self.columns, part.shape[2] - self.columns), dim=2)
        return torch.cat((_rolled(along, x / self.patch), _rolled(down, y / self.patch)), dim=2)


def _resampled(part: Tensor, frames: int) -> Tensor:
    import torch.nn.functional as F

    line = part.transpose(1, 2).flatten(0, 1)[None]
    resampled = F.interpolate(line, size=frames, mode="linear", align_corners=True)[0]
    return resampled.view(part.shape[0], -1, frames).transpose(1, 2)


def _rolled(part: Tensor, positions: float) -> Tensor:
    whole = math.floor(positions)
    rest = positions - whole
    near = part.roll(whole, dims=2)
    return near if rest == 0 else (1 - rest) * near + rest * part.roll(whole + 1, dims=2)


def _within(count: int, patch: int, first: float, last: float, feather: float) -> Tensor:
    """How much each of `count` patches lies between two px: 1 inside, falling to 0 over `feather` px."""
    import torch

    centres = (torch.arange(count, dtype=torch.float64) + 0.5) * patch
    beyond = torch.maximum(first - centres, centres - last).clamp(min=0)
    return (beyond == 0).double() if feather == 0 else (1 - beyond / feather).clamp(min=0)


def _check_frames(frames: int) -> None:
    if frames < 1:
        raise DisMoError(f"A motion cannot have {frames} frames; give 1 or more.")
