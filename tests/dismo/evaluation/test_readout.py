"""The linear readout of motion: what it finds where there is all, half or nothing to find."""

import json
from pathlib import Path

import numpy as np
import pytest

from dismo_core.cli.main import main
from dismo_core.dismo.evaluation import readout
from dismo_core.dismo.evaluation.readout import PARTS, Reading
from dismo_core.synthetic.held_out.scenes import draw_scene


def readings(holds: float, seed: int, each: int = 12) -> list[Reading]:
    """Embeddings that hold each amount `holds` times, mixed, and noise for the rest."""
    mix = np.random.default_rng(0).normal(size=(6, 16))
    rng = np.random.default_rng(seed)
    made = []
    for family, part in PARTS.items():
        for _ in range(each):
            truth = np.zeros((21, 6))
            truth[:, part] = rng.normal(1, 1, size=(21, part.stop - part.start))
            noise = rng.normal(size=(21, 16)) * (1 - holds)
            made.append(Reading(family, holds * truth @ mix + noise, truth))
    return made


def test_what_is_there_is_read_and_what_is_not_is_not() -> None:
    rows = {holds: readout.judge(readings(holds, 2), readout.fit(readings(holds, 1))) for holds in (1.0, 0.5, 0.0)}
    for family in PARTS:
        assert rows[1.0][family]["error"] < 0.01 and rows[1.0][family]["end_error"] < 0.01
        assert rows[1.0][family]["slope"] == pytest.approx(1, abs=0.01)
        assert rows[1.0][family]["error"] < rows[0.5][family]["error"] < rows[0.0][family]["error"]
        assert rows[0.0][family]["error"] > 0.7 and rows[0.0][family]["slope"] < 0.5
        assert rows[1.0][family]["clips"] == 12


def test_true_amounts_are_those_of_the_family_alone() -> None:
    for index in range(8):
        scene = draw_scene(index)
        amounts = readout.true_amounts(scene)
        part = PARTS[scene.family]
        rest = np.delete(amounts, np.arange(6)[part], axis=1)
        assert amounts.shape == (21, 6) and not rest.any() and np.abs(amounts[:, part]).max() > 0.05
    pan = draw_scene(1)
    way = pan.targets["same"].path.displacement
    assert readout.true_amounts(pan)[::4, PARTS["pan"]].sum(0) == pytest.approx(way[24] - way[0])


def test_the_command_reads_the_bundled_extractor(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "r.json"
    assert main(["evaluate", "readout", "--fit", "16", "--scenes", "8", "--out", str(out)]) == 0
    assert set(json.loads(out.read_text())["rows"]) == set(PARTS)
    assert "error of the whole way" in capsys.readouterr().out
