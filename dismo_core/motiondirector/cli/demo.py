"""`dismo motiondirector demo`: the motion of a drawn clip, learned and put on other prompts, on a CPU."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ...cli.options import check_demo_folder, chosen_device, shown_runtime
from ...cli.progress import display
from ...errors import DisMoError
from .base_options import add_running, load

MOVE = "bouncing"
STEPS = 150


def add_demo(actions: Any) -> None:
    """Register `demo`."""
    parser: argparse.ArgumentParser = actions.add_parser(
        "demo",
        help="see it work in minutes, no GPU and no download",
        description="Draw a clip, learn its motion, put it on other prompts, beside the base alone. Minutes on a CPU.",
    )
    parser.add_argument(
        "-o",
        "--out",
        type=Path,
        default=Path("motiondirector_demo"),
        metavar="FOLDER",
        help="default motiondirector_demo",
    )
    parser.add_argument("-m", "--model", default="tiny", help="`tiny` (default), or another base for 64 px")
    parser.add_argument("--steps", type=int, default=STEPS, help=f"of the training (default {STEPS})")
    add_running(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Train, sample, write the videos and a strip of pictures."""
    from ...text_to_video.gates import transfer_cases
    from ...video.sheets import contact_sheet, save_picture
    from ...video.write import write_video
    from ..drawn import learn_drawn, pixels, sampler
    from ..drawn_evaluation import SEED
    from ..sampling import VideoSettings
    from ..training import TrainingSettings

    out: Path = arguments.out
    check_demo_folder(out)
    if arguments.steps < 1:
        raise DisMoError(f"--steps must be at least 1, not {arguments.steps}.")
    device = chosen_device(arguments.device)
    (case,) = transfer_cases([MOVE], SEED, prompts=2)
    frames, captions = case.clip.rendered()[0], case.asked.captions(False)
    with display("Loading the base") as shown:
        base = load(arguments.model, device, arguments.precision, arguments.memory, shown)
        runtime = shown_runtime(shown, device)
        shown.line(f"Learning the motion of {case.clip.captions()[0]!r}: {arguments.steps} steps.")
        settings = TrainingSettings(steps=arguments.steps, save_every=arguments.steps, checkpointing=False)
        runtime.stage("learning the motion")
        adapters = learn_drawn(base, frames, case.clip.captions(False)[0], settings, out / "run", runtime)
        runtime.stage("making videos")
        videos = VideoSettings()
        learned = sampler(base, videos, motion=adapters["motion"])(captions, 0)
        alone = sampler(base, videos)(captions, 0)
    rows = [pixels(frames)]
    for caption, *made in zip(captions, learned, alone, strict=True):
        for name, video in zip(("moved", "base"), made, strict=True):
            write_video(out / f"{name}_{caption.replace(' ', '_')}.mp4", pixels(video), 8, overwrite=True)
            rows.append(pixels(video))
    save_picture(contact_sheet(rows, 8, 128), out / "contact_sheet.png", overwrite=True)
    print(
        f"Done. Open {out / 'contact_sheet.png'}: the clip, then {' and '.join(map(repr, captions))}, each with the learned motion and "
        f"without it. The motion: {adapters['motion']}."
    )
