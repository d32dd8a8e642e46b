"""`dismo content-motion`: its commands."""

from __future__ import annotations

import argparse
from typing import Any

from . import decode, demo, edit, encode, evaluate, export, sample, train


def add_parser(subparsers: Any) -> None:
    """Register the command."""
    text = "a clip as one picture and a motion, edited apart and put together again"
    parser: argparse.ArgumentParser = subparsers.add_parser("content-motion", help=text, description=f"CMD: {text}.")
    actions = parser.add_subparsers(required=True, dest="content_motion_command", metavar="COMMAND")
    for module in (demo, encode, decode, edit, sample, train, evaluate, export):
        module.add_parser(actions)
