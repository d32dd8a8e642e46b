"""`dismo 4d`: a clip, or a picture of one moment of it, as a moving object that can be seen from all sides."""

from __future__ import annotations

import argparse
from typing import Any

from . import demo, drive, evaluate, fit, picture, prepare, refine, static, text, video, view, white_background


def add_parser(subparsers: Any) -> None:
    """Register the command and those below it."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "4d",
        help="a clip as a moving object, seen from all sides",
        description="Make a moving 3D object of a clip of one subject. What the clip does not show is inferred from the outline.",
    )
    below = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    for module in (demo, video, picture, text, prepare, drive, static, fit, refine, view, evaluate, white_background):
        module.add_parser(below)
