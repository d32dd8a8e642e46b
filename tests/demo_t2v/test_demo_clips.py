"""Clips for DEMO's training: fresh ones, kept ones, shards (dismo_core/demo_t2v/training)."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from demo_goldens import flow
from demo_run import SHORT, batches, parts, run
from made_shards import write_tar

from dismo_core.demo_t2v.tower_texts import TowerTexts
from dismo_core.demo_t2v.training.captioned_videos import ShardVideos, videos_of_folder
from dismo_core.demo_t2v.training.kept_clips import ClipCache, FreshClips
from dismo_core.demo_t2v.training.motion_batches import ALONE
from dismo_core.demo_t2v.training.motion_half import MotionHalf
from dismo_core.errors import DisMoError

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def shards(clips, tmp_path_factory):
    """The clips as a shard, and one without caption and one that is no video."""
    folder = tmp_path_factory.mktemp("shards")
    members = [
        (f"{number}{kind}", (clips / f"{number}{kind}").read_bytes())
        for number in range(3)
        for kind in (".mp4", ".txt")
    ]
    bad = [("3.mp4", members[0][1]), ("4.mp4", b"no video"), ("4.txt", b"a box")]
    write_tar(folder / "0.tar", members)
    write_tar(folder / "bad.tar", bad)
    return folder


def fresh(toy, toy_folder, videos, with_video=True):
    image = parts(toy_folder)[2]
    return FreshClips(videos, toy.autoencoder, TowerTexts(toy.content_encoder), SHORT, image, with_video, CPU)


def test_shards_give_the_clips_of_their_files(toy, toy_folder, clips, shards):
    videos = ShardVideos([shards / "0.tar"])
    assert [video.caption for video in videos] == [video.caption for video in videos_of_folder(clips)]
    for number in range(3):
        found, wanted = (
            fresh(toy, toy_folder, source).draw(number, torch.Generator().manual_seed(5))
            for source in (videos, videos_of_folder(clips))
        )
        assert found.caption == wanted.caption
        torch.testing.assert_close(found[1:], wanted[1:], rtol=0, atol=0)


def test_what_cannot_be_used_in_shards_is_stood_in_for(toy, toy_folder, shards, caplog):
    unet, encoder, image = parts(toy_folder)
    half = MotionHalf(unet, encoder, first_block=0)
    videos = ShardVideos([shards])
    losses = [batches(half, toy, videos, replace(SHORT, batch=1), image)(number)["loss"] for number in range(5)]
    assert all(bool(torch.isfinite(loss)) for loss in losses)
    assert "it has no caption" in caplog.text and "bad.tar: 4" in caplog.text
    with pytest.raises(DisMoError, match="2 entries in a row cannot be used"):
        batches(half, toy, ShardVideos([shards / "bad.tar"]), SHORT, image)(0)


def test_shards_that_are_not_here_are_refused():
    with pytest.raises(DisMoError, match="local shards, not on https://example.org/0.tar"):
        ShardVideos(["https://example.org/0.tar"])


def test_kept_clips_are_those_that_were_worked_out(toy, toy_folder, clips, tmp_path):
    source = fresh(toy, toy_folder, videos_of_folder(clips))
    wanted = [source.draw(number, torch.Generator().manual_seed(number)) for number in range(3)]
    ClipCache(tmp_path, source, "a", ALONE)
    source.autoencoder = None  # what is kept needs it no more
    kept = ClipCache(tmp_path, source, "a", ALONE)
    for number in range(3):
        found = kept.draw(number, torch.Generator())
        assert found.caption == wanted[number].caption
        for part in ("mean", "deviation", "text", "image"):
            assert torch.equal(getattr(found, part), getattr(wanted[number], part)), part
        torch.testing.assert_close(found.video, wanted[number].video, rtol=0, atol=1e-3)
    assert len(list(tmp_path.iterdir())) == 3


def test_a_run_with_kept_clips_resumes_to_the_same_weights(toy, toy_folder, clips, tmp_path):
    kept = dict(cache=tmp_path / "kept", flow=flow)
    whole = run(tmp_path / "whole", toy, toy_folder, clips, **kept).state_dict()
    run(tmp_path / "halves", toy, toy_folder, clips, replace(SHORT, steps=2), **kept)
    resumed = run(tmp_path / "halves", toy, toy_folder, clips, **kept).state_dict()
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)
    with pytest.raises(DisMoError, match="cached was True and is now False"):
        run(tmp_path / "halves", toy, toy_folder, clips, replace(SHORT, steps=6))


def test_a_damaged_file_is_named(toy, toy_folder, clips, tmp_path):
    kept = ClipCache(tmp_path, fresh(toy, toy_folder, videos_of_folder(clips), False), "a", ALONE)
    kept.paths[1].write_bytes(b"cut")
    with pytest.raises(DisMoError, match="does not read .* Remove it"):
        kept.draw(1, torch.Generator())
