"""Folders into shards, also with a run that dies on the way."""

import json
import logging
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from made_shards import BAD

import dismo_core as dismo
from dismo_core.cli.main import main
from dismo_core.data.addresses import webdataset
from dismo_core.data.check import check_shards
from dismo_core.data.index import ShardIndex
from dismo_core.data.write import write_shards

ROOT = Path(__file__).parents[2]
SMALL = 15_000  # bytes a shard: about three clips


def read_back(out):
    """Key -> members, by the webdataset library."""
    shards = sorted(map(str, out.glob("*.tar")))
    data = webdataset().WebDataset(shards, shardshuffle=False)
    return {s["__key__"]: {k: v for k, v in s.items() if not k.startswith("__")} for s in data}


def files(out):
    return {path.name: path.read_bytes() for path in out.iterdir()}


def test_webdataset_reads_what_was_written(videos, tmp_path):
    report = write_shards(videos, tmp_path / "out", shard_size=SMALL)
    samples = read_back(tmp_path / "out")
    assert len(report.shards) > 2 and sum(report.shards.values()) == len(samples) == 9
    assert samples["clip3"] == {"mp4": (videos / "clip3.mp4").read_bytes()}
    assert samples["clip5"] == {"webm": (videos / "clip5.webm").read_bytes()}
    assert samples["deep/my_first"] == {"mp4": (videos / "deep" / "my.first.mp4").read_bytes()}
    assert len(ShardIndex(sorted(map(str, (tmp_path / "out").glob("*.tar"))))) == 9


def test_what_was_left_out_and_why(videos, tmp_path, capsys):
    assert main(["shards", str(videos), "-o", str(tmp_path / "out")]) == 0
    printed = capsys.readouterr().out
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert {name: reason for name, reason, _ in report["skipped"]} == BAD
    assert report["shards"] == {"000000.tar": 9}
    assert "9 videos in 1 shards" in printed and "Left out: 6" in printed and "too short 2" in printed
    assert main(["shards", str(tmp_path / "out"), "--check"]) == 0
    assert "9 videos in 1 shards are fit" in capsys.readouterr().out


def test_check_names_every_fault(faulty_shards, capsys):
    report = check_shards(faulty_shards)
    assert report.videos == 4
    by_name = {name: reason for shard, name, reason, _ in report.faults if shard == "a.tar"}
    assert by_name == {name.removesuffix(".mp4"): reason for name, reason in BAD.items()}
    others = sorted((shard, reason) for shard, _, reason, _ in report.faults if shard != "a.tar")
    assert others == [
        ("b.tar", "no video"),
        ("b.tar", "several videos"),
        ("cut.tar", "cut short"),
        ("empty.tar", "empty tar"),
        ("garbage.tar", "damaged tar"),
        ("zero.tar", "damaged tar"),
    ]
    assert main(["shards", str(Path(faulty_shards[0]).parent), "--check"]) == 2
    captured = capsys.readouterr()
    assert "4 videos in 6 shards" in captured.out and "12 faults" in captured.err


DIE = """
import os, signal, sys
from dismo_core.data.write import write_shards
def progress(done, total):
    if done >= int(sys.argv[3]) and any(name.startswith(".") for name in os.listdir(sys.argv[2])):  # while it writes
        os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))
write_shards(sys.argv[1], sys.argv[2], shard_size=int(sys.argv[4]), progress=progress)
"""


def test_killed_and_started_again_ends_with_the_same_files(videos, tmp_path):
    write_shards(videos, tmp_path / "unbroken", shard_size=SMALL)
    out = tmp_path / "killed"
    for moment in (2, 9):
        command = [sys.executable, "-c", DIE, str(videos), str(out), str(moment), str(SMALL)]
        assert subprocess.run(command, cwd=ROOT).returncode != 0
        assert not (out / "report.json").exists()
    assert any(name.startswith(".") for name in files(out))
    whole = {name: data for name, data in files(out).items() if not name.startswith(".")}
    assert whole.items() < files(tmp_path / "unbroken").items()
    before = {name: (out / name).stat().st_mtime_ns for name in whole}
    write_shards(videos, out, shard_size=SMALL)
    assert files(out) == files(tmp_path / "unbroken")
    assert all((out / name).stat().st_mtime_ns == time for name, time in before.items())  # not made again


