"""`dismo evaluate families`: it draws, embeds, judges, and says what is missing."""

import json
import sys
from pathlib import Path

import pytest

from dismo_core.cli.main import main
from dismo_core.synthetic.held_out.families import FAMILIES


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("sklearn", reason="linear probes need scikit-learn")
    out, sheet = tmp_path / "families.json", tmp_path / "families.png"
    words = ["evaluate", "families", "--each", "1", "--appearances", "2"]
    assert main([*words, "--out", str(out), "--sheet", str(sheet)]) == 0
    result = json.loads(out.read_text())
    assert result["clips"] == 14 and result["chance"]["appearance"] == 0.5
    assert set(result["rows"]) == {"motion extractor", "untrained extractor", "pixel differences"}
    for row in result["rows"].values():
        assert set(row["knn_by_family"]) == set(FAMILIES) and 0 <= row["appearance_probe"] <= 1
    assert result["verdict"]["knn"][0] == result["rows"]["motion extractor"]["knn"]
    assert sheet.stat().st_size > 10_000
    assert "appearance probe" in capsys.readouterr().out


def test_what_is_missing_or_wrong_is_said_before_long_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "f.json"
    assert main(["evaluate", "families", "--appearances", "1", "-o", str(out)]) == 2
    assert "--appearances 1" in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, "sklearn", None)
    assert main(["evaluate", "families", "-o", str(out)]) == 2
    assert "pip install scikit-learn" in capsys.readouterr().err
    out.write_text("kept")
    assert main(["evaluate", "families", "-o", str(out)]) == 2
    assert "exists already" in capsys.readouterr().err and out.read_text() == "kept"
