"""Motions of a folder and of shards: one file or entry a clip, shared out, taken up again after a stop."""

import multiprocessing
import tarfile
import time
from io import BytesIO

import pytest
import torch
from safetensors.torch import load

import dismo_core as dismo
from dismo_core.cli.main import main
from dismo_core.data.write import write_shards
from dismo_core.dismo.extract_many import extract_many


@pytest.fixture(scope="module")
def footage(tmp_path_factory):
    """A folder with four videos, 32x32 px, 24 frames at 8 fps; and three shards of them."""
    folder = tmp_path_factory.mktemp("footage")
    for k in range(4):
        picture = torch.randint(0, 256, (4, 4, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(k))
        picture = picture.repeat_interleave(8, 0).repeat_interleave(8, 1)
        name = f"videos/{'deep/' if k == 3 else ''}{k}.mp4"
        dismo.write_video(folder / name, (picture.roll(t, 1) for t in range(24)), 8)
    write_shards(folder / "videos", folder / "shards", shard_size=1)
    return folder


def members(path):
    with tarfile.open(path) as tar:
        return {m.name: load(tar.extractfile(m).read()) for m in tar}


def contents(folder):
    """Embeddings of everything in a folder of motion shards."""
    return {
        f"{path.name}/{name}": tensors["embeddings"]
        for path in sorted(folder.glob("*.tar"))
        for name, tensors in members(path).items()
    }


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


def test_a_folder_gives_a_file_for_each_video(footage, tmp_path, extractor, capsys):
    (footage / "videos" / "bad.mp4").write_bytes(b"no video")
    (tmp_path / ".0.mp4-0123abcd.unfinished.safetensors").write_bytes(b"killed while this was written")
    try:
        assert main(["extract", str(footage / "videos"), "-o", str(tmp_path), "--frames", "9"]) == 0
    finally:
        (footage / "videos" / "bad.mp4").unlink()
    said = capsys.readouterr().out
    assert "4 motions written" in said and "1 clips left out" in said and "bad.mp4" in said
    found = sorted(p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*.safetensors"))
    assert not list(tmp_path.glob(".*"))
    assert found == ["0.mp4.safetensors", "1.mp4.safetensors", "2.mp4.safetensors", "deep/3.mp4.safetensors"]
    motion = dismo.Motion.load(tmp_path / "deep/3.mp4.safetensors")
    alone = dismo.extract_motion(extractor, footage / "videos/deep/3.mp4", frames=9)
    assert torch.equal(motion.embeddings, alone.embeddings) and motion.extractor == extractor.extractor_id


def test_shards_give_motion_shards_with_the_same_keys(footage, tmp_path, extractor):
    done = extract_many(extractor, footage / "shards", tmp_path, frames=9)
    shards = sorted(p.name for p in (footage / "shards").glob("*.tar"))
    assert done.written == 4 and len(shards) > 1
    assert sorted(p.name for p in tmp_path.glob("*.tar")) == shards
    for name in shards:
        with tarfile.open(footage / "shards" / name) as tar:
            videos = {m.name: tar.extractfile(m).read() for m in tar if m.name.endswith(".mp4")}
        made = members(tmp_path / name)
        assert {n.removesuffix(".mp4") for n in videos} == {n.removesuffix(".safetensors") for n in made}
        for key, data in videos.items():
            alone = dismo.extract_motion(extractor, BytesIO(data), frames=9)
            assert torch.equal(made[key.replace(".mp4", ".safetensors")]["embeddings"], alone.embeddings)


def test_processes_share_the_shards(footage, tmp_path, extractor):
    whole = extract_many(extractor, footage / "shards", tmp_path / "one", frames=9)
    parts = [extract_many(extractor, footage / "shards", tmp_path / "two", frames=9, rank=r, world=2) for r in range(2)]
    assert sum(part.written for part in parts) == whole.written and min(part.written for part in parts) > 0
    assert same(contents(tmp_path / "one"), contents(tmp_path / "two"))


def _extract(shards, out):
    extract_many(dismo.load_motion_extractor("tiny"), shards, out, frames=9)


def test_killed_and_started_again_it_ends_with_the_same_files(footage, tmp_path, extractor):
    extract_many(extractor, footage / "shards", tmp_path / "whole", frames=9)
    broken = tmp_path / "broken"
    process = multiprocessing.get_context("spawn").Process(target=_extract, args=(footage / "shards", broken))
    process.start()
    while process.is_alive() and not list(broken.glob("[!.]*.tar")):
        time.sleep(0.002)
    process.kill()
    process.join()
    there = {p: p.stat().st_mtime_ns for p in broken.glob("[!.]*.tar")}
    done = extract_many(extractor, footage / "shards", broken, frames=9)
    assert done.kept == len(there) >= 1
    assert there == {p: p.stat().st_mtime_ns for p in there}
    assert same(contents(tmp_path / "whole"), contents(broken))
    assert not list(broken.glob(".*"))


def test_other_settings_do_not_mix(footage, tmp_path, extractor):
    extract_many(extractor, footage / "shards", tmp_path, frames=9)
    with pytest.raises(dismo.DisMoError, match="'frames': 9"):
        extract_many(extractor, footage / "shards", tmp_path, frames=10)