@pytest.mark.parametrize(
    "change", ["another size", "a video more", "a video less", "another video", "a caption", "damage"]
)
def test_shards_of_something_else_are_not_mixed_in(videos, tmp_path, change):
    folder, out = tmp_path / "videos", tmp_path / "out"
    shutil.copytree(videos, folder)
    write_shards(folder, out, shard_size=SMALL)
    before = files(out)
    size = SMALL
    if change == "another size":
        size *= 2
    elif change == "a video more":
        shutil.copy(folder / "clip1.mp4", folder / "new.mp4")
    elif change == "another video":
        shutil.copy(folder / "clip1.mp4", folder / "clip2.mp4")
    elif change == "a caption":
        (folder / "clip1.txt").write_text("A new word for it.")
    elif change == "a video less":
        (folder / "clip2.mp4").unlink()
    else:
        data = before["000001.tar"] = before["000001.tar"][:3000]
        (out / "000001.tar").write_bytes(data)
    with pytest.raises(dismo.DisMoError, match="is not what this folder and shard size give"):
        write_shards(folder, out, shard_size=size)
    assert files(out) == before


def captions(out):
    return {key: members["txt"].decode() for key, members in read_back(out).items() if "txt" in members}


def test_captions_beside_the_videos(videos, tmp_path):
    folder = tmp_path / "videos"
    shutil.copytree(videos, folder)
    (folder / "clip0.txt").write_text("\ufeffA red square.\n", "utf-8")
    (folder / "deep" / "my.first.txt").write_text("Grün", "utf-8")
    (folder / "clip1.txt").write_text(" \n")
    assert write_shards(folder, tmp_path / "out").captions == 2
    assert captions(tmp_path / "out") == {"clip0": "A red square.", "deep/my_first": "Grün"}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("metadata.csv", 'file_name,caption\nclip0.mp4,"one, two"\ndeep/my.first.mp4,three\ngone.mp4,four\n'),
        (
            "captions.jsonl",
            '{"video": "clip0.mp4", "text": "one, two"}\n\n{"path": "deep/my.first.mp4", "caption": "three"}\n'
            '{"video": "gone.mp4", "text": "four"}\n',
        ),
    ],
)
def test_captions_of_a_table(videos, tmp_path, name, text, caplog):
    folder = tmp_path / "videos"
    shutil.copytree(videos, folder)
    (folder / name).write_text(text)
    (folder / "clip0.txt").write_text("not this")
    (folder / "clip1.txt").write_text("but this")
    with caplog.at_level(logging.WARNING):
        write_shards(folder, tmp_path / "out")
    assert captions(tmp_path / "out") == {"clip0": "one, two", "deep/my_first": "three", "clip1": "but this"}
    assert "gone.mp4" in caplog.text


def test_bad_input(videos, tmp_path, capsys):
    table = tmp_path / "t.csv"
    table.write_text("name,words\nclip0.mp4,a\n")
    both = tmp_path / "both"
    both.mkdir()
    shutil.copy(videos / "clip0.mp4", both)
    (both / "metadata.csv").write_text("video,text\n")
    (both / "captions.jsonl").write_text("")
    empty, useless = tmp_path / "empty", tmp_path / "useless"
    empty.mkdir()
    useless.mkdir()
    (useless / "zero.mp4").write_bytes(b"")
    (tmp_path / "bad.jsonl").write_text("{")
    cases = {
        ("no/such/folder",): "There is no folder",
        (str(empty),): "no videos",
        (str(useless),): "None of the videos",
        (str(both),): "Choose one",
        (str(videos), "--captions", str(table)): "row 1",
        (str(videos), "--captions", str(tmp_path / "bad.jsonl")): "Cannot read the captions",
        (str(videos), "--shard-size", "0"): "at least 1 (MB)",
        (str(empty), "--check"): "There is no .tar file",
    }
    for words, message in cases.items():
        assert main(["shards", *words, *([] if "--check" in words else ["-o", str(tmp_path / "out")])]) == 2
        assert message in capsys.readouterr().err
        assert not list((tmp_path / "out").glob("*.tar"))


def test_a_video_that_vanishes_while_others_are_packed(videos, tmp_path):
    write_shards(videos, tmp_path / "whole")
    last = [key for key in read_back(tmp_path / "whole") if key.startswith("clip")][-1]  # in the order of packing
    shutil.copytree(videos, tmp_path / "videos")
    (victim,) = (tmp_path / "videos").glob(f"{last}.*")
    report = write_shards(tmp_path / "videos", tmp_path / "out", progress=lambda *_: victim.unlink(missing_ok=True))
    assert (victim.name, "unreadable") in {(name, reason) for name, reason, _ in report.skipped}
    assert read_back(tmp_path / "out").keys() == read_back(tmp_path / "whole").keys() - {last}
