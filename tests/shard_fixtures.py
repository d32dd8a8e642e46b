"""A few short clips, and shards of them with every fault a folder of downloads may have."""

import numpy as np
import pytest
from made_shards import BAD, noise, ramp, sound, write_tar

import dismo_core as dismo


@pytest.fixture(scope="session")
def videos(tmp_path_factory):
    """Nine good clips of several containers, and six that cannot be used: folder of files."""
    folder = tmp_path_factory.mktemp("videos")
    for k in range(8):
        suffix = ("mp4", "webm")[k == 5]
        dismo.write_video(folder / f"clip{k}.{suffix}", noise(k), 24)
    (folder / "deep").mkdir()
    dismo.write_video(folder / "deep" / "my.first.mp4", ramp(), 24)
    dismo.write_video(folder / "short.mp4", noise(90, frames=28), 24)  # a clip spans 29
    dismo.write_video(folder / "slow.mp4", noise(91, frames=10), 2)
    (folder / "zero.mp4").write_bytes(b"")
    (folder / "garbage.mp4").write_bytes(np.random.default_rng(0).bytes(3000))
    (folder / "sound.mp4").write_bytes(sound())
    whole = (folder / "clip0.mp4").read_bytes()
    (folder / "cut.mp4").write_bytes(whole[: len(whole) // 2])
    return folder


@pytest.fixture(scope="session")
def good_shards(tmp_path_factory, videos):
    """Two tars with eight good clips in all."""
    folder = tmp_path_factory.mktemp("good")
    paths = sorted(videos.glob("clip*"))
    for number in range(2):
        write_tar(folder / f"{number}.tar", [(p.name, p.read_bytes()) for p in paths[4 * number : 4 * number + 4]])
    return [str(path) for path in sorted(folder.glob("*.tar"))]


@pytest.fixture
def faulty_shards(tmp_path, videos):
    """Tars with four good clips among everything that can be wrong."""
    clips = [(p.name, p.read_bytes()) for p in sorted(videos.glob("clip*.mp4"))[:4]]
    bad = [(name, (videos / name).read_bytes()) for name in BAD]
    write_tar(tmp_path / "a.tar", clips[:2] + bad)
    write_tar(tmp_path / "b.tar", [("no.txt", b"words"), ("two.mp4", b"1"), ("two.webm", b"2"), *clips[2:3]])
    write_tar(tmp_path / "empty.tar", [])
    (tmp_path / "garbage.tar").write_bytes(np.random.default_rng(1).bytes(5000))
    (tmp_path / "zero.tar").write_bytes(b"")
    cut = write_tar(tmp_path / "cut.tar", [*clips[3:], ("last.mp4", clips[0][1])])
    with open(cut, "r+b") as file:
        file.truncate(512 + -(-len(clips[3][1]) // 512) * 512 + 512 + 100)
    return [str(path) for path in sorted(tmp_path.glob("*.tar"))]
