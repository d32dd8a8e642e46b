"""Drawn clips: repeatable, in range, and they move as their labels say."""

import pytest
import torch

from dismo_core.dismo.training.drawn_clips import ClipGenerator


@pytest.fixture(scope="module")
def drawn():
    return ClipGenerator(seed=5, textures=24)


def test_a_batch_is_a_function_of_seed_and_index(drawn):
    again = ClipGenerator(seed=5, textures=24)
    a, b, other = drawn.batch(3, 2), again.batch(3, 2), drawn.batch(4, 2)
    for name in ("motion", "first", "source", "target", "start", "gap", "label"):
        assert torch.equal(getattr(a, name), getattr(b, name))
    assert not torch.equal(a.motion, other.motion)


def test_batches_are_those_that_the_bundled_weights_learned_from(drawn):
    """Means and deviations; to the last bit they are alike on one kind of processor only."""
    b = drawn.batch(0, 3)
    found = [b.motion, b.source, b.target, b.start, b.label, drawn.long_clips(0, 2, 2).motion, drawn.pictures(0, 4)]
    mean = [0.21065, -0.1482, -0.14876, -0.14734, 0.02791, 0.07726, 0.0968]
    deviation = [0.58879, 0.39662, 0.39635, 0.3968, 0.26548, 0.44483, 0.48008]
    assert [float(x.mean()) for x in found] == pytest.approx(mean, abs=1e-4)
    assert [float(x.std()) for x in found] == pytest.approx(deviation, abs=1e-4)


def test_shapes_and_ranges(drawn):
    b = drawn.batch(0, 3)
    assert b.motion.shape == (3, 8, 64, 64, 3)
    assert b.source.shape == b.target.shape == b.start.shape == (3, 4, 64, 64, 3)
    assert b.label.shape == (3, 4, 20) and b.gap.shape == (3, 4) and b.first.tolist() == [[0, 1, 2, 3]] * 3
    assert drawn.batch(0, 3, pairs=2).source.shape == (3, 2, 64, 64, 3)
    assert 0 < float(b.gap.min()) and float(b.gap.max()) <= 4
    assert float(b.motion.min()) >= -1 and float(b.motion.max()) <= 1


def test_objects_move_as_labelled(drawn):
    """On plain scenes the centre of what differs from the ground moves by the label."""
    b = drawn.batch(7, 48, difficulty=0.0)
    frames = b.motion.flatten(2, 3)
    saliency = (frames - frames.median(dim=2, keepdim=True).values).abs().sum(dim=-1)
    saliency = saliency * (saliency > 0.4 * saliency.amax(dim=-1, keepdim=True))
    at = torch.stack((torch.arange(64).repeat(64), torch.arange(64).repeat_interleave(64)), dim=-1).float()
    centre = (saliency[..., None] * at).sum(dim=2) / saliency.sum(dim=2)[..., None].clamp_min(1e-6)
    moved = (centre[:, 4] - centre[:, 0]).flatten()
    label = b.label[:, 0, 4:6].flatten()  # four steps on from frame 0
    assert float(torch.corrcoef(torch.stack((moved, label)))[0, 1]) > 0.9


@pytest.mark.parametrize("turning", [0.0, 1.0])
def test_a_share_of_the_trajectories_is_growth_and_rotation_on_the_spot(drawn, turning):
    label = drawn.batch(11, 64, pairs=1, turning=turning).label
    shifted, turned = (part.abs().sum(dim=(1, 2)) > 0 for part in (label[..., :12], label[..., 12:]))
    if turning:
        assert not bool(shifted.any()) and float(turned.float().mean()) > 0.8
    else:
        assert bool(shifted.any()) and float(turned.float().mean()) < 0.25
