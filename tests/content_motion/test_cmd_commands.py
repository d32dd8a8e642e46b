"""The commands beside training, on small made models: what they write, and what they refuse."""

from __future__ import annotations

import json
import shutil

import pytest
import torch
from cmd_models import CLASSES, FRAMES, SIDE, made_clips, made_models

from dismo_core import content_motion as cm
from dismo_core.cli.main import main
from dismo_core.content_motion.checkpoints import read_checkpoint
from dismo_core.content_motion.kinds import MOTION_MODEL
from dismo_core.video import probe, read_image, read_video

EXCHANGED = {"exchanged", "motion zeroed", "motion of a third clip", "own motion on the middle frame"}


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    return made_models(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return made_clips(tmp_path_factory.mktemp("clips"), classes=1, each=1) / "class0" / "0.mp4"


@pytest.fixture
def run(models, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def call(words, code=0, model=True):
        assert main(f"content-motion {words}{f' --model {models}' if model else ''}".split()) == code

    return call


def test_a_clip_taken_apart_edited_and_put_together(run, clip, tmp_path, models):
    run(f"encode {clip} -o m.safetensors --content c.png --frames {FRAMES} --refine 2")
    motion = cm.MotionLatent.load("m.safetensors")
    assert (
        motion.frames == FRAMES
        and motion.size == (SIDE, SIDE)
        and motion.content is not None
        and motion.still is not None
    )
    assert (tmp_path / "m.safetensors").stat().st_size < 30_000
    shown = (read_image("c.png") * 2 - 1).permute(2, 0, 1)
    assert (shown - motion.content).abs().max() < 0.01
    run("decode --motion m.safetensors -o own.mp4")
    run("decode --motion m.safetensors --content c.png --strength 0 -o still.mp4")
    model = cm.load_content_motion(models)
    expected = cm.decode_frames(model.autoencoder, motion)
    assert (read_video("own.mp4").frames.float() - expected.float()).abs().mean() < 6
    info = probe("still.mp4")
    assert (info.width, info.height, info.fps) == (SIDE, SIDE, 8)
    run("edit m.safetensors --reverse --scale 1.5 --loop 12 -o e.safetensors", model=False)
    edited = cm.MotionLatent.load("e.safetensors")
    assert torch.equal(edited.values, motion.reversed().scaled(1.5).loop(12).values)
    run("edit m.safetensors --scale 1.5 --reverse -o other.safetensors", model=False)
    run("edit m.safetensors --mix e.safetensors 0.5 -o x.safetensors", 2, model=False)  # 8 and 12 frames
    run("edit m.safetensors --transplant m.safetensors 0 0 8 8 --append m.safetensors -o y.safetensors", model=False)
    assert cm.MotionLatent.load("y.safetensors").frames == 2 * FRAMES
    run("edit m.safetensors --transplant m.safetensors 0 0 8 far -o z.safetensors", 2, model=False)
    run("edit m.safetensors -o z.safetensors", 2, model=False)
    run(f"encode {clip} -o bare.safetensors --no-content --fit pad")
    assert cm.MotionLatent.load("bare.safetensors").content is None


def test_samples(run, clip, models):
    run(f"encode {clip} -o m.safetensors --content c.png")
    run("sample --content c.png -o a.mp4 --steps 3 --seed 5 --motion a.safetensors")
    run("sample --content c.png -o b.mp4 --steps 3 --seed 5 --motion b.safetensors")
    run("sample --content c.png -o d.mp4 --steps 3 --seed 6 --motion d.safetensors")
    a, b, d = (cm.MotionLatent.load(f"{name}.safetensors") for name in "abd")
    assert torch.equal(a.values, b.values) and not torch.equal(a.values, d.values) and a.frames == FRAMES
    run("sample --label 3 -o e.webp --steps 3 --sampler ddim --eta 0.5 --cfg 2 --picture p.png")
    assert read_image("p.png").shape == (SIDE, SIDE, 3) and probe("e.webp").frames == FRAMES


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("sample -o a.mp4", "Give one of --content"),
        (f"sample --label {CLASSES + 1} -o a.mp4 --steps 2", str(CLASSES + 1)),
        ("sample --label 0 -o a.mp4 --steps 1", "steps must be a whole number of 2 to 1000"),
        ("sample --label 0 -o a.mp4 --eta 0.5", "--eta is for --sampler ddim"),
        ("sample --label 0 -o a.mp4 --sampler ddim --eta 2 --steps 2", "eta must be 0"),
        ("encode nowhere.mp4 -o m.safetensors", "no file nowhere.mp4"),
        ("decode --motion nowhere.safetensors -o a.mp4", "no file nowhere.safetensors"),
        ("evaluate --what motion --material scenes", "leave --material out"),
        ("evaluate --what exchange --steps 3", "--steps is for sampled clips"),
        ("evaluate --what exchange --material real", "of others none moves as another does"),
        ("evaluate --what exchange --material scenes", "the model is made for (16, 16)"),
        ("evaluate --what exchange --material scenes --clips 1", "at least 2 scenes, not 1"),
    ],
)
def test_what_cannot_be_is_refused(words, told, run, capsys):
    run(words, 2)
    assert told in capsys.readouterr().err


