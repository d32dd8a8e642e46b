"""Strides, offsets and gaps follow the published law."""

import math

import numpy as np
import pytest

from dismo_core.data.epochs import frame_stride
from dismo_core.data.frames import Unusable
from dismo_core.dismo.training.clip_draws import draw_clip, gap_probabilities


@pytest.mark.parametrize(
    ("fps", "stride"), [(3, 1), (6, 1), (8.9, 1), (24, 4), (25, 4), (29.97, 5), (30, 5), (50, 8), (60, 10)]
)
def test_six_steps_a_second(fps, stride):
    assert frame_stride(fps) == stride


def test_gap_law_in_closed_form():
    p = gap_probabilities(30.0)
    # the Gamma(3, 12) density is 12^3 / 2 * s^2 * exp(-12 s)
    density = [864 * (n / 30) ** 2 * math.exp(-12 * n / 30) for n in range(21)]
    assert p == pytest.approx(np.array(density) / sum(density))
    assert p[0] == 0 and p.argmax() == 5  # the mode is one step
    steps = np.arange(21) / 5
    assert (p * steps).sum() == pytest.approx(1.46, abs=0.005)
    assert p[steps <= 2].sum() == pytest.approx(0.80, abs=0.01)


def test_draws_follow_the_law():
    rng = np.random.default_rng(0)
    drawn = [draw_clip(100, 24.0, rng) for _ in range(5000)]
    native = np.array([[t - s for s, t in zip(d.motion, d.targets, strict=False)] for d in drawn])
    assert np.allclose(native / 4, [d.gaps for d in drawn])
    seen = np.bincount(native.ravel(), minlength=17) / native.size
    assert np.abs(seen - gap_probabilities(24.0)).max() < 0.01
    offsets = np.bincount([d.motion[0] for d in drawn], minlength=72) / len(drawn)
    assert len(offsets) == 72 and np.abs(offsets - 1 / 72).max() < 0.01  # 72 places for a clip of 29 frames
    assert all(d.motion == tuple(range(d.motion[0], d.motion[0] + 29, 4)) for d in drawn)
    assert all(max(d.targets) <= d.motion[-1] for d in drawn)


def test_what_does_not_fit():
    rng = np.random.default_rng(0)
    assert draw_clip(29, 24.0, rng).motion[0] == 0
    assert draw_clip(8, 3.0, rng).motion == tuple(range(8))
    for frames, fps, reason in ((28, 24.0, "too short"), (100, 2.99, "below 3 fps"), (0, 24.0, "too short")):
        with pytest.raises(Unusable) as fault:
            draw_clip(frames, fps, rng)
        assert fault.value.reason == reason
