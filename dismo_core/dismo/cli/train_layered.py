"""`dismo train layered --out FOLDER`: head and segmenter of a layered model, on drawn clips and pictures."""

from __future__ import annotations

import argparse
from dataclasses import replace

from ...cli.given import refuse
from ...cli.options import check_device
from ...cli.progress import display
from ...cli.training_options import SCHEDULE as SCHEDULE_OPTIONS
from ...cli.training_options import changed_schedule, check_folder
from ...cli.training_report import TrainingReport
from ...errors import DisMoError

READINGS = "readings.safetensors"


def train_layered(arguments: argparse.Namespace) -> None:
    """Read drawn clips, fit the head, train the segmenter, write both as one file."""
    from ..training.export import export_layered
    from ..training.fit_head import CLIPS, SEED, fit_head, read_drawn_clips
    from ..training.segmenter import SCHEDULE, train_segmenter
    from ..weights import load_layered_model, load_motion_extractor

    clips = CLIPS if arguments.clips is None else arguments.clips
    if clips < 1000:
        raise DisMoError(f"--clips must be at least 1000, not {clips}: with fewer the head learns the clips by heart.")
    keeps_segmenter = arguments.steps == 0
    if keeps_segmenter:
        refuse(
            arguments,
            [name for name in SCHEDULE_OPTIONS if name != "steps"],
            "belongs to the segmenter, which --steps 0 keeps.",
        )
    schedule = SCHEDULE if keeps_segmenter else changed_schedule(SCHEDULE, arguments)
    check_folder(arguments)
    device = check_device(arguments.device or "cpu")
    seed = SEED if arguments.seed is None else arguments.seed
    with display("Loading the extractor") as shown:
        extractor = load_motion_extractor(arguments.extractor, device)
        arguments.out.mkdir(parents=True, exist_ok=True)
        shown.line(
            f"Fitting a layered model to the extractor {extractor.extractor_id} in {arguments.out}: {clips} drawn clips"
            f"{', the bundled segmenter' if keeps_segmenter else f', {schedule.steps} steps of the segmenter'}. Stop it with Ctrl-C "
            "and start it again to go on."
        )
        shown.stage("Reading drawn clips")
        keep = arguments.out / READINGS
        embeddings, truth = read_drawn_clips(extractor, clips, seed=seed, keep=keep, progress=shown.progress)
        head, explained = fit_head(embeddings, truth, extractor.extractor_id)
        shown.line("R2 on unseen clips: " + "  ".join(f"{name} {value:.2f}" for name, value in explained.items()))
        if keeps_segmenter:
            segmenter = load_layered_model("tiny").segmenter
        else:
            report = TrainingReport(shown, {"segmenter": schedule.steps})
            segmenter = train_segmenter(
                arguments.out,
                replace(schedule, draw_every=schedule.steps + 1),
                seed=seed,
                progress=lambda done, total, row: report("segmenter", done, total, row),
            )
    print(f"Wrote {export_layered(head, segmenter, arguments.out)}")
