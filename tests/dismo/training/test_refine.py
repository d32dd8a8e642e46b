"""The last stage of dismo-tiny: what it learns from is what a transfer meets."""

import pytest
import torch

from dismo_core.dismo.extract import extract_motion
from dismo_core.dismo.rollout import FrameGeneratorModel
from dismo_core.dismo.training.drawn_clips import ClipGenerator
from dismo_core.dismo.training.refine import Refining, change_weights, refine_step
from dismo_core.dismo.weights import load_frame_generator, load_motion_extractor
from dismo_core.runtime import Runtime


@pytest.fixture(scope="module")
def videos():
    return ClipGenerator(seed=1, textures=12).long_clips(0, 2, strides=3)


@pytest.fixture
def refining():
    return Refining(load_motion_extractor("tiny"), load_frame_generator("tiny"))


def test_long_clips_are_repeatable_and_their_strides_fit_together(videos):
    again = ClipGenerator(seed=1, textures=12).long_clips(0, 2, strides=3)
    assert torch.equal(videos.motion, again.motion) and torch.equal(videos.target, again.target)
    assert videos.motion.shape == (2, 13, 64, 64, 3) and videos.source.shape == videos.target.shape == (2, 3, 64, 64, 3)
    whole = videos.gap[:, :-1] == 4
    assert whole.any() and torch.equal(videos.target[:, :-1][whole], videos.source[:, 1:][whole])


def test_it_learns_from_the_embeddings_that_a_transfer_uses(videos, refining):
    with torch.no_grad():
        expected = refining.extractor.forward_sliding(videos.motion)[:, ::4]
        found = refining.embeddings(refining.extractor.encode(videos.motion))
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)


def test_its_sources_are_degraded_as_a_transfer_of_a_still_clip_wears_them(refining):
    """In one step a transfer takes the mean over a noise and its negative; here one of them is as good as both."""
    videos = ClipGenerator(seed=2, textures=12).long_clips(0, 4, strides=1)
    noise = torch.randn(4, 1, 16, 16, 48, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        degraded = refining.degraded(videos.source, refining.extractor.encode(videos.motion), noise)
    assert torch.equal(degraded[0], videos.source[0])
    for strides in (1, 2, 3):
        still = videos.motion[strides, :1].expand(4 * strides + 1, -1, -1, -1)
        motion = extract_motion(refining.extractor, (still + 1) / 2, frames=0)
        picture = (videos.source[strides, 0] + 1) / 2
        video = FrameGeneratorModel(refining.generator).transfer(motion, picture, steps=1, runtime=Runtime.cpu())
        made = (degraded[strides, 0] + 1) / 2
        assert float((video[-1].float() / 255 - made).abs().mean()) < 0.01
        assert float((made - picture).abs().mean()) > 0.002


def test_sources_are_not_degraded_by_the_noise_that_their_targets_start_from(videos, refining):
    noise = torch.randn(2, 3, 16, 16, 48, generator=torch.Generator().manual_seed(0))
    other = noise.clone()
    other[1, 2] += 1
    with torch.no_grad():
        tokens = refining.extractor.encode(videos.motion)
        a, b = (refining.degraded(videos.source, tokens, z) for z in (noise, other))
    assert torch.equal(a[1, 2], b[1, 2]) and not torch.equal(a, b)


def test_only_the_generator_learns_and_all_of_it(videos, refining):
    refining.generator.requires_grad_(True)
    refine_step(refining, refining.generator, videos)["loss"].backward()
    assert all(p.grad is None for p in refining.extractor.parameters())
    silent = [n for n, p in refining.generator.named_parameters() if p.grad is None or float(p.grad.abs().max()) == 0]
    assert [name for name in silent if not name.endswith("mask_token") and "register" not in name] == []


def test_refining_looks_at_what_changes():
    before = torch.zeros(1, 8, 8, 3)
    after = before.clone()
    after[0, 2, 2] = 1.0
    weight = change_weights(before, after)[0]
    assert float(weight.mean()) == pytest.approx(1.0, abs=1e-5)
    assert float(weight[2, 2]) > 2 * float(weight[6, 6])
    assert torch.allclose(change_weights(before, before), torch.ones(1, 8, 8))
