"""config.json of a template: rate and range (docs/methods/mimo.md, 6)."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...errors import DisMoError
from ...files import read_json

CONFIG_FPS = 30  # the rate in whose frames start and end count
MAX_FPS = 1000


@dataclass(frozen=True)
class TemplateConfig:
    """What part of a template is used, and at which rate.

    Args:
        fps: frames per second of the result.
        start: first frame, counted at 30 fps.
        end: the one after the last, likewise; None = to the end.

    Raises:
        DisMoError: a rate or a range that cannot be.
    """

    fps: float = CONFIG_FPS
    start: int = 0
    end: int | None = None

    def __post_init__(self) -> None:
        if not _is_number(self.fps) or not 0 < self.fps <= MAX_FPS:
            raise DisMoError(f"fps of a template must be above 0 and at most {MAX_FPS}, not {self.fps!r}.")
        for name, value in (("start", self.start), ("end", self.end)):
            if value is not None and (type(value) is not int or value < 0):
                raise DisMoError(f"The {name} of a template must be a frame number, 0 or more, not {value!r}.")
        if self.end is not None and self.end <= self.start:
            raise DisMoError(
                f"The range of the template ends at frame {self.end}, not after its start {self.start}. Exchange them."
            )

    def frame_range(self, frames: int) -> tuple[int, int]:
        """First frame, and the one after the last, of a video of so many frames at `fps`.

        Raises:
            DisMoError: nothing is left.
        """
        start = max(0, int(self.fps * self.start / CONFIG_FPS))
        end = frames if self.end is None else min(frames, int(self.fps * self.end / CONFIG_FPS))
        if end <= start:
            raise DisMoError(
                f"The range of the template, frames {self.start} to {self.end} at {CONFIG_FPS} fps, leaves none of its "
                f"{frames} frames at {self.fps:g} fps. Correct time_crop in config.json."
            )
        return start, end


def resample_numbers(frames: int, fps: float, target_fps: float) -> list[int]:
    """See `resample_indices`; `fps` as it is."""
    count = max(0, math.ceil(frames / (fps / target_fps)))
    return [min(frames - 1, int(number * (fps / target_fps))) for number in range(count)]


def resample_indices(frames: int, fps: float, target_fps: float) -> list[int]:
    """Which frames of a video make it one of another rate: trunc(arange(0, frames, round(fps) / target_fps)).

    Args:
        frames: of the video.
        fps: of the video; rounded to a whole number, as published.
        target_fps: wanted.

    Raises:
        DisMoError: a rate of 0 or less.
    """
    if not (round(fps) > 0 and target_fps > 0):
        raise DisMoError(f"Rates must be above 0 fps, not {fps} and {target_fps}.")
    return resample_numbers(frames, round(fps), target_fps)


def read_config(path: Path) -> TemplateConfig:
    """The settings in a file; those that it lacks have their defaults, as all have without it.

    Raises:
        DisMoError: not JSON, or values that cannot be.
    """
    if not path.is_file():
        return TemplateConfig()
    content = read_json(path)
    crop = content.get("time_crop", {})
    if not isinstance(crop, dict):
        raise DisMoError(f"time_crop in {path} must be an object with start_idx and end_idx, not {crop!r}.")
    try:
        return TemplateConfig(
            content.get("fps", CONFIG_FPS), _whole(crop.get("start_idx", 0)), _whole(crop.get("end_idx"))
        )
    except DisMoError as error:
        raise DisMoError(f"{path}: {error}") from error


def config_text(config: TemplateConfig, frames: int) -> str:
    """The file, with every key that the release reads. frames: of the template at its rate."""
    end = config.end if config.end is not None else math.ceil(frames * CONFIG_FPS / config.fps)
    content: dict[str, Any] = {
        "fps": config.fps,
        "time_crop": {"start_idx": config.start, "end_idx": end},
        "frame_crop": False,
        "layer_recover": True,
    }
    return json.dumps(content, indent=2) + "\n"


def _whole(value: Any) -> Any:
    """A whole number written as 12.0 as one."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
