"""`dismo motiondirector`: learn a motion from clips, put it on any prompt; look at, convert and merge adapters."""

from __future__ import annotations

import argparse
from typing import Any

from . import demo, evaluate, files, sample, train


def add_parser(subparsers: Any) -> None:
    """Register the commands."""
    text = "learn a motion from one clip or a few, and put it on any prompt"
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "motiondirector", help=text, description=f"MotionDirector: {text}."
    )
    actions = parser.add_subparsers(required=True, dest="action", metavar="ACTION")
    demo.add_demo(actions)
    train.add_train(actions)
    sample.add_sample(actions)
    files.add_inspect(actions)
    files.add_convert(actions)
    files.add_merge(actions)
    evaluate.add_evaluate(actions)
