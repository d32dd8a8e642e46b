"""`dismo tracks --motion CLIP|MOTION --image PICTURE -o tracks.json`: a motion as tracks for other video models."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...cli.given import refuse
from ...cli.options import add_device, add_sampling_of_clip, check_device, check_input, check_range, progress_runtime
from ...errors import DisMoError
from .clip import SAMPLING, check_background, check_motion, check_sampling_of_clip, motion_of
from .layered_options import LAYERED_NAME, add_layered, check_layered, load_layered, read_mask
from .mover import kept_motion

if TYPE_CHECKING:
    from ..motion import Motion


def add_parser(subparsers: Any) -> None:
    """Register the command."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "tracks",
        help="where points of a picture go as a clip moves: JSON for Wan (ATI) and other video models that follow tracks",
        description="Where points of a picture go as a clip moves: JSON as ComfyUI's WanTrackToVideo reads it. Seconds on a CPU.",
    )
    parser.add_argument(
        "--motion",
        required=True,
        metavar="CLIP|MOTION",
        help="a clip, a motion file made by `dismo extract`, or preset:NAME (`dismo presets --list`)",
    )
    parser.add_argument("--image", required=True, metavar="PICTURE", help="the picture whose points move")
    parser.add_argument("-o", "--output", default="tracks.json", metavar="JSON", help="default tracks.json")
    parser.add_argument("--drawn", metavar="PNG", help="also write the picture with the tracks drawn on it")
    parser.add_argument(
        "--camera",
        metavar="JSON|CSV",
        help="also write the camera's way: shift, zoom and rotation of every frame of the motion, for compositors",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace existing files")
    parser.add_argument("--points", type=int, default=81, help="about how many, on a grid over what moves (default 81)")
    parser.add_argument(
        "--own-points",
        metavar="JSON",
        help='a file with points of the video instead of the grid, px: [[120, 80], ...] or [{"x": 120, "y": 80}, ...]',
    )
    parser.add_argument("--width", type=int, default=832, help="of the video that follows the tracks, px (default 832)")
    parser.add_argument("--height", type=int, default=480, help="of that video, px (default 480)")
    parser.add_argument("--length", type=int, default=121, help="positions of each track (default 121)")
    parser.add_argument("--rate", type=float, default=24.0, help="positions per second (default 24)")
    parser.add_argument("--strength", type=float, default=1.0, help="0 to 2: factor on the motion (default 1)")
    parser.add_argument("--model", default=LAYERED_NAME, help="layered, or a file of such weights (default layered)")
    parser.add_argument("--extractor", default="tiny", help="for clips: tiny, large, or a weights file (default tiny)")
    add_layered(parser, video=False)
    add_sampling_of_clip(parser)
    add_device(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Check, extract where needed, follow, write."""
    from ...evaluation.track_json import check_tracks, draw_tracks, read_points, tracks_json
    from ...files import atomic_write
    from ...video import read_image
    from ...video.sheets import save_picture
    from ..layered.camera_path import camera_text
    from ..layered.tracks import motion_tracks

    check_motion(arguments.motion)
    check_input(arguments.image, "picture")
    kept = kept_motion(arguments.motion)
    _check(arguments, kept)
    own = None
    if arguments.own_points is not None:
        check_input(arguments.own_points, "points")
        refuse(arguments, ("points",), "does not go with --own-points.")
        own = read_points(_text_of(arguments.own_points))
        if own is None:
            raise DisMoError(
                f"The file {arguments.own_points} is empty. Write points into it, or leave --own-points away."
            )
    check_tracks(
        arguments.points if own is None else len(own),
        arguments.width,
        arguments.height,
        arguments.length,
        arguments.rate,
    )
    device = arguments.device = check_device(arguments.device)
    with progress_runtime("Loading the models", device) as runtime:
        picture = read_image(arguments.image, background=arguments.background)
        model = load_layered(arguments, arguments.model, device)
        motion = kept or motion_of(arguments.motion, arguments, runtime)
        tracks, shown = motion_tracks(
            model,
            motion,
            picture,
            mask=read_mask(arguments),
            own_points=own,
            points=arguments.points,
            size=(arguments.height, arguments.width),
            frames=arguments.length,
            fps=arguments.rate,
            strength=arguments.strength,
        )
    with atomic_write(arguments.output, overwrite=arguments.overwrite) as temporary:
        temporary.write_text(tracks_json(tracks) + "\n", "utf-8")
    print(
        f"{arguments.output}: {len(tracks)} tracks of {arguments.length} positions at {arguments.rate:g} a second, for a video of "
        f"{arguments.width}x{arguments.height} px."
    )
    if arguments.drawn:
        save_picture(draw_tracks(shown, tracks), arguments.drawn, overwrite=arguments.overwrite)
        print(f"{arguments.drawn}: the tracks on the picture.")
    if arguments.camera:
        text = camera_text(
            model.path(motion, arguments.strength),
            Path(arguments.camera).suffix.lower()[1:],
            (picture.shape[0], picture.shape[1]),
        )
        with atomic_write(arguments.camera, overwrite=arguments.overwrite) as temporary:
            temporary.write_text(text, "utf-8")
        print(f"{arguments.camera}: the camera's way.")


def _check(arguments: argparse.Namespace, kept: Motion | None) -> None:
    """Raise for options that cannot be, or would change nothing."""
    from ...files import check_free
    from ..layered.camera_path import FORMATS

    if kept is None:
        check_sampling_of_clip(arguments)
    else:
        refuse(
            arguments,
            (*SAMPLING, "extractor"),
            "is for clips: a motion file holds what was read when it was extracted.",
        )
        check_background(arguments)
    check_layered(arguments)
    check_range(arguments, "strength", 0, 2)
    if arguments.camera and Path(arguments.camera).suffix.lower()[1:] not in FORMATS:
        raise DisMoError(f"--camera writes .json or .csv, not {arguments.camera}.")
    if arguments.drawn and Path(arguments.drawn).suffix.lower() not in (".png", ".jpg", ".jpeg"):
        raise DisMoError(f"--drawn writes .png or .jpg, not {arguments.drawn}.")
    paths = [path for path in (arguments.output, arguments.drawn, arguments.camera) if path]
    if len({Path(path).resolve() for path in paths}) < len(paths):
        raise DisMoError(f"The files to write must have different names, not {', '.join(paths)}.")
    for path in paths:
        check_free(path, overwrite=arguments.overwrite)


def _text_of(path: str) -> str:
    try:
        return Path(path).read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DisMoError(f"Cannot read points from {path} ({error}). It must be a text file.") from error
