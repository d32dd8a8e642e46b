"""Training the motion adapter of CogVideoX-5B-I2V on one's own footage (docs/methods/dismo.md, 7.8)."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from ...cogvideox.objective import denoising_loss
from ...data.addresses import is_remote
from ...data.captioned import CaptionedClip, CaptionedClips, CaptionedStream, collate
from ...data.epochs import epoch_order
from ...data.index import ShardIndex
from ...errors import DisMoError
from ...files import atomic_write, save_tensors
from ...memory.speed import compile_blocks
from ...training.distributed import World
from ...training.loop import ALONE, NumberedBatches, Schedule, TrainingRun, fit
from ...weights.geometry import KEY as GEOMETRY
from ..adapter.adapter import CogVideoXMotionAdapter
from ..adapter.adapter_file import EXTRACTOR, LORA
from ..geometry import describe
from .latents import LatentCache, Remembered, remembering

log = logging.getLogger(__name__)

# 40,000 steps as the released adapter; its optimiser is not published.
SCHEDULE = Schedule(40_000, lr=1e-4, warmup=500, average=None, save_every=500, log_every=10, draw_every=2_000)
DRAW_STEPS = 20  # of the solver, for sample transfers


class AdapterObjective(nn.Module):
    """The adapter's training loss as a module, so that several processes can average its gradients."""

    def __init__(self, adapter: CogVideoXMotionAdapter) -> None:
        super().__init__()
        self.adapter = adapter

    def forward(self, clips: Sequence[CaptionedClip], kept: Sequence[Remembered]) -> Tensor:
        """Mean loss of clips as they were decoded, or of what is kept of them; draws are seeded by the first clip's seed."""
        adapter = self.adapter
        rng = torch.Generator(adapter.device).manual_seed(clips[0].seed)
        if not kept:
            videos = [clip.frames.to(adapter.device).float() / 127.5 - 1 for clip in clips]
            return adapter.training_loss(videos, [clip.caption for clip in clips], rng).mean()
        adapter.set_conditions(adapter.encode_motion(motions=[k.embeddings for k in kept]))
        text = torch.stack([k.text for k in kept]).to(adapter.device)
        first = torch.stack([k.first for k in kept]).to(adapter.device).float() / 127.5 - 1
        frames = kept[0].embeddings.shape[0] + adapter.motion_extractor.look_ahead
        still = first[:, None].to(adapter.dtype).expand(-1, frames, -1, -1, -1)  # only frame 0 is looked at
        moments = torch.stack([k.moments for k in kept]).to(adapter.device)
        return denoising_loss(remembering(adapter.base, moments), still, text, rng).mean()


@dataclass(frozen=True)
class Footage:
    """Which clips a run takes.

    Args:
        shards: from `find_shards`.
        batch: clips of a process in a batch.
        frames: of a clip.
        fps: of a clip.
        seed: of the run.
        workers: decoding processes.
        cache: folder for latents and text, one clip a video, of local shards; None = none.
    """

    shards: Sequence[str]
    batch: int = 1
    frames: int = 25
    fps: float = 8.0
    seed: int = 42
    workers: int = 0
    cache: Path | None = None

    def clips(self, size: tuple[int, int]) -> CaptionedClips:
        """The clips by number, (height, width) px.

        Raises:
            DisMoError: a shard that can only be read from front to back.
        """
        if remote := [shard for shard in self.shards if is_remote(shard)]:
            raise DisMoError(
                f"Latents are kept for local shards only, not for {remote[0]}. Copy it here, or train without a cache."
            )
        index = ShardIndex(self.shards)
        return CaptionedClips(index, size, self.frames, self.fps, self.seed, self.cache is not None)

    def batches(self, size: tuple[int, int], first: int, last: int, world: World) -> Iterator[list[CaptionedClip]]:
        """Batches number `first` to `last` - 1 of this process."""
        together = self.batch * world.size
        options = dict(rank=world.rank, world=world.size, start=first * together)
        stream = any(is_remote(shard) for shard in self.shards)
        data: Dataset[CaptionedClip] = (
            CaptionedStream(self.shards, size, self.frames, self.fps, self.seed, **options)
            if stream
            else self.clips(size)
        )
        loader: Any = DataLoader(
            data,
            self.batch,
            sampler=None if stream else range(first * together + world.rank, last * together, world.size),
            num_workers=self.workers,
            collate_fn=collate,
            drop_last=True,
            generator=torch.Generator(),  # else making workers would draw from the generator of the training run
        )
        skipped: set[tuple[str, str]] = set()
        for batch in islice(loader, last - first):
            for skip in {skip for clip in batch for skip in clip.skipped} - skipped:
                skipped.add(skip)
                log.warning("Skipped %s (%s); %d videos so far.", *skip, len(skipped))
            yield batch


