"""Drawn paths: points as editors write them, strokes as brushes leave them, and motions that go along them."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw

import dismo_core as dismo
from dismo_core.cli.main import main
from dismo_core.dismo.drawn_path import along, path_way, read_path
from dismo_core.dismo.stroke import stroke_line

PAIRS = [[60, 200], [300.5, 120]]
T = np.linspace(0, 1, 80)
STROKES = {
    "line": np.stack([60 + 400 * T, 300 - 100 * T], axis=1),
    "zigzag": np.array([[50, 400], [150, 100], [250, 400], [350, 100], [450, 400]], dtype=float),
    "S": np.stack([256 + 150 * np.sin(2 * np.pi * T), 60 + 390 * T], axis=1),
    "open circle": np.stack([256 + 150 * np.cos(5.9 - 5.6 * T), 256 + 150 * np.sin(5.9 - 5.6 * T)], axis=1),
}
DISC = np.hypot(*np.mgrid[-256:256, -256:256]) < 60


def painted(points: np.ndarray, width: int = 14, size: tuple[int, int] = (512, 512)) -> torch.Tensor:
    """A mask [H, W] with a stroke along points, as ImageDraw leaves it."""
    image = Image.new("L", size[::-1])
    ImageDraw.Draw(image).line([tuple(point) for point in points.tolist()], fill=255, width=width, joint="curve")
    return torch.from_numpy(np.array(image)).float() / 255


def dense(points: np.ndarray) -> np.ndarray:
    return along(points, 2000, "constant")


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(PAIRS),
        json.dumps([{"x": x, "y": y} for x, y in PAIRS]),
        str([{"x": x, "y": y} for x, y in PAIRS]),  # with Python's quotes
        json.dumps([PAIRS, [[0, 0], [1, 1]]]),
        json.dumps([[{"x": x, "y": y} for x, y in PAIRS]]),
    ],
)
def test_points_as_people_and_editors_write_them(text: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert read_path(text).tolist() == PAIRS
    assert ("the first is drawn" in caplog.text) == ("[1, 1]" in text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("60,200 300,120", "no JSON"),
        ("", "no JSON"),
        ("[" * 5000, "no JSON"),
        ("[]", "0 of them"),
        ("[[1, 2]]", "1 of them"),
        ('{"x": 1}', "not dict"),
        ("[[1, 2], [3]]", r"\[3\] is no point"),
        ('[{"x": 1, "y": NaN}, {"x": 1, "y": 2}]', "no point"),
        ('[{"x": 1, "y": true}, {"x": 1, "y": 2}]', "no point"),
        (json.dumps([[i, i] for i in range(10_001)]), "10,001 of them"),
    ],
)
def test_what_is_no_path_is_refused(text: str, said: str) -> None:
    with pytest.raises(dismo.DisMoError, match=said):
        read_path(text)


def test_pace() -> None:
    points = np.array([[0.0, 0.0], [10.0, 0.0], [10.0, 30.0]])
    assert along(points, 5, "constant").tolist() == [[0, 0], [10, 0], [10, 10], [10, 20], [10, 30]]
    assert along(points, 5, "spaced").tolist() == [[0, 0], [5, 0], [10, 0], [10, 15], [10, 30]]
    assert along(np.array([[0.0, 0.0], [0.0, 0.0], [4.0, 0.0]]), 3, "constant")[1].tolist() == [2, 0]  # a point twice


@pytest.mark.parametrize("name", STROKES)
@pytest.mark.parametrize("backwards", [False, True])
def test_a_stroke_is_followed_along_its_middle(name: str, backwards: bool) -> None:
    """Whichever way it was painted: from the left; an upright one from the top."""
    points = STROKES[name]
    line = stroke_line(painted(points[::-1] if backwards else points))
    near = np.linalg.norm(line[:, None] - dense(points)[None], axis=-1)
    assert near.min(axis=1).max() < 7.5  # beside the path by no more than half the stroke's width
    assert near.min(axis=0).max() < (24 if name == "zigzag" else 7.5)  # all of it is there; sharp corners are rounded
    assert np.linalg.norm(line[0] - points[0]) < 7.5 and np.linalg.norm(line[-1] - points[-1]) < 7.5
    assert (np.diff(near.argmin(axis=1)) > 0).all()  # never back


def test_large_and_small_masks_and_the_largest_of_several(caplog: pytest.LogCaptureFixture) -> None:
    big = painted(np.array([[100.0, 200.0], [1800.0, 900.0]]), 40, (1080, 1920))
    assert stroke_line(big)[-1] == pytest.approx([1800, 900], abs=40)
    small = torch.zeros(8, 40)
    small[3:5, 4:36] = 1
    assert stroke_line(small[None])[[0, -1], 1] == pytest.approx([4, 4], abs=0.6)
    small[0, 0:3] = 1
    with caplog.at_level(logging.WARNING):
        assert stroke_line(small)[0, 0] > 3
    assert "2 strokes" in caplog.text


@pytest.mark.parametrize(
    ("mask", "said"),
    [
        (torch.zeros(64, 64), "is empty"),
        (torch.from_numpy(DISC).float(), "a spot"),
        (painted(np.stack([256 + 150 * np.cos(6.3 * T), 256 + 150 * np.sin(6.3 * T)], axis=1)), "closes or crosses"),
        (torch.zeros(2, 64, 64), r"\[2, 64, 64\]"),
        (torch.full((64, 64), torch.nan), "finite"),
    ],
)
def test_what_is_no_stroke_is_refused(mask: torch.Tensor, said: str) -> None:
    with pytest.raises(dismo.DisMoError, match=said):
        stroke_line(mask)


def test_a_way_is_in_shares_of_what_was_drawn_on(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        way, start = path_way(np.array([[0.0, 0.0], [100.0, 25.0]]), (100, 400))
    assert way.shift.tolist() == [[0, 0], [0.25, 0.25]] and start.tolist() == [-0.5, -0.5]
    assert "35 %" in caplog.text and "more frames" in caplog.text
    with pytest.raises(dismo.DisMoError, match="standing still"):
        path_way(np.array([[0.0, 0.0], [1.0, 0.0]]), (512, 512))


def test_a_motion_goes_along_its_path() -> None:
    """Down, then right: read so by the layered model; and the clip shows it, in the shape of what was drawn on."""
    corner = "[[180, 70], [180, 150], [300, 150]]"
    motion, sampled = dismo.path_motion(corner, size=(240, 480), frames=17, fps=8)
    assert motion.frames == 17 and sampled.shape == (17, 128, 256, 3) and sampled.dtype == torch.uint8
    steps = dismo.load_layered_model("tiny").path(motion).steps
    assert steps[:, :4].abs().max() == 0
    assert steps[:4, 5].mean() > 3 * steps[:4, 4].abs().mean() and steps[-4:, 4].mean() > 3 * steps[-4:, 5].abs().mean()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (dict(frames=4), "at least 5"),
        (dict(fps=0.0), "fps must be"),
        (dict(pace="slow"), "no pace 'slow'"),
        (dict(size=(0, 512)), "512x0"),
    ],
)
def test_numbers_that_cannot_be(options: dict, said: str) -> None:
    with pytest.raises(dismo.DisMoError, match=said):
        dismo.path_motion(json.dumps(PAIRS), **options)


def test_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    picture, text = tmp_path / "stroke.png", tmp_path / "points.json"
    Image.fromarray((painted(STROKES["line"]).numpy() * 255).astype(np.uint8)).save(picture)
    text.write_text(json.dumps(PAIRS))
    for number, path in enumerate((str(picture), str(text), json.dumps(PAIRS))):
        out = tmp_path / str(number)
        assert main(["presets", "--path", path, "--frames", "5", "-o", str(out)]) == 0
        assert dismo.Motion.load(out / "drawn_path.safetensors").frames == 5
    capsys.readouterr()
    assert main(["presets", "--path", str(tmp_path / "no.json"), "-o", str(tmp_path)]) == 2
    assert "no file" in capsys.readouterr().err
    assert main(["presets", "pan-left", "--path", str(text), "-o", str(tmp_path)]) == 2
    assert "leave pan-left away" in capsys.readouterr().err
