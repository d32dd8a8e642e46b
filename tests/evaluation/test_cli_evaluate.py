"""`dismo evaluate` on drawn clips in folders, end to end."""

import json

import pytest
import torch
from drawn import disc, pan
from PIL import Image

import dismo_core as dismo
from dismo_core.cli.main import main

WAYS = {"left": (-1.5, 0.0), "right": (1.5, 0.0), "down": (0.0, 1.5)}


@pytest.fixture(scope="module")
def motions(tmp_path_factory):
    """FOLDER/WAY/LOOK/clip.mp4: pans in three directions of textures of strong and of faint contrast, no texture twice."""
    root = tmp_path_factory.mktemp("clips")
    seeds = iter(range(100))
    for way, (dx, dy) in WAYS.items():
        for look, contrast in (("strong", 1.0), ("faint", 0.3)):
            for take in range(4):
                clip = 128 + contrast * (pan(next(seeds), dx, dy, 9).float() - 128)
                dismo.write_video(root / way / look / f"{take}.mp4", clip.round().to(torch.uint8), 8)
    return root


@pytest.fixture
def by_way(motions, tmp_path):
    """FOLDER/WAY/clip.mp4, and a file that is no video."""
    for path in motions.glob("*/*/*.mp4"):
        target = tmp_path / "ways" / path.parts[-3] / f"{path.parts[-2]}{path.name}"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(path.read_bytes())
    (tmp_path / "ways" / "left" / "broken.mp4").write_bytes(b"not a video")
    (tmp_path / "ways" / "left" / "notes.txt").write_text("nothing to see")
    return tmp_path / "ways"


def test_knn_leave_one_out(by_way, tmp_path, capsys):
    out = tmp_path / "knn.json"
    assert main(["evaluate", "knn", str(by_way), "-k", "3", "-o", str(out)]) == 0
    result = json.loads(out.read_text())
    assert result["clips"] == 24 and result["classes"] == ["down", "left", "right"]
    assert result["accuracy"] > 0.9 and result["chance"] == pytest.approx(1 / 3)
    assert [path.endswith("broken.mp4") for path, _ in result["left_out"]] == [True]
    assert sum(map(sum, result["confusion"])) == 24
    with Image.open(tmp_path / "knn.png") as picture:
        assert picture.width > 300
    printed = capsys.readouterr().out
    assert "33.3" in printed and "broken.mp4" in printed
    # a second run does not write over the first one's files
    assert main(["evaluate", "knn", str(by_way), "-o", str(out)]) == 2
    assert "exists already" in capsys.readouterr().err


def test_knn_of_a_test_set(motions, tmp_path):
    known, asked = (tmp_path / name for name in ("known", "asked"))
    for path in motions.glob("*/*/*.mp4"):
        target = (asked if path.stem == "3" else known) / path.parts[-3] / f"{path.parts[-2]}{path.name}"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(path.read_bytes())
    out = tmp_path / "knn.json"
    assert main(["evaluate", "knn", str(known), "--test", str(asked), "-k", "1", "-o", str(out)]) == 0
    result = json.loads(out.read_text())
    assert result["clips"] == 6 and result["accuracy"] >= 5 / 6


def test_disentangle(motions, tmp_path, capsys):
    pytest.importorskip("sklearn", reason="linear probes need scikit-learn")
    out = tmp_path / "probes.json"
    assert main(["evaluate", "disentangle", str(motions), "-o", str(out)]) == 0
    result = json.loads(out.read_text())
    assert result["motions"] == ["down", "left", "right"] and result["appearances"] == ["faint", "strong"]
    assert result["chance"] == {"motion": pytest.approx(1 / 3), "appearance": 0.5}
    assert result["accuracy"]["embeddings"]["motion"] > 0.8
    assert result["accuracy"]["pixel differences"]["motion"] < 0.8
    assert result["accuracy"]["pixel differences"]["appearance"] > 0.9
    assert (tmp_path / "probes.png").stat().st_size > 5000
    assert "pixel differences" in capsys.readouterr().out


def test_transfer(tmp_path, capsys):
    pytest.importorskip("cv2", reason="tracks need opencv-python-headless")
    sources, made = tmp_path / "sources", tmp_path / "made"
    # the sources are at 16 fps: at the 8 fps of the videos made they move twice as far a frame
    dismo.write_video(sources / "right.mp4", pan(1, 0.8, 0, 18), 16)
    dismo.write_video(sources / "up.mp4", pan(2, 0, -0.8, 18), 16)
    dismo.write_video(made / "right__disc.mp4", disc(3, 1.5, 0, 9), 8)
    dismo.write_video(made / "up.mp4", pan(4, 0, 1.5, 9), 8)
    dismo.write_video(made / "stranger.mp4", pan(5, 1, 0, 9), 8)
    out = tmp_path / "fidelity.json"
    assert main(["evaluate", "transfer", str(sources), str(made), "-o", str(out)]) == 0
    result = json.loads(out.read_text())
    right, up = result["videos"]
    assert (right["source"], right["generated"], right["frames"]) == ("right.mp4", "right__disc.mp4", 9)
    assert right["fidelity"] > 0.8 and up["fidelity"] < -0.9
    for row in (right, up):
        assert row["itself"] == pytest.approx(1, abs=1e-3) and abs(row["another"]) < 0.15 and row["still"] == 0
        assert row["prompt"] is None and row["picture"] is None
    assert result["mean"]["fidelity"] == pytest.approx((right["fidelity"] + up["fidelity"]) / 2)
    assert result["left_out"] == [["stranger.mp4", "no source has its name"]]
    assert (tmp_path / "fidelity.png").stat().st_size > 5000
    assert "another source" in capsys.readouterr().out


def test_transfer_of_one_pair_has_no_other_source(tmp_path):
    pytest.importorskip("cv2", reason="tracks need opencv-python-headless")
    for name, seed in (("a", 1), ("b", 2)):
        dismo.write_video(tmp_path / f"{name}.mp4", pan(seed, 1.5, 0, 6), 8)
    out = tmp_path / "one.json"
    assert main(["evaluate", "transfer", str(tmp_path / "a.mp4"), str(tmp_path / "b.mp4"), "-o", str(out)]) == 0
    result = json.loads(out.read_text())
    assert result["videos"][0]["another"] is None and result["mean"]["fidelity"] > 0.9


def test_what_is_wrong_is_said(tmp_path, capsys):
    def message(*arguments: str) -> str:
        assert main(["evaluate", *arguments, "-o", str(tmp_path / "x.json")]) == 2
        return capsys.readouterr().err

    (tmp_path / "empty").mkdir()
    video = tmp_path / "a.mp4"
    dismo.write_video(video, torch.zeros(3, 64, 64, 3, dtype=torch.uint8), 8)
    assert "not a folder" in message("knn", str(video))
    assert "holds no clips 1 folder deep" in message("knn", str(tmp_path / "empty"))
    assert "holds no clips 2 folders deep" in message("disentangle", str(tmp_path / "empty"))
    assert "no file or folder" in message("transfer", str(video), str(tmp_path / "none.mp4"))
    assert "both be folders" in message("transfer", str(video), str(tmp_path))
    assert "(0) has the name of one" in message("transfer", str(tmp_path), str(tmp_path / "empty"))
    assert "no config.json" in message("transfer", str(video), str(video), "--clip", str(tmp_path))