def finetune(
    folder: Path,
    adapter: CogVideoXMotionAdapter,
    footage: Footage,
    schedule: Schedule = SCHEDULE,
    *,
    world: World = ALONE,
    compile: bool = False,
    wandb: str | None = None,
    progress: Callable[[int, int, dict[str, float]], None] | None = None,
    caching: Callable[[int, int], None] | None = None,
) -> CogVideoXMotionAdapter:
    """Train LoRA and conditions of an adapter, or resume in `folder`; base and extractor stay as they are.

    Args:
        adapter: where it lies is moved to the world's device.
        schedule: how long and how fast.
        world: from `joined`.
        compile: compile the blocks of the base, with fused rounding of the adapter.
        wandb: see `fit`.
        progress: see `fit`.
        caching: called with (videos done, videos in all).

    Raises:
        DisMoError: as `fit`; no usable video; a cache of shards that cannot be read by number.
    """
    adapter.to(world.device)
    for parameter in adapter.parameters():
        if parameter.requires_grad:  # bfloat16 would round away what a step adds, and its moments
            parameter.data = parameter.data.float()
    adapter.base.transformer.enable_gradient_checkpointing()
    if compile:
        adapter.set_exact(False)
        compile_blocks(adapter.base.transformer)
    cache: LatentCache | None = None
    usable: list[int] = []
    if footage.cache is not None:
        cache = LatentCache(footage.cache, footage.clips(adapter.size), adapter)
        usable = cache.fill(world, caching)
        if not usable:
            raise DisMoError(
                f"None of the {len(cache.clips.index)} videos has {footage.frames} frames at {footage.fps:g} fps."
            )
        adapter.encode_prompts([""], adapter.device)  # for sample transfers
        adapter.base.text_encoder = None
    objective = AdapterObjective(adapter)
    run: Any = world.wrap(objective)
    together = footage.batch * world.size
    batches = NumberedBatches(
        lambda first: footage.batches(adapter.size, first, schedule.steps * schedule.accumulation, world)
    )

    def losses(number: int) -> dict[str, Tensor]:
        if cache is not None:
            numbers = [number * together + world.rank + k * world.size for k in range(footage.batch)]
            picked = [_pick(usable, footage.seed, n) for n in numbers]
            kept = [cache.read(entry) for entry, _ in picked]
            return {"loss": run([CaptionedClip(torch.empty(0), "", e, seed) for e, seed in picked], kept)}
        return {"loss": run(batches(number), [])}

    def draw(_: nn.Module) -> Mapping[str, Tensor]:
        if cache is not None:
            return {"transfers": transfer_sheet(adapter, cache.clips.clip(usable[0], 0).frames)}
        assert batches.first is not None
        return {"transfers": transfer_sheet(adapter, batches.first[0].frames)}

    about = {
        "clips in a step": together * schedule.accumulation,
        "frames": footage.frames,
        "fps": footage.fps,
        "seed": footage.seed,
        "extractor": adapter.extractor_id,
        "cached": cache is not None,
    }
    training = TrainingRun(
        folder,
        schedule,
        about,
        progress,
        draw=draw,
        boards=True,
        wandb=wandb,
        world=world,
        wrapped=run,
        saved=lambda name: not name.startswith(EXTRACTOR),
    )
    fit(adapter, losses, training)
    adapter.set_conditions(None)
    return adapter


def _pick(usable: Sequence[int], seed: int, number: int) -> tuple[int, int]:
    """Entry and seed of sample `number` of a cached run: every epoch in a new order."""
    epoch, position = divmod(number, len(usable))
    order = epoch_order(seed, epoch, len(usable))
    return usable[order[position]], int(np.random.default_rng([seed, epoch, number]).integers(2**63))


def transfer_sheet(adapter: CogVideoXMotionAdapter, clip: Tensor) -> Tensor:
    """Every fourth frame of a clip uint8 [T,H,W,3], and below of its first frame moved by its motion; uint8 [2H, n W, 3]."""
    video = clip.float() / 127.5 - 1
    made = adapter.sample(
        motion_videos=video,
        images=video[0],
        num_frames=len(video),
        n_steps=DRAW_STEPS,
        generator=torch.Generator().manual_seed(0),
    )[0]
    rows = torch.stack((clip[::4].cpu(), made[::4]))
    return rows.transpose(1, 2).flatten(2, 3).flatten(0, 1)


def export(adapter: CogVideoXMotionAdapter, folder: Path) -> Path:
    """Write `cogvideox_adapter.safetensors`: adapter and its extractor under the released names; replaces an existing one.

    The LoRA, trained in float32, is written in the base's precision, as it was released.
    """
    path = folder / "cogvideox_adapter.safetensors"
    dtypes = {k: adapter.dtype if k.startswith(LORA) else v.dtype for k, v in adapter.state_dict().items()}
    tensors = {k: v.detach().to("cpu", dtypes[k]).contiguous() for k, v in adapter.state_dict().items()}
    with atomic_write(path, overwrite=True) as temporary:
        card = {"format": "pt", "extractor": adapter.extractor_id, GEOMETRY: describe(adapter.motion_extractor)}
        save_tensors(tensors, temporary, card)
    return path
