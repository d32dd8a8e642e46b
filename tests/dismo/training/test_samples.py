"""Samples are functions of seed and number: whatever the ranks, the workers, the start and the faults in the shards."""

import logging
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from made_shards import GROWTH, noise, ramp, write_tar
from torch.utils.data import DataLoader

import dismo_core as dismo
from dismo_core.data.addresses import find_shards
from dismo_core.data.index import ShardIndex, scan_shard
from dismo_core.dismo.training.batches import clip_batches
from dismo_core.dismo.training.samples import VideoClips, collate

FIELDS = ("motion", "source", "target", "gap", "number", "seed")


def samples(batches):
    """Number -> the sample's tensors."""
    return {
        int(number): [getattr(batch, field)[k] for field in FIELDS]
        for batch in batches
        for k, number in enumerate(batch.number)
    }


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(x, y) for n in a for x, y in zip(a[n], b[n], strict=True))


class Recorded(ShardIndex):
    """An index that knows which entries were read."""

    def __init__(self, shards):
        super().__init__(shards)
        self.reads = []

    def read(self, number):
        self.reads.append(number)
        return super().read(number)


@pytest.fixture(scope="module")
def unbroken(good_shards):
    """24 samples, three epochs, by one process."""
    return samples(clip_batches(good_shards, 4, size=32, seed=7, stop=24))


def test_shapes(good_shards):
    (batch,) = clip_batches(good_shards, 3, size=32, stop=5)  # the incomplete second batch is dropped
    assert batch.motion.shape == (3, 8, 32, 32, 3) and batch.motion.dtype == torch.uint8
    assert batch.source.shape == batch.target.shape == (3, 4, 32, 32, 3) and batch.target.dtype == torch.uint8
    assert batch.gap.shape == (3, 4) and batch.gap.dtype == torch.float32
    assert batch.number.tolist() == [0, 1, 2] and len(set(batch.seed.tolist())) == 3 and batch.skipped == ()


