"""Training of DEMO's motion half on captioned videos; the loop is that of `dismo_core/training/loop.py` (docs/methods/demo_t2v.md, 6)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ...runtime import Runtime
from ...training.distributed import World
from ...training.loop import Schedule, TrainingRun, fit
from ...training.optimizers import make_adamw
from ..losses import Flow
from ..models.towers import ImageTower, TextTower
from ..models.unet import UNet
from ..published_rate import BETA2, one_cycle
from ..tower_texts import TowerTexts
from .captioned_videos import CaptionedVideo
from .demo_training import NOT_COMPARED, DemoTraining, check_training
from .kept_clips import ClipCache, Clips, FreshClips
from .motion_batches import ALONE, MotionBatches
from .motion_half import MotionHalf
from .release_files import save_release
from .sample_clip import save_sample


def train_motion(
    folder: Path,
    unet: UNet,
    motion_encoder: TextTower,
    videos: Sequence[CaptionedVideo],
    autoencoder: Any,
    content_encoder: TextTower,
    training: DemoTraining,
    *,
    image_tower: ImageTower | None = None,
    flow: Flow | None = None,
    cache: Path | None = None,
    world: World = ALONE,
    runtime: Runtime | None = None,
    caching: Callable[[int, int], None] | None = None,
    autocast: torch.dtype | None = None,
) -> MotionHalf:
    """Run or resume a training; the folder takes our checkpoints, the release's two files and a clip at each of them, and the log.

    Args:
        folder: of the run.
        unet: where it begins: DEMO's, or a base through `read_base_unet`.
        motion_encoder: where it begins: the content encoder's weights, as published, or a trained one.
        videos: to learn from.
        autoencoder: diffusers' AutoencoderKL.
        content_encoder: reads what is seen.
        training: numbers of the run.
        image_tower: for the regularization; None = without it.
        flow: for the text-motion loss; None = without it.
        cache: takes latents, texts and embeddings of one clip of each video, worked out once; the frozen networks wait in main memory
            afterwards. None = a new clip each time.
        world: of the processes that train together.
        runtime: its progress is called after each step.
        caching: called with (videos in the cache, in all).
        autocast: see `TrainingRun`.

    Raises:
        DisMoError: a loss that lacks what it needs, numbers that cannot be, or what `fit` raises.
    """
    check_training(training, flow is not None, image_tower is not None)
    half = MotionHalf(unet, motion_encoder, training.freeze_unet, training.first_block)
    trained = half.trained()
    content = TowerTexts(content_encoder)
    negative = content([training.negative_prompt], world.device)[0]
    fresh = FreshClips(videos, autoencoder, content, training, image_tower, flow is not None, world.device)
    clips: Clips = fresh
    if cache is not None:
        frozen = [part for part in (autoencoder, content_encoder, image_tower) if part is not None]
        clips = ClipCache(cache, fresh, " ".join(map(_fingerprint, frozen)), world, caching)
        for part in frozen:
            part.to("cpu")
    half.to(world.device)
    wrapped = world.wrap(half)
    batches = MotionBatches(wrapped, clips, negative, training, flow, world)

    def report(done: int, total: int, _: dict[str, float]) -> None:
        if runtime is not None:
            runtime.progress(done, total, None)

    def save(done: int, _: nn.Module) -> None:
        state = world.whole(half.state_dict())
        if not world.main:
            return
        save_release(half, state, folder / "checkpoints", done, training.keep)
        if training.sample_steps and not world.sharded:
            shown = clips.draw(0, torch.Generator().manual_seed(training.seed))
            save_sample(half, shown, negative, autoencoder, training, folder / "samples" / f"{done:08d}.mp4", world)

    schedule = Schedule(
        training.steps, training.lr, warmup=0, shape="constant", clip=training.clip, average=None, accumulation=training.accumulation,
        save_every=training.save_every, log_every=training.log_every, keep=training.keep,
    )  # fmt: skip
    run = TrainingRun(
        folder,
        schedule,
        about={
            **{name: str(value) for name, value in asdict(training).items() if name not in NOT_COMPARED},
            "cached": cache is not None,
        },
        progress=report,
        before_save=save,
        boards=True,
        world=world,
        wrapped=wrapped,
        autocast=autocast,
        scaled=autocast is torch.float16,
        optimizer=lambda weights: _optimizer(half, training),
        rates=_published if training.schedule == "one_cycle" else None,
        saved=trained.__contains__,
    )
    fit(half, batches, run)
    return half


def _fingerprint(module: nn.Module) -> str:
    """Tells weights from others of the same shape."""
    last = list(module.parameters())[-1].detach().float().cpu().contiguous()
    return hashlib.sha256(last.numpy().tobytes()).hexdigest()[:16]


def _optimizer(half: MotionHalf, training: DemoTraining) -> torch.optim.Optimizer:
    """Two groups, each with its own rate."""
    parts = ((half.unet, training.lr), (half.motion_encoder, training.motion_lr))
    groups: list[Any] = [
        {"params": [weight for weight in part.parameters() if weight.requires_grad], "lr": lr, "peak": lr}
        for part, lr in parts
    ]
    return make_adamw(
        [group for group in groups if group["params"]], training.optimizer, betas=(0.9, 0.999), weight_decay=0.0
    )


def _published(step: int, group: dict[str, Any]) -> None:
    rate, beta = one_cycle(step)
    group["lr"], group["betas"] = rate, (beta, BETA2)
