"""`dismo weights`: what is installed, where, checksums."""

from __future__ import annotations

import argparse
from typing import Any

from ..errors import DisMoError


def add_parser(subparsers: Any) -> None:
    """Register the command."""
    text = "list the bundled weights, where they lie, and check them"
    parser: argparse.ArgumentParser = subparsers.add_parser("weights", help=text, description=f"{text.capitalize()}.")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Print the table; a damaged or missing file is an error after it."""
    from rich.console import Console
    from rich.table import Table

    from ..weights import BUNDLED
    from ..weights.files import sha256
    from ..weights.load import ASSETS, bundled_checksum

    table = Table("size", "sha256", "state", "file")
    bad = []
    for name, path in BUNDLED.items():
        if not path.is_file():
            state, size, digest = "missing", "", ""
        else:
            digest = sha256(path)
            state = "ok" if digest == bundled_checksum(path) else "damaged"
            size = f"{path.stat().st_size / 1e6:.1f} MB"
        if state != "ok":
            bad.append(name)
        table.add_row(size, digest[:16], state, path.name)
    console = Console()
    console.print(table)
    console.print(f"in {ASSETS}", soft_wrap=True)
    if bad:
        raise DisMoError(f"Bundled weights are missing or damaged: {', '.join(bad)}. Install the pack again.")
