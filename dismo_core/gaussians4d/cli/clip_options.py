"""Options that several 4D commands share, and what they mean."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from ...cli.options import check_range
from ...errors import DisMoError
from ..choices import CROPS, MATTING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ..clip import Clip4D


def add_clip_options(parser: argparse.ArgumentParser) -> None:
    """--frames --start --length --matting --crop --masks."""
    parser.add_argument("--frames", type=int, default=14, help="how many frames are taken, evenly (default 14)")
    parser.add_argument(
        "--start", type=float, default=0.0, metavar="SECONDS", help="where in the clip to begin (default 0)"
    )
    parser.add_argument(
        "--length", type=float, default=0.0, metavar="SECONDS", help="how much of it; 0 = to the end (default 0)"
    )
    parser.add_argument(
        "--matting",
        choices=MATTING,
        default="auto",
        help="how the subject is told from the background: its transparency, a plain background, or rembg where that is installed "
        "(default auto: the first that can be)",
    )
    parser.add_argument(
        "--crop",
        choices=CROPS,
        default="largest",
        help="box of the largest frame, of all frames, or none (default largest)",
    )
    parser.add_argument(
        "--masks", type=Path, metavar="CLIP", help="a video or folder that is white where the subject is"
    )


def add_shape_options(parser: argparse.ArgumentParser, frame: bool = True) -> None:
    """--frame (of clips) --count --thickness."""
    if frame:
        text = "frame of the prepared clip that the model is made from (default 0)"
        parser.add_argument("--frame", type=int, default=0, help=text)
    parser.add_argument("--count", type=int, default=1500, help="about how many Gaussians (default 1500)")
    parser.add_argument(
        "--thickness", type=float, default=0.7, help="of a disc, in radii: 0.1 flat, 1 a ball (default 0.7)"
    )


def check_shape(arguments: argparse.Namespace) -> None:
    """Raise for a thickness or count that cannot be."""
    check_range(arguments, "thickness", 0.1, 1.5)
    check_range(arguments, "count", 50, 1_000_000)


def check_clip(path: Path, what: str = "clip") -> None:
    """Raise where there is neither a file nor a folder."""
    if not path.exists():
        raise DisMoError(f"There is no {what} {path}. Check the path.")


def prepared(source: Path, arguments: argparse.Namespace, size: int = 256) -> Clip4D:
    """The clip, made ready as the options say."""
    from ..clip import prepare_clip, read_rgba

    rgba, fps = read_rgba(source)
    return prepare_clip(
        rgba,
        fps,
        masks=None if arguments.masks is None else read_masks(arguments.masks, len(rgba)),
        frames=arguments.frames,
        start=arguments.start,
        length=arguments.length,
        size=size,
        matting=arguments.matting,
        crop=arguments.crop,
        source=str(source),
    )


def read_masks(path: Path, count: int) -> NDArray[np.uint8]:
    """uint8 [F,H,W]: brightness of a clip.

    Raises:
        DisMoError: another number of frames than the clip has.
    """
    from ..clip import read_rgba

    masks, _ = read_rgba(path)
    if len(masks) != count:
        raise DisMoError(f"The clip has {count} frames, the masks {path} have {len(masks)}. Give one for each.")
    grey: NDArray[np.uint8] = masks[..., :3].max(-1)
    return grey


def stem_of(source: Path) -> str:
    """Name of an input as the published commands form it: of a folder its name, of a file without the ending."""
    path = source.resolve()
    return path.name if path.is_dir() else path.stem


def guidance_folder(guidance: Path) -> Path:
    """A folder as it is; that of a name which `dismo weights download` takes."""
    from ..weights import ZERO123, find_folders

    return find_folders(str(guidance))[0] if str(guidance) in ZERO123 and not guidance.is_dir() else guidance
