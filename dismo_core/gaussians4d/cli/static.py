"""`dismo 4d static`: Gaussians at rest of one picture."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...cli.given import refuse
from ...cli.options import add_device, check_input, check_range, progress_runtime
from ...errors import DisMoError
from ...files import check_free
from ...memory.choices import MEMORY
from .clip_options import add_shape_options, check_shape, guidance_folder

# Method -> the options that it takes
_RUNNING = ("seed", "memory", "device")
METHODS = {
    "inflate": ("count", "thickness"),
    "lgm": ("lgm", "imagedream", *_RUNNING),
    "sds": ("guidance", "config", "kind", "steps", *_RUNNING),
}

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
        choices=tuple(METHODS),
        default="inflate",
        help="blow up the outline (default), the networks of LGM, or sds: from a ball, which a zero123 judges",
    )
    add_shape_options(parser, frame=False)
    networks = parser.add_argument_group("with --method lgm or sds")
    networks.add_argument("--lgm", type=Path, metavar="FILE", help="lgm: model_fp16_fixrot.safetensors, or another LGM")
    networks.add_argument("--imagedream", type=Path, metavar="FOLDER", help="lgm: an ImageDream in diffusers' format")
    networks.add_argument(
        "--guidance",
        type=Path,
        metavar="FOLDER",
        help="sds: a zero123-xl in diffusers' format, or its name, once fetched",
    )
    networks.add_argument("--config", choices=("dg", "dghd"), default="dg", help="sds: published settings (default dg)")
    networks.add_argument("--kind", choices=("stable", "xl"), default="xl", help="sds: of the zero123 (default xl)")
    networks.add_argument("--steps", type=int, default=500, help="sds: of the fit (default 500)")
    networks.add_argument("--seed", type=int, default=42, help="of the random numbers (default 42)")
    networks.add_argument(
        "--memory", choices=MEMORY, default="auto", help="how the networks lie in memory (default auto)"
    )
    add_device(parser)
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
    for method, own in METHODS.items():
        others = [name for names in METHODS.values() for name in names if name not in METHODS[arguments.method]]
        refuse(arguments, [name for name in own if name in others], f"is for --method {method}.")
    if arguments.method == "inflate":
        check_shape(arguments)
    elif arguments.method == "sds" and arguments.guidance is None:
        raise DisMoError(
            "--method sds needs a zero123: --guidance FOLDER, or --guidance zero123-xl, which `dismo weights download zero123-xl` fetches."
        )
    elif arguments.method == "lgm" and (arguments.lgm is None or arguments.imagedream is None):
        raise DisMoError(
            "--method lgm needs the weights: --lgm FILE and --imagedream FOLDER. `dismo weights download lgm-big` fetches both."
        )
    check_range(arguments, "steps", 1, 100_000)
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
    from dataclasses import replace

    from ..static_lgm import load_static_lgm
    from ..static_sds import CONFIGS, gaussians_from_ball
    from ..zero123 import load_zero123

    with progress_runtime("Loading the networks", arguments.device) as runtime:
        device, memory = runtime.device, arguments.memory
        if arguments.method == "lgm":
            static = load_static_lgm(arguments.lgm, arguments.imagedream, device=device, memory=memory)
            return static.pose(clip, 0, arguments.seed, runtime=runtime)
        judge = load_zero123(guidance_folder(arguments.guidance), arguments.kind, device=device, memory=memory)
        settings = replace(CONFIGS[arguments.config], steps=arguments.steps, seed=arguments.seed)
        runtime.stage("fitting")
        return gaussians_from_ball(clip, judge, settings, runtime=runtime)
