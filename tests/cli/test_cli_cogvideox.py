"""`dismo transfer` with CogVideoX, on the toy base with an adapter file that holds the tiny extractor."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

import dismo_core as dismo
from dismo_core.cli.main import main

BASE = Path(__file__).parent.parent / "goldens" / "tiny-CogVideoX-I2V"


@pytest.fixture(scope="module")
def adapter_file(tmp_path_factory):
    """An adapter for the toy base, its numbers drawn at random, with the tiny extractor."""
    torch.manual_seed(0)
    extractor = dismo.load_motion_extractor("tiny")
    adapter = dismo.CogVideoXMotionAdapter(BASE, extractor, d_cond=16, rank=8, alpha=4)
    for name, parameter in adapter.named_parameters():
        if name.startswith("transformer."):
            torch.nn.init.normal_(parameter, std=0.1)
    path = tmp_path_factory.mktemp("weights") / "toy_adapter.safetensors"
    save_file({k: v.contiguous() for k, v in adapter.state_dict().items()}, path)
    return path


@pytest.fixture
def transfer(adapter_file, real_clip, photograph, tmp_path):
    """A function that runs the command in the toy's geometry and gives exit code and output file."""

    def run(*options, out="out.mp4"):
        words = ["transfer", "--model", str(adapter_file), "--base", str(BASE), "--precision", "fp32", "--steps", "1"]
        words += ["--motion", str(real_clip), "--image", str(photograph), "--device", "cpu", "-o", str(tmp_path / out)]
        return main([*words, *options]), tmp_path / out

    return run


def test_a_clip_is_followed_by_the_embedded_extractor(transfer, capsys):
    code, out = transfer("--frames", "9", "--prompt", "a flower turns", "--memory", "model offload")
    assert code == 0 and "9 frames of 96x64 px at 8 fps" in capsys.readouterr().out
    assert dismo.read_video(out).frames.shape == (9, 64, 96, 3)


def test_own_files_stand_in_for_parts_of_the_base(transfer, tmp_path):
    lacking, own = tmp_path / "base", {"text_encoder": "model", "vae": "diffusion_pytorch_model"}
    shutil.copytree(BASE, lacking, copy_function=shutil.copyfile)
    words = ["--base", str(lacking), "--prompt", "a flower turns", "--frames", "9"]
    expected = transfer(*words, out="a.webp")[1].read_bytes()
    for part, stem in own.items():
        file = shutil.move(lacking / part / f"{stem}.safetensors", tmp_path / f"{part}.safetensors")
        words += [f"--{part.replace('_', '-')}", str(file)]
    assert transfer(*words, out="b.webp")[1].read_bytes() == expected


def test_same_seed_same_file_whatever_the_memory(transfer):
    files = [
        transfer("--frames", "9", "--seed", "7", "--memory", memory, out=f"{i}.webp")[1]
        for i, memory in enumerate(["full", "sequential"])
    ]
    assert files[0].read_bytes() == files[1].read_bytes()
    assert transfer("--frames", "9", "--seed", "8", out="2.webp")[1].read_bytes() != files[0].read_bytes()


def test_a_length_that_cannot_be_made_is_trimmed_and_said(transfer, caplog, capsys):
    code, out = transfer("--frames", "12")
    assert code == 0 and dismo.read_video(out).frames.shape[0] == 9
    assert "This model makes 9 frames of the motion's 12." in caplog.messages


def test_a_long_video_of_a_portrait_is_cut_back_to_it(transfer, photograph, tmp_path, caplog):
    Image.open(photograph).crop((0, 0, 200, 300)).save(tmp_path / "portrait.png")
    portrait = ["--image", str(tmp_path / "portrait.png"), "--fit", "pad"]
    code, out = transfer("--fps", "24", "--frames", "51", "--long-match-colors", *portrait)
    assert code == 0
    assert dismo.read_video(out).frames.shape == (51, 64, 42, 3)
    assert sum("its last frame against the picture" in line for line in caplog.messages) == 3


