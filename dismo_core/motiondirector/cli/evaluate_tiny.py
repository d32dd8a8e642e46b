"""`dismo motiondirector evaluate --tiny`: what the method does on drawn clips, trained and sampled here."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from ...cli.options import chosen_device, shown_runtime
from ...cli.progress import display
from ...errors import DisMoError
from .base_options import load

if TYPE_CHECKING:
    from ..drawn_evaluation import Measured

STEPS = 200  # of each training
OF_CLIP = (
    "clip",
    "width",
    "height",
    "num_frames",
    "fps",
    "lora_scale",
    "clip_model",
    "prompt",
)  # what has no part here


def evaluate_tiny(arguments: argparse.Namespace) -> None:
    """Train on each drawn clip, sample, measure, report."""
    from ...cli.libraries import require_libraries
    from ...evaluation.plots import bar_plot
    from ...evaluation.report import check_report, write_report
    from ...files import check_free
    from ...video.sheets import contact_sheet, save_picture
    from ..drawn import training_on_drawn
    from ..drawn_evaluation import HELD_OUT, evaluate_drawn, inversion_error, means
    from ..sampling import VideoSettings

    output = Path(arguments.output)
    sheet = output.with_name(f"{output.stem}_sheet.png")
    check_report(arguments.output, overwrite=arguments.overwrite)
    check_free(sheet, overwrite=arguments.overwrite)
    require_libraries("cv2", "matplotlib")
    if not 1 <= arguments.clips <= len(HELD_OUT):
        raise DisMoError(f"--clips must be 1 to {len(HELD_OUT)}, not {arguments.clips}.")
    if arguments.train_steps < 1:
        raise DisMoError(f"--train-steps must be at least 1, not {arguments.train_steps}.")
    if arguments.appearances < 1:
        raise DisMoError(f"--appearances must be at least 1, not {arguments.appearances}.")
    device = chosen_device(arguments.device)
    training = training_on_drawn(arguments.train_steps, arguments.appearances, appearance=True, seed=arguments.seed)
    videos = VideoSettings(steps=arguments.num_steps, guidance=arguments.guidance_scale)
    moves = HELD_OUT[:: len(HELD_OUT) // arguments.clips][: arguments.clips]
    with display("Loading the base") as shown:
        base = load(arguments.model, device, arguments.precision, arguments.memory, shown)
        shown.line(
            f"{len(moves)} clips, two trainings of {training.steps} steps each; stopped, it goes on where it was."
        )
        runtime = shown_runtime(shown, device)
        folder = output.with_name(f"{output.stem}_runs")
        rows, sheets = evaluate_drawn(
            base,
            training,
            videos,
            folder,
            moves=moves,
            appearances=arguments.appearances,
            controls=arguments.controls,
            runtime=runtime,
        )
        errors = inversion_error(base, moves) if arguments.controls else []
    found = means(rows)
    _print(found, errors, rows)
    figure = bar_plot(
        list(found),
        {name: [numbers[name] for numbers in found.values()] for name in ("fidelity", "leak", "kept")},
        f"MotionDirector on {len(moves)} drawn clips",
        "share",
    )
    result = {
        "evaluation": "motiondirector tiny",
        "base": base.name,
        "steps": training.steps,
        "appearances": arguments.appearances,
        "means": found,
        "clips": [{"move": row.move, "kind": row.kind, **row.numbers(), "prompts": row.prompts} for row in rows],
        "inversion errors": errors,
    }
    write_report(arguments.output, result, figure, overwrite=arguments.overwrite)
    save_picture(contact_sheet([row for rows_ in sheets for row in rows_], 8, 64), sheet, overwrite=arguments.overwrite)
    print(f"{arguments.output}: the numbers; {sheet}: for each clip it, then a video of each kind but other clips.")


def _print(found: dict[str, dict[str, float]], errors: list[float], rows: list[Measured]) -> None:
    from rich.console import Console
    from rich.table import Table

    clips = len(rows) // len(found)
    names = ("fidelity", "way", "leak", "kept")
    table = Table("videos", *names, title=f"{clips} clips, {rows[0].prompts} prompts each")
    for kind, numbers in found.items():
        table.add_row(kind, *(f"{numbers[name]:.2f}" for name in names))
    Console().print(table)
    if errors:
        print(
            f"Inverted and sampled again: relative error {sum(errors) / len(errors):.3f}, mean of {len(errors)} clips."
        )
