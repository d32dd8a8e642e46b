"""Sampling, inversion and re-animation with a whole toy model (dismo_core/demo_t2v/model.py)."""

from __future__ import annotations

import pytest
import torch
from demo_goldens import golden, toy_unet

from dismo_core import demo_t2v as demo
from dismo_core.demo_t2v.models.blocks import Given
from dismo_core.demo_t2v.sampling import at_step
from dismo_core.diffusion.frame_vae import frame_posteriors
from dismo_core.errors import DisMoError
from dismo_core.runtime import Runtime

POSITIVE = demo.Conditioning(golden("unet.content"), golden("unet.motion"))
NEGATIVE = demo.Conditioning(golden("ddim.negative_content"), golden("ddim.negative_motion"))


def test_a_sample_is_the_same_in_any_batch(toy):
    both = toy.sample(["a red ball", "a blue box"], ["to the left", "up"], steps=2, seed=3)
    assert both.shape == (2, 5, 16, 32, 3) and both.dtype == torch.uint8
    alone = toy.sample("a red ball", "to the left", steps=2, seed=3)
    assert (alone[0].int() - both[0].int()).abs().max() <= 1
    second = toy.sample_latents(
        toy.encode("a blue box", "up"), toy.negative(), toy.noise(3, 1, first=1), steps=2
    )  # fmt: skip
    assert (toy.decode(second)[0].int() - both[1].int()).abs().max() <= 1


def test_each_prompt_matters(toy):
    first = toy.sample("a red ball", "to the left", steps=2)
    assert not torch.equal(first, toy.sample("a blue box", "to the left", steps=2))
    assert not torch.equal(first, toy.sample("a red ball", "up", steps=2))
    assert torch.equal(toy.sample("a red ball", steps=2), toy.sample("a red ball", "a red ball", steps=2))


def test_sizes_and_lengths(toy):
    assert toy.sample("x", steps=1, size=(32, 16), frames=1).shape == (1, 1, 32, 16, 3)
    for size, frames, message in (
        ((24, 32), 4, "height must be a multiple of 16, not 24. Near is 32"),
        ((16, 16), 65, "1 to 64"),
    ):
        with pytest.raises(DisMoError, match=message):
            toy.sample("x", size=size, frames=frames)
    for steps in (-1, 1001):
        with pytest.raises(DisMoError, match=f"steps must be 1 to 1000.*not {steps}"):
            toy.sample("x", steps=steps)


def test_ramps():
    assert [at_step((2.0, 6.0), step, 5) for step in range(5)] == [2, 3, 4, 5, 6]
    assert at_step((1.0, 3.0, 1.0), 2, 5) == 3 and at_step(4, 2, 5) == 4
    with pytest.raises(DisMoError, match="at least one number"):
        at_step((), 0, 3)
    flat = demo.sample_ddim(toy_unet(), golden("ddim.noise"), POSITIVE, NEGATIVE, steps=2, guidance=(9.0, 9.0))
    same = demo.sample_ddim(toy_unet(), golden("ddim.noise"), POSITIVE, NEGATIVE, steps=2, guidance=9.0)
    assert torch.equal(flat, same)
    rising = demo.sample_ddim(toy_unet(), golden("ddim.noise"), POSITIVE, NEGATIVE, steps=2, motion_strength=(0.0, 1.0))
    assert not torch.equal(rising, same)


class Counting(torch.nn.Module):
    """A UNet that counts how many samples it saw."""

    def __init__(self):
        super().__init__()
        self.seen, self.calls = 0, 0
        self.unet = toy_unet()

    def stages(self):
        return self.unet.stages()

    def forward(self, x, *args, **options):
        self.seen += len(x)
        self.calls += 1
        return self.unet(x, *args, **options)


@pytest.mark.parametrize(
    ("options", "passes"),
    [
        (dict(guidance=1.0), 1),
        (dict(guidance=3.0), 2),
        (dict(guidance=3.0, motion_guidance=3.0), 2),
        (dict(guidance=3.0, motion_guidance=5.0), 3),
    ],
)
def test_no_pass_more_than_needed(options, passes):
    unet = Counting()
    demo.sample_ddim(unet, golden("ddim.noise"), POSITIVE, NEGATIVE, steps=2, **options)
    assert unet.seen == 2 * 2 * passes


