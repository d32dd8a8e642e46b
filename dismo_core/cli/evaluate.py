"""`dismo evaluate`: what embeddings know, how well videos follow, what the released weights give."""

from __future__ import annotations

import argparse
import importlib
from typing import Any

from .methods import EVALUATIONS


def add_parser(subparsers: Any) -> None:
    """Register the command."""
    text = "measure embeddings, videos and released weights"
    parser: argparse.ArgumentParser = subparsers.add_parser("evaluate", help=text, description=f"{text.capitalize()}.")
    actions = parser.add_subparsers(required=True, dest="evaluation", metavar="EVALUATION")
    for place in EVALUATIONS.values():
        module, _, function = place.partition(":")
        getattr(importlib.import_module(f"...{module}", __name__), function)(actions)
