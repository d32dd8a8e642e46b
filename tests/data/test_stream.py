"""Shards that are read from front to back, as the published recipe does."""

import shutil
from itertools import islice

import pytest
import torch
from made_shards import write_tar
from torch.utils.data import DataLoader

import dismo_core as dismo
from dismo_core.data.addresses import find_shards
from dismo_core.dismo.training.samples import VideoStream, collate


def take(stream, count):
    return list(islice(iter(stream), count))


@pytest.mark.skipif(shutil.which("cat") is None, reason="the address is a shell command, and this system has no `cat`")
def test_addresses_as_webdataset_takes_them(good_shards):
    piped = find_shards([f"pipe:cat {shard}" for shard in good_shards])
    a, b = (take(VideoStream(shards, 16, buffer=2), 4) for shards in (piped, good_shards))
    assert all(torch.equal(x.motion, y.motion) for x, y in zip(a, b, strict=True))


def test_same_seed_ranks_and_workers_give_the_same_samples(good_shards):
    def run(**options):
        loader = DataLoader(VideoStream(good_shards, 16, buffer=4, **options), 2, num_workers=2, collate_fn=collate)
        return torch.cat([batch.motion for batch in islice(loader, 3)])

    first = run()
    assert torch.equal(first, run())
    for other in ({"seed": 1}, {"rank": 1, "world": 2}, {"start": 6}):
        assert not torch.equal(first, run(**other))


def test_ranks_share_the_shards_of_an_epoch(good_shards, tmp_path, videos):
    clip = (videos / "clip0.mp4").read_bytes()
    bad = [write_tar(tmp_path / f"{k}.tar", [(f"bad{k}.mp4", b""), (f"good{k}.mp4", clip)]) for k in range(4)]
    seen = []
    for rank in range(2):
        for sample in take(VideoStream(bad, 16, rank=rank, world=2, buffer=1), 4):
            seen += [name for name, _ in sample.skipped]
    assert sorted(seen) == sorted([f"{k}.tar: bad{k}" for k in range(4)] * 2)  # two epochs, each shard once in each


def test_numbers_are_unique_and_samples_mixed(good_shards):
    numbers = [
        int(sample.number) for sample in take(VideoStream(good_shards, 16, rank=1, world=3, start=30, buffer=4), 9)
    ]
    assert len(set(numbers)) == 9 and all(n >= 31 and n % 3 == 1 for n in numbers) and numbers != sorted(numbers)


def test_shards_without_a_sample_end_in_an_error(tmp_path):
    empty = [write_tar(tmp_path / f"{k}.tar", []) for k in range(2)]
    with pytest.raises(dismo.DisMoError, match="None of the 2 shards holds a sample"):
        take(VideoStream(empty, 16), 1)


def test_faults_are_skipped_and_counted(faulty_shards):
    samples = take(VideoStream(faulty_shards, 16, buffer=1), 12)
    reasons = {reason for sample in samples for _, reason in sample.skipped}
    assert reasons >= {"too short", "below 3 fps", "empty", "unreadable", "no video", "several videos", "damaged tar"}


def test_nothing_but_faults_is_an_error(tmp_path):
    with pytest.raises(dismo.DisMoError, match="100 entries in a row"):
        take(VideoStream([str(tmp_path / "gone.tar")], 16), 1)
