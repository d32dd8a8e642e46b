"""How a network is measured on drawn scenes, with a toy of random weights."""

import json

import pytest
from mimo_toy import make_image_encoder, make_vae, networks, pipeline

from dismo_core.cli.main import main
from dismo_core.mimo import evaluate_network as measured
from dismo_core.mimo.training.tiny import HELD_OUT


@pytest.fixture(scope="module")
def scores():
    return measured.evaluate_network(pipeline(), count=2, steps=1)


def test_what_costs_nothing_lies_where_it_should(scores):
    assert scores["truth"].iou == 1 and scores["truth"].retrieved == 1
    right, wrong, mean = (scores[way].iou for way in ("body, right frame", "body, wrong frame", "mean figure"))
    assert 0.7 < right < 1 and wrong < right and mean < right, "the character has another shape than the person"
    assert 0.4 < scores["reference copied"].iou < 1 and scores["reference copied"].retrieved == 1
    assert scores["reference copied"].psnr > scores["reference on white"].psnr + 10
    assert scores["mean figure"].psnr is None and scores["body, wrong frame"].retrieved is None


def test_a_network_that_knows_nothing_reaches_nothing(scores):
    assert scores["network"].iou < scores["body, wrong frame"].iou and scores["network"].retrieved < 1
    assert not any(measured.goals(scores).values())
    good = measured.Score(0.8, 0.9, scores["reference copied"].psnr + 5)
    assert all(measured.goals(scores | {"network": good}).values())


def test_its_scenes_are_not_trained_on():
    assert measured.FIRST_SEED >= HELD_OUT + 100_000_000, "training takes seeds below, its sheets those of a run's seed"


def test_the_command_writes_a_table_and_numbers(scores, tmp_path, monkeypatch, capsys):
    from dismo_core.mimo.training.examples import Encoders
    from dismo_core.mimo.training.export import export_whole
    from dismo_core.mimo.training.networks import Networks

    export_whole(Networks(*networks()), Encoders(make_vae(), make_image_encoder(), 64), tmp_path / "run")
    monkeypatch.setattr(measured, "evaluate_network", lambda pipe, count, progress: scores)
    command = ["mimo", "evaluate", "--weights", str(tmp_path / "run")]
    assert main([*command, "-o", str(tmp_path / "r.json")]) == 0
    said = capsys.readouterr().out
    assert "reference copied" in said and "MISSED" in said
    written = json.loads((tmp_path / "r.json").read_text())
    assert written["scenes"] == 64 and written["scores"]["truth"]["iou"] == 1 and len(written["goals"]) == 3
    assert main([*command, "--scenes", "15"]) == 2
    assert "at least 16" in capsys.readouterr().err
