"""`dismo motiondirector demo`: a learned motion on prompts, beside the base alone, on a CPU."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ...cli.options import check_demo_folder, chosen_device, shown_runtime
from ...cli.progress import display
from ...errors import DisMoError
from .base_options import add_running, load

MOVE, BUNDLED = "moving left", "moving-left"
CLIPS = 4  # to learn from


def add_demo(actions: Any) -> None:
    """Register `demo`."""
    parser: argparse.ArgumentParser = actions.add_parser(
        "demo",
        help="see it work in minutes, no GPU and no download",
        description="Put the bundled motion, or one that is learned now from four drawn clips, on prompts, beside the base alone. A minute "
        "on a CPU, or some minutes with --steps 200.",
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
    parser.add_argument(
        "--steps", type=int, default=0, help="learn it now in so many steps (default 0: take the bundled one)"
    )
    add_running(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Train if asked to, sample, write the videos and a strip of pictures."""
    from ...text_to_video.gates import SEED, transfer_cases
    from ...video.sheets import contact_sheet, save_picture
    from ...video.write import write_video
    from ..drawn import learn_drawn, pixels, same_motion, sampler, training_on_drawn
    from ..sampling import VideoSettings

    out: Path = arguments.out
    check_demo_folder(out)
    if arguments.steps < 0:
        raise DisMoError(f"--steps must be 0 or more, not {arguments.steps}.")
    device = chosen_device(arguments.device)
    (case,) = transfer_cases([MOVE], SEED + 3, prompts=2)
    captions = case.asked.captions(False)
    with display("Loading the base") as shown:
        base = load(arguments.model, device, arguments.precision, arguments.memory, shown)
        runtime = shown_runtime(shown, device)
        motion: Path | str = BUNDLED
        if arguments.steps:
            drawn = same_motion(case.clip, CLIPS)
            shown.line(f"Learning the motion of {', '.join(map(repr, drawn.captions()))}: {arguments.steps} steps.")
            runtime.stage("learning the motion")
            settings = training_on_drawn(arguments.steps, CLIPS)
            motion = learn_drawn(base, drawn, settings, out / "run", runtime)["motion"]
        runtime.stage("making videos")
        videos = VideoSettings()
        learned = sampler(base, videos, motion=motion)(captions, 0)
        alone = sampler(base, videos)(captions, 0)
    rows = [pixels(case.clip.rendered()[0])]
    for caption, *made in zip(captions, learned, alone, strict=True):
        for name, video in zip(("moved", "base"), made, strict=True):
            write_video(out / f"{name}_{caption.replace(' ', '_')}.mp4", pixels(video), 8, overwrite=True)
            rows.append(pixels(video))
    save_picture(contact_sheet(rows, 8, 128), out / "contact_sheet.png", overwrite=True)
    print(
        f"Done. Open {out / 'contact_sheet.png'}: a clip of the motion, then {' and '.join(map(repr, captions))}, each with the learned "
        f"motion and without it. The motion: {motion}."
    )