@pytest.mark.parametrize(("world", "workers"), [(1, 2), (2, 0), (2, 2), (4, 0)])
def test_ranks_and_workers_change_nothing(good_shards, unbroken, world, workers):
    ranks = [
        list(clip_batches(good_shards, 4 // world, size=32, seed=7, stop=24, rank=rank, world=world, workers=workers))
        for rank in range(world)
    ]
    together = {}
    for step, batches in enumerate(zip(*ranks, strict=True)):
        of_step = samples(batches)
        assert sorted(of_step) == list(range(4 * step, 4 * step + 4))  # what one process has in this step
        together |= of_step
    assert same(together, unbroken)


def test_resumed_run_reads_nothing_of_what_was_before(good_shards, unbroken):
    index = Recorded(good_shards)
    loader = DataLoader(VideoClips(index, 32, 7), 4, sampler=range(12, 24), collate_fn=collate)
    assert same(samples(loader), {n: s for n, s in unbroken.items() if n >= 12})
    assert len(index.reads) == 12
    assert same(samples(clip_batches(good_shards, 4, size=32, seed=7, start=12, stop=24)), samples(loader))


def test_an_epoch_is_one_pass_in_an_order_of_its_own(good_shards):
    index = Recorded(good_shards)
    data = VideoClips(index, 32, 7)
    for number in range(16):
        data[number]
    first, second = index.reads[:8], index.reads[8:]
    assert sorted(first) == sorted(second) == list(range(8)) and first != second


def test_every_sample_has_a_seed_of_its_own(unbroken):
    assert len({int(sample[FIELDS.index("seed")]) for sample in unbroken.values()}) == 24


def test_other_seed_other_samples(good_shards, unbroken):
    other = samples(clip_batches(good_shards, 4, size=32, seed=8, stop=4))
    assert not any(torch.equal(other[n][0], unbroken[n][0]) for n in other)


def test_global_generators_play_no_part(good_shards, unbroken):
    torch.manual_seed(1)
    np.random.seed(1)
    before = torch.random.get_rng_state(), np.random.get_state()[1].copy()
    assert same(samples(clip_batches(good_shards, 4, size=32, seed=7, stop=4)), {n: unbroken[n] for n in range(4)})
    assert torch.equal(torch.random.get_rng_state(), before[0]) and (np.random.get_state()[1] == before[1]).all()


def test_gap_is_the_distance_from_source_to_target(tmp_path):
    dismo.write_video(tmp_path / "ramp.mp4", ramp(), 24, crf=1)
    data = VideoClips(
        ShardIndex([write_tar(tmp_path / "t.tar", [("a.mp4", (tmp_path / "ramp.mp4").read_bytes())])]), 16
    )
    errors, steps = [], []
    for number in range(12):
        sample = data[number]
        # both frames of a pair have the same brightness factor: the ratio of greys tells how far apart they are
        grey = [frames.float().mean(dim=(1, 2, 3)) for frames in (sample.source, sample.target, sample.motion)]
        frames = torch.log(grey[1] / grey[0]) / np.log(GROWTH)
        errors.append((frames / 4 - sample.gap).abs())  # 4 native frames make a step at 24 fps
        steps.append(torch.log(grey[2][1:] / grey[2][:-1]) / np.log(GROWTH))
    assert torch.cat(errors).max() < 0.3 and torch.cat(errors).median() < 0.12  # one frame is 0.25
    assert torch.cat(steps).median() == pytest.approx(4, abs=0.2)  # and the clip walks in whole steps


def test_one_view_for_a_clip_and_one_for_each_pair(tmp_path):
    still = noise(3, frames=1).expand(36, -1, -1, -1)
    dismo.write_video(tmp_path / "still.mp4", still, 24)
    data = VideoClips(
        ShardIndex([write_tar(tmp_path / "t.tar", [("a.mp4", (tmp_path / "still.mp4").read_bytes())])]), 32
    )
    sample = data[0]

    def apart(a, b):
        return float((a.float() - b.float()).abs().mean())

    assert max(apart(sample.motion[0], frame) for frame in sample.motion) < 3
    assert max(map(apart, sample.source, sample.target)) < 3
    assert all(apart(sample.source[i], sample.source[j]) > 5 for i in range(4) for j in range(i))
    assert all(apart(sample.motion[0], frame) > 5 for frame in sample.source)
    other = data[1]
    assert apart(sample.motion[0], other.motion[0]) > 5


def test_crops_without_borders_on_request(tmp_path):
    """A frame whose outermost pixels are white: turned crops of it repeat them, shrunk ones do not."""
    still = torch.full((36, 48, 64, 3), 60, dtype=torch.uint8)
    still[:, :2] = still[:, -2:] = 255
    still[:, :, :2] = still[:, :, -2:] = 255
    dismo.write_video(tmp_path / "still.mp4", still, 24, crf=1)
    shard = write_tar(tmp_path / "t.tar", [("a.mp4", (tmp_path / "still.mp4").read_bytes())])
    white = [
        torch.cat([b.motion for b in clip_batches([shard], 4, size=32, stop=12, inside=inside)])
        .float()
        .std(dim=(1, 2, 3))
        for inside in (False, True)
    ]
    assert white[1].mean() < 0.7 * white[0].mean()


def test_faults_are_skipped_counted_and_logged(faulty_shards, caplog):
    with caplog.at_level(logging.WARNING):
        batches = list(clip_batches(faulty_shards, 5, size=16, seed=1, stop=20, workers=2))
    assert [batch.number.tolist() for batch in batches] == [list(range(k, k + 5)) for k in (0, 5, 10, 15)]
    reasons = Counter(reason for batch in batches for _, reason in batch.skipped)
    assert set(reasons) == {"too short", "below 3 fps", "empty", "unreadable"}
    skipped = {name for batch in batches for name, _ in batch.skipped}
    assert skipped == {f"a.tar: {name}" for name in ("short", "slow", "zero", "garbage", "sound", "cut")}
    assert "Skipped 6 entries so far (too short 2, unreadable 2," in caplog.text
    for reason in ("no video", "several videos", "empty tar", "damaged tar 2", "cut short"):
        assert reason in caplog.text, caplog.text
    again = list(clip_batches(faulty_shards, 5, size=16, seed=1, stop=20))
    assert same(samples(batches), samples(again)) and [b.skipped for b in batches] == [b.skipped for b in again]


def test_nothing_usable_is_an_error(tmp_path, videos):
    bad = write_tar(tmp_path / "bad.tar", [("short.mp4", (videos / "short.mp4").read_bytes()), ("zero.mp4", b"")])
    with pytest.raises(dismo.DisMoError, match="2 entries in a row"):
        VideoClips(ShardIndex([bad]), 16)[0]
    empty = write_tar(tmp_path / "empty.tar", [])
    with pytest.raises(dismo.DisMoError, match="empty tar 1"):
        ShardIndex([empty])


def test_index_is_kept_beside_the_shard_and_renewed_with_it(tmp_path, videos):
    clip = (videos / "clip0.mp4").read_bytes()
    path = write_tar(tmp_path / "t.tar", [("a.mp4", clip)])
    assert len(ShardIndex([path])) == 1
    kept = tmp_path / "t.tar.index.json"
    assert kept.is_file() and len(ShardIndex([path])) == 1
    write_tar(path, [("a.mp4", clip), ("a.txt", "ein Böot".encode()), ("b.mp4", b"")])
    index = ShardIndex([path])
    assert len(index) == 2 and index.read(0).caption == "ein Böot" and index.read(1).video == b""
    kept.write_text("{")
    assert len(ShardIndex([path])) == 2


def test_links_and_names_that_lead_out_are_refused(tmp_path, videos):
    import io
    import tarfile

    clip = (videos / "clip0.mp4").read_bytes()
    with tarfile.open(tmp_path / "t.tar", "w") as tar:
        for name in ("../up.mp4", "/root.mp4", "a/../../up.mp4", "..\\up.mp4", "good.mp4"):
            info = tarfile.TarInfo(name)
            info.size = len(clip)
            tar.addfile(info, io.BytesIO(clip))
        for name, kind in (
            ("soft.mp4", tarfile.SYMTYPE),
            ("hard.mp4", tarfile.LNKTYPE),
            ("fifo.mp4", tarfile.FIFOTYPE),
        ):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "good.mp4"
            tar.addfile(info)
    contents = scan_shard(tmp_path / "t.tar")
    assert [place.key for place in contents.places] == ["good"]
    assert Counter(reason for _, reason, _ in contents.faults) == {"unsafe name": 4, "not a file": 3}


def test_where_shards_are_found(tmp_path, videos):
    for name in ("b/1.tar", "a.tar", "b/0.tar", "b/.0-left.tar"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        write_tar(tmp_path / name, [])
    found = find_shards([tmp_path])
    assert found == [str(tmp_path / name) for name in ("a.tar", "b/0.tar", "b/1.tar")]
    assert [Path(shard) for shard in find_shards([tmp_path / "b" / "{0..1}.tar"])] == [
        Path(shard) for shard in found[1:]
    ]
    assert find_shards(["pipe:cat x", "s3://bucket/{a,b}.tar"]) == [
        "pipe:cat x",
        "s3://bucket/a.tar",
        "s3://bucket/b.tar",
    ]
    for missing in (tmp_path / "no.tar", videos):
        with pytest.raises(dismo.DisMoError, match="There is no"):
            find_shards([missing])
