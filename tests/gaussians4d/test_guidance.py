"""Score distillation against the published code, and what it promises."""

from types import SimpleNamespace

import pytest
import torch
from gaussians4d.goldens4d import golden, relative, rnd, stub_guidance

from dismo_core.errors import DisMoError
from dismo_core.gaussians4d.guidance import LATENT_SCALE
from dismo_core.gaussians4d.schedules import timestep_at

ANGLES = ("elevation", "azimuth", "radius")


def arguments():
    return [golden(f"guidance.{n}") for n in (*ANGLES, "embedding")] + [rnd("guidance.condition", 3, 4, 32, 32)]


@pytest.mark.parametrize("chunk", [1, 2, 8])
@pytest.mark.parametrize("kind", ["stable", "xl"])
def test_loss_and_gradient(kind, chunk):
    for number, progress in enumerate((0.002, 0.37, 1.0)):
        images = golden("guidance.images").requires_grad_()
        noise = rnd(f"guidance.noise{number}", 3, 4, 32, 32)
        loss = stub_guidance(kind).loss(images, *arguments(), progress, noise, chunk=chunk)
        loss.backward()
        assert loss.item() == pytest.approx(golden(f"guidance.{kind}.loss{number}").item(), rel=1e-4)
        assert relative(images.grad, f"guidance.{kind}.grad{number}") < 1e-4


def test_a_network_that_knows_the_noise_has_nothing_to_say():
    noise = rnd("guidance.noise0", 3, 4, 32, 32)

    def knows(x, t, encoder_hidden_states):
        return SimpleNamespace(sample=torch.cat((noise, noise)))

    images = golden("guidance.images").requires_grad_()
    loss = stub_guidance(unet=knows).loss(images, *arguments(), 0.5, noise)
    loss.backward()
    assert loss.item() == 0 and images.grad.abs().max() == 0


def test_a_network_that_says_nothing_pulls_along_the_noise():
    def silent(x, t, encoder_hidden_states):
        return SimpleNamespace(sample=torch.zeros_like(x[:, :4]))

    guidance = stub_guidance(unet=silent)
    noise = rnd("guidance.noise0", 3, 4, 32, 32)
    tokens, condition = torch.zeros(3, 1, 768), torch.zeros(3, 4, 32, 32)
    step = timestep_at(0.5)
    found = guidance.score_difference(torch.zeros(3, 4, 32, 32), tokens, condition, noise, step)
    torch.testing.assert_close(found, -(1 - guidance.alphas_cumprod[step]) * noise)
    assert LATENT_SCALE == 0.18215


def test_equal_generators_equal_losses():
    images = golden("guidance.images")
    losses = [stub_guidance().loss(images, *arguments(), 0.5, rnd("guidance.noise0", 3, 4, 32, 32)) for _ in range(2)]
    assert losses[0] == losses[1]


def test_a_batch_of_another_size():
    given = arguments()
    given[3] = given[3][:2]
    with pytest.raises(DisMoError, match="3 images, but embedding is for 2"):
        stub_guidance().loss(golden("guidance.images"), *given, 0.5)
