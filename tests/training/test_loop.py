"""The training loop: resume, averaging, bad numbers; on a small model."""

import json
from copy import deepcopy
from dataclasses import replace

import pytest
import torch
from torch import nn

from dismo_core import DisMoError
from dismo_core.training.checkpoint import checkpoints, latest_checkpoint, save_checkpoint
from dismo_core.training.loop import Schedule, TrainingRun, fit


def model():
    torch.manual_seed(0)
    return nn.Linear(3, 1)


def losses_of(net):
    def losses(step):
        x = torch.randn(8, 3, generator=torch.Generator().manual_seed(step)) + 0.1 * torch.randn(8, 3)
        return {"loss": (net(x) - x.sum(dim=1, keepdim=True)).square().mean()}

    return losses


SCHEDULE = dict(lr=0.05, warmup=3, save_every=5, log_every=5, average=0.5)


def run(folder, stop=None):
    """Twenty steps, or those before `stop`."""
    net = model()
    good = losses_of(net)

    def losses(step):
        if step == stop:
            raise KeyboardInterrupt
        return good(step)

    try:
        averaged = fit(net, losses, TrainingRun(folder, Schedule(20, **SCHEDULE)))
    except KeyboardInterrupt:
        assert stop is not None
        return None
    return net.state_dict(), averaged.state_dict()


def test_it_learns(tmp_path):
    run(tmp_path)
    rows = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [5, 10, 15, 20]
    assert rows[-1]["loss"] < 0.5 * rows[0]["loss"]


def test_a_resumed_run_equals_an_unbroken_one(tmp_path):
    whole = run(tmp_path / "whole")
    run(tmp_path / "parts", stop=12)
    parts = run(tmp_path / "parts")
    for a, b in zip(whole, parts, strict=True):
        assert all(torch.equal(a[name], b[name]) for name in a)


def test_a_damaged_newest_checkpoint_falls_back_to_the_one_before(tmp_path, caplog):
    whole = run(tmp_path)
    newest = checkpoints(tmp_path)[-1]
    newest.write_bytes(newest.read_bytes()[:100])
    assert latest_checkpoint(tmp_path)["step"] == 15
    assert newest.name in caplog.text
    again = run(tmp_path)
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
        fit(net, losses, TrainingRun(tmp_path, Schedule(20, **SCHEDULE)))
    assert latest_checkpoint(tmp_path)["step"] == 5


def test_a_full_disk_costs_a_checkpoint_and_nothing_else(tmp_path, caplog):
    resource = pytest.importorskip("resource", reason="limits on file sizes need a POSIX system")
    whole = run(tmp_path / "whole")
    net = model()
    good = losses_of(net)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)

    def losses(step):
        if step in (6, 12):  # the checkpoint of step 10 does not fit; that of step 15 does again
            resource.setrlimit(resource.RLIMIT_FSIZE, (1500 if step == 6 else before[0], before[1]))
            assert [p.name[-5:] for p in checkpoints(tmp_path)] == ["05.pt"]
        return good(step)

    try:
        averaged = fit(net, losses, TrainingRun(tmp_path, Schedule(20, **SCHEDULE)))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert "step 10" in caplog.text and "intact" in caplog.text
    assert [p.name[-5:] for p in checkpoints(tmp_path)] == ["15.pt", "20.pt"]
    assert torch.equal(averaged.state_dict()["weight"], whole[1]["weight"])
    assert not list(tmp_path.glob(".checkpoint*"))


def test_a_last_checkpoint_that_does_not_fit_is_an_error(tmp_path):
    resource = pytest.importorskip("resource", reason="limits on file sizes need a POSIX system")
    run(tmp_path, stop=16)
    checkpoints(tmp_path)[-1].unlink()
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1500, before[1]))
    try:
        with pytest.raises(DisMoError, match="checkpoint_0000020.*free space"):
            run(tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert latest_checkpoint(tmp_path)["step"] == 10


def test_rows_after_the_checkpoint_that_is_gone_on_from_are_dropped(tmp_path):
    run(tmp_path)
    checkpoints(tmp_path)[-1].unlink()
    (tmp_path / ".checkpoint_0000020-0123abcd.unfinished.pt").write_bytes(b"killed while this was written")
    with (tmp_path / "log.jsonl").open("a") as file:
        file.write('{"loss": 0.')  # killed while this was written
    run(tmp_path)
    rows = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [5, 10, 15, 20]
    assert not list(tmp_path.glob(".checkpoint*"))


def test_batches_of_a_step_are_averaged(tmp_path):
    """Two batches to a step are one batch of both."""
    net, twin = model(), model()
    data = torch.randn(40, 4, 3, generator=torch.Generator().manual_seed(0))

    def squares(net, x):
        return {"loss": (net(x) - x.sum(dim=-1, keepdim=True)).square().mean()}

    schedule = Schedule(20, **SCHEDULE | dict(average=None))
    fit(net, lambda k: squares(net, data[k]), TrainingRun(tmp_path / "two", replace(schedule, accumulation=2)))
    fit(twin, lambda k: squares(twin, data[2 * k : 2 * k + 2]), TrainingRun(tmp_path / "one", schedule))
    torch.testing.assert_close(net.state_dict(), twin.state_dict())


def test_without_an_average_the_model_itself_comes_back(tmp_path):
    net = model()
    assert fit(net, losses_of(net), TrainingRun(tmp_path, Schedule(5, **SCHEDULE | dict(average=None)))) is net
    assert "averaged" not in latest_checkpoint(tmp_path)


def test_only_what_is_asked_for_is_saved(tmp_path):
    net = model()
    net.bias.requires_grad_(False)
    start = net.bias.clone()
    more = dict(saved=lambda name: name != "bias")
    fit(net, losses_of(net), TrainingRun(tmp_path, Schedule(5, **SCHEDULE), **more))
    assert latest_checkpoint(tmp_path)["model"].keys() == {"weight"}
    fit(net, losses_of(net), TrainingRun(tmp_path, Schedule(10, **SCHEDULE), **more))
    assert torch.equal(net.bias, start)
    other = nn.Linear(4, 1)
    other.bias.requires_grad_(False)
    with pytest.raises(DisMoError, match="another model.*weight"):
        fit(other, losses_of(other), TrainingRun(tmp_path, Schedule(15, **SCHEDULE), **more))


def test_the_rate_warms_up_and_falls():
    schedule = Schedule(100, lr=1.0, warmup=10)
    rates = [schedule.rate(step) for step in range(101)]
    assert rates[0] == 0.1 and max(rates) == 1.0 and rates[100] < 1e-6
    trapezoid = Schedule(100, lr=1.0, warmup=10, shape="trapezoid")
    assert [trapezoid.rate(step) for step in (0, 10, 80, 90, 100)] == pytest.approx([0.1, 1, 1, 0.5, 0])


def test_checkpoints_in_between_by_the_clock_in_a_layout_of_ones_own(tmp_path):
    saved = {}
    run_by_clock = TrainingRun(
        tmp_path,
        Schedule(8, **SCHEDULE),
        save_minutes=1e-9,
        save=lambda folder, step, state, keep: saved.update({step: deepcopy(state)}),
        latest=lambda folder: saved[max(saved)] if saved else None,
    )
    net = model()
    fit(net, losses_of(net), run_by_clock)
    assert sorted(saved) == list(range(1, 9)) and not checkpoints(tmp_path)
    saved.pop(8)
    again = model()
    fit(again, losses_of(again), run_by_clock)
    assert all(torch.equal(a, b) for a, b in zip(net.state_dict().values(), again.state_dict().values(), strict=True))
