"""Options of the layered model, and the model that they name."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from ...cli.options import check_input, check_range

if TYPE_CHECKING:
    from torch import Tensor

    from ..layered.model import LayeredModel

LAYERED_NAME = "layered"  # of the bundled one
OPAQUE = 0.99  # a picture that is nowhere less covered has no transparency
LAYERED = ("mask", "moves", "borders", "shutter")


def add_layered(parser: argparse.ArgumentParser, *, video: bool = True) -> None:
    """--mask --moves, and --borders --shutter where a video is made."""
    group: Any = parser.add_argument_group("layered model")
    group.add_argument(
        "--mask",
        metavar="PICTURE",
        help="what of the picture is the thing: white = thing, black = ground, or a cut-out on transparency; of any size (default: "
        "found by itself)",
    )
    group.add_argument(
        "--moves",
        choices=("auto", "scene", "thing", "both"),
        default="auto",
        help="scene = the camera alone, thing = the thing alone, auto = whichever moves in the clip (default auto)",
    )
    if not video:
        return
    group.add_argument(
        "--borders",
        choices=("mirror", "extend", "crop"),
        default="mirror",
        help="beyond the picture: its mirror image, its blurred edges, or zoom in until nothing beyond it shows (default mirror)",
    )
    group.add_argument(
        "--shutter",
        type=float,
        default=0.0,
        metavar="DEGREES",
        help="motion blur: how long of 360 degrees the shutter is open; 180 is usual (default 0: none)",
    )


def check_layered(arguments: argparse.Namespace) -> None:
    """Raise for what cannot be; asked before anything is loaded."""
    if arguments.mask is not None:
        check_input(arguments.mask, "mask")
    if hasattr(arguments, "shutter"):
        check_range(arguments, "shutter", 0, 360)


def load_layered(arguments: argparse.Namespace, model: str, device: str, fps: float = 0.0) -> LayeredModel:
    """The model that `model` names, with the choices of the options.

    Args:
        arguments: with the options of `add_layered`.
        model: "layered", or a file.
        device: where it runs.
        fps: of the video; 0 = that of the motion.
    """
    from ..weights import load_layered_model

    return load_layered_model(
        model,
        device,
        moves=arguments.moves,
        borders=getattr(arguments, "borders", "mirror"),
        shutter=getattr(arguments, "shutter", 0.0),
        fps=fps,
    )


def read_mask(arguments: argparse.Namespace) -> Tensor | None:
    """The mask [H, W], 0..1, that `--mask` names: its brightness, or its transparency where it has some."""
    if arguments.mask is None:
        return None
    from ...video import read_image

    on_black, on_white = (read_image(arguments.mask, background=color) for color in ("black", "white"))
    covered = 1 - (on_white - on_black).mean(dim=-1)
    return covered if float(covered.min()) < OPAQUE else on_black.mean(dim=-1)
