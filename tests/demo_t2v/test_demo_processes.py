"""Two processes of torchrun train DEMO as one with both batches."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from demo_run import SIZES, WELL_CONDITIONED, batches, parts, run

from dismo_core.demo_t2v.training.captioned_videos import videos_of_folder
from dismo_core.demo_t2v.training.demo_training import DemoTraining
from dismo_core.demo_t2v.training.motion_half import MotionHalf
from dismo_core.training.checkpoint import latest_checkpoint
from dismo_core.training.distributed import World

STEPS = 20


def two_processes(*words):
    script = Path(__file__).parent / "demo_run.py"
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", str(script)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"}
    done = subprocess.run([*command, *map(str, words)], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr


def rows(folder):
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
def one(toy, toy_folder, clips, tmp_path_factory):
    """The run of one process that takes both batches."""
    folder = tmp_path_factory.mktemp("one")
    training = DemoTraining(**SIZES, steps=STEPS, batch=2, save_every=1000, log_every=1)
    run(folder, toy, toy_folder, clips, training, WELL_CONDITIONED)
    return folder


@pytest.mark.parametrize(
    "way",
    [
        pytest.param({}, id="copied"),
        pytest.param({"sharded": True}, id="sharded", marks=pytest.mark.slow),
        pytest.param({"sharded": True, "offload": True}, id="optimizer in main memory", marks=pytest.mark.slow),
    ],
)
def test_two_processes_train_as_one_with_both_batches(way, one, toy_folder, clips, tmp_path):
    two_processes(tmp_path, toy_folder, clips, json.dumps(dict(steps=STEPS, batch=1) | way))
    found, wanted = rows(tmp_path), rows(one)
    assert len(found) == STEPS
    for name in ("loss", "grad_norm"):
        assert [row[name] for row in found] == pytest.approx([row[name] for row in wanted], rel=1e-4, abs=1e-4), name
    found, wanted = (latest_checkpoint(folder)["model"] for folder in (tmp_path, one))
    assert found.keys() == wanted.keys()
    for name, value in found.items():
        # Wider, as Adam makes steps of full size of gradients that are nothing but rounding: those of the attentions' key biases.
        assert (value - wanted[name]).norm() <= 1e-3 * wanted[name].norm(), name
    release = torch.load(tmp_path / "checkpoints" / f"non_ema_{STEPS:08d}.pth")["unet_state_dict"]
    assert all(torch.equal(release[name.removeprefix("unet.")], found[name]) for name in found if "unet" in name)


def test_no_two_processes_drop_out_alike(toy, toy_folder, clips):
    unet, encoder, image = parts(toy_folder, dropout=0.5)
    half = MotionHalf(unet, encoder, first_block=0)
    training, videos = DemoTraining(**SIZES), videos_of_folder(clips)

    def left_out(rank):
        """What dropout leaves out of a process's batch 0."""
        world, found = World(rank, 2), []
        hook = unet.middle_block[0].out_layers[2].register_forward_hook(lambda _, __, out: found.append(out == 0))
        batches(half, toy, videos, training, image, None, world)(0)
        hook.remove()
        return found[0]

    assert torch.equal(left_out(0), left_out(0)) and not torch.equal(left_out(0), left_out(1))
