"""`dismo demo-t2v`: text to video with a prompt for what is seen and one for how it moves."""

from __future__ import annotations

import argparse
from typing import Any

from . import generate, reanimate, train


def add_parser(subparsers: Any) -> None:
    """Register the commands."""
    text = "text to video whose motion has a prompt of its own"
    parser: argparse.ArgumentParser = subparsers.add_parser("demo-t2v", help=text, description=f"DEMO: {text}.")
    actions = parser.add_subparsers(required=True, dest="action", metavar="ACTION")
    generate.add_generate(actions)
    reanimate.add_reanimate(actions)
    train.add_train(actions)
