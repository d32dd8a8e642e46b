"""Ready-made motions, by name: bundled for the bundled extractor, drawn and extracted for any other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import DisMoError
from .motion import PRESET, Motion

if TYPE_CHECKING:
    from pathlib import Path

    from ..runtime import Runtime
    from .models.extractor import MotionExtractor
    from .preset_table import Preset

FRAMES, FPS = 25, 8.0  # of the bundled files
FOLDER = "presets"  # of the bundled files, beside the bundled weights


def preset(name: str) -> Preset:
    """The ready-made move of that name.

    Raises:
        DisMoError: there is none.
    """
    from .preset_table import PRESETS

    if (found := PRESETS.get(name.strip().lower())) is None:
        raise DisMoError(f"There is no ready-made move {name[:60]!r}. Choose one of: {', '.join(PRESETS)}.")
    return found


def motion_preset(
    name: str,
    extractor: MotionExtractor | None = None,
    frames: int = FRAMES,
    fps: float = FPS,
    strength: float = 1.0,
    *,
    runtime: Runtime | None = None,
) -> Motion:
    """A ready-made move as a motion.

    For the bundled extractor, 25 frames and 8 fps it is read from a file; else it is drawn and extracted, which takes as long as
    the extraction of four clips.

    Args:
        name: of the move, see `dismo presets --list`.
        extractor: that the motion is for; None = the bundled one.
        frames: at least 5. Moves that go one way go as far in any number of them; those that repeat go on.
        fps: frames a second.
        strength: 0 = still, 1 = as it is, 2 = exaggerated.
        runtime: for progress and cancel while it is drawn and extracted.

    Raises:
        DisMoError: no such move, or numbers out of range.
    """
    from .drawn_motion import check_drawing

    move = preset(name)
    check_drawing(frames, fps)
    if (frames, fps) == (FRAMES, FPS):
        bundled = Motion.load(bundled_file(move.name))
        if extractor is None or extractor.extractor_id == bundled.extractor:
            return bundled.with_strength(strength)
    return made(move, extractor, frames, fps, runtime).with_strength(strength)


def made(
    move: Preset, extractor: MotionExtractor | None, frames: int, fps: float, runtime: Runtime | None = None
) -> Motion:
    """The move drawn and extracted, whether it is bundled or not; see `motion_preset`."""
    from .drawn_motion import drawn_motion
    from .weights import load_motion_extractor

    if extractor is None:
        extractor = load_motion_extractor("tiny", "cpu" if runtime is None else runtime.device)
    return drawn_motion(extractor, move.way(frames, fps), move.part, fps, PRESET + move.name, runtime=runtime)


def bundled_file(name: str) -> Path:
    """Where the bundled motion of a move lies.

    Raises:
        DisMoError: it is missing or damaged.
    """
    from ..weights.load import intact
    from .weights import ASSETS

    return intact(ASSETS / FOLDER / f"{name}.safetensors")
