"""`dismo 4d static`: Gaussians at rest of one picture."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ...cli.options import check_input
from ...files import check_free
from .clip_options import add_shape_options, check_shape


def add_parser(subparsers: Any) -> None:
    """Register the command."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "static",
        help="Gaussians at rest of one picture, its outline blown up",
        description="Blow up the outline of a picture to a solid object. What the picture does not show is inferred.",
    )
    parser.add_argument("picture", type=Path, help="with transparency or a plain background")
    parser.add_argument("-o", "--output", type=Path, help="PLY file (default logs/NAME_model.ply)")
    add_shape_options(parser, frame=False)
    parser.add_argument("--overwrite", action="store_true", help="replace an existing file")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """One PLY file; the distance of its camera stands in it."""
    import numpy as np
    from PIL import Image

    from ..inflate import inflate_silhouette
    from ..matting import matte
    from ..posed import PosedGaussians, write_posed
    from ..prepare import recenter

    source: Path = arguments.picture
    check_input(source, "picture")
    check_shape(arguments)
    output = arguments.output or Path("logs") / f"{source.stem}_model.ply"
    check_free(output, overwrite=arguments.overwrite)
    with Image.open(source) as opened:
        rgba = matte(np.asarray(opened.convert("RGBA")))
    gaussians = inflate_silhouette(recenter(rgba, size=256), arguments.count, thickness=arguments.thickness)
    write_posed(output, PosedGaussians(gaussians, thickness=arguments.thickness), overwrite=arguments.overwrite)
    print(
        f"{output}: {len(gaussians)} Gaussians, seen from a distance of 1.5. Sides and back are inferred from the outline."
    )
