"""Folders of videos: what is found, which frames are taken, what is refused."""

from __future__ import annotations

import logging

import pytest
import torch

from dismo_core import DisMoError
from dismo_core import content_motion as cm
from dismo_core.data.frames import Unusable
from dismo_core.video import write_video
from dismo_core.video.sheets import save_picture


def frames(count: int, height: int = 24, width: int = 32) -> torch.Tensor:
    """Frame n is of the grey 8 n."""
    return (torch.arange(count, dtype=torch.uint8) * 8).view(-1, 1, 1, 1).expand(-1, height, width, 3).contiguous()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("videos")
    write_video(root / "walk2" / "a.mp4", frames(24), fps=8)
    write_video(root / "walk10" / "short.webm", frames(6), fps=8)
    for n, picture in enumerate(frames(20)):
        save_picture(picture, root / "walk10" / "drawn" / f"{n}.png")
    (root / "walk10" / "note.txt").write_text("no video")
    return root


def item(found: cm.VideoFolder, name: str) -> int:
    return next(i for i, (path, _) in enumerate(found.files) if path.endswith(name))


def greys(clip: torch.Tensor) -> list[int]:
    return ((clip.mean((0, 2, 3)) + 1) * 127.5 / 8).round().int().tolist()


def test_clips_of_consecutive_frames(folder, caplog):
    with caplog.at_level(logging.WARNING):
        found = cm.VideoFolder(folder, frames=8, size=(16, 16))
    assert "all 3 videos are taken" in caplog.text
    assert found.classes == ["walk2", "walk10"] and len(found) == 3
    starts = set()
    for name in ("a.mp4", "drawn"):
        for draw in range(6):
            got = found.clip(item(found, name), draw)
            assert got["x"].shape == (3, 8, 16, 16) and got["y"] == (0 if name == "a.mp4" else 1)
            seen = greys(got["x"])
            assert seen == list(range(seen[0], seen[0] + 8))
            starts.add(seen[0])
    assert len(starts) > 3
    first = item(found, "a.mp4")
    again = cm.VideoFolder(folder, frames=8, size=(16, 16))
    assert torch.equal(again.clip(first, 4)["x"], found.clip(first, 4)["x"])
    assert torch.equal(found[first]["x"], found.clip(first, 0)["x"])


def test_short_videos(folder, caplog):
    found = cm.VideoFolder(folder, frames=8, size=(16, 16))
    short = item(found, "short.webm")
    with caplog.at_level(logging.WARNING):
        assert greys(found[short]["x"]) == [0, 1, 2, 3, 4, 5, 5, 5]
        found.clip(short, 1)
    assert caplog.text.count("short.webm has 6 frames") == 1 and found.repeated == {"walk10/short.webm"}
    with pytest.raises(Unusable, match="6 frames, fewer than the 8"):
        cm.VideoFolder(folder, frames=8, short="skip")[short]
    with pytest.raises(DisMoError, match="short='skip' or 'repeat'"):
        cm.VideoFolder(folder, frames=8, short="error")[short]


def test_a_flat_folder_is_one_class(folder):
    found = cm.VideoFolder(folder / "walk2", frames=8, size=(16, 24))
    assert found.files == [("a.mp4", 0)] and found[0]["x"].shape == (3, 8, 16, 24)


def test_a_damaged_video_is_unusable(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x.avi").write_bytes(b"RIFF of nothing")
    with pytest.raises(Unusable):
        cm.VideoFolder(tmp_path)[0]


def test_bad_folders(folder, tmp_path):
    with pytest.raises(DisMoError, match="no data folder .*nowhere"):
        cm.VideoFolder(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "read.txt").touch()
    for without in ("empty", "notes"):
        with pytest.raises(DisMoError, match=f"{without} holds no videos"):
            cm.VideoFolder(tmp_path / without)
    with pytest.raises(DisMoError, match="no fold 4"):
        cm.VideoFolder(folder, fold=4)
    with pytest.raises(DisMoError, match="at least 2 frames, not 1"):
        cm.VideoFolder(folder, frames=1)
    with pytest.raises(DisMoError, match="no choice 'cut'"):
        cm.VideoFolder(folder, short="cut")
    (tmp_path / "Bow").mkdir()
    (tmp_path / "Bow" / "v.avi").touch()
    (tmp_path / "ucfTrainTestlist").mkdir()
    (tmp_path / "ucfTrainTestlist" / "trainlist02.txt").write_text("A/1.avi 1\nA/2.avi 1\nB/3.avi 2\nB/4.avi 2\n")
    with pytest.raises(DisMoError, match="names no video .* begins with A/1.avi, A/2.avi, B/3.avi"):
        cm.VideoFolder(tmp_path, fold=2)
