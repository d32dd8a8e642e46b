"""Kill -9 at random moments: training goes on, and ends with the weights of an unbroken run."""

import multiprocessing
import random
import time

import pytest
import torch
from micro import train
from torch import nn

from dismo_core import DisMoError
from dismo_core.training.checkpoint import checkpoints, latest_checkpoint
from dismo_core.training.loop import Schedule, TrainingRun, fit

STEPS = 300
KILLS = 10


def work(folder):
    """Three hundred steps of a few milliseconds, a checkpoint after every third."""
    torch.manual_seed(0)
    net = nn.Linear(64, 64)

    def losses(step):
        time.sleep(0.004)
        x = torch.randn(8, 64)
        return {"loss": (net(x) - x.flip(1)).square().mean()}

    fit(net, losses, TrainingRun(folder, Schedule(STEPS, lr=1e-3, warmup=10, save_every=3, log_every=3)))


@pytest.fixture(scope="module")
def server():
    """Starts processes that have torch already."""
    context = multiprocessing.get_context(
        "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn"
    )
    if context.get_start_method() == "forkserver":
        heavy = ("torch.utils.tensorboard", "diffusers.models.autoencoders.autoencoder_tiny")
        context.set_forkserver_preload(
            ["torch", "dismo_core.training.loop", "dismo_core.dismo.training.videos", *heavy]
        )
    return context


def kill_at_work(process, folder, after):
    """Start, wait for the first new checkpoint, kill after some more seconds; whether it was still running."""
    before = checkpoints(folder)
    process.start()
    while process.is_alive() and checkpoints(folder) == before:
        time.sleep(0.01)
    process.join(after)
    running = process.is_alive()
    process.kill()
    process.join()
    return running


def test_killed_at_random_moments_it_ends_as_an_unbroken_run(tmp_path, server):
    work(tmp_path / "whole")
    broken = tmp_path / "broken"
    rng = random.Random(0)
    kills = sum(
        kill_at_work(server.Process(target=work, args=(broken,)), broken, rng.uniform(0, 0.1)) for _ in range(KILLS)
    )
    assert kills > 0
    work(broken)
    states = [latest_checkpoint(folder) for folder in (tmp_path / "whole", broken)]
    assert states[0]["step"] == states[1]["step"] == STEPS
    for part in ("model", "averaged"):
        assert all(torch.equal(v, states[1][part][k]) for k, v in states[0][part].items())
    rows = [(folder / "log.jsonl").read_text().count("\n") for folder in (tmp_path / "whole", broken)]
    assert rows == [STEPS // 3, STEPS // 3]
    assert not list(broken.glob(".checkpoint*"))


def test_checkpoints_none_of_which_reads_are_not_taken_for_none(tmp_path):
    """A run that began again in their place would delete what it writes as older than they are."""
    work(tmp_path)
    for path in checkpoints(tmp_path):
        path.write_bytes(path.read_bytes()[:1000])
    before = sorted(tmp_path.iterdir())
    with pytest.raises(DisMoError, match="None of the 2 checkpoints in .* reads"):
        work(tmp_path)
    assert sorted(tmp_path.iterdir()) == before


def work_on_videos(folder, shards, count):
    """Steps on videos, a checkpoint after every second."""
    return train(folder, shards, Schedule(count, lr=3e-3, warmup=2, average=0.9, save_every=2, log_every=2))


@pytest.mark.parametrize("kills", [3, pytest.param(KILLS, marks=pytest.mark.slow)])
def test_killed_on_videos_it_ends_as_an_unbroken_run(tmp_path, shards, server, kills):
    count = 6 * kills
    whole = work_on_videos(tmp_path / "whole", shards, count)
    broken = tmp_path / "broken"
    rng = random.Random(1)
    killed = 0
    for _ in range(kills):
        process = server.Process(target=work_on_videos, args=(broken, shards, count))
        killed += kill_at_work(process, broken, rng.uniform(0, 0.3))
    assert killed > 0
    found = work_on_videos(broken, shards, count)
    assert [name for name in whole if not torch.equal(whole[name], found[name])] == []
