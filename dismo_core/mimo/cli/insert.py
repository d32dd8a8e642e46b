"""`dismo mimo insert`: a character's own frames in a template, without a network."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ...cli.options import progress_runtime
from .shared import add_result, add_template, check_result, open_template, write_result


def add_parser(actions: Any) -> None:
    """Register the command."""
    parser: argparse.ArgumentParser = actions.add_parser(
        "insert",
        help="put a character's own frames into a template; no network, no download",
        description="Put a character's own frames where the template's person was, behind what stands in front.",
    )
    add_template(parser, "the bundled one")
    parser.add_argument(
        "--video",
        type=Path,
        metavar="FILE",
        help="the character: a video, an animation, a folder of pictures or one picture, on transparent or white (default the bundled one)",
    )
    parser.add_argument("--alpha", type=Path, metavar="FILE", help="its mask, white where the character is")
    parser.add_argument(
        "--anchor", choices=("feet", "centre", "none"), default="feet", help="what is kept in place (default feet)"
    )
    parser.add_argument(
        "--scale",
        choices=("height", "none"),
        default="height",
        help="as tall as the person, or as it is (default height)",
    )
    parser.add_argument("--size", type=float, default=1.0, help="factor on its size, 0.1 to 4 (default 1)")
    parser.add_argument(
        "--offset",
        type=float,
        nargs=2,
        default=(0.0, 0.0),
        metavar=("X", "Y"),
        help="px to the right and down (default 0 0)",
    )
    parser.add_argument(
        "--time",
        choices=("stretch", "loop", "trim"),
        default="stretch",
        help="its frames over those of the template (default stretch)",
    )
    parser.add_argument(
        "--smooth", type=int, default=5, help="frames over which the person's place is smoothed, 0 to 60 (default 5)"
    )
    parser.add_argument(
        "--feather", type=float, default=0.0, help="px over which its edge falls off, 0 to 32 (default 0)"
    )
    parser.add_argument("--flip", action="store_true", help="mirror the character")
    parser.add_argument("--shadow", action="store_true", help="draw a soft shadow at its feet")
    parser.add_argument("--match-colours", action="store_true", help="bring its colors nearer to the scene's")
    add_result(parser, "out.mp4")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Read, insert, write."""
    from ..insertion.character import read_character
    from ..insertion.insert import Insertion, inserted_frames
    from ..weights import EXAMPLE_CHARACTER

    template = open_template(arguments.template)
    path = arguments.out or Path("out.mp4")
    check_result(arguments, path, template.fps)
    with progress_runtime("Reading the character", "cpu") as runtime:
        character = read_character(arguments.video or EXAMPLE_CHARACTER, arguments.alpha)
        options = Insertion(
            arguments.anchor,
            arguments.scale,
            arguments.size,
            tuple(arguments.offset),
            arguments.time,
            character.fps,
            arguments.smooth,
            arguments.feather,
            arguments.flip,
            arguments.shadow,
            arguments.match_colours,
        )
        opened = template.open(arguments.max_frames)
        runtime.stage("following the person")
        frames = inserted_frames(character.frames, character.alpha, opened, options, runtime)
        line = write_result(arguments, path, frames, template.fps, template.audio(len(opened)), runtime)
    print(line)
