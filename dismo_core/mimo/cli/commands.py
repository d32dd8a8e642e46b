"""`dismo mimo`: its commands."""

from __future__ import annotations

import argparse
from typing import Any

from . import demo, evaluate, generate, insert, template, train


def add_parser(subparsers: Any) -> None:
    """Register the command."""
    text = "put a character into a video, behind what stands in front"
    parser: argparse.ArgumentParser = subparsers.add_parser("mimo", help=text, description=f"MIMO: {text}.")
    actions = parser.add_subparsers(required=True, dest="mimo_command", metavar="COMMAND")
    for module in (demo, insert, template, generate, train, evaluate):
        module.add_parser(actions)
