"""`dismo evaluate`: what embeddings know, how well videos follow, what the released weights give."""

from __future__ import annotations

import argparse
from typing import Any

from .evaluate_embeddings import add_disentangle, add_knn
from .evaluate_release import add_release
from .evaluate_transfer import add_transfer


def add_parser(subparsers: Any) -> None:
    """Register the command."""
    text = "measure embeddings, videos and released weights"
    parser: argparse.ArgumentParser = subparsers.add_parser("evaluate", help=text, description=f"{text.capitalize()}.")
    actions = parser.add_subparsers(required=True, dest="evaluation", metavar="EVALUATION")
    for add in (add_knn, add_disentangle, add_transfer, add_release):
        add(actions)
