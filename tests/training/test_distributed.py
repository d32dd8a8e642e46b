"""Two processes of torchrun train as one with twice the batch."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from micro import train

from dismo_core.training.loop import Schedule

STEPS = 20


@pytest.mark.parametrize("accumulation", [1, 2])
def test_two_processes_give_the_losses_of_one(shards, tmp_path, accumulation):
    script = Path(__file__).parent / "micro.py"
    arguments = [str(tmp_path / "two"), str(shards), str(STEPS), str(4 // accumulation // 2), str(accumulation)]
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", str(script)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"}
    done = subprocess.run([*command, *arguments], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    train(tmp_path / "one", shards, Schedule(STEPS, lr=3e-3, warmup=2, average=None, log_every=1), batch=4)
    losses = [
        [json.loads(line)["loss"] for line in (tmp_path / name / "log.jsonl").read_text().splitlines()]
        for name in ("two", "one")
    ]
    assert len(losses[0]) == STEPS
    assert losses[0] == pytest.approx(losses[1], abs=1e-4)
    assert len(list((tmp_path / "two").glob("checkpoint_*.pt"))) == 1
