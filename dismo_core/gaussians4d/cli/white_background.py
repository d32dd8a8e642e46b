"""`dismo 4d white-background`: pictures with transparency, laid on white, for an evaluation."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ...cli.options import progress_runtime
from ...errors import DisMoError
from ...files import atomic_folder


def add_parser(subparsers: Any) -> None:
    """Register the command."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "white-background",
        help="lay the PNG files of a folder on white",
        description="Copy all PNG files of a folder and of those below it, laid on white, as the comparison with Consistent4D needs them.",
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("-o", "--output", type=Path, help="folder (default: eval_gt_rgb beside it)")
    parser.add_argument("--overwrite", action="store_true", help="replace a folder that is there")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """All files, in the same tree."""
    import torch
    from PIL import Image

    from ...video import read_image

    source: Path = arguments.folder
    if not source.is_dir():
        raise DisMoError(f"There is no folder {source}. Check the path.")
    files = sorted(path for path in source.rglob("*.png") if path.is_file())
    if not files:
        raise DisMoError(f"{source} holds no PNG files. Check the path.")
    output: Path = arguments.output or source.resolve().with_name("eval_gt_rgb")
    if output.exists() and not arguments.overwrite:
        raise DisMoError(f"{output} exists already. Choose another folder.", hint="overwrite")
    with progress_runtime("Laying the pictures on white", "cpu") as runtime, atomic_folder(output) as temporary:
        for number, path in enumerate(files):
            target = temporary / path.relative_to(source)
            target.parent.mkdir(parents=True, exist_ok=True)
            pixels = (read_image(path, background="white") * 255).round().to(torch.uint8)
            Image.fromarray(pixels.numpy()).save(target)
            runtime.progress(number + 1, len(files), None)
    print(f"{output}: {len(files)} pictures on white.")
