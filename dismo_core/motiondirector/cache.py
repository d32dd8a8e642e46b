"""Clips as latents, encoded once for a run; their inversion when it is asked for (docs/methods/motiondirector.md, 3, 5)."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ..diffusion.ddim import invert_ddim
from ..diffusion.finite import require_finite
from ..diffusion.frame_vae import frame_posteriors
from ..errors import DisMoError
from ..files import atomic_write, save_tensors
from ..runtime import Runtime
from ..weights.files import read_mapping, read_weights
from .clips import Clip, Size

if TYPE_CHECKING:
    from ..text_to_video.base import TextToVideoBase

FORMAT = "motiondirector-latents"
FOLDER = "cached_latents"
INVERSION_STEPS = 50
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class CachedClip:
    """A clip as training reads it.

    Args:
        name: of the clip.
        caption: of the clip.
        latents: float32 [1,4,F,h,w] on the CPU, scaled.
        inversion: noise that the base makes nearly these latents of, likewise; None = not made.
        mirrored: mean and deviation of the latents of each frame, mirrored, each likewise; None = not made.
        path: where it lies; None = in memory alone.
    """

    name: str
    caption: str
    latents: Tensor
    inversion: Tensor | None = None
    mirrored: tuple[Tensor, Tensor] | None = None
    path: Path | None = None


def cache_clips(
    base: TextToVideoBase,
    clips: Sequence[Clip],
    size: Size,
    folder: str | os.PathLike[str],
    *,
    seed: int = 0,
    mirrored: bool = False,
    progress: Progress | None = None,
) -> list[CachedClip]:
    """Encode clips, or read what an earlier run encoded of the same ones.

    Args:
        base: its VAE is used.
        clips: to encode.
        size: that they are brought to.
        folder: takes a file for each clip.
        seed: of the posterior's draws.
        mirrored: also encode mirrored frames, for training with flips.
        progress: called with (clips done, in all); may raise to cancel.

    Raises:
        DisMoError: a clip that cannot be read, or a folder with the latents of other clips.
    """
    folder = Path(folder)
    found = []
    for i, clip in enumerate(clips):
        path = folder / f"cached_{i}.safetensors"
        about = {
            "clip": clip.name, "caption": clip.caption, "base": base.name, "width": size.width, "height": size.height,
            "fit": size.fit, "seed": seed, "mirrored": mirrored,
        }  # fmt: skip
        held = read_cached(path, about) if path.is_file() else None
        found.append(held or _write(path, _encode(base, clip, size, seed + i, mirrored), about))
        if progress is not None:
            progress(i + 1, len(clips))
    return found


def read_cached(path: Path, about: dict[str, Any] | None = None) -> CachedClip:
    """One of the files that `cache_clips` wrote.

    Args:
        path: of the file.
        about: what it must be made of; None = anything.

    Raises:
        DisMoError: damaged, of another kind, or made of something else.
    """
    file = read_weights(path)
    if file.metadata.get("format") != FORMAT or "latents" not in file.tensors:
        raise DisMoError(f"{path} holds no cached latents. Choose another folder for them.")
    made = json.loads(file.metadata["about"])
    if about is not None and made != about:
        changed = [
            f"{key} was {made.get(key)!r} and is now {about[key]!r}" for key in about if made.get(key) != about[key]
        ]
        raise DisMoError(
            f"{path} was encoded for another run: {'; '.join(changed)}. Remove the folder to encode again, or choose another one."
        )
    parts = file.tensors
    pair = (parts["mirror_mean"], parts["mirror_deviation"]) if "mirror_mean" in parts else None
    return CachedClip(made["clip"], made["caption"], parts["latents"], parts.get("inversion"), pair, path)


def read_cache(folder: str | os.PathLike[str]) -> list[CachedClip]:
    """All latents of a folder: ours, or those of the published code in the order of their names as text.

    Raises:
        DisMoError: no such folder, nothing in it, or a damaged file.
    """
    place = Path(folder)
    if (place / FOLDER).is_dir():
        place = place / FOLDER
    if not place.is_dir():
        raise DisMoError(f"There is no folder {place} of cached latents. Check the path.")
    ours = sorted(place.glob("cached_*.safetensors"), key=lambda path: int(path.stem.rpartition("_")[2]))
    if ours:
        return [read_cached(path) for path in ours]
    published = sorted(place.glob("*.pt"), key=lambda path: path.name)
    if not published:
        raise DisMoError(f"{place} holds no cached latents: neither cached_*.safetensors nor cached_*.pt.")
    return [_published(path) for path in published]


def cache_beside(adapter: Path) -> Path | None:
    """The folder of latents of the run that a file of adapters lies in; None where there is none."""
    return next((place / FOLDER for place in adapter.parents if (place / FOLDER).is_dir()), None)


def with_inversion(
    base: TextToVideoBase, clip: CachedClip, *, steps: int = INVERSION_STEPS, runtime: Runtime | None = None
) -> CachedClip:
    """The clip with its inversion; made by the base, without text, where it is not there, and kept in the clip's file.

    Args:
        base: without adapters, or with their scales at 0.
        clip: from a cache or `encoded_clip`.
        steps: of the inversion.
        runtime: its progress is called.
    """
    if clip.inversion is not None:
        return clip
    text = base.encode_prompts([""])
    with base.plan.using("unet"):
        noise = invert_ddim(
            base.unet, base.scheduler, clip.latents.to(base.device), text, steps=steps, runtime=runtime
        )  # fmt: skip
    noise = require_finite(noise.float().cpu(), "inverting the clip")
    made = replace(clip, inversion=noise)
    if clip.path is not None and clip.path.suffix == ".safetensors":
        file = read_weights(clip.path)
        _save(clip.path, {**file.tensors, "inversion": noise}, file.metadata)
    return made


def encoded_clip(base: TextToVideoBase, clip: Clip, size: Size, seed: int = 0) -> CachedClip:
    """A clip as latents, in memory."""
    return CachedClip(clip.name, clip.caption, _encode(base, clip, size, seed, False)["latents"])


def _encode(base: TextToVideoBase, clip: Clip, size: Size, seed: int, mirrored: bool) -> dict[str, Tensor]:
    frames = size.fitted(clip.read())[None]
    generator = torch.Generator().manual_seed(seed)
    with base.plan.using("vae"):
        mean, deviation = (part.float().cpu() for part in frame_posteriors(base.vae, frames))
        flipped = frame_posteriors(base.vae, frames.flip(-1)) if mirrored else ()
    latents = mean + deviation * torch.randn(mean.shape, generator=generator)
    made = {"latents": require_finite(latents, f"encoding {clip.name}")}
    if mirrored:
        made |= dict(zip(("mirror_mean", "mirror_deviation"), (part.float().cpu() for part in flipped), strict=True))
    return made


def _write(path: Path, tensors: dict[str, Tensor], about: dict[str, Any]) -> CachedClip:
    _save(path, tensors, {"format": FORMAT, "about": json.dumps(about)})
    return read_cached(path, about)


def _save(path: Path, tensors: dict[str, Tensor], metadata: dict[str, str]) -> None:
    with atomic_write(path, overwrite=True) as temporary:
        save_tensors({name: tensor.contiguous() for name, tensor in tensors.items()}, temporary, metadata)


def _published(path: Path) -> CachedClip:
    content = read_mapping(path)
    latents, inversion = content.get("latents"), content.get("inversion_noise")
    if not isinstance(latents, Tensor) or latents.ndim != 4:
        raise DisMoError(f"{path} holds no latents [4, frames, height, width]. It is no cache of the published code.")
    return CachedClip(
        path.stem,
        str(content.get("text_prompt", "")),
        latents.float()[None],
        inversion.float()[None] if isinstance(inversion, Tensor) else None,
        None,
        path,
    )
