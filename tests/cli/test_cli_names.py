"""File names that are not UTF-8, as zip files from other systems leave them."""

import os
import shutil
import sys

import pytest

import dismo_core as dismo
from dismo_core.cli.main import main
from dismo_core.files import base_name, printable

BAD = os.fsdecode(b"bad\xffname.mp4")


@pytest.fixture
def folder(tmp_path, real_clip):
    if sys.platform != "linux":
        pytest.skip("this system has no such file names")
    (tmp_path / "clips").mkdir()
    for name in ("a.mp4", BAD, "z.mp4"):
        shutil.copy(real_clip, tmp_path / "clips" / name)
    return tmp_path / "clips"


def test_a_folder_is_done_to_the_end(folder, tmp_path):
    assert main(["extract", str(folder), "-o", str(tmp_path / "motions"), "--frames", "9"]) == 0
    motions = [dismo.Motion.load(path) for path in (tmp_path / "motions").glob("*.safetensors")]
    assert len(motions) == 3 and (tmp_path / "motions" / "bad%FFname.mp4.safetensors").exists()
    assert sorted(motion.source for motion in motions) == ["a.mp4", "bad\N{REPLACEMENT CHARACTER}name.mp4", "z.mp4"]


def test_a_single_file_is_done(folder, tmp_path):
    assert main(["extract", str(folder / BAD), "-o", str(tmp_path / "m.safetensors"), "--frames", "9"]) == 0
    assert dismo.Motion.load(tmp_path / "m.safetensors").source == printable(BAD)


def test_names_are_shown_as_far_as_they_go():
    assert base_name(f"/videos/{BAD}") == printable(BAD) == "bad\N{REPLACEMENT CHARACTER}name.mp4"
    assert printable("naïve 日本.mp4") == "naïve 日本.mp4"
    assert printable("half \ud83d") == "half \N{REPLACEMENT CHARACTER}"
