"""`dismo presets [NAME ...] -o FOLDER`: ready-made moves, and drawn paths, as motion files."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...cli.given import refuse
from ...cli.options import add_device, check_device, check_range, progress_runtime
from ...errors import DisMoError

if TYPE_CHECKING:
    from torch import Tensor

PACES = ("constant", "spaced")
MASKS = (".png", ".jpg", ".jpeg", ".webp", ".bmp")
MAKING = ("output", "extractor", "frames", "fps", "strength", "overwrite", "device")
OF_PATHS = ("width", "height", "pace", "reverse")
DRAWN = "drawn_path"


def add_parser(subparsers: Any) -> None:
    """Register the command."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "presets",
        help="ready-made moves, and paths that you draw, as motion files",
        description="Write ready-made moves of camera and things (--list names them), or with --path the motion of a path that you "
        "draw, as motion files for any extractor. They are drawn, extracted and averaged over a few scenes. `dismo transfer --motion "
        "preset:NAME` takes one without a file.",
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="which moves (default all)")
    parser.add_argument("--list", action="store_true", help="only say which moves there are, and what each does")
    parser.add_argument(
        "-o", "--output", default="presets", metavar="FOLDER", help="takes a file for each (default presets)"
    )
    parser.add_argument(
        "--extractor", default="tiny", help="tiny, large (released), or a file of extractor weights (default tiny)"
    )
    parser.add_argument("--frames", type=int, default=25, help="of each motion, at least 5 (default 25)")
    parser.add_argument("--fps", type=float, default=8.0, help="frames per second (default 8)")
    parser.add_argument("--strength", type=float, default=1.0, help="0 to 2: factor on the movement (default 1)")
    parser.add_argument("--overwrite", action="store_true", help="replace existing files")
    path = parser.add_argument_group("a path of your own")
    path.add_argument(
        "--path",
        metavar="POINTS",
        help='a thing that goes along it, in FOLDER/drawn_path.safetensors: points as text, [{"x": 60, "y": 200}, ...] or '
        "[[60, 200], ...] in px, or a file of such text, or a picture with a white stroke on black",
    )
    path.add_argument("--width", type=int, default=512, help="of what the points were drawn on, px (default 512)")
    path.add_argument("--height", type=int, default=512, help="likewise (default 512)")
    path.add_argument(
        "--pace",
        choices=PACES,
        default="constant",
        help="constant, or spaced: as much time from each point to the next (default constant)",
    )
    path.add_argument("--reverse", action="store_true", help="from its end to its beginning")
    add_device(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """List, or check, draw, extract and write."""
    from ..drawn_motion import check_drawing
    from ..preset_table import PRESETS
    from ..presets import preset

    if arguments.list:
        refuse(arguments, (*MAKING, "path", *OF_PATHS), "does not go with --list, which makes nothing.")
        if arguments.names:
            raise DisMoError(f"--list says all moves and makes none; leave {arguments.names[0]} away, or --list.")
        for move in PRESETS.values():
            print(f"{move.name:<{max(map(len, PRESETS))}}  {move.words}")
        return
    if arguments.path is None:
        refuse(arguments, OF_PATHS, "is for a path of your own: give --path.")
    elif arguments.names:
        raise DisMoError(
            f"--path makes one motion of its own; leave {arguments.names[0]} away, or make it in another run."
        )
    moves = [preset(name) for name in dict.fromkeys(arguments.names)] or list(PRESETS.values())
    check_drawing(arguments.frames, arguments.fps)
    check_range(arguments, "strength", 0, 2)
    arguments.device = check_device(arguments.device)
    if arguments.path is not None:
        _path(arguments)
    else:
        _presets(arguments, [move.name for move in moves])


def _presets(arguments: argparse.Namespace, names: list[str]) -> None:
    from ..preset_table import PRESETS
    from ..presets import made
    from ..weights import load_motion_extractor

    files = {name: _free(arguments, name) for name in names}
    with progress_runtime("Loading the extractor", arguments.device) as runtime:
        extractor = load_motion_extractor(arguments.extractor, arguments.device)
        for number, (name, file) in enumerate(files.items(), 1):
            runtime.stage(f"drawing and extracting {name} ({number} of {len(files)})")
            motion = made(PRESETS[name], extractor, arguments.frames, arguments.fps, runtime)
            motion.with_strength(arguments.strength).save(file, overwrite=arguments.overwrite)
    print(
        f"{arguments.output}: {len(files)} motions of {arguments.frames} frames at {arguments.fps:g} fps, for extractor "
        f"{extractor.extractor_id}."
    )


def _path(arguments: argparse.Namespace) -> None:
    from ..drawn_path import path_motion
    from ..weights import load_motion_extractor

    file = _free(arguments, DRAWN)
    path = _read(arguments)
    with progress_runtime("Loading the extractor", arguments.device) as runtime:
        extractor = load_motion_extractor(arguments.extractor, arguments.device)
        runtime.stage("drawing and extracting the path")
        motion, _ = path_motion(
            path,
            extractor,
            size=(arguments.height, arguments.width),
            frames=arguments.frames,
            fps=arguments.fps,
            pace=arguments.pace,
            reverse=arguments.reverse,
            runtime=runtime,
        )
        motion.with_strength(arguments.strength).save(file, overwrite=arguments.overwrite)
    print(f"{file}: motion of {motion.frames} frames at {motion.fps:g} fps along the path.")


def _free(arguments: argparse.Namespace, name: str) -> Path:
    """The file of a motion in the folder, which is made; checked before anything is drawn."""
    from ...files import check_free

    folder = Path(arguments.output)
    if folder.exists() and not folder.is_dir():
        raise DisMoError(f"{folder} is a file; the motions go into a folder. Choose another name.")
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{name}.safetensors"
    check_free(file, overwrite=arguments.overwrite)
    return file


def _read(arguments: argparse.Namespace) -> str | Tensor:
    """The text of the path, or the mask of its stroke."""
    given: str = arguments.path
    if given.lstrip().startswith(("[", "{")):
        return given
    file = Path(given)
    if not file.is_file():
        raise DisMoError(
            f"There is no file {given}. Give --path points as text in square brackets, or the path of a file."
        )
    if file.suffix.lower() in MASKS:
        from ...video import read_image

        refuse(
            arguments,
            ("width", "height", "pace"),
            "is for points: a picture has its own size, and its stroke no points.",
        )
        return read_image(file).mean(dim=-1)
    try:
        return file.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DisMoError(f"Cannot read points from {file} ({error}). It must be a text file, or a picture.") from error
