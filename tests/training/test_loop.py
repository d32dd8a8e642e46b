"""The training loop: resume, averaging, bad numbers; on a small model."""

import json

import pytest
import torch
from torch import nn

from dismo_core import DisMoError
from dismo_core.training.checkpoint import checkpoints, latest_checkpoint, save_checkpoint
from dismo_core.training.loop import Schedule, fit


def model():
    torch.manual_seed(0)
    return nn.Linear(3, 1)


def losses_of(net):
    def losses(step):
        x = torch.randn(8, 3, generator=torch.Generator().manual_seed(step)) + 0.1 * torch.randn(8, 3)
        return {"loss": (net(x) - x.sum(dim=1, keepdim=True)).square().mean()}

    return losses


SCHEDULE = dict(lr=0.05, warmup=3, save_every=5, log_every=5, average=0.5)


def run(folder, steps, **more):
    net = model()
    averaged = fit(net, losses_of(net), Schedule(steps, **SCHEDULE, horizon=20), folder, **more)
    return net.state_dict(), averaged.state_dict()


def test_it_learns(tmp_path):
    run(tmp_path, 20)
    rows = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [5, 10, 15, 20]
    assert rows[-1]["loss"] < 0.5 * rows[0]["loss"]


def test_a_resumed_run_equals_an_unbroken_one(tmp_path):
    whole = run(tmp_path / "whole", 20)
    run(tmp_path / "parts", 10)
    parts = run(tmp_path / "parts", 20)
    for a, b in zip(whole, parts, strict=True):
        assert all(torch.equal(a[name], b[name]) for name in a)


def test_a_damaged_newest_checkpoint_falls_back_to_the_one_before(tmp_path, caplog):
    whole = run(tmp_path, 20)
    newest = checkpoints(tmp_path)[-1]
    newest.write_bytes(newest.read_bytes()[:100])
    assert latest_checkpoint(tmp_path)["step"] == 15
    assert newest.name in caplog.text
    again = run(tmp_path, 20)
    assert torch.equal(whole[0]["weight"], again[0]["weight"])


def test_only_the_newest_are_kept_and_no_temporary_file_stays(tmp_path):
    for step in (1, 2, 3):
        save_checkpoint(tmp_path, step, {"step": step}, keep=2)
    assert [p.name for p in sorted(tmp_path.iterdir())] == ["checkpoint_0000002.pt", "checkpoint_0000003.pt"]


def test_a_loss_that_is_not_finite_stops_and_keeps_the_last_checkpoint(tmp_path):
    net = model()
    good = losses_of(net)

    def losses(step):
        return {"loss": good(step)["loss"] * (float("nan") if step == 7 else 1)}

    with pytest.raises(DisMoError, match="step 7"):
        fit(net, losses, Schedule(20, **SCHEDULE), tmp_path)
    assert latest_checkpoint(tmp_path)["step"] == 5


def test_the_rate_warms_up_and_falls():
    schedule = Schedule(100, lr=1.0, warmup=10)
    rates = [schedule.rate(step) for step in range(101)]
    assert rates[0] == 0.1 and max(rates) == 1.0 and rates[100] < 1e-6
    assert Schedule(100, lr=1.0, warmup=10, horizon=1000).rate(99) > 0.9
