"""The whole fit without a network, on the bundled clip."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from dismo_core.errors import DisMoError
from dismo_core.gaussians4d import Gaussians4D, inflate_silhouette
from dismo_core.gaussians4d.fit_clip import FitSettings, fit_clip, new_field
from dismo_core.gaussians4d.measures import measure, pictures, second_difference
from dismo_core.gaussians4d.views import plan, render
from dismo_core.runtime import Runtime


def test_a_short_fit_shows_the_clip(fish, fish4d):
    found = measure(fish4d, fish)
    assert found.psnr > 24.5 and found.worst > 22 and found.iou > 0.93 and found.gain > 6
    assert found.side_area > 0.5


def test_no_motion_is_no_fit(fish):
    """The still model, and one whose field never learned: what the numbers must tell apart."""
    still = Gaussians4D(inflate_silhouette(fish.rgba[0]), new_field(14, 0), 14)
    assert measure(still, fish).gain < 1


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_default_fit(fish, seed):
    found = measure(fit_clip(fish, FitSettings(seed=seed)), fish)
    assert found.psnr >= 30 and found.worst >= 27 and found.iou >= 0.96 and found.gain >= 12
    assert found.side_area >= 0.5 and all(value <= 1 for value in found.jitter.values()), found


SHORT = FitSettings(steps=6, count=300, size=32)


def state(four, tmp_path, name):
    four.save(tmp_path / name)
    return (tmp_path / name).read_bytes()


def test_a_fit_that_was_broken_off_ends_in_the_same_file(fish, tmp_path):
    whole = state(fit_clip(fish, SHORT), tmp_path, "a.safetensors")
    steps = []

    def stop(done, total, preview):
        steps.append(done)
        if len(steps) == 4:
            raise KeyboardInterrupt

    runtime = Runtime.cpu()
    runtime.progress = stop
    with pytest.raises(KeyboardInterrupt):
        fit_clip(fish, SHORT, runtime=runtime, folder=tmp_path / "run", save_every=3)
    resumed = fit_clip(fish, SHORT, runtime=runtime, folder=tmp_path / "run", save_every=3)
    assert steps == [1, 2, 3, 4, 4, 5, 6]
    assert state(resumed, tmp_path, "b.safetensors") == whole


def test_checkpoints_of_another_fit_are_refused(fish, tmp_path):
    fit_clip(fish, SHORT, folder=tmp_path / "run")
    with pytest.raises(DisMoError, match="another clip or of other settings"):
        fit_clip(fish, replace(SHORT, seed=1), folder=tmp_path / "run")


def test_equal_seeds_give_equal_files_and_others_do_not(fish, tmp_path):
    torch.manual_seed(5)
    files = [
        state(fit_clip(fish, replace(SHORT, seed=seed)), tmp_path, f"{k}.safetensors")
        for k, seed in enumerate((3, 3, 4))
    ]
    assert files[0] == files[1] != files[2]
    before = torch.random.get_rng_state()
    new_field(14, 3)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_progress_previews_and_cancel(fish):
    seen = []

    def progress(done, total, preview):
        seen.append((done, total, None if preview is None else preview.size))

    runtime = Runtime.cpu()
    runtime.progress = progress
    fit_clip(fish, SHORT, runtime=runtime, preview_every=3)
    assert seen == [(k, 6, (64, 32) if k in (3, 6) else None) for k in range(1, 7)]


def test_models_that_do_not_fit_the_clip(fish):
    g = inflate_silhouette(fish.rgba[0])
    with pytest.raises(DisMoError, match=r"distance of 4 .*radius 2"):
        fit_clip(fish, replace(SHORT, radius=4.0), gaussians=g)
    with pytest.raises(DisMoError, match="0 to 13.*not 14"):
        fit_clip(fish, replace(SHORT, frame=14))


def test_another_frame_of_reference(fish, tmp_path):
    four = fit_clip(fish, replace(SHORT, frame=7))
    four.save(tmp_path / "m.safetensors")
    back = Gaussians4D.load(tmp_path / "m.safetensors")
    assert np.array_equal(back.surface.faces, four.surface.faces)
    assert np.array_equal(back.surface.texture, four.surface.texture)


def test_cameras(fish4d):
    assert [s.azimuth for s in plan("turntable", 14, 4)] == [0, 90, 180, 270]
    assert [round(s.azimuth) for s in plan("swing", 14, 4)] == [0, 40, 0, -40]
    assert [s.time for s in plan("still", 14, 16)] == [*range(14), 0, 1]
    assert len(plan("published", 14)) == 8 * 29 and len(plan("swing", 14)) == 28
    for camera, named in (("fly", "'fly'"), ("still", "not -1")):
        with pytest.raises(DisMoError, match=named):
            plan(camera, 14, -1)


def test_a_positive_elevation_is_above_and_distance_shrinks(fish4d):
    def drawn(**more):
        distance = more.pop("distance", 1.0)
        return next(render(fish4d, plan("still", 14, 1, **more), 64, 64, distance=distance, background="black"))

    rgb, alpha, depth = drawn(elevation=70)
    assert (rgb[..., 0] > rgb[..., 2])[alpha[..., 0] > 0.9].float().mean() > 0.7  # its back is red, its belly pale
    assert drawn(distance=2.0)[1].mean() < 0.4 * drawn()[1].mean()
    assert 1.2 < depth[alpha > 0.9].mean() < 1.6 and depth[alpha < 0.5].max() == 0


def test_the_priors_calm_the_sides(fish):
    settings = FitSettings(steps=40, count=500, size=48)
    jitter = {}
    for name, priors in (("with", settings.priors), ("without", type(settings.priors)())):
        four = fit_clip(fish, replace(settings, priors=priors))
        jitter[name] = float(second_difference(pictures(four, 180, 48)[0]))
    assert jitter["with"] < jitter["without"]
