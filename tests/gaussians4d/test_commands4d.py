"""`dismo 4d` on small inputs: files under the names that are promised, presets, and what is refused."""

import shutil

import numpy as np
import pytest
import torch
from PIL import Image

from dismo_core.cli.main import main
from dismo_core.errors import DisMoError
from dismo_core.gaussians4d import Gaussians4D, animated_glb, read_mesh, read_ply
from dismo_core.gaussians4d.clip import read_rgba
from dismo_core.gaussians4d.presets import PRESETS, settings_of
from dismo_core.video import probe, read_image


@pytest.fixture
def frames(fish, tmp_path, monkeypatch):
    """fish.png and fish_frames/ of three frames, in the folder that the command runs in."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "fish_frames").mkdir()
    for k in range(3):
        Image.fromarray(fish.rgba[4 * k].numpy()).resize((96, 96)).save(tmp_path / "fish_frames" / f"{k:03d}.png")
    shutil.copy(tmp_path / "fish_frames" / "000.png", tmp_path / "fish.png")
    return tmp_path


def run(*words):
    assert main(["4d", *words]) == 0


def test_from_frames_to_the_published_names(frames, monkeypatch):
    opened = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    run("static", "fish.png", "--count", "300")
    assert 250 < len(read_ply("logs/fish_model.ply")) < 350
    quick = ("iters=2", "ref_size=32", "batch_size=3")
    run("fit", "--config", "inflate", "input=fish.png", *quick, "mesh_format=obj", "save_model=True", "gui=True")
    assert opened == [(frames / "logs/fish.html").as_uri()]
    names = {path.name for path in (frames / "logs").iterdir()}
    assert names >= {
        "fish_4d.safetensors",
        "fish.glb",
        "fish.html",
        "fish_4d_model.ply",
        "fish_deformation.pth",
        "fish_meshes",
    }
    assert "fish_fit" not in names  # done: nothing to take up
    assert sorted(p.name for p in (frames / "logs/fish_meshes").glob("*.obj")) == ["000.obj", "001.obj", "002.obj"]
    assert probe("vis_data/fish.mp4").fps == pytest.approx(7)
    four = Gaussians4D.load("logs/fish_4d.safetensors")
    assert four.frames == 3 and four.surface is not None
    assert main(["4d", "fit", "input=fish.png", "iters=2", "batch_size=3"]) == 2  # nothing is replaced unasked
    (frames / "logs/fish_model.ply").unlink()
    run("fit", "input=fish_frames", "save_path=two", "iters=1", "ref_size=32", "batch_size=3", "count=300", "end=loop")
    assert len(list((frames / "logs/two_frames").glob("*.ply"))) == 12
    back = Gaussians4D.load("logs/two_4d.safetensors").at(0.5)  # on the way from the last frame to the first
    assert torch.equal(read_ply("logs/two_frames/011.ply").means, back.means)


def test_a_clip_to_files(frames, capsys):
    run("video", "fish_frames", "-o", "out", "--steps", "1", "--count", "300", "--fit-size", "32", "--camera", "still")
    names = {path.name for path in (frames / "out").iterdir()}
    assert names == {"model4d.safetensors", "model.glb", "turntable.mp4", "contact_sheet.png", "view.html"}
    assert "inferred from the outline" in capsys.readouterr().out
    assert len(read_mesh("out/model.glb").faces) > 1000
    assert read_image("out/contact_sheet.png").std() > 0.05
    few = ("--steps", "1", "--count", "300", "--fit-size", "32", "--camera", "still", "--background", "transparent")
    run("video", "fish_frames", "-o", "clear", *few)
    rgba, fps = read_rgba("clear/turntable.webm")
    assert rgba.shape == (3, 256, 256, 4) and fps == 7 and not (frames / "clear/turntable.mp4").exists()
    assert rgba[:, 0, 0, 3].max() < 20 and rgba[..., 3].max() > 200


def test_prepare_a_clip_and_a_picture(frames):
    run("prepare", "fish_frames", "-o", "made", "--size", "64", "--frames", "2")
    assert sorted(path.name for path in (frames / "made").iterdir()) == ["000.png", "001.png"]
    assert np.asarray(Image.open("made/000.png")).shape == (64, 64, 4)
    run("prepare", "fish.png", "--size", "128")
    rows = np.nonzero(np.asarray(Image.open("fish_rgba.png"))[..., 3].max(0))[0]
    assert rows[-1] - rows[0] + 1 == 102  # four fifths


def test_a_page_of_a_model(frames, fish4d):
    fish4d.save("m.safetensors")
    animated_glb("m2.glb", fish4d)
    run("view", "m.safetensors", "--no-open")
    run("view", "m2.glb", "--no-open", "-o", "page.html")
    assert (frames / "m.html").stat().st_size > 1e6 and (frames / "page.html").exists()


def test_pictures_on_white(frames):
    (frames / "truth" / "a" / "b").mkdir(parents=True)
    Image.fromarray(np.zeros((4, 4, 4), np.uint8)).save(frames / "truth" / "a" / "b" / "0.png")
    run("white-background", "truth/a")
    assert np.asarray(Image.open("truth/eval_gt_rgb/b/0.png")).tolist() == [[[255] * 3] * 4] * 4


BAD = [
    (("fit",), "needs the input"),
    (("fit", "input=fish.png", "--config", "5d"), "no preset '5d'"),
    (("fit", "input=fish.png", "radus=2"), "Did you mean radius"),
    (("fit", "input=fish.png", "radius=far"), "radius must be a number, not 'far'"),
    (("fit", "input=fish.png", "radius"), "key=value"),
    (("fit", "input=fish.png", "iters=0"), "iters must be at least 1"),
    (("fit", "input=fish.png", "mesh_format=stl"), "mesh_format is one of"),
    (("fit", "input=other.png"), "neither a folder other.png nor other_frames"),
    (("fit", "input=fish.png", "downsample_rate=2"), "batch_size is 14"),
    (("fit", "input=fish.png", "--config", "4d"), "zero123"),
    (("fit", "input=fish.png", "--config", "none.yaml"), "Cannot read none.yaml"),
    (("fit", "input=fish.png", "batch_size=3", "--gaussians", "none.ply"), "no file none.ply"),
    (("video", "none.mp4"), "no clip none.mp4"),
    (("video", "fish_frames", "--thickness", "9"), "--thickness must be 0.1 to 1.5"),
    (("prepare", "none.mp4"), "none.mp4"),
    (("static", "none.png"), "no file none.png"),
    (("view", "fish.png"), "neither a 4D model"),
    (("white-background", "none"), "no folder none"),
]


@pytest.mark.parametrize(("words", "named"), BAD, ids=[" ".join(words) for words, _ in BAD])
def test_words_that_cannot_be(words, named, frames, capsys):
    before = set(frames.rglob("*"))
    assert main(["4d", *words]) == 2
    assert named in capsys.readouterr().err
    assert set(frames.rglob("*")) == before  # nothing half-written


def test_presets_are_the_published_ones(tmp_path, caplog):
    rows = {
        name: [settings_of(name)[key] for key in ("batch_size", "n_views", "planes_time", "downsample_rate")]
        for name in PRESETS
    }
    del rows["inflate"]
    assert rows == {
        "4d": [14, 4, 12, 1], "4d_low": [14, 1, 22, 1], "4d_demo": [7, 1, 12, 2],
        "4d_c4d": [32, 4, 32, 1], "4d_c4d_low": [8, 1, 12, 4],
    }  # fmt: skip
    (tmp_path / "own.yaml").write_text("n_views: 2\ngui: yes\nanneal_timestep: true\nradius: 2\nsave_path: null\n")
    with caplog.at_level("INFO"):
        own = settings_of(tmp_path / "own.yaml", ["seed=5"])
    assert (own["n_views"], own["gui"], own["radius"], own["seed"], own["save_path"]) == (2, True, 2.0, 5, "")
    assert "anneal_timestep" in caplog.text and "nothing ever read it" in caplog.text
    (tmp_path / "list.yaml").write_text("- 1\n")
    with pytest.raises(DisMoError, match="holds no settings"):
        settings_of(tmp_path / "list.yaml")


def test_a_demo_in_a_few_steps(tmp_path, capsys):
    run("demo", "-o", str(tmp_path / "demo"), "--steps", "2")
    assert {path.name for path in (tmp_path / "demo").iterdir()} >= {"model.glb", "view.html", "turntable.mp4"}
    assert torch.isfinite(Gaussians4D.load(tmp_path / "demo/model4d.safetensors").gaussians.means).all()
