"""The numbers of a training of DEMO."""

from __future__ import annotations

from dataclasses import dataclass, field

from ...errors import DisMoError
from ..losses import check_errors_of
from ..model import NEGATIVE
from ..noise_levels import LEVELS
from .motion_half import FIRST_TRAINED, LossWeights

SCHEDULES = ("constant", "one_cycle")


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
        lowest_level: of the noise that is drawn; the published training draws all 1000.
        weights: see `LossWeights`.
        video_motion: see `training_losses`.
        diffusion: likewise.
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
        sample_steps: of the clip that is made at each checkpoint; 0 = none is.
    """

    steps: int = 1000
    batch: int = 1
    accumulation: int = 1
    lr: float = 5e-5
    motion_lr: float = 1e-6
    schedule: str = "constant"
    clip: float = 1.0
    lowest_level: int = 0
    weights: LossWeights = field(default_factory=LossWeights)
    video_motion: str = "noise"
    diffusion: str = "noise"
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
    sample_steps: int = 20


NOT_COMPARED = ("steps", "save_every", "log_every", "keep", "sample_steps")  # may differ where a run is resumed


def check_training(training: DemoTraining, with_flow: bool, with_image_tower: bool) -> None:
    """Raise where a run cannot be.

    Args:
        training: its numbers.
        with_flow: whether there is a flow operator.
        with_image_tower: whether there is an image tower.

    Raises:
        DisMoError: which number, or what a loss lacks.
    """
    if training.schedule not in SCHEDULES:
        raise DisMoError(f"There is no schedule {training.schedule!r}. Choose one of {', '.join(SCHEDULES)}.")
    check_errors_of(video_motion=training.video_motion, diffusion=training.diffusion)
    for name in ("steps", "batch", "accumulation", "frames"):
        if getattr(training, name) < 1:
            raise DisMoError(f"{name} must be at least 1, not {getattr(training, name)}.")
    if not 0 <= training.lowest_level < LEVELS:
        raise DisMoError(f"lowest_level is a noise level of 0 to {LEVELS - 1}, not {training.lowest_level}.")
    for name in ("p_zero", "p_zero_motion"):
        if not 0 <= getattr(training, name) <= 1:
            raise DisMoError(f"{name} is a share of 0 to 1, not {getattr(training, name)}.")
    if training.weights.text_motion and not with_flow:
        raise DisMoError("The text-motion loss needs a flow operator. Give one, or set its weight to 0.")
    if training.weights.regularization and not with_image_tower:
        raise DisMoError(
            "The regularization needs an image tower. Give that of open_clip_pytorch_model.bin, or set its weight to 0."
        )
