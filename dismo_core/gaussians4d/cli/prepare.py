"""`dismo 4d prepare`: one subject in the middle of a square, transparent around it."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ...cli.given import refuse
from ...cli.options import check_range
from ...files import atomic_folder, atomic_write, check_free
from .clip_options import add_clip_options, check_clip, prepared, stem_of

PICTURES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff")


def add_parser(subparsers: Any) -> None:
    """Register the command."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "prepare",
        help="cut out the subject and bring it to the middle of a square",
        description="Of a clip: one crop for all frames, written as PNG files with transparency. Of a picture: one such file.",
    )
    parser.add_argument("input", type=Path, help="a picture, a video, or a folder of numbered PNG files")
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        help="folder, or file for a picture (default: beside it, NAME_frames or NAME_rgba.png)",
    )
    parser.add_argument("--size", type=int, default=256, help="side of the square, px (default 256)")
    add_clip_options(parser)
    parser.add_argument("--overwrite", action="store_true", help="replace what is there")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """A picture, or a clip."""
    source: Path = arguments.input
    check_clip(source, "picture or clip")
    check_range(arguments, "size", 16, 1024)
    if source.is_file() and source.suffix.lower() in PICTURES:
        _picture(arguments)
    else:
        _clip(arguments)


def _picture(arguments: argparse.Namespace) -> None:
    import numpy as np
    from PIL import Image

    from ..matting import matte
    from ..prepare import recenter

    refuse(arguments, ("frames", "start", "length", "crop", "masks"), "is for clips: this is one picture.")
    source: Path = arguments.input
    output = arguments.output or source.with_name(f"{source.stem}_rgba.png")
    check_free(output, overwrite=arguments.overwrite)
    with Image.open(source) as opened:
        rgba = np.asarray(opened.convert("RGBA"))
    made = recenter(matte(rgba, arguments.matting), size=arguments.size)
    with atomic_write(output, overwrite=arguments.overwrite) as temporary:
        Image.fromarray(made).save(temporary)
    print(f"{output}: {arguments.size}x{arguments.size} px, transparent around the subject.")


def _clip(arguments: argparse.Namespace) -> None:
    from PIL import Image

    from ..export import check_folder

    source: Path = arguments.input
    output = arguments.output or source.with_name(f"{stem_of(source)}_frames")
    check_folder(output, overwrite=arguments.overwrite)
    clip = prepared(source, arguments, arguments.size)
    with atomic_folder(output) as temporary:
        for number, frame in enumerate(clip.rgba):
            Image.fromarray(frame.numpy()).save(temporary / f"{number:03d}.png")
    print(f"{output}: {len(clip.rgba)} frames of {arguments.size}x{arguments.size} px, of {clip.fps:.3g} a second.")
