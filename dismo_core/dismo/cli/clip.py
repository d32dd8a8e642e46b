"""The motion of a clip, as several commands take it."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ...runtime import Runtime
    from ..models.extractor import MotionExtractor
    from ..motion import Motion

SAMPLING = ("fps", "start", "frames", "reverse")  # names of the options that say which frames of a clip are read


def check_motion(path: str) -> None:
    """Raise where `--motion` names neither a file nor a ready-made move."""
    from ...cli.options import check_input
    from ..motion import PRESET

    if not path.startswith(PRESET):
        check_input(path, "clip or motion file")


def check_sampling_of_clip(arguments: argparse.Namespace) -> None:
    """Raise where the sampling options cannot be; asked before anything is loaded."""
    from ..extract import check_extraction

    check_extraction(arguments.fps, arguments.start, arguments.frames)
    check_background(arguments)


def check_background(arguments: argparse.Namespace) -> None:
    """Raise where `--background` is no color."""
    from ...video.alpha import background_rgb

    background_rgb(arguments.background)


def motion_of(
    clip: str, arguments: argparse.Namespace, runtime: Runtime, extractor: MotionExtractor | None = None
) -> Motion:
    """The motion of a clip by the sampling options.

    Args:
        clip: its path.
        arguments: with the sampling options, `background`, `extractor` and `device`.
        runtime: shows how far it is.
        extractor: None = the one that `--extractor` names, on `--device`.
    """
    from ..extract import extract_motion
    from ..weights import load_motion_extractor

    if extractor is None:
        runtime.stage("loading the extractor")
        extractor = load_motion_extractor(arguments.extractor, arguments.device)
    runtime.stage("extracting the motion")
    return extract_motion(
        extractor,
        clip,
        fps=arguments.fps,
        start=arguments.start,
        frames=arguments.frames,
        reverse=arguments.reverse,
        background=arguments.background,
        runtime=runtime,
    )
