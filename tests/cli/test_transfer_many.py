"""`dismo transfer` with folders: every motion on every picture, resumed, with an index and a contact sheet."""

import csv
import shutil

import pytest
from PIL import Image

import dismo_core as dismo
from dismo_core.cli.main import main


@pytest.fixture(scope="module")
def inputs(tmp_path_factory, extractor, real_clip, photograph):
    """Two motions, a broken clip; two pictures, one of which is none."""
    root = tmp_path_factory.mktemp("many")
    for folder in ("motions", "pictures"):
        (root / folder).mkdir()
    motion = dismo.extract_motion(extractor, real_clip, frames=9)
    motion.save(root / "motions" / "turn.safetensors")
    motion.trimmed(5).save(root / "motions" / "turn shorter.safetensors")
    (root / "motions" / "notes.txt").write_text("not looked at")
    for name in ("a.png", "b.png"):
        Image.open(photograph).resize((64, 64)).save(root / "pictures" / name)
    return root


def run(inputs, out, *words):
    return main(
        ["transfer", "--motion", str(inputs / "motions"), "--image", str(inputs / "pictures" / "*.png"), "--model", "tiny",
         "--steps", "1", "-o", str(out), *words]
    )  # fmt: skip


def index(out):
    with (out / "index.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


NAMES = ["a_turn shorter.mp4", "b_turn shorter.mp4", "a_turn.mp4", "b_turn.mp4"]


def test_every_motion_on_every_picture_and_again_only_what_is_missing(inputs, tmp_path, capsys):
    out = tmp_path / "videos"
    assert run(inputs, out) == 0
    rows = index(out)
    assert [row["video"] for row in rows] == NAMES
    assert [(row["seed"], row["state"]) for row in rows] == [("0", "made"), ("1", "made"), ("2", "made"), ("3", "made")]
    assert [dismo.read_video(out / name).frames.shape[0] for name in NAMES] == [5, 5, 9, 9]
    assert Image.open(out / "sheet.jpg").size[1] == 4 * 100
    assert "4 videos made, 0 were there, 0 failed" in capsys.readouterr().out
    times = {name: (out / name).stat().st_mtime_ns for name in NAMES}
    (out / "b_turn.mp4").unlink()
    assert run(inputs, out) == 0
    assert [row["state"] for row in index(out)] == ["was there"] * 3 + ["made"]
    assert all((out / name).stat().st_mtime_ns == times[name] for name in NAMES[:3])


def test_a_seed_for_all_or_one_each(inputs, tmp_path):
    shutil.copy(inputs / "pictures" / "a.png", tmp_path / "a.png")
    assert run(inputs, tmp_path / "same", "--seeds", "same", "--seed", "5") == 0
    assert {row["seed"] for row in index(tmp_path / "same")} == {"5"}


def test_a_folder_made_with_other_options_is_left_alone(inputs, tmp_path, capsys):
    assert run(inputs, tmp_path / "v") == 0
    before = (tmp_path / "v" / "index.csv").read_bytes()
    assert run(inputs, tmp_path / "v", "--strength", "0.5") == 2
    assert "made with the options '--model tiny --steps 1'" in capsys.readouterr().err
    assert (tmp_path / "v" / "index.csv").read_bytes() == before
    assert run(inputs, tmp_path / "v", "--strength", "0.5", "--overwrite") == 0


def test_one_that_fails_stops_nothing_and_is_listed(inputs, tmp_path, capsys):
    broken = tmp_path / "in"
    shutil.copytree(inputs, broken)
    (broken / "pictures" / "aa.png").write_bytes(b"no picture")
    (broken / "motions" / "clip.mp4").write_bytes(b"no clip")
    assert run(broken, tmp_path / "out") == 2
    states = {row["video"]: (row["state"], bool(row["error"])) for row in index(tmp_path / "out")}
    failed = [name for name, (state, _) in states.items() if state == "failed"]
    assert sorted(failed) == ["a_clip.mp4", "aa_clip.mp4", "aa_turn shorter.mp4", "aa_turn.mp4", "b_clip.mp4"]
    assert all(error == (state == "failed") for state, error in states.values())
    assert "5 of 9 videos could not be made" in capsys.readouterr().err
    assert {p.name for p in (tmp_path / "out").iterdir()} == {*NAMES, "index.csv", "sheet.jpg"}


def test_a_pattern_that_matches_nothing(inputs, tmp_path, capsys):
    words = ["transfer", "--motion", str(inputs / "motions"), "--image", str(tmp_path / "*.png"), "-o", str(tmp_path)]
    assert main(words) == 2
    assert "names no picture: of 0 files" in capsys.readouterr().err
