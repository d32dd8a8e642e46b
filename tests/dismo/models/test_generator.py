"""The frame generator against figures and goldens of the published code."""

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from filling import assert_figures, fill, wave
from safetensors.torch import load_file
from torch import nn

import dismo_core as dismo
from dismo_core.dismo.models.rotary import AxialRotary2D

GOLDENS = Path(__file__).parents[2] / "goldens" / "frame_generator.safetensors"
TIME, GAP = torch.tensor([0.25, 0.8]), torch.tensor([1.5, 3.2])


class FourChannels(nn.Module):
    """Stands where an autoencoder would: figures of the velocity need none."""

    config = SimpleNamespace(latent_channels=4)


@pytest.fixture(scope="module")
def figure_generator():
    encoder = dict(embed_dim=32, depth=2, num_heads=2, image_size=56)
    generator = dismo.FrameGenerator(
        width=48, depth=2, d_head=24, d_motion=8, mapping_width=16, source_encoder=encoder, autoencoder=FourChannels()
    )
    assert len(generator.state_dict()) == 77
    return fill(generator)


@pytest.fixture(scope="module")
def golden():
    from diffusers import AutoencoderTiny

    goldens = load_file(GOLDENS)
    autoencoder = AutoencoderTiny(
        encoder_block_out_channels=(8,) * 4, decoder_block_out_channels=(8,) * 4, num_encoder_blocks=(1,) * 4,
        num_decoder_blocks=(1,) * 4, latent_channels=4,
    )  # fmt: skip
    prefix = "sd.ae.ae."
    autoencoder.load_state_dict(
        {k.removeprefix(prefix): v for k, v in goldens.items() if k.startswith(prefix)}, strict=True
    )
    encoder = dict(embed_dim=24, depth=2, num_heads=2, image_size=224)
    generator = dismo.FrameGenerator(
        width=48, depth=2, d_head=16, d_motion=8, mapping_width=32, source_encoder=encoder, autoencoder=autoencoder
    )
    own = {k[3:]: v for k, v in goldens.items() if k.startswith("sd.") and not k.startswith(prefix)}
    generator.load_state_dict(own, strict=True)
    return generator, goldens


def source_and_motion():
    return wave(0.001, 2, 11, 64, 80, 3)[:, 0], wave(0.1, 2, 9, 8)[:, 0]


def test_figures_of_the_condition_vector(figure_generator):
    source, motion = source_and_motion()
    c = figure_generator.condition_vector(TIME, figure_generator.conditions(source, motion, GAP))
    assert_figures(c, -0.058049, 0.996217, [-1.496549, -1.168847, 1.460930, 0.317485], [1.505423, -0.154391])


def test_figures_of_the_velocity(figure_generator):
    source, motion = source_and_motion()
    v = figure_generator.velocity(wave(0.03, 2, 8, 8, 4), TIME, source, motion, GAP)
    assert_figures(v, 0.003040, 0.197355, [0.066810, -0.176337, 0.136172, 0.019590], [0.273307, -0.110238])


def test_golden_velocity(golden):
    generator, g = golden
    torch.testing.assert_close(
        generator.velocity(g["z"], g["t"], g["src"], g["mot"], g["dt"]), g["v"], atol=2e-4, rtol=0
    )


def test_golden_sampling(golden):
    generator, g = golden
    latents = generator.sample_latents(g["z"], generator.conditions(g["src"], g["mot"], g["dt"]), steps=5)
    torch.testing.assert_close(latents, g["euler5_latent"], atol=2e-4, rtol=0)
    image = generator.sample(g["z"], g["src"], g["mot"], g["dt"], steps=5)
    torch.testing.assert_close(image, g["euler5_image"], atol=2e-4, rtol=0)


def test_golden_loss(golden):
    generator, g = golden
    torch.manual_seed(21)
    torch.testing.assert_close(
        generator.loss(g["tgt"], g["src"], g["mot"], g["dt"]), g["loss_seed21"], atol=2e-4, rtol=0
    )


def test_the_autoencoder_is_not_in_the_state_dict_but_moves_along(golden):
    generator, _ = golden
    assert not any("autoencoder" in name or name.startswith("ae") for name in generator.state_dict())
    generator.double()
    assert next(generator.autoencoder.parameters()).dtype == torch.float64
    generator.float()


def test_constants_of_the_rotary_table():
    table = AxialRotary2D(heads=16, d_head=72).freqs
    figures = torch.stack([*table[0, 0, :3], table[1, 15, 8]])
    torch.testing.assert_close(figures, torch.tensor([3.141593, 4.057523, 5.240492, 30.917572]), atol=5e-6, rtol=0)


@torch.no_grad()
def test_guidance_goes_on_along_the_difference_of_the_velocities(figure_generator):
    (source, motion), z = source_and_motion(), wave(0.03, 2, 8, 8, 4)
    given = figure_generator.conditions(source, motion, GAP)
    away_from = figure_generator.conditions(source, -motion, GAP)
    noise = torch.ones(2)
    v, other = (figure_generator.velocity_given(z, noise, c) for c in (given, away_from))
    made = figure_generator.sample_latents(z, given, steps=1, away_from=away_from, guidance=1.5)
    torch.testing.assert_close(made, z - 1.5 * v + 0.5 * other)


@torch.no_grad()
def test_one_source_serves_several_motions(figure_generator):
    source, motion = source_and_motion()
    both = figure_generator.conditions(source[:1].expand(2, -1, -1, -1), motion, GAP)
    shared = figure_generator.conditions(source[:1], motion, GAP)
    torch.testing.assert_close(shared.source, both.source)
    assert torch.equal(shared.motion, both.motion)


def test_progress_may_stop_sampling(golden):
    generator, g = golden

    class Stop(Exception):
        pass

    def stop(done, total):
        if done == 2:
            raise Stop

    with pytest.raises(Stop):
        generator.sample_latents(g["z"], generator.conditions(g["src"], g["mot"], g["dt"]), steps=5, progress=stop)


BAD = {
    "motion width": (dict(motion=torch.zeros(2, 7)), r"\[batch, 8\]"),
    "counts": (dict(delta_time=torch.zeros(3)), "3 time gaps"),
    "source rank": (dict(source_frames=torch.zeros(2, 1, 64, 64, 3)), r"\[batch, height, width, 3\]"),
    "source range": (dict(source_frames=torch.full((2, 64, 64, 3), 255.0)), "255"),
    "source nan": (dict(source_frames=torch.full((2, 64, 64, 3), float("nan"))), "NaN"),
    "steps": (dict(steps=0), "at least 1"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_named(golden, name):
    generator, g = golden
    change, message = BAD[name]
    arguments = dict(noise=g["z"], source_frames=g["src"], motion=g["mot"], delta_time=g["dt"], steps=2) | change
    with pytest.raises(dismo.DisMoError, match=message):
        generator.sample(**arguments)
