"""What the frozen parts of the video model make of a clip, computed once and kept in files: so T5 need not stay in memory."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import torch
from safetensors import safe_open
from safetensors.torch import load_file
from torch import Tensor

from ...cogvideox.base import CogVideoXBase
from ...data.captioned import CaptionedClips
from ...data.frames import Unusable
from ...files import atomic_write, save_tensors
from ...imports import importing
from ...training.distributed import World
from ..adapter.adapter import CogVideoXMotionAdapter
from ..extract import extract_motion


class Remembered(NamedTuple):
    """Of one clip.

    Args:
        moments: of the VAE's posterior of the clip [2C,K,h,w].
        first: its first frame, uint8 [H,W,3].
        embeddings: its motion [T-4,d], float32.
        text: of its caption [tokens,width].
    """

    moments: Tensor
    first: Tensor
    embeddings: Tensor
    text: Tensor


class LatentCache:
    """A folder with one file for each video; files of other clips, bases and extractors have other names.

    Args:
        folder: may be shared by runs and processes.
        clips: with `fixed`.
        adapter: its frozen parts do the work.
    """

    def __init__(self, folder: Path, clips: CaptionedClips, adapter: CogVideoXMotionAdapter) -> None:
        self.folder = folder
        self.clips = clips
        self.adapter = adapter
        what = [clips.seed, clips.frames, clips.fps, clips.size, adapter.extractor_id, adapter.base.name]
        shards = [Path(shard).resolve() for shard in clips.index.shards]
        states = [(str(shard), shard.stat().st_size, shard.stat().st_mtime_ns) for shard in shards]
        self.about = json.dumps([*what, str(adapter.dtype), states])

    def path(self, entry: int) -> Path:
        """Where a video's file lies."""
        digest = hashlib.sha256(f"{self.about} {self.clips.index.name(entry)}".encode()).hexdigest()
        return self.folder / f"{digest[:32]}.safetensors"

    @torch.no_grad()
    def fill(self, world: World, progress: Callable[[int, int], None] | None = None) -> list[int]:
        """Compute this process's share of what is missing; returns the videos that can be used, of all processes.

        A stopped run resumes where it was.
        """
        total = len(self.clips.index)
        for entry in range(world.rank, total, world.size):
            if not self.path(entry).exists():
                self._write(entry)
            if progress is not None and world.main:
                progress(min(entry + world.size, total), total)
        world.wait()
        return [entry for entry in range(total) if self._usable(entry)]

    def read(self, entry: int) -> Remembered:
        """What is kept of a video that can be used."""
        return Remembered(**load_file(self.path(entry)))

    def _usable(self, entry: int) -> bool:
        with safe_open(self.path(entry), framework="pt") as file:
            return bool(file.keys())

    def _write(self, entry: int) -> None:
        tensors: dict[str, Tensor] = {}  # an empty file: cannot be used
        adapter = self.adapter
        try:
            clip = self.clips.clip(entry, 0)
        except Unusable:
            pass
        else:
            video = clip.frames.to(adapter.device).float() / 127.5 - 1
            posterior = adapter.base.vae.encode(video[None].to(adapter.dtype).movedim(-1, 1)).latent_dist
            tensors = Remembered(
                posterior.parameters[0],
                clip.frames[0],
                extract_motion(adapter.motion_extractor, clip.frames, frames=len(clip.frames)).embeddings,
                adapter.encode_prompts([clip.caption], adapter.device)[0],
            )._asdict()
        with atomic_write(self.path(entry), overwrite=True) as temporary:
            save_tensors({k: v.cpu().contiguous() for k, v in tensors.items()}, temporary)


def remembering(base: CogVideoXBase, moments: Tensor) -> CogVideoXBase:
    """The base with a VAE that gives the kept posterior [B,2C,K,h,w] for clips, and computes that of single frames."""
    with importing("diffusers"):
        from diffusers.models.autoencoders.vae import DiagonalGaussianDistribution

    posterior = SimpleNamespace(latent_dist=DiagonalGaussianDistribution(moments))

    def encode(frames: Tensor) -> Any:
        return posterior if frames.shape[2] > 1 else base.vae.encode(frames)

    vae: Any = SimpleNamespace(config=base.vae.config, encode=encode)
    return replace(base, vae=vae)
