"""`dismo train text-to-video-tiny --out FOLDER`: the bundled text-to-video base, from nothing, on captioned drawn clips."""

from __future__ import annotations

import argparse
from dataclasses import replace

from ...cli.progress import display
from ...cli.training_options import check_folder
from ...cli.training_report import TrainingReport
from ...errors import DisMoError

STEPS = ("autoencoder_steps", "denoiser_steps")
FINISHED = "base"  # folder within that of the run


def train_text_to_video(arguments: argparse.Namespace) -> None:
    """Train and export."""
    from ...text_to_video.training.export import export_base
    from ...text_to_video.training.tiny import TinyRecipe, train_tiny

    recipe = TinyRecipe()
    changes = {name: getattr(arguments, name) for name in STEPS if getattr(arguments, name) is not None}
    for name, steps in changes.items():
        if steps < 1:
            raise DisMoError(f"--{name.replace('_', '-')} must be at least 1, not {steps}.")
    recipe = replace(recipe, **changes, seed=recipe.seed if arguments.seed is None else arguments.seed)
    check_folder(arguments)
    stages = {name.partition("_")[0]: getattr(recipe, name) for name in STEPS}
    print(
        f"Training the tiny text-to-video base in {arguments.out}: {', '.join(f'{steps} {name} steps' for name, steps in stages.items())}, "
        "about an hour and a half of one CPU core. Stop it with Ctrl-C and start it again to go on.",
        flush=True,
    )
    with display("Drawing the first pictures") as shown:
        base, autoencoder = train_tiny(arguments.out, recipe, TrainingReport(shown, stages))
    for path in export_base(base, autoencoder, arguments.out / FINISHED):
        print(f"Wrote {path}")
