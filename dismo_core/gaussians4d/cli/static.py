"""`dismo 4d static`: Gaussians at rest of one picture."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...cli.given import refuse
from ...cli.options import add_device, check_input, progress_runtime
from ...errors import DisMoError
from ...files import check_free
from ..choices import MEMORY
from .clip_options import add_shape_options, check_shape

if TYPE_CHECKING:
    from ..clip import Clip4D
    from ..posed import PosedGaussians


def add_parser(subparsers: Any) -> None:
    """Register the command."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "static",
        help="Gaussians at rest of one picture",
        description="Make a solid object of a picture: its outline blown up, or by the networks of LGM.",
    )
    parser.add_argument("picture", type=Path, help="with transparency or a plain background")
    parser.add_argument("-o", "--output", type=Path, help="PLY file (default logs/NAME_model.ply)")
    parser.add_argument(
        "--method",
        choices=("inflate", "lgm"),
        default="inflate",
        help="blow up the outline (default), or the networks of LGM",
    )
    add_shape_options(parser, frame=False)
    networks = parser.add_argument_group("with --method lgm")
    networks.add_argument("--lgm", type=Path, metavar="FILE", help="model_fp16_fixrot.safetensors, or another LGM")
    networks.add_argument("--imagedream", type=Path, metavar="FOLDER", help="an ImageDream in diffusers' format")
    networks.add_argument("--seed", type=int, default=42, help="of the noise (default 42)")
    networks.add_argument(
        "--memory", choices=MEMORY, default="auto", help="how the networks lie in memory (default auto)"
    )
    add_device(networks)
    parser.add_argument("--overwrite", action="store_true", help="replace an existing file")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """One PLY file; the distance of its camera stands in it."""
    import numpy as np
    import torch
    from PIL import Image

    from ..clip import Clip4D
    from ..matting import matte
    from ..posed import inflated, write_posed
    from ..prepare import recenter

    source: Path = arguments.picture
    check_input(source, "picture")
    if arguments.method == "inflate":
        refuse(arguments, ("lgm", "imagedream", "seed", "memory", "device"), "is for --method lgm.")
        check_shape(arguments)
    else:
        refuse(arguments, ("count", "thickness"), "is for --method inflate.")
        if arguments.lgm is None or arguments.imagedream is None:
            raise DisMoError(
                "--method lgm needs the weights: --lgm FILE and --imagedream FOLDER. `dismo weights download lgm-big` fetches both."
            )
    output = arguments.output or Path("logs") / f"{source.stem}_model.ply"
    check_free(output, overwrite=arguments.overwrite)
    with Image.open(source) as opened:
        rgba = matte(np.asarray(opened.convert("RGBA")))
    clip = Clip4D(torch.from_numpy(recenter(rgba, size=256))[None], 1.0, source.name)
    if arguments.method == "inflate":
        posed = inflated(clip, count=arguments.count, thickness=arguments.thickness)
        note = "Sides and back are inferred from the outline."
    else:
        posed = _by_networks(clip, arguments)
        note = "Sides and back are invented."
    write_posed(output, posed, overwrite=arguments.overwrite)
    print(f"{output}: {len(posed.gaussians)} Gaussians, seen from a distance of {posed.radius:g}. {note}")


def _by_networks(clip: Clip4D, arguments: argparse.Namespace) -> PosedGaussians:
    from ..static_lgm import load_static_lgm

    with progress_runtime("Loading the networks", arguments.device) as runtime:
        static = load_static_lgm(arguments.lgm, arguments.imagedream, device=runtime.device, memory=arguments.memory)
        return static.pose(clip, 0, arguments.seed, runtime=runtime)
