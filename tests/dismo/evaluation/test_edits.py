"""The evaluation of edits: what it expects is what the edits do, and what it measures is what is shown."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from dismo_core import Motion
from dismo_core.cli.main import main
from dismo_core.dismo.evaluation import edits
from dismo_core.evaluation.score import velocity_cosine
from dismo_core.synthetic.held_out.paths import FRAMES
from dismo_core.synthetic.held_out.paths import Path as Way
from dismo_core.synthetic.held_out.scenes import Scene

STEPS = np.arange(FRAMES - 1)
RIGHT = np.stack([1 + 0.5 * np.sin(STEPS / 4), 0 * STEPS], 1)
DOWN = np.stack([0 * STEPS, 1 + 0.5 * np.cos(STEPS / 4)], 1)


def windows(velocity: np.ndarray) -> np.ndarray:
    """What an ideal extractor reads: the mean velocity of the four steps ahead."""
    return np.stack([velocity[i : i + 4].mean(0) for i in range(len(velocity) - 3)])


def ideal_motion(velocity: np.ndarray) -> Motion:
    """The mean velocity ahead, on the flat part of a large sphere, so that lengths hardly change it."""
    rows = np.concatenate([windows(velocity), np.full((len(velocity) - 3, 1), 100.0)], 1)
    return Motion(torch.tensor(rows, dtype=torch.float32), 8.0, "", "0" * 16, torch.tensor([0.0, 0.0, 100.0]))


@pytest.mark.parametrize("name", edits.EDITS)
def test_expected_velocity_is_that_of_the_edited_motion(name: str) -> None:
    edit = edits.EDITS[name]
    expected = windows(edit.velocity(RIGHT, DOWN))
    shown = edit.motion(ideal_motion(RIGHT), ideal_motion(DOWN)).embeddings[:, :2].numpy()
    assert expected.shape == shown.shape
    assert velocity_cosine(expected, shown) > 0.98
    assert edits.speed_ratio(expected, shown) == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize("name", [name for name in edits.EDITS if len(edits.EDITS[name].velocity(RIGHT, DOWN)) == 24])
def test_a_perfect_video_scores_one(name: str, scenes: list[Scene]) -> None:
    scene, other = scenes[0], scenes[2]
    expected = edits.EDITS[name].velocity(
        *(np.diff(s.targets["same"].path.displacement, axis=0) for s in (scene, other))
    )
    way = np.concatenate([np.zeros((1, 2)), np.cumsum(expected, 0)])
    video, masks = edits.placed(scene, expected).render(Way(displacement=way))
    measured = edits.velocities(scene, video, video[0], masks[0])
    assert velocity_cosine(expected, measured) > 0.95
    assert edits.speed_ratio(expected, measured) == pytest.approx(1, abs=0.1)


def test_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "edits.json"
    chosen = ["--edits", "no edit", "pause: 8 at frame 8"]
    assert (
        main(["evaluate", "edits", "--scenes", "2", "--model", "tiny", "--steps", "1", *chosen, "--out", str(out)]) == 0
    )
    result = json.loads(out.read_text())
    assert [(video["edit"], video["family"]) for video in result["videos"]] == [
        (name, family) for name in ("no edit", "pause: 8 at frame 8") for family in ("translation", "pan")
    ]
    for video in result["videos"]:
        assert -1 <= video["velocity_cosine"] <= 1
        assert (video["velocity_cosine"] == video["unedited_cosine"]) == (video["edit"] == "no edit")
    assert set(result["experimental"]) == {
        name for name, families in result["summary"].items() if families["all"]["velocity_cosine"] < edits.GOOD
    }
    assert "pause: 8 at frame 8" in capsys.readouterr().out
    assert main(["evaluate", "edits", "--edits", "no such edit", "--out", str(out)]) == 2
    assert "no edit 'no such edit'" in capsys.readouterr().err