def test_another_autoencoders_motion_is_refused_with_both_ids(run, clip, tmp_path, capsys, models):
    run(f"encode {clip} -o m.safetensors")
    torch.manual_seed(1)
    other = cm.ContentMotionAutoencoder(width=16, depth=1)
    from dismo_core.content_motion.checkpoints import save_model

    save_model(other, tmp_path / "other" / "autoencoder.safetensors")
    run(f"decode --motion m.safetensors -o a.mp4 --model {tmp_path / 'other'}", 2, model=False)
    told = capsys.readouterr().err
    assert other.id in told and cm.load_content_motion(models).autoencoder.id in told


def test_exports(run, models, tmp_path, capsys):
    run(f"export {models}/motion_model.safetensors -o m.pt --published", model=False)
    found = torch.load("m.pt", weights_only=False)
    assert {"mdiff_model", "ema", "opt", "args"} == found.keys() and found["args"].n_frames == FRAMES
    assert cm.load_motion_model("m.pt").geometry == cm.load_motion_model(models / "motion_model.safetensors").geometry
    run("export m.pt -o back.safetensors --bf16", model=False)
    back = read_checkpoint("back.safetensors", MOTION_MODEL).file.tensors
    assert back["x_embedder.proj.weight"].dtype == torch.bfloat16
    run("export m.pt -o back.pt", 2, model=False)
    assert "must end in .safetensors" in capsys.readouterr().err


def test_the_demo_exchanges_two_motions(run, tmp_path):
    run("demo")
    folder = tmp_path / "content_motion_demo"
    assert {p.name for p in folder.iterdir()} >= {"contact_sheet.png", "drawn_swapped.mp4", "camera.safetensors"}


def test_evaluations_on_drawn_clips_and_folders(run, tmp_path, capsys):
    run("evaluate --clips 6 -o r.json")
    found = json.loads((tmp_path / "r.json").read_text())
    means = found["psnr of moving clips, mean"]
    assert found["clips"] == 6 and means["rank 3"] > means["rank 2"] > means["rank 1"] >= means["mean frame"]
    assert abs(means["reconstruction"] - means["mean frame"]) < 5  # it begins as the mean frame
    assert {"reconstructed", "still", "real, two halves (floor)"} == found["Frechet motion distance (not FVD)"].keys()
    assert found["motion, mean frame difference over that of real clips"]["still"] < 0.5
    run("evaluate --what exchange --clips 6 -o x.json")
    exchanged = json.loads((tmp_path / "x.json").read_text())
    rows = EXCHANGED | {"own motion", "mean frame", "middle frame"}
    assert exchanged["psnr, mean"].keys() == exchanged["psnr of moving pairs, mean"].keys() == rows
    assert 0 < exchanged["moving pairs"] <= exchanged["pairs"] == 6
    made_clips(tmp_path / "videos")
    run("evaluate --what motion --data-path videos --clips 5 --steps 2 -o m.json")
    found = json.loads((tmp_path / "m.json").read_text())
    distances = found["Frechet motion distance (not FVD)"]
    assert {
        "predicted",
        "still",
        "of another clip",
        "Gaussian",
        "reconstructed",
        "real, two halves (floor)",
    } == distances.keys()
    assert "DisMo extractor" in found["feature nets"]["Frechet motion distance (not FVD)"]
    assert found["motion, mean frame difference over that of real clips"]["still"] < 0.5
    run("evaluate --what generate --data-path videos --clips 4 --steps 2")
    assert "random latent" in capsys.readouterr().out
    run("evaluate --material scenes --clips 2 --refine 2")


def test_motions_are_exchanged_between_scenes_of_another_generator(run, models, tmp_path):
    shutil.copy(models / "autoencoder.safetensors", tmp_path)
    run(
        f"evaluate --what exchange --material scenes --clips 2 --model {tmp_path / 'autoencoder.safetensors'} -o s.json",
        model=False,
    )
    found = json.loads((tmp_path / "s.json").read_text())
    cosines = found["displacement cosine, mean"]
    assert found["scenes"] == 2 and found["psnr, mean"].keys() == EXCHANGED | {
        "own motion",
        "mean frame",
        "middle frame",
    }
    assert cosines.keys() == EXCHANGED
    assert abs(cosines["motion zeroed"]) < 0.5  # it stands still
