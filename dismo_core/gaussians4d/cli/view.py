"""`dismo 4d view`: a model in the browser."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ...cli.options import check_input
from ...errors import DisMoError


def add_parser(subparsers: Any) -> None:
    """Register the command."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "view",
        help="write an HTML page of a model and open it",
        description="Write one HTML file that shows a 4D model or a GLB in any browser, also from disk and offline, and open it.",
    )
    parser.add_argument("file", type=Path, help="a 4D model (.safetensors) or a .glb")
    parser.add_argument("-o", "--output", type=Path, help="HTML file (default: beside it)")
    parser.add_argument("--no-open", action="store_true", help="only write it")
    parser.add_argument("--overwrite", action="store_true", help="replace an existing page")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Write, and open."""
    import webbrowser

    from ..model4d import Gaussians4D
    from ..viewer import html_viewer

    source: Path = arguments.file
    check_input(source, "4D model")
    output: Path = arguments.output or source.with_suffix(".html")
    if source.suffix.lower() == ".glb":
        html_viewer(output, source, overwrite=arguments.overwrite)
    elif source.suffix.lower() == ".safetensors":
        html_viewer(output, Gaussians4D.load(source), overwrite=arguments.overwrite)
    else:
        raise DisMoError(f"{source} is neither a 4D model (.safetensors) nor a GLB (.glb).")
    print(f"{output}: open it in a browser, drag to look around.")
    if not arguments.no_open:
        webbrowser.open(output.resolve().as_uri())
