"""Stage 1 or 2 on templates, with the loop that all training has."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch

from ...training.distributed import World
from ...training.loop import ALONE, Schedule, TrainingRun, fit
from ...training.optimizers import make_adamw
from ...training.share import Share
from ..lora import RANK, add_lora
from ..models.denoising_unet import WITH_OCCLUSION
from .networks import Networks
from .sheet import SampleSheet
from .stage import StageObjective
from .template_files import STAGE1, STAGE2, Reading
from .template_latents import TemplateBatches

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class StageRecipe:
    """Numbers of a stage.

    Args:
        reading: what a template gives.
        size: width and height, px.
        batch: clips of all processes together.
        schedule: see `Schedule`; a short warm-up, then a cosine.
        checkpointing: whether activations are computed again in the backward pass: less memory, a third slower.
        rank: of low-rank updates that are trained in the place of the weights; 0 = the weights are.
        optimizer: see `make_adamw`.
    """

    reading: Reading
    size: int
    batch: int
    schedule: Schedule
    checkpointing: bool
    rank: int = 0
    optimizer: str = "adamw"


RECIPES = {
    "stage1": StageRecipe(STAGE1, 768, 4, Schedule(30_000, 1e-5, average=None), False),
    "stage2": StageRecipe(STAGE2, 512, 1, Schedule(10_000, 1e-5, average=None), True),
    "lora": StageRecipe(STAGE1, 512, 1, Schedule(2_000, 1e-4, average=None), True, RANK),
}


@dataclass(frozen=True)
class StageRun:
    """A run of a stage.

    Args:
        stage: stage1, stage2, or lora, which is stage 1 on the attention alone.
        recipe: see there.
        folder: takes checkpoints and log.
        files: encoded templates.
        seed: of data and noise.
        world: of the processes that train together.
        autocast: dtype of matrix products; None = float32.
        progress: see `TrainingRun`.
        sheet: drawn into the folder at every checkpoint; None = not.
    """

    stage: str
    recipe: StageRecipe
    folder: Path
    files: list[Path]
    seed: int = 0
    world: World = ALONE
    autocast: torch.dtype | None = None
    progress: Callable[[int, int, Mapping[str, float]], None] | None = None
    sheet: SampleSheet | None = None


def train_stage(networks: Networks, run: StageRun) -> Networks:
    """Train or resume; checkpoints hold only the weights that the stage trains.

    Returns:
        The same networks, trained.
    """
    recipe, reading, world = run.recipe, run.recipe.reading, run.world
    networks.to(world.device)
    if recipe.rank:
        add_lora(networks, recipe.rank)
    else:
        networks.train_stage(run.stage)
    networks.save_activations(recipe.checkpointing)
    share = Share(recipe.batch, world.rank, world.size)
    batches = TemplateBatches(run.files, reading, share, world.device)
    # rows without the reference leave the reference UNet out
    wrapped = world.wrap(networks, partly=run.stage != "stage2")
    objective = StageObjective(wrapped, batches, share, run.seed)
    trained = {name for name, weight in networks.named_parameters() if weight.requires_grad}
    counted = sum(weight.numel() for weight in networks.parameters() if weight.requires_grad)
    log.info("%s trains %s weights in %d tensors.", run.stage, f"{counted:,}", len(trained))
    about: dict[str, str | int] = {
        "stage": run.stage,
        "size": recipe.size,
        "batch": recipe.batch,
        "frames": reading.frames,
        "stride": reading.stride,
        "apart": reading.apart,
        "seed": run.seed,
        "templates": ", ".join(file.stem for file in run.files),
        "precision": "float32" if run.autocast is None else str(run.autocast).removeprefix("torch."),
    }
    if recipe.rank:
        about["rank"] = recipe.rank
    make = None
    if recipe.optimizer != "adamw":
        about["optimizer"] = recipe.optimizer
        numbers = {name: getattr(recipe.schedule, name) for name in ("lr", "betas", "weight_decay")}
        make = partial(make_adamw, kind=recipe.optimizer, **numbers)
    if networks.denoising_unet.conv_in.in_channels == WITH_OCCLUSION:
        about["occlusions"] = 1
    loop = TrainingRun(
        run.folder,
        recipe.schedule,
        about,
        run.progress,
        None if run.sheet is None else run.sheet.into(run.folder),
        world=world,
        wrapped=wrapped,
        autocast=run.autocast,
        scaled=run.autocast is torch.float16,
        saved=trained.__contains__,
        optimizer=make,
    )
    fit(networks, objective, loop)
    networks.save_activations(False)
    return networks
