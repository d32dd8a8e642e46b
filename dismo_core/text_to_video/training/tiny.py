"""The recipe of the tiny text-to-video base: autoencoder, then denoiser with its text encoder, from nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from ...training.loop import Schedule, TrainingRun, fit
from ...training.muon import Muon
from ...training.precision import product_dtype
from .autoencoder import AutoencoderObjective, new_autoencoder
from .denoiser import DenoiserObjective, DenoiserRecipe, Probe
from .parts import TinyBase

Report = Callable[[str, int, int, dict[str, float]], None]  # stage, steps done, steps in all, logged numbers


@dataclass(frozen=True)
class TinyRecipe:
    """Numbers of the run.

    Args:
        autoencoder_steps: optimizer steps of the autoencoder.
        denoiser_steps: optimizer steps of UNet and text encoder.
        denoiser: see `DenoiserRecipe`.
        rates: largest learning rate of the one (AdamW) and of the other (Muon).
        seed: of everything.
    """

    autoencoder_steps: int = 1600
    denoiser_steps: int = 5600
    denoiser: DenoiserRecipe = field(default_factory=DenoiserRecipe)
    rates: tuple[float, float] = (2e-3, 1.5e-3)
    seed: int = 0


def train_tiny(
    folder: Path, recipe: TinyRecipe, report: Report = lambda stage, done, total, row: None
) -> tuple[TinyBase, Any]:
    """Run or resume both stages; each has its checkpoints and `log.jsonl` in a folder of its own.

    The denoiser does not see the autoencoder: the latents are known (see `latents.py`). So the two can also run side by side.

    Returns:
        UNet with text encoder, and autoencoder, averaged weights.
    """

    def run(name: str, schedule: Schedule, about: dict[str, int]) -> TrainingRun:
        def progress(done: int, total: int, row: dict[str, float]) -> None:
            report(name, done, total, row)

        return TrainingRun(folder / name, schedule, about, progress, autocast=product_dtype("cpu"))

    torch.manual_seed(recipe.seed)
    autoencoder = new_autoencoder()
    fit(
        autoencoder,
        AutoencoderObjective(autoencoder, seed=recipe.seed),
        run("autoencoder", Schedule(recipe.autoencoder_steps, recipe.rates[0]), {"seed": recipe.seed}),
    )
    torch.manual_seed(recipe.seed)
    base = TinyBase(folder / "tokenizer")
    schedule = Schedule(recipe.denoiser_steps, recipe.rates[1], warmup=200)
    about = {"seed": recipe.seed, "clips": recipe.denoiser.clips, "pictures": recipe.denoiser.pictures}
    denoising = replace(
        run("denoiser", schedule, about),
        on_log=Probe(),
        optimizer=lambda weights: Muon(weights, schedule.lr, plain=base.outer()),
    )
    fit(base, DenoiserObjective(base, recipe.denoiser, recipe.seed), denoising)
    return base, autoencoder.eval()