BAD = {
    "steps": (["--steps", "60"], "Take 50 or 100"),
    "memory": (["--memory", "huge"], "no memory setting 'huge'"),
    "precision": (["--precision", "fp4"], "no precision 'fp4'"),
    "positions": (["--positions", "up"], "positions 'up'"),
    "quality": (["--crf", "60", "--model", "no.safetensors"], "crf must be"),  # before any weights are looked for
    "cache": (["--cache", "gold"], "no step cache 'gold'"),
    "base": (["--base", "no/such/folder"], "no/such/folder"),
    "model": (["--model", "no.safetensors"], "no.safetensors"),
    "another extractor": (["--extractor", "no.safetensors"], "no.safetensors"),
    "too short": (["--frames", "6"], "too few"),
    "no adapter": (
        ["--model", str(BASE / "vae/diffusion_pytorch_model.safetensors")],
        "is a VAE, not a motion adapter",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_errors_are_one_line(name, transfer, capsys):
    options, message = BAD[name]
    code, out = transfer(*(["--frames", "9"] + options))
    err = capsys.readouterr().err.strip().splitlines()[-1]
    assert code == 2 and err.startswith("dismo: ") and message in err
    assert not out.exists()


def test_the_released_adapter_is_looked_for_where_weights_lie(photograph, real_clip, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("DISMO_WEIGHTS", str(tmp_path))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    words = ["transfer", "--model", "cogvideox5b_i2v_large", "--motion", str(real_clip), "--image", str(photograph)]
    assert main([*words, "-o", str(tmp_path / "x.mp4")]) == 2
    assert "dismo weights download CogVideoX-5b-I2V" in capsys.readouterr().err
    assert main([*words, "--base", "CogVideoX-5b-I2V", "-o", str(tmp_path / "x.mp4")]) == 2
    assert "dismo weights download CogVideoX-5b-I2V" in capsys.readouterr().err
    assert main([*words, "--base", str(BASE), "-o", str(tmp_path / "x.mp4")]) == 2
    assert "dismo weights download cogvideox5b_i2v_large" in capsys.readouterr().err


def test_release_report_on_a_base_in_the_cache_of_the_hub_library(adapter_file, tmp_path, monkeypatch):
    extractor, cache = tmp_path / "my_extractor.safetensors", tmp_path / "models--someone--toy"
    save_file(dismo.load_motion_extractor("tiny").state_dict(), extractor)
    shutil.copytree(BASE, cache / "snapshots" / "0123", copy_function=shutil.copyfile)
    (cache / "refs").mkdir()
    (cache / "refs" / "main").write_text("0123")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setenv("DISMO_WEIGHTS", str(tmp_path))
    out = tmp_path / "release.json"
    words = ["evaluate", "release", "--extractor", str(extractor), "--adapter", str(adapter_file)]
    words += ["--base", "someone/toy", "--precision", "fp32", "--device", "cpu", "--steps", "1", "--out", str(out)]
    assert main(words) == 0
    assert "transformer/config.json" in json.loads(out.read_text())["files"]["base"]["bytes of files"]


def test_release_report(adapter_file, tmp_path, capsys):
    extractor = tmp_path / "my_extractor.safetensors"
    save_file(dismo.load_motion_extractor("tiny").state_dict(), extractor)
    words = ["evaluate", "release", "--extractor", str(extractor), "--adapter", str(adapter_file), "--base", str(BASE)]
    out = tmp_path / "release.json"
    words += ["--precision", "fp32", "--device", "cpu", "--steps", "1", "--out", str(out)]
    assert main(words) == 0
    report = json.loads(out.read_text())
    assert report["sample"]["shape"] == [25, 64, 96, 3] and str(tmp_path) not in out.read_text()
    assert "send it back" in capsys.readouterr().out
    assert main(words) == 2 and "exists already" in capsys.readouterr().err
    assert main([*words, "--overwrite", "--adapter", "no.pt"]) == 2
    assert "dismo weights download" in capsys.readouterr().err


def test_release_report_without_files_takes_what_was_downloaded(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("DISMO_WEIGHTS", str(tmp_path))
    assert main(["evaluate", "release", "--out", str(tmp_path / "release.json")]) == 2
    assert "dismo weights download motion_extractor_large" in capsys.readouterr().err


def test_every_stage_shows_itself(transfer, monkeypatch):
    stages = []
    monkeypatch.setattr("dismo_core.cli.progress._Lines.stage", lambda self, label: stages.append(label))
    assert transfer("--frames", "9", "--prompt", "a flower turns")[0] == 0
    assert stages == [
        "Loading the models",
        "Loading the transformer",
        "Loading the VAE",
        "Loading the text encoder",
        "Loading the motion adapter",
        "Extracting the motion",
        "Encoding the text",
        "Encoding the picture",
        "Denoising",
        "Decoding the video",
        "Writing the video",
    ]
