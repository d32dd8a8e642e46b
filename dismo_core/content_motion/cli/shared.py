"""Options that several commands of CMD share."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from ...cli.options import add_device, check_device

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

    from ..algebra import MotionLatent
    from ..model import ContentMotionModel


def add_option(group: Any, name: str, **how: Any) -> None:
    """An option under its published name, with hyphens and with underscores."""
    group.add_argument(*dict.fromkeys((f"--{name}", f"--{name.replace('-', '_')}")), **how)


def add_model(parser: argparse.ArgumentParser) -> None:
    """--model --device."""
    parser.add_argument(
        "--model",
        default="tiny",
        metavar="FOLDER",
        help="tiny (bundled), or a folder with an autoencoder and, where they are needed, a motion and a content model (default tiny)",
    )
    add_device(parser)


def load(arguments: argparse.Namespace) -> ContentMotionModel:
    """The model that --model names, on --device."""
    from ..weights import load_content_motion

    return load_content_motion(arguments.model, check_device(arguments.device))


def read_content(path: Path, size: tuple[int, int]) -> Tensor:
    """A picture as a content frame float32 [3,H,W], -1..1, cut and scaled to `size` (height, width)."""
    from ...video import read_image
    from ...video.picture import to_uint8
    from ..clips import clip_tensor

    return clip_tensor(to_uint8(read_image(path), low=0.0)[None], size)[:, 0]


def save_content(motion: MotionLatent, path: Path, *, overwrite: bool) -> None:
    """The content frame that was encoded or drawn with a motion, as a picture."""
    from ...video.picture import to_uint8
    from ...video.sheets import save_picture

    assert motion.content is not None  # it is there where a motion was just made
    save_picture(to_uint8(motion.content).permute(1, 2, 0), path, overwrite=overwrite)


def add_result(parser: argparse.ArgumentParser, what: str, *, required: bool = True) -> None:
    """-o --overwrite."""
    from pathlib import Path

    parser.add_argument("-o", "--out", "--output", type=Path, required=required, metavar="FILE", help=what)
    parser.add_argument("--overwrite", action="store_true", help="replace existing files")
