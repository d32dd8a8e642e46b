"""The motion of a clip, as several commands take it."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from ...cli.options import check_device, progress_runtime

if TYPE_CHECKING:
    from ..models.extractor import MotionExtractor
    from ..motion import Motion


def motion_of(clip: str, arguments: argparse.Namespace, extractor: MotionExtractor | None = None) -> Motion:
    """The motion of a clip by the sampling options, with a bar; by `--extractor` on `--device` if none is given."""
    from ..extract import extract_motion
    from ..weights import load_motion_extractor

    if extractor is None:
        extractor = load_motion_extractor(arguments.extractor, check_device(arguments.device))
    with progress_runtime("Extracting the motion", arguments.device) as runtime:
        return extract_motion(
            extractor,
            clip,
            fps=arguments.fps,
            start=arguments.start,
            frames=arguments.frames,
            reverse=arguments.reverse,
            runtime=runtime,
        )
