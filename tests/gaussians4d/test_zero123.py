"""A zero123 from a toy_zero123, as a toy of the true architecture: loaded, asked, and judging a step of a fit."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from gaussians4d.goldens4d import gaussians, golden
from PIL import Image
from safetensors.torch import save_file

from dismo_core.cli.main import main
from dismo_core.errors import DisMoError
from dismo_core.gaussians4d import DynamicFit, HexPlaneDeformation, Zero123Guidance
from dismo_core.gaussians4d.fit_clip import FitSettings, fit_clip
from dismo_core.gaussians4d.static_sds import BallSettings, gaussians_from_ball
from dismo_core.gaussians4d.zero123 import load_zero123
from dismo_core.runtime import Runtime


def test_conditions_and_a_judged_step(toy_zero123):
    judge = load_zero123(toy_zero123)
    frames, masks = (
        x.repeat_interleave(4, -1).repeat_interleave(4, -2) for x in (golden("train.frames"), golden("train.masks"))
    )
    embedding, condition = judge.conditions(frames, torch.Generator().manual_seed(0))
    assert embedding.shape == (3, 768) and condition.shape == (3, 4, 32, 32)
    given = (gaussians("train"), HexPlaneDeformation(), frames, masks)
    fit = DynamicFit(
        *given, judge.guidance, embedding, condition, iters=10, views=1, generator=torch.Generator().manual_seed(0)
    )
    plain = DynamicFit(*given, iters=10)
    judged, gradients = fit.gradients(np.random.RandomState(0))
    alone, without = plain.gradients(np.random.RandomState(0))
    assert judged > alone and not torch.equal(gradients["means"], without["means"])


def test_a_whole_fit_with_a_judge(toy_zero123, fish):
    fish = replace(fish, rgba=fish.rgba[:3])
    settings = FitSettings(steps=2, count=200, size=32, views=1, frames_per_step=2)
    fits = [fit_clip(fish, settings, zero123=load_zero123(toy_zero123)) for _ in range(2)]
    plain = fit_clip(fish, settings)
    assert torch.equal(fits[0].gaussians.means, fits[1].gaussians.means)
    assert not torch.equal(fits[0].gaussians.means, plain.gaussians.means)


def test_fewer_are_judged_at_once_where_memory_is_short(toy_zero123, fish):
    settings = FitSettings(steps=1, count=200, size=32, views=4)
    for free, wanted in ((100e9, [16, 8]), (1e9, [4] * 6)):  # both halves of the guidance; twelve pictures
        judge, seen = load_zero123(toy_zero123), []
        judge.guidance.unet.register_forward_pre_hook(lambda unet, given, seen=seen: seen.append(len(given[0])))
        runtime = replace(Runtime.cpu(), available_memory=lambda free=free: free)
        fit_clip(replace(fish, rgba=fish.rgba[:3]), settings, zero123=judge, runtime=runtime)
        assert seen == wanted


@pytest.mark.parametrize("chunks", [0, 1, 2])
def test_a_step_is_cancelled_between_its_chunks(toy_zero123, fish, chunks):
    """Of twelve pictures, two at a time in a step that has not ended, no more are judged than were begun."""
    judge, seen, shown = load_zero123(toy_zero123), [], []
    judge.guidance.unet.register_forward_pre_hook(lambda *_: seen.append(1))

    def cancel():
        if len(seen) == chunks:
            raise InterruptedError

    runtime = replace(
        Runtime.cpu(), available_memory=lambda: 1e9, check_cancel=cancel, progress=lambda *given: shown.append(given)
    )
    fish = replace(fish, rgba=fish.rgba[:3])
    with pytest.raises(InterruptedError):
        fit_clip(fish, FitSettings(steps=1, count=200, size=32, views=4), zero123=judge, runtime=runtime)
    assert len(seen) == chunks and not shown and judge.plan.bytes_on_device() == 0
    seen.clear()
    with pytest.raises(InterruptedError):
        gaussians_from_ball(fish, judge, BallSettings(steps=1, count=200, views=6), runtime=runtime)
    assert len(seen) == chunks and not shown and judge.plan.bytes_on_device() == 0


def test_folders_that_are_refused(toy_zero123, tmp_path):
    with pytest.raises(DisMoError, match="no folder"):
        load_zero123(tmp_path / "none")
    shutil.copytree(toy_zero123, tmp_path / "a")
    shutil.rmtree(tmp_path / "a" / "vae")
    with pytest.raises(DisMoError, match="no part vae"):
        load_zero123(tmp_path / "a")
    shutil.copytree(toy_zero123, tmp_path / "b")
    save_file(
        {"proj.weight": torch.zeros(3)}, tmp_path / "b/clip_camera_projection/diffusion_pytorch_model.safetensors"
    )
    with pytest.raises(DisMoError, match="not the camera projection"):
        load_zero123(tmp_path / "b")
    with pytest.raises(DisMoError, match="'large'"):
        load_zero123(toy_zero123, "large")


def test_a_published_preset_by_command(toy_zero123, fish, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "fish_frames").mkdir()
    for k in range(2):
        Image.fromarray(fish.rgba[7 * k].numpy()).resize((64, 64)).save(tmp_path / "fish_frames" / f"{k:03d}.png")
    words = ["input=fish.png", "iters=1", "batch_size=2", "ref_size=32"]
    assert main(["4d", "static", "fish_frames/000.png", "-o", "logs/fish_model.ply", "--count", "200"]) == 0
    asked = []
    true = Zero123Guidance.loss
    monkeypatch.setattr(Zero123Guidance, "loss", lambda *given, **more: asked.append(1) or true(*given, **more))
    assert main(["4d", "fit", "--config", "4d", "--guidance", str(toy_zero123), *words]) == 0 and asked
    assert (tmp_path / "logs" / "fish_4d.safetensors").exists()


def test_gaussians_from_a_ball_by_command(toy_zero123, fish, tmp_path, monkeypatch, capsys):
    from dismo_core.gaussians4d.posed import read_posed

    monkeypatch.chdir(tmp_path)
    Image.fromarray(fish.rgba[0].numpy()).save("fish.png")
    assert (
        main(
            [
                "4d",
                "static",
                "fish.png",
                "--method",
                "sds",
                "--config",
                "dg",
                "--guidance",
                str(toy_zero123),
                "--steps",
                "1",
            ]
        )
        == 0
    )
    posed = read_posed("logs/fish_model.ply")
    assert posed.radius == 2 and len(posed.gaussians) == 5000
    assert main(["4d", "static", "fish.png", "--method", "sds"]) == 2
    assert "needs a zero123" in capsys.readouterr().err
