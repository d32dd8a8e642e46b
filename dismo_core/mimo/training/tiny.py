"""The recipe of the tiny MIMO, from nothing: encoders, then stage 1 on pictures, then stage 2 on clips, all of drawn figures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from ...errors import DisMoError
from ...synthetic.draws import Draws
from ...training.average import PREFIX
from ...training.checkpoint import checkpoints, latest_checkpoint
from ...training.loop import Schedule, TrainingRun, fit
from ...training.share import Share
from .drawn_examples import SIZE, draw_examples
from .examples import Encoders, encoded
from .networks import Networks
from .sheet import SampleSheet
from .stage import StageObjective
from .tiny_encoders import EncoderObjective, TinyEncoders, set_scale
from .tiny_parts import new_networks

Report = Callable[[str, int, int, dict[str, float]], None]  # stage, steps done, steps in all, logged numbers
HELD_OUT = 900_000_000  # seeds from here on are not trained on
# core seconds of a step
STEP_COSTS = {"encoders": 0.45, "stage1": 0.7, "stage2": 0.5}


@dataclass(frozen=True)
class TinyRecipe:
    """Numbers of the run.

    Args:
        encoder_steps: optimizer steps of autoencoder and image encoder.
        stage1_steps: optimizer steps on pictures.
        stage2_steps: optimizer steps on clips.
        figures: in a batch of the first, each shown twice.
        batch: figures in a batch of the second.
        clips: in a batch of the third.
        frames: of a clip.
        rates: largest learning rate of each; nothing is trained before, so they are far above the published 1e-5.
        seed: of everything.
    """

    encoder_steps: int = 6000
    stage1_steps: int = 14000
    stage2_steps: int = 3000
    figures: int = 8
    batch: int = 16
    clips: int = 1
    frames: int = 24
    rates: tuple[float, float, float] = (2e-3, 1e-3, 5e-4)
    seed: int = 0

    @property
    def steps(self) -> dict[str, int]:
        """Of each stage, by its name."""
        return {"encoders": self.encoder_steps, "stage1": self.stage1_steps, "stage2": self.stage2_steps}


def train_tiny(
    folder: Path,
    recipe: TinyRecipe,
    report: Report = lambda stage, done, total, row: None,
) -> tuple[Networks, Encoders]:
    """Run or resume the stages; each has its checkpoints and `log.jsonl` in a folder of its own.

    Returns:
        Networks and encoders, averaged weights.
    """

    def run(name: str, rate: float, on_log: Callable[[int, nn.Module], dict[str, float]] | None = None) -> TrainingRun:
        def progress(done: int, total: int, row: dict[str, float]) -> None:
            report(name, done, total, row)

        about = {"seed": recipe.seed, **abouts[name]}
        schedule = Schedule(recipe.steps[name], rate, average=0.999 if recipe.steps[name] > 1000 else None)
        return TrainingRun(folder / name, schedule, about, progress, on_log)

    abouts = {
        "encoders": {"figures": recipe.figures},
        "stage1": {"batch": recipe.batch},
        "stage2": {"clips": recipe.clips, "frames": recipe.frames},
    }
    first, second, third = recipe.rates
    torch.manual_seed(recipe.seed)
    parts = TinyEncoders()
    fit(parts, EncoderObjective(parts, recipe.figures, recipe.seed), run("encoders", first))
    set_scale(parts.vae.eval(), HELD_OUT + recipe.seed)
    encoders = Encoders(parts.vae, parts.image_encoder, SIZE)
    torch.manual_seed(recipe.seed)
    networks = new_networks()
    sheet = SampleSheet(encoders, draw_examples(Draws(HELD_OUT + recipe.seed), 5, 6)[0])

    def pictures(draws: Draws) -> dict[str, Tensor]:
        return encoded(draw_examples(draws, recipe.batch)[0], encoders)

    def clips(draws: Draws) -> dict[str, Tensor]:
        return encoded(draw_examples(draws, recipe.clips, recipe.frames)[0], encoders)

    networks.train_stage("stage1", from_nothing=True)
    objective = StageObjective(networks, pictures, Share(recipe.batch), recipe.seed + 100_000_000)
    fit(networks, objective, run("stage1", second, sheet.into(folder / "stage1")))
    networks.train_stage("stage2")
    objective = StageObjective(networks, clips, Share(recipe.clips), recipe.seed + 200_000_000)
    fit(networks, objective, run("stage2", third, sheet.into(folder / "stage2")))
    return networks, encoders


def trained_so_far(folder: Path, seed: int = 0) -> tuple[Networks, Encoders]:
    """Networks and encoders of a run's newest checkpoints, averaged weights where there are some.

    Args:
        folder: of `train_tiny`.
        seed: of its recipe.

    Raises:
        DisMoError: no checkpoint of the encoders or of the first stage.
    """
    parts, networks = TinyEncoders(), new_networks()
    _fill(parts, folder / "encoders")
    set_scale(parts.vae.eval(), HELD_OUT + seed)
    _fill(networks, folder / "stage1")
    if checkpoints(folder / "stage2"):
        _fill(networks, folder / "stage2")
    return networks, Encoders(parts.vae, parts.image_encoder, SIZE)


def _fill(model: nn.Module, folder: Path) -> None:
    state = latest_checkpoint(folder)
    if state is None:
        raise DisMoError(f"There is no checkpoint in {folder}. Train longer, or name the folder of another run.")
    averaged = {
        name.removeprefix(PREFIX): x for name, x in state.get("averaged", {}).items() if name.startswith(PREFIX)
    }
    model.load_state_dict(state["model"] | averaged)