def test_thirty_steps_are_thirty_one_and_it_is_said(caplog):
    unet = Counting()
    with caplog.at_level("INFO"):
        demo.sample_ddim(unet, golden("ddim.noise")[:1, :, :1], POSITIVE_ONE, NEGATIVE, steps=30)
    assert unet.calls == 31 and "30 steps were asked for" in caplog.text and "31 are run" in caplog.text


POSITIVE_ONE = demo.Conditioning(golden("unet.content")[:1], golden("unet.motion")[:1])


def test_a_cancel_stops_within_a_pass(toy):
    class Cancelled(Exception):
        pass

    asked = []

    def check():
        asked.append(1)
        if len(asked) == 3:
            raise Cancelled

    runtime = Runtime.cpu()
    runtime.check_cancel = check
    with pytest.raises(Cancelled):
        toy.sample("x", steps=2, runtime=runtime)
    assert len(asked) == 3
    toy.sample("x", steps=1)  # no hook is left


def test_progress_shows_the_clip(toy):
    shown = []
    runtime = Runtime.cpu()
    runtime.progress = lambda done, total, picture: shown.append((done, total, picture.size))
    toy.sample("x", steps=2, runtime=runtime)
    assert shown == [(1, 2, (32, 16)), (2, 2, (32, 16))]


def test_nan_is_told_with_its_step(toy):
    noise = toy.noise(0, 1)
    noise[0, 0, 0, 0, 0] = float("nan")
    with pytest.raises(DisMoError, match="step 1 of 2 of the denoising"):
        toy.sample_latents(toy.encode("x"), toy.negative(), noise, steps=2)


def test_nan_while_decoding_is_told(toy):
    with pytest.raises(DisMoError, match="decoding"):
        toy.decode(torch.full((1, 4, 1, 2, 4), float("nan")))


def test_what_the_tower_cannot_read_is_told(toy, caplog):
    toy.encode(" ".join(["ball"] * 90) + " at the very end")
    assert "at the very end" in caplog.text


def test_frames_in_another_order_move_the_motion_modules_output():
    """M has no positions: it does to shuffled frames what it did to the others, shuffled."""
    module, order = toy_unet().input_blocks[1][2], torch.tensor([3, 0, 4, 1, 2])
    torch.manual_seed(0)
    x = torch.randn(5, 32, 4, 4)
    given = Given(torch.zeros(1, 1), POSITIVE_ONE.content, POSITIVE_ONE.motion, 5)
    with torch.no_grad():
        out, _ = module(x, given)
        shuffled, _ = module(x[order], given)
    torch.testing.assert_close(shuffled, out[order], atol=1e-5, rtol=0)


@pytest.fixture
def tame(toy_folder):
    """A toy whose network says little: one that learned nothing says something else at each step, and no inversion holds there."""
    model = demo.load_demo(toy_folder)
    model.unet.out[2].weight.data *= 0.002
    return model


@pytest.mark.parametrize("share", [0.3, 1.0])
def test_a_clip_comes_back_from_its_noise(tame, share):
    torch.manual_seed(0)
    clip = (torch.rand(5, 16, 32, 3) * 255).to(torch.uint8)
    told = tame.encode("a ball", "to the left")
    fitted = tame.fit(clip)
    noise = tame.invert(fitted, told, steps=50, share=share)
    latents = tame.sample_latents(told, told, noise, steps=50, guidance=1.0, share=share)
    original = frame_posteriors(tame.autoencoder, fitted[None])[0]
    error = (tame.decode(latents).float() - tame.decode(original).float()).square().mean()
    assert -10 * torch.log10(error / 255**2) > 25
    other = tame.sample_latents(tame.encode("a ball", "up"), told, noise, steps=50, guidance=1.0, share=share)
    assert not torch.equal(other, latents)


def test_memory_in_smaller_pieces_gives_the_same(toy_folder, toy):
    small = demo.load_demo(toy_folder, memory="sequential")
    small.plan._low_memory = True
    wanted = toy.sample("a red ball", "left", steps=2)
    assert (small.sample("a red ball", "left", steps=2).int() - wanted.int()).abs().max() <= 1
    assert "unet" in small.plan.choice.low_memory and "autoencoder" in small.plan.choice.low_memory


def test_maps_of_a_clip(toy):
    maps = toy.motion_maps(toy.encode("a", "left"), "left", toy.noise(0, 1))
    assert {tuple(one.shape) for one in maps} == {(1, 2, 4, 5), (1, 1, 2, 5)}
