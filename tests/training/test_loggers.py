"""Weights & Biases, where it is installed: a run is logged, and resumed, on this machine alone."""

import pytest
import torch

from dismo_core import DisMoError
from dismo_core.training import loggers
from dismo_core.training.loggers import WeightsAndBiases, open_loggers


def test_weights_and_biases_takes_numbers_and_pictures(tmp_path, monkeypatch):
    pytest.importorskip("wandb", reason="Weights & Biases is not installed (pip install wandb)")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    for first in (1, 3):  # the second time as a resumed run
        (logger,) = [
            x for x in open_loggers(tmp_path, first - 1, "test", {"seed": 1}) if isinstance(x, WeightsAndBiases)
        ]
        for step in (first, first + 1):
            logger.numbers(step, {"loss": 1 / step})
        logger.picture(step, "transfers", torch.zeros(4, 6, 3, dtype=torch.uint8))
        logger.close()
    runs = list((tmp_path / "wandb").glob("offline-run-*"))
    assert len(runs) == 2 and {run.name.rpartition("-")[2] for run in runs} == {tmp_path.name}
    assert all(list(run.glob("files/media/images/transfers*.png")) for run in runs)


def test_without_it_the_wish_is_refused_in_words(tmp_path, monkeypatch):
    monkeypatch.setitem(loggers.__dict__, "TensorBoard", lambda *_: None)
    monkeypatch.setitem(__import__("sys").modules, "wandb", None)
    with pytest.raises(DisMoError, match="pip install wandb"):
        open_loggers(tmp_path, 0, "test", {})
