"""`dismo evaluate scenes`: tables and files; and the transfers that it measures."""

import json
from pathlib import Path

import pytest
import torch

from dismo_core import Motion
from dismo_core.cli.main import main
from dismo_core.dismo.cli import evaluate_scenes
from dismo_core.dismo.evaluation import pipeline
from dismo_core.synthetic.held_out.scenes import COLUMNS, CONTROLS


def test_the_command_checks_its_controls(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, sheet = tmp_path / "r.json", tmp_path / "s.png"
    words = ["evaluate", "scenes", "--controls-only", "--scenes", "2", "--columns", "same"]
    assert main([*words, "-o", str(out), "--sheet", str(sheet)]) == 0
    result = json.loads(out.read_text())
    assert set(result["rows"]) == set(CONTROLS) == set(result["seconds_per_video"])
    assert result["rows"]["true video"]["same"]["translation"]["velocity_cosine"] > 0.97
    assert result["rows"]["still"]["same"]["pan"]["velocity_cosine"] == 0
    printed = capsys.readouterr().out
    assert "direction only" in printed and "velocity cos" in printed
    assert sheet.stat().st_size > 10_000
    assert main([*words, "-o", str(out)]) == 2
    assert "exists already" in capsys.readouterr().err


def test_what_is_wrong_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = str(tmp_path / "r.json")
    assert main(["evaluate", "scenes", "--controls-only", "--no-controls", "-o", out]) == 2
    assert "nothing to measure" in capsys.readouterr().err
    assert main(["evaluate", "scenes", "--scenes", "0", "-o", out]) == 2
    assert "--scenes is 0" in capsys.readouterr().err
    assert main(["evaluate", "scenes", "--extractor", str(tmp_path / "none.safetensors"), "-o", out]) == 2
    assert "none.safetensors" in capsys.readouterr().err


def test_columns_are_those_of_the_scenes() -> None:
    assert evaluate_scenes.COLUMNS == COLUMNS  # written out, so that asking for help loads no torch


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
