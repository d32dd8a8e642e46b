"""Training of DEMO's motion half on captioned videos; the loop is that of `dismo_core/training/loop.py` (docs/methods/demo_t2v.md, 6)."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ...errors import DisMoError
from ...files import atomic_write
from ...runtime import Runtime
from ...text_to_video.clip_tokens import end_of_text, tokenize
from ...training.distributed import World
from ...training.loop import Schedule, TrainingRun, fit
from ...training.optimizers import make_adamw
from ...weights.geometry import KEY
from ..autoencoder import encode_frames
from ..images import grey_levels, prepare_images
from ..losses import VIDEO_MOTION, Flow
from ..model import NEGATIVE, TowerTexts
from ..models.towers import ImageTower, TextTower
from ..models.unet import UNet
from ..published_rate import BETA2, one_cycle
from ..sampling import LEVELS
from ..weights import UNET_ENTRY
from .captioned_videos import CaptionedVideo, drawn_clip
from .motion_half import FIRST_TRAINED, Batch, LossWeights, MotionHalf

log = logging.getLogger(__name__)

FRAME_OF_IMAGE = 8  # of a clip, whose embedding the motion's text is held to; a literal of the published code
SCHEDULES = ("constant", "one_cycle")
ALONE = World()


@dataclass(frozen=True)
class DemoTraining:
    """Numbers of a run.

    Args:
        steps: optimizer steps.
        batch: samples of one process.
        accumulation: batches to a step.
        lr: of the UNet.
        motion_lr: of the motion encoder.
        schedule: "constant", or "one_cycle", the rate as the published training ran it, for both.
        clip: largest gradient norm.
        weights: see `LossWeights`.
        video_motion: see `training_losses`.
        text_motion_gradient: whether the text-motion loss trains anything; in the published code it does not.
        p_zero: share of samples whose content's text is the negative prompt.
        p_zero_motion: likewise of the motion's text, drawn by itself.
        negative_prompt: for both.
        freeze_unet: whether only the motion modules of the UNet are trained.
        first_block: of the motion encoder that is trained.
        optimizer: see `make_adamw`.
        size: (height, width) of clips, px.
        frames: of a clip.
        save_every: steps between checkpoints.
        log_every: steps between rows of the log.
        keep: checkpoints that stay.
        seed: of everything drawn.
    """

    steps: int = 1000
    batch: int = 1
    accumulation: int = 1
    lr: float = 5e-5
    motion_lr: float = 1e-6
    schedule: str = "constant"
    clip: float = 1.0
    weights: LossWeights = field(default_factory=LossWeights)
    video_motion: str = "noise"
    text_motion_gradient: bool = True
    p_zero: float = 0.1
    p_zero_motion: float = 0.0
    negative_prompt: str = NEGATIVE
    freeze_unet: bool = True
    first_block: int = FIRST_TRAINED
    optimizer: str = "adamw"
    size: tuple[int, int] = (256, 256)
    frames: int = 16
    save_every: int = 200
    log_every: int = 10
    keep: int = 2
    seed: int = 0


NOT_COMPARED = ("steps", "save_every", "log_every", "keep")  # may differ where a run is resumed


class MotionBatches:
    """The losses of a batch, by its number; what is drawn for a sample follows from the sample's number, in any number of processes.

    Only what dropout leaves out differs with the number of processes.

    Args:
        half: what is trained, or what wraps it.
        videos: to learn from.
        autoencoder: diffusers' AutoencoderKL, frozen.
        content_encoder: frozen.
        training: numbers of the run.
        image_tower: for the regularization; None = without it.
        flow: for the text-motion loss; None = without it.
        world: the processes that share out each batch.
    """

    def __init__(
        self,
        half: nn.Module,
        videos: Sequence[CaptionedVideo],
        autoencoder: Any,
        content_encoder: TextTower,
        training: DemoTraining,
        image_tower: ImageTower | None = None,
        flow: Flow | None = None,
        world: World = ALONE,
    ) -> None:
        self.half, self.videos, self.autoencoder, self.training = half, videos, autoencoder, training
        self.image_tower, self.flow, self.world = image_tower, flow, world
        self.content = TowerTexts(content_encoder)

    def __call__(self, number: int) -> dict[str, Tensor]:
        """Losses of batch `number`."""
        training = self.training
        size = training.batch * self.world.size
        samples = [self._sample(number * size + k) for k in range(self.world.rank, size, self.world.size)]
        columns: list[Any] = [
            torch.stack(column).to(self.world.device) if column[0] is not None else None
            for column in zip(*samples, strict=True)
        ]
        torch.manual_seed(number * self.world.size + self.world.rank)  # no two processes drop out alike
        losses: dict[str, Tensor] = self.half(
            Batch(*columns), training.weights, self.flow, training.video_motion, training.text_motion_gradient
        )
        return losses

    @torch.no_grad()
    def _sample(self, number: int) -> tuple[Any, ...]:
        """One sample of the run, as the fields of `Batch` without the first dimension."""
        training, device = self.training, self.world.device
        epoch, place = divmod(number, len(self.videos))
        order = torch.randperm(
            len(self.videos), generator=torch.Generator().manual_seed(training.seed * 1_000_003 + epoch)
        )
        video = self.videos[int(order[place])]
        generator = torch.Generator().manual_seed((training.seed + 1) * 1_000_000_007 + number)
        clip = drawn_clip(video, generator, training.size, training.frames)
        encoding = self.autoencoder.device, self.autoencoder.dtype
        scale = 2 ** (len(self.autoencoder.config["block_out_channels"]) - 1)
        channels = int(self.autoencoder.config["latent_channels"])
        shape = (training.frames, channels, training.size[0] // scale, training.size[1] // scale)
        posterior = torch.randn(shape, generator=generator)
        latents = encode_frames(self.autoencoder, clip.to(*encoding), posterior).transpose(0, 1).float()
        t = torch.randint(0, LEVELS, (), generator=generator)
        zero, zero_motion = (
            torch.rand(2, generator=generator) < torch.tensor([training.p_zero, training.p_zero_motion])
        ).tolist()
        noise = torch.randn(latents.shape, generator=generator)
        content = self.content([training.negative_prompt if zero else video.caption], device)[0]
        tokens = tokenize([training.negative_prompt if zero_motion else video.caption])
        image = None
        if self.image_tower is not None:
            frame = grey_levels(clip[min(FRAME_OF_IMAGE, training.frames - 1)][None])
            image = self.image_tower(prepare_images(frame, self.image_tower.image_size).to(device))[0].float()
        return latents, t, noise, content, tokens[0], end_of_text(tokens)[0], None if self.flow is None else clip, image


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
    world: World = ALONE,
    runtime: Runtime | None = None,
    autocast: torch.dtype | None = None,
) -> MotionHalf:
    """Run or resume a training; the folder takes our checkpoints, the release's two files at each of them, and the log.

    Args:
        folder: of the run.
        unet: where it begins: DEMO's, or a base through `read_base_unet`.
        motion_encoder: where it begins: the content encoder's weights, as published, or a trained one.
        videos: to learn from.
        autoencoder: diffusers' AutoencoderKL.
        content_encoder: reads what is seen.
        training: numbers of the run.
        image_tower: see `MotionBatches`.
        flow: see `MotionBatches`.
        world: of the processes that train together.
        runtime: its progress is called after each step.
        autocast: see `TrainingRun`.

    Raises:
        DisMoError: a loss that lacks what it needs, numbers that cannot be, or what `fit` raises.
    """
    _check(training, image_tower, flow)
    half = MotionHalf(unet, motion_encoder, training.freeze_unet, training.first_block).to(world.device)
    trained = half.trained()
    wrapped = world.wrap(half)
    batches = MotionBatches(wrapped, videos, autoencoder, content_encoder, training, image_tower, flow, world)

    def report(done: int, total: int, _: dict[str, float]) -> None:
        if runtime is not None:
            runtime.progress(done, total, None)

    def save(done: int, _: nn.Module) -> dict[str, float]:
        save_release(half, folder / "checkpoints", done, training.keep)
        return {}

    schedule = Schedule(
        training.steps, training.lr, warmup=0, shape="constant", clip=training.clip, average=None, accumulation=training.accumulation,
        save_every=training.save_every, log_every=training.log_every, keep=training.keep,
    )  # fmt: skip
    run = TrainingRun(
        folder,
        schedule,
        about={name: str(value) for name, value in asdict(training).items() if name not in NOT_COMPARED},
        progress=report,
        on_log=save,
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
    if world.main:
        save_release(half, folder / "checkpoints", training.steps, training.keep)
    return half


def save_release(half: MotionHalf, folder: Path, step: int, keep: int = 2) -> tuple[Path, Path]:
    """The two files of a published checkpoint, each whole or not there; older ones but `keep` are removed.

    Returns:
        `non_ema_<step>.pth` with the UNet, and `non_ema_<step>_motion_encoder.pth`.
    """
    stem = f"non_ema_{step:08d}"
    unet, encoder = folder / f"{stem}.pth", folder / f"{stem}_motion_encoder.pth"
    content = {UNET_ENTRY: half.unet.state_dict(), "step": step, KEY: json.dumps(half.unet.geometry)}
    for path, state in ((encoder, half.motion_encoder.state_dict()), (unet, content)):
        with atomic_write(path, overwrite=True) as temporary:
            torch.save(state, temporary)
    for old in sorted(folder.glob("non_ema_????????.pth"))[:-keep]:
        old.unlink()
        old.with_name(f"{old.stem}_motion_encoder.pth").unlink(missing_ok=True)
    return unet, encoder


def _check(training: DemoTraining, image_tower: ImageTower | None, flow: Flow | None) -> None:
    if training.schedule not in SCHEDULES:
        raise DisMoError(f"There is no schedule {training.schedule!r}. Choose one of {', '.join(SCHEDULES)}.")
    if training.video_motion not in VIDEO_MOTION:
        raise DisMoError(
            f"There is no video_motion {training.video_motion!r}. Choose one of {', '.join(VIDEO_MOTION)}."
        )
    for name in ("steps", "batch", "accumulation", "frames"):
        if getattr(training, name) < 1:
            raise DisMoError(f"{name} must be at least 1, not {getattr(training, name)}.")
    for name in ("p_zero", "p_zero_motion"):
        if not 0 <= getattr(training, name) <= 1:
            raise DisMoError(f"{name} is a share of 0 to 1, not {getattr(training, name)}.")
    if training.weights.text_motion and flow is None:
        raise DisMoError("The text-motion loss needs a flow operator. Give one, or set its weight to 0.")
    if training.weights.regularization and image_tower is None:
        raise DisMoError(
            "The regularization needs an image tower. Give that of open_clip_pytorch_model.bin, or set its weight to 0."
        )


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
