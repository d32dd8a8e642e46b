"""Drawn clips of motion families: they move as their name says, and the command judges them."""

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks import families, measure
from benchmarks.families import FAMILIES, draw_look, draw_moves, film


def clip(family: str, look: int = 0, seed: int = 0) -> tuple[families.Moves, np.ndarray]:
    rng = np.random.default_rng(seed)
    moves = draw_moves(rng, family)
    return moves, film(rng, draw_look(look), moves)


def test_a_pan_moves_everything_by_what_it_says() -> None:
    moves, frames = clip("pan")
    way = measure.track_ground(frames)
    assert np.abs(way - (moves.camera - moves.camera[0])).max() < 0.5
    assert np.linalg.norm(way[-1]) > 9


def test_only_a_still_stands_still() -> None:
    change = {f: np.abs(np.diff(clip(f, 1)[1].astype(float), axis=0)).mean() for f in FAMILIES}
    assert change.pop("still") == 0 and min(change.values()) > 0.1
    assert min(change, key=lambda f: -change[f]) in ("pan", "zoom")  # the whole picture moves


@pytest.mark.parametrize("family", ["translate", "scale", "rotate", "oscillate"])
def test_the_ground_stands_still_under_a_thing(family: str) -> None:
    frames = clip(family, 2)[1]
    corners = np.concatenate(
        [frames[:, :6, :6].reshape(len(frames), -1), frames[:, -6:, -6:].reshape(len(frames), -1)], 1
    )
    assert (corners == corners[0]).all(1).mean() > 0.5


def test_an_oscillation_comes_back_and_a_translation_does_not() -> None:
    for seed in range(20):
        swing, way = (clip_moves(f, seed).place for f in ("oscillate", "translate"))
        direction = way[-1] - way[0]
        assert (np.diff(way @ direction) > 0).all()
        signs = np.sign(np.diff(swing @ swing[np.linalg.norm(swing, axis=1).argmax()]))
        assert (np.diff(signs) != 0).sum() >= 2


def clip_moves(family: str, seed: int) -> families.Moves:
    return draw_moves(np.random.default_rng(seed), family)


def test_zoom_and_scale_change_size_by_an_amount_to_see() -> None:
    for seed in range(20):
        assert 0.2 < abs(np.ptp(clip_moves("zoom", seed).zoom)) < 0.65
        assert 0.4 < abs(np.ptp(clip_moves("scale", seed).growth)) < 1.05
        assert 0.8 < abs(np.ptp(clip_moves("rotate", seed).turn)) < 1.85


def test_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("sklearn", reason="linear probes need scikit-learn")
    monkeypatch.setattr(families, "APPEARANCES", 2)
    out, sheet = tmp_path / "families.json", tmp_path / "families.png"
    families.main(["--each", "1", "--out", str(out), "--sheet", str(sheet)])
    result = json.loads(out.read_text())
    assert result["clips"] == 14 and result["chance"]["appearance"] == 0.5
    assert set(result["rows"]) == {"motion extractor", "untrained extractor", "pixel differences"}
    for row in result["rows"].values():
        assert set(row["knn_by_family"]) == set(FAMILIES) and 0 <= row["appearance_probe"] <= 1
    assert result["verdict"]["knn"][0] == result["rows"]["motion extractor"]["knn"]
    assert sheet.stat().st_size > 10_000
    assert "appearance probe" in capsys.readouterr().out
