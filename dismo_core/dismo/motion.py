"""Motion: what an extractor found in a clip, one small vector per frame, kept and shared as a file of a few kilobytes."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ..errors import DisMoError, first_line
from ..files import atomic_write

if TYPE_CHECKING:
    from torch import Tensor

LOOK_AHEAD = 4  # the last four frames of a clip have no embedding of their own (docs/methods/dismo.md, 4.1)
WINDOW = 8  # frames that an extractor sees at once
SOURCES = WINDOW - LOOK_AHEAD  # of them have an embedding: frames that training starts from
FORMAT = "dismo-motion"
VERSION = "1"
PRESET = "preset:"  # before the name of a ready-made move, as the source of its motion and on the command line


@dataclass(frozen=True)
class Motion:
    """The motion of a clip of `frames` frames.

    Args:
        embeddings: float32 [P, d], P = frames - 4; row i says what happens from frame i onward.
        fps: rate at which the clip was sampled, frames per second.
        source: base name of the clip, for people.
        extractor: id of the extractor that made it (16 hex digits); only models trained with it understand the rows.
        still: float32 [d], the embedding of the first frame held still; origin for `with_strength`. None where unknown.

    Raises:
        DisMoError: wrong rank, too few rows, not finite, or an fps that is not positive.
    """

    embeddings: Tensor
    fps: float
    source: str
    extractor: str
    still: Tensor | None = None

    def __post_init__(self) -> None:
        import torch

        e = self.embeddings
        if e.ndim != 2 or 0 in e.shape or e.dtype != torch.float32:
            raise DisMoError(
                f"Motion embeddings must be float32 [P, d] with P >= 1 and d >= 1, not {e.dtype} {list(e.shape)}. "
                "One clip gives one Motion; pass its embeddings without a batch dimension."
            )
        if self.still is not None and (self.still.shape != e.shape[1:] or self.still.dtype != torch.float32):
            raise DisMoError(
                f"The still embedding must be float32 [{e.shape[1]}], not {self.still.dtype} {list(self.still.shape)}."
            )
        if not all(bool(rows.isfinite().all()) for rows in (e, self.still) if rows is not None):
            raise DisMoError(
                "Motion embeddings hold NaN or infinite values. The clip or the weights are damaged; extract again in fp32."
            )
        if not 0 < self.fps < math.inf:
            raise DisMoError(f"Motion fps must be above 0 and finite, not {self.fps}.")

    @property
    def frames(self) -> int:
        """Frames of the clip, P + 4."""
        return int(self.embeddings.shape[0]) + LOOK_AHEAD

    def with_strength(self, k: float) -> Motion:
        """Scale the motion: m' = norm(still + k (m - still)), each row kept at its own length.

        Args:
            k: 0 = still, 1 = unchanged, 2 = exaggerated.

        Raises:
            DisMoError: no `still` embedding is stored (needed unless k is 1), or a k beyond all use.
        """
        return self.scaled([k] * self.frames)

    def scaled(self, factors: Sequence[float]) -> Motion:
        """Scale the motion by another factor at each frame; see `with_strength`.

        An embedding looks over four steps, so it is scaled by the mean of the factors at the frames where these begin.

        Args:
            factors: one for each frame: on the step that begins there.

        Raises:
            DisMoError: not as many factors as frames, factors beyond all use, or no `still` embedding is stored (needed
                unless all are 1).
        """
        import torch

        if len(factors) != self.frames:
            raise DisMoError(f"A motion of {self.frames} frames needs as many strengths, not {len(factors)}.")
        if beyond := [k for k in factors if not abs(k) <= 100]:
            raise DisMoError(f"A strength of {beyond[0]} is out of range: 0 = still, 1 = unchanged, 2 = exaggerated.")
        if all(k == 1 for k in factors):
            return self
        if self.still is None:
            changed = next(k for k in factors if k != 1)
            raise DisMoError(
                f"Strength {changed} needs the embedding of the still first frame, which this motion does not hold. "
                "Extract the motion again with this version, or use strength 1."
            )
        each = torch.tensor(list(factors[:-1]), dtype=torch.float64).unfold(0, LOOK_AHEAD, 1).mean(dim=1)[:, None]
        k = each.to(self.embeddings)
        moved = self.still + k * (self.embeddings - self.still)
        length = self.embeddings.norm(dim=-1, keepdim=True)
        moved = moved * length / moved.norm(dim=-1, keepdim=True).clamp_min(1e-12)
        return replace(self, embeddings=torch.where(k == 1, self.embeddings, moved))

    def trimmed(self, frames: int, start: int = 0) -> Motion:
        """The motion of `frames` frames from frame `start` on (at least 5, within the motion).

        Raises:
            DisMoError: the motion has not these frames.
        """
        if not (LOOK_AHEAD < frames <= self.frames - start and start >= 0):
            raise DisMoError(
                f"A motion of {self.frames} frames cannot be trimmed to {frames} from frame {start} on; "
                f"choose 5 to {self.frames} frames, none after the last."
            )
        return replace(self, embeddings=self.embeddings[start : start + frames - LOOK_AHEAD])

    def require_extractor(self, extractor_id: str) -> None:
        """Raise unless this motion was made by the extractor `extractor_id`."""
        if self.extractor == extractor_id:
            return
        made = (
            f"This motion ({self.source or 'unnamed'}) was made by extractor {self.extractor}, but the video model was trained with "
            f"extractor {extractor_id}."
        )
        if self.source.startswith(PRESET):
            raise DisMoError(made, hint="make preset", name=self.source.removeprefix(PRESET))
        raise DisMoError(f"{made} Extract the motion again with the extractor of that model.")

    def _comfy_cache_tensors(self) -> list[Tensor]:
        """What ComfyUI's cache counts; the name is ComfyUI's."""
        return [rows for rows in (self.embeddings, self.still) if rows is not None]

    def save(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> None:
        """Write a `.safetensors` motion file (format `dismo-motion` 1).

        Raises:
            DisMoError: the file exists and `overwrite` is false, or cannot be written.
        """
        from safetensors.torch import save

        tensors = {"embeddings": self.embeddings.contiguous()}
        if self.still is not None:
            tensors["still"] = self.still.clone()  # the format refuses two names for one memory
        metadata = {
            "format": FORMAT,
            "version": VERSION,
            "fps": repr(float(self.fps)),
            "frames": str(self.frames),
            "source": self.source,
            "extractor": self.extractor,
        }
        data = save(tensors, metadata)
        with atomic_write(path, overwrite=overwrite) as temporary:
            temporary.write_bytes(data)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Motion:
        """Read a motion file.

        Raises:
            DisMoError: not there, not a safetensors file, or not a motion of a version this code knows.
        """
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(path, framework="pt") as file:
                meta = file.metadata() or {}
                tensors = {name: file.get_tensor(name) for name in file.keys()}
        except (OSError, SafetensorError, TypeError, ValueError, RuntimeError) as error:  # of torch, about shapes, too
            raise DisMoError(f"Cannot read the motion file {path}: {first_line(error)}.") from error
        if meta.get("format") != FORMAT or "embeddings" not in tensors:
            raise DisMoError(
                f"{path} is a safetensors file but not a motion (its format entry is {meta.get('format')!r}, "
                f"not {FORMAT!r}). A motion is extracted from a clip."
            )
        if meta.get("version") != VERSION:
            raise DisMoError(
                f"{path} is a motion file of version {meta.get('version')!r}; this code reads version {VERSION}. Update the pack."
            )
        try:
            fps, frames = float(meta["fps"]), int(meta["frames"])
        except (KeyError, ValueError) as error:
            raise DisMoError(
                f"{path}: its fps or frames entry is missing or no number. Extract the motion again."
            ) from error
        motion = cls(
            tensors["embeddings"], fps, meta.get("source", ""), meta.get("extractor", ""), tensors.get("still")
        )
        if motion.frames != frames:
            raise DisMoError(
                f"{path} says {frames} frames but holds {motion.embeddings.shape[0]} embeddings (expected {frames - LOOK_AHEAD}). "
                "The file is damaged; extract the motion again."
            )
        return motion
