"""Gaussians from a ball: fitted to the known view, judged from others, thinned; seeded."""

from dataclasses import replace

import pytest
import torch
from gaussians4d.goldens4d import stub_guidance

from dismo_core.gaussians4d import static_sds
from dismo_core.gaussians4d.static_sds import CONFIGS, BallFit, BallSettings

SMALL = BallSettings(steps=6, count=60, radius=2.0)


NOISE = torch.randn(1, 4, 32, 32, generator=torch.Generator().manual_seed(0))


def fit_of(fish, settings):
    rgb, mask = fish.frames(32)
    return BallFit(rgb[0], mask[0], stub_guidance("xl"), torch.zeros(1, 768), torch.zeros(1, 4, 32, 32), settings)


def test_the_published_configs():
    assert (CONFIGS["dg"].views, CONFIGS["dg"].threshold, CONFIGS["dg"].invert_background) == (1, 0.5, 0.5)
    assert (CONFIGS["dghd"].views, CONFIGS["dghd"].threshold, CONFIGS["dghd"].densify_from) == (16, 0.05, 0)
    assert all(config.radius == 2 and config.steps == 500 for config in CONFIGS.values())


def test_equal_seeds_give_equal_fits(fish):
    runs = [fit_of(fish, replace(SMALL, seed=seed)) for seed in (1, 1, 2)]
    for fit in runs:
        fit.step(NOISE)
        fit.step(NOISE)
    first, again, other = (fit.gaussians.means for fit in runs)
    assert torch.equal(first, again) and not torch.equal(first, other)


def test_it_grows_and_keeps_its_moments(fish, monkeypatch):
    monkeypatch.setattr(static_sds, "EVERY", 2)
    fit = fit_of(fish, replace(SMALL, count=5000, threshold=1e-9, densify_from=2))
    fit.step(NOISE)
    before = fit.optimizer.state[fit._raw["means"]]["exp_avg"].clone()
    assert len(fit.gaussians) == 5000 and before.abs().sum() > 0
    fit.step(NOISE)
    grown = len(fit.gaussians)
    assert grown > 5000
    moments = fit.optimizer.state[fit._raw["means"]]["exp_avg"]
    assert len(moments) == grown and (moments.abs().sum(1) == 0).sum() >= grown - 5000  # none for those that are new
    fit.step(NOISE)  # the optimizer goes on
    assert len(fit.gaussians) == grown and all(torch.isfinite(value).all() for value in fit._raw.values())


def test_the_known_view_is_met_better(fish):
    fit = fit_of(fish, replace(SMALL, steps=60, count=300))
    fit.guidance.scale = 0.0

    def away():
        with torch.no_grad():
            view = static_sds.orbit_views([0.0], [0.0], [2.0])
            shown = static_sds.rasterize(*fit.gaussians.activated(), view, 32, 32).image[0]
        return float((shown - fit.picture).square().mean())

    begun = away()
    for _ in range(30):
        fit.step(NOISE)
    assert away() < 0.8 * begun


def test_a_frame_that_is_not_there(fish):
    from dismo_core.errors import DisMoError

    with pytest.raises(DisMoError, match="frame must be 0 to 13"):
        static_sds.gaussians_from_ball(fish, None, SMALL, frame=14)
