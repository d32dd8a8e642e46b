"""The report on released weights, on toys."""

import json

import pytest

from dismo_core.cli.main import main
from dismo_core.gaussians4d import static_lgm


def test_numbers_of_all_weights(toy_lgm, toy_zero123, toy_svd, tmp_path, monkeypatch):
    for name, value in (("SIDE", 32), ("SEARCHED_AT", 32), ("STEPS", 1), ("AT_ONCE", 60)):
        monkeypatch.setattr(static_lgm, name, value)
    monkeypatch.chdir(tmp_path)
    words = ["--lgm", str(toy_lgm[0]), "--imagedream", str(toy_lgm[1]), "--stable-zero123", str(toy_zero123)]
    words += ["--zero123-xl", str(toy_zero123), "--svd", str(toy_svd), "--steps", "1", "--size", "64"]
    assert main(["evaluate", "release-4d", *words, "--device", "cpu"]) == 0
    text = (tmp_path / "release_4d.json").read_text("utf-8")
    report = json.loads(text)
    assert str(toy_svd.parent) not in text
    assert len(report["lgm"]["file"]["sha256"]) == 64 and report["lgm"]["gaussians"] > 0
    assert (
        "time_embed.0.weight" in report["lgm"]["folder"]["files"]["unet/diffusion_pytorch_model.safetensors"]["tensors"]
    )
    stable, xl = report["stable-zero123"], report["zero123-xl"]
    assert stable["loss"] != xl["loss"] and stable["embedding"] == xl["embedding"]
    assert report["svd"]["clip"]["shape"] == [14, 64, 64, 3]
    assert "unet/diffusion_pytorch_model.safetensors" in report["svd"]["folder"]["files"]


@pytest.mark.parametrize(
    ("words", "named"), [((), "Give weights to report on"), (("--lgm", "a.safetensors"), "belong together")]
)
def test_weights_that_are_not_named(words, named, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["evaluate", "release-4d", *words, "--device", "cpu"]) == 2
    assert named in capsys.readouterr().err and not list(tmp_path.iterdir())
