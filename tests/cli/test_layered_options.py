"""Masks and points from files, and the rate of a video: what `dismo transfer` and `dismo tracks` make of them."""

import numpy as np
import pytest
from PIL import Image

import dismo_core as dismo
from dismo_core.cli.main import main
from dismo_core.dismo.cli.layered_options import read_mask


def arguments(path):
    return type("Arguments", (), {"mask": path})()


def test_a_mask_is_the_transparency_of_a_cut_out_or_the_brightness_of_a_picture(tmp_path):
    dark = np.zeros((8, 8, 4), np.uint8)
    dark[2:6, 2:6] = (10, 0, 0, 255)
    Image.fromarray(dark).save(tmp_path / "cutout.png")
    found = read_mask(arguments(tmp_path / "cutout.png"))
    assert found[2:6, 2:6].min() > 0.99 and found[:2].max() < 0.01
    Image.fromarray(dark[..., 3]).save(tmp_path / "plain.png")
    assert (read_mask(arguments(tmp_path / "plain.png")) == found.round()).all()
    assert read_mask(arguments(None)) is None


@pytest.mark.parametrize("made", [False, True])
def test_fps_is_the_rate_of_the_video_and_clips_are_read_at_their_own(tmp_path, real_clip, made):
    picture, motion = tmp_path / "p.png", tmp_path / "m.safetensors"
    Image.new("RGB", (64, 48), "gray").save(picture)
    assert main(["extract", str(real_clip), "-o", str(motion), "--frames", "9"]) == 0
    words = ["transfer", "--image", str(picture), "-o", str(tmp_path / "v.mp4"), "--fps", "24"]
    words += ["--motion", str(motion)] if made else ["--motion", str(real_clip), "--frames", "9"]
    assert main(words) == 0
    video = dismo.read_video(tmp_path / "v.mp4")
    assert len(video.frames) == 25 and round(video.fps) == 24


def test_a_model_of_another_extractor_is_named_before_the_clip_is_read(
    tmp_path, real_clip, photograph, capsys, monkeypatch
):
    from dismo_core.dismo.layered.model import LayeredModel

    monkeypatch.setattr(LayeredModel, "valid_lengths", None)  # never reached
    real = dismo.load_layered_model

    def another(*words, **choices):
        model = real(*words, **choices)
        model.extractor_id = "0" * 16
        return model

    monkeypatch.setattr("dismo_core.dismo.weights.load_layered_model", another)
    assert (
        main(["transfer", "--motion", str(real_clip), "--image", str(photograph), "-o", str(tmp_path / "v.mp4")]) == 2
    )
    assert "Give the extractor that it was fitted to" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["-o", "x.json", "--camera", "x.json"], "different names"),
        (["--drawn", "t.xyz"], ".png or .jpg"),
        (["--own-points", "latin.json"], "Cannot read points"),
    ],
)
def test_files_of_tracks_that_cannot_be(tmp_path, real_clip, photograph, capsys, monkeypatch, words, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "latin.json").write_bytes(b"[[1, 2]] \xe4")
    assert main(["tracks", "--motion", str(real_clip), "--image", str(photograph), *words]) == 2
    assert message in capsys.readouterr().err


def test_points_from_an_editor_that_marks_its_files(tmp_path, real_clip, photograph):
    points, out = tmp_path / "points.json", tmp_path / "tracks.json"
    points.write_text("[[100, 50]]", "utf-8-sig")
    words = ["tracks", "--motion", str(real_clip), "--image", str(photograph), "-o", str(out), "--frames", "9"]
    assert main([*words, "--own-points", str(points), "--length", "5"]) == 0
    assert out.read_text().startswith('[[{"x":100.0,"y":50.0}')
