"""Sampling with CMD: seeds, batches, progress, cancel, and settings that there are not."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from cmd_toys import autoencoder, content_model, golden, motion_model

from dismo_core import DisMoError, Runtime
from dismo_core import content_motion as cm


@pytest.fixture(scope="module")
def model():
    return cm.ContentMotionModel(autoencoder(), motion_model(), content_model())


CONTENT = golden("ae.square.content")


def test_the_list_of_100_steps():
    steps = cm.GaussianDiffusion().timesteps(100)
    assert steps[:3] == [0, 10, 20] and steps[-3:] == [979, 989, 999] and len(set(steps)) == 100
    alphas = cm.GaussianDiffusion().alphas_cumprod
    assert alphas[499] == pytest.approx(0.0785872, abs=1e-7) and alphas[999] == pytest.approx(4.03583e-5, rel=1e-5)


def test_a_sample_does_not_depend_on_the_batch(model):
    together = model.predict_motion(CONTENT, seed=7, steps=3)
    assert together.shape == (2, 4, 4, 16)
    torch.testing.assert_close(model.predict_motion(CONTENT[:1], seed=7, steps=3), together[:1], rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(model.predict_motion(CONTENT[1:], seed=8, steps=3), together[1:], rtol=1e-3, atol=1e-3)
    assert torch.equal(model.predict_motion(CONTENT, seed=7, steps=3), together)
    assert not torch.allclose(model.predict_motion(CONTENT, seed=6, steps=3), together, atol=1e-2)


def test_one_generator_for_a_batch_gives_each_sample_its_own():
    def toy(x, t):
        return torch.cat((0.1 * x, torch.zeros_like(x)), dim=1)

    noise = torch.randn(3, 2, 4, 6)
    diffusion = cm.GaussianDiffusion()
    many = diffusion.sample(toy, noise, 4, generator=torch.Generator().manual_seed(1))
    assert torch.equal(many[:1], diffusion.sample(toy, noise[:1], 4, generator=torch.Generator().manual_seed(1)))
    assert torch.equal(many, diffusion.sample(toy, noise, 4, generator=torch.Generator().manual_seed(1)))


def test_clips_are_generated_and_reconstructed(model):
    clip = model.generate([0, 5], cfg=2.0, seed=3, steps=2, sampler="ddim")
    assert clip.shape == (2, 3, 4, 16, 16) and clip.abs().max() <= 1
    content = model.sample_content([0, 5], cfg=2.0, seed=3, steps=2, sampler="ddim")
    motion = model.predict_motion(content, seed=3, steps=2, sampler="ddim")
    assert torch.equal(model.decode(content, motion), clip)
    real = golden("ae.rect.clip")
    assert torch.equal(model.reconstruct(real), autoencoder()(real))


def test_progress_and_preview(model):
    told = []
    runtime = dataclasses.replace(Runtime.cpu(), progress=lambda *given: told.append(given))
    model.predict_motion(CONTENT, steps=3, runtime=runtime)
    assert told == [(1, 3, None), (2, 3, None), (3, 3, None)]
    told.clear()
    model.sample_content([1], steps=2, runtime=runtime)
    assert [(done, total, picture.size) for done, total, picture in told] == [(1, 2, (16, 16)), (2, 2, (16, 16))]


class Stopped(Exception):
    pass


@pytest.mark.parametrize("way", ["progress", "check_cancel"])
def test_cancel_within_one_step(model, way):
    calls = []

    def stop(*given):
        calls.append(given)
        if len(calls) == 2:
            raise Stopped

    with pytest.raises(Stopped):
        model.predict_motion(CONTENT, steps=50, runtime=dataclasses.replace(Runtime.cpu(), **{way: stop}))
    assert len(calls) == 2


BAD = {
    "steps": (lambda m: m.predict_motion(CONTENT, steps=1), "whole number of 2 to 1000, not 1"),
    "more steps": (lambda m: m.sample_content([0], steps=1001), "2 to 1000, not 1001"),
    "eta": (lambda m: m.predict_motion(CONTENT, steps=2, sampler="ddim", eta=1.5), "eta must be 0 .* to 1, not 1.5"),
    "sampler": (lambda m: m.predict_motion(CONTENT, sampler="euler"), "no sampler 'euler'"),
    "label": (lambda m: m.generate([6], steps=2), "no class 6: this content model has 5, 0 to 4"),
    "size": (lambda m: m.predict_motion(torch.zeros(1, 3, 8, 8)), r"\['B', 3, 16, 16\], not \[1, 3, 8, 8\]"),
    "length": (lambda m: m.predict_motion(CONTENT, frames=5), "draws 4 frames, as it was trained, not 5"),
    "seeds": (lambda m: m.predict_motion(CONTENT, seed=[1]), "2 samples need as many seeds, not 1"),
    "no motion model": (lambda m: cm.ContentMotionModel(autoencoder()).predict_motion(CONTENT), "has no motion model"),
    "no content model": (lambda m: cm.ContentMotionModel(autoencoder()).generate([0]), "has no content model"),
    "other autoencoder": (
        lambda m: cm.ContentMotionModel(autoencoder("patch4"), motion_model()),
        "4 channels and 16 positions .* needs 4, 8 and 3",
    ),
    "step noise": (
        lambda m: m.diffusion.sample(
            motion_model(), torch.zeros(1, 4, 4, 16), 3, step_noise=torch.zeros(2, 1, 4, 4, 16)
        ),
        r"step_noise must be \[3, 1, 4, 4, 16\], not \[2, 1, 4, 4, 16\]",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input(case, model):
    act, message = BAD[case]
    with pytest.raises(DisMoError, match=message):
        act(model)
