"""Two processes of torchrun train as one with twice the batch, with copied and with sharded weights."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from micro import steps, train

from dismo_core.training.checkpoint import latest_checkpoint

STEPS = 20


def two_processes(folder, shards, schedule, **options):
    script = Path(__file__).parent / "micro.py"
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", str(script)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"}
    environment["PYTHONFAULTHANDLER"] = "1"  # a process that aborts says where
    words = [str(folder), str(shards), json.dumps(schedule), json.dumps(options)]
    done = subprocess.run([*command, *words], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr


def losses(folder):
    return [json.loads(line)["loss"] for line in (folder / "log.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
def one(shards, tmp_path_factory):
    """The run of one process: checkpoints at steps 10 and 20."""
    folder = tmp_path_factory.mktemp("one")
    train(folder, shards, steps(STEPS, average=0.8, save_every=10), batch=4)
    return folder


@pytest.mark.parametrize("accumulation", [1, 2])
def test_two_processes_give_the_losses_of_one(shards, tmp_path, one, accumulation):
    two_processes(tmp_path, shards, dict(count=STEPS, accumulation=accumulation), batch=4 // accumulation // 2)
    assert len(losses(tmp_path)) == STEPS
    assert losses(tmp_path) == pytest.approx(losses(one), abs=1e-4)
    assert len(list(tmp_path.glob("checkpoint_*.pt"))) == 1


def test_sharded_weights_go_on_from_any_checkpoint_and_leave_one_that_any_run_reads(shards, tmp_path, one):
    (tmp_path / "log.jsonl").write_text("".join((one / "log.jsonl").read_text().splitlines(keepends=True)[:10]))
    shutil.copy(one / "checkpoint_0000010.pt", tmp_path)
    schedule = dict(count=STEPS, average=0.8, save_every=10, draw_every=5)
    two_processes(tmp_path, shards, schedule, batch=2, sharded=True)
    assert losses(tmp_path) == pytest.approx(losses(one), abs=1e-4)
    found, wanted = latest_checkpoint(tmp_path), latest_checkpoint(one)
    assert found["step"] == wanted["step"] == STEPS
    torch.testing.assert_close(found, wanted, atol=1e-4, rtol=1e-3)
    train(tmp_path, shards, steps(STEPS + 2, average=0.8), batch=4)  # by one process
    assert len(losses(tmp_path)) == STEPS + 2 and losses(tmp_path)[-1] < losses(tmp_path)[0]


@pytest.mark.slow
def test_sharded_weights_train_compiled(shards, tmp_path, one):
    two_processes(tmp_path, shards, dict(count=3), batch=2, sharded=True, compile=True)
    assert losses(tmp_path) == pytest.approx(losses(one)[:3], abs=1e-4)
