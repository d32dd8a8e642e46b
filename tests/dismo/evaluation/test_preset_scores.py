"""The evaluation of ready-made moves: a video that goes as defined scores one, another does not."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch

import dismo_core as dismo
from dismo_core.cli.main import main
from dismo_core.dismo.drawn_motion import Way
from dismo_core.dismo.evaluation.preset_scores import (
    pictures,
    score_paths,
    still_picture,
    true_video,
    velocities,
)
from dismo_core.dismo.preset_table import PRESETS
from dismo_core.evaluation.camera_steps import camera_steps
from dismo_core.evaluation.report import captioned_sheet
from dismo_core.evaluation.score import velocity_cosine

CHOSEN = (
    "pan-right",
    "zoom-in",
    "roll-left",
    "arc-left",
    "thing-fall",
    "thing-grow",
    "thing-shrink",
    "thing-spin-left",
)


@pytest.mark.parametrize("name", CHOSEN)
def test_the_definition_itself_scores_one_and_its_opposite_does_not(name: str) -> None:
    move = PRESETS[name]
    way = move.way(25, 8.0)
    opposite = Way(-way.shift, -way.growth, -way.turn)
    (scene,) = pictures(move.part, way, 1)
    picture, mask = still_picture(scene, way)
    true, shown = velocities(way, move.part, true_video(way, move.part, picture, mask), picture, mask)
    assert velocity_cosine(true, shown) > 0.95
    assert float((true * shown).sum() / (true**2).sum()) == pytest.approx(1, abs=0.1)
    true, shown = velocities(way, move.part, true_video(opposite, move.part, picture, mask), picture, mask)
    assert velocity_cosine(true, shown) < 0


def test_shift_growth_and_turn_of_a_camera_at_once() -> None:
    none = torch.zeros(25, dtype=torch.float64)
    step = torch.arange(25, dtype=torch.float64)
    way = Way(torch.stack((0.01 * step, none), dim=-1), 0.01 * step, 0.02 * step)
    (scene,) = pictures("camera", way, 1)
    picture, mask = still_picture(scene, way)
    scale, shift = camera_steps(true_video(way, "camera", picture, mask))
    assert np.log(np.abs(scale)) == pytest.approx(np.full(24, 0.01), abs=2e-3)
    assert np.angle(scale) == pytest.approx(np.full(24, 0.02), abs=2e-3)
    first = way.steps("camera")[0]
    assert [shift[0].real, shift[0].imag] == pytest.approx(first[:2].tolist(), abs=2e-3)


def test_a_drawn_path_is_followed() -> None:
    """And clip and video fit on a sheet beside each other."""
    model, extractor = dismo.load_layered_model("tiny"), dismo.load_motion_extractor("tiny")
    done: list[int] = []
    (row,), sheet = score_paths(model, extractor, ["S"], 1, lambda: done.append(1))
    assert (row["name"], row["part"], done) == ("S", "path", [1])
    assert row["velocity_cosine"] >= 0.95 and row["bound"] >= 0.95
    assert captioned_sheet(sheet, 3).width > 8 * 128


def test_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, sheet = tmp_path / "presets.json", tmp_path / "presets.png"
    words = ["--presets", "roll-left", "thing-fall", "--pictures", "1", "--out", str(out), "--sheet", str(sheet)]
    assert main(["evaluate", "presets", *words]) == 0
    rows = json.loads(out.read_text())["rows"]
    assert [(row["name"], row["part"]) for row in rows] == [("roll-left", "camera"), ("thing-fall", "thing")]
    for row in rows:
        assert row["velocity_cosine"] >= 0.95 and row["bound"] >= 0.95 and math.isfinite(row["speed_ratio"])
    assert sheet.is_file() and "roll-left" in capsys.readouterr().out
    assert main(["evaluate", "presets", "--presets", "moonwalk", "--out", str(out)]) == 2
    assert "no ready-made move 'moonwalk'" in capsys.readouterr().err
