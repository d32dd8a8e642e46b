"""Gaussians of one picture by toys of the true architecture: loaded from toy_lgm, asked, and turned to the front."""

import pytest
import torch

from dismo_core.cli.main import main
from dismo_core.errors import DisMoError
from dismo_core.gaussians4d import LGM, read_ply, static_lgm
from dismo_core.gaussians4d.align import placed
from dismo_core.gaussians4d.cameras import orbit_views
from dismo_core.gaussians4d.lgm import lgm_sizes
from dismo_core.gaussians4d.posed import inflated
from dismo_core.gaussians4d.rasterizer import rasterize
from dismo_core.gaussians4d.static_lgm import front, load_static_lgm


@pytest.fixture
def small(monkeypatch):
    """Pictures of 32 px, two steps, every 60 degrees."""
    monkeypatch.setattr(static_lgm, "SIDE", 32)
    monkeypatch.setattr(static_lgm, "SEARCHED_AT", 64)
    monkeypatch.setattr(static_lgm, "STEPS", 2)


def test_a_frame_becomes_gaussians(toy_lgm, fish, small):
    static = load_static_lgm(*toy_lgm)
    seen, asked = [], []
    runtime = static_lgm.Runtime.cpu()
    runtime.stage, runtime.free_memory = seen.append, asked.append
    posed = static.pose(fish, 3, seed=1, runtime=runtime)
    assert posed.frame == 3 and posed.radius == 1.5 and posed.surface is None
    assert 0 < len(posed.gaussians) <= 4 * 8 * 8 and torch.isfinite(posed.gaussians.means).all()
    assert len(seen) == 3
    assert asked == [static.plan.choice.bytes_needed] and asked[0] > 0
    picture = fish.frames(32)[0][3]
    same, again, other = (static.sides(picture, seed, runtime) for seed in (1, 1, 2))
    assert same.shape == (4, 3, 32, 32) and torch.equal(same, again) and not torch.equal(same, other)
    with pytest.raises(DisMoError, match="frame must be 0 to 13"):
        static.pose(fish, 14)


def test_the_front_is_found(fish, monkeypatch):
    monkeypatch.setattr(static_lgm, "SEARCHED_AT", 32)
    g = inflated(fish, count=200).gaussians
    picture = rasterize(*g.activated(), orbit_views([0.0], [0.0], [1.5]), 32, 32).image[0]
    assert abs(front(placed(g, -50.0), picture) + 50) <= 1


@pytest.mark.parametrize("size", ["big", "small", "tiny"])
def test_sizes_are_read_off_the_tensors(size):
    with torch.device("meta"):
        known = getattr(LGM, size)().state_dict()
        again = LGM(**lgm_sizes(known, "a file")).state_dict()
    assert {k: v.shape for k, v in again.items()} == {k: v.shape for k, v in known.items()}
    with pytest.raises(DisMoError, match="is not an LGM"):
        lgm_sizes({"a": torch.zeros(1)}, "a file")


def test_by_command(toy_lgm, fish, small, tmp_path, capsys):
    from PIL import Image

    Image.fromarray(fish.rgba[0].numpy()).save(tmp_path / "fish.png")
    out = tmp_path / "out.ply"
    words = ["4d", "static", str(tmp_path / "fish.png"), "--method", "lgm", "--lgm", str(toy_lgm[0])]
    monkey = pytest.MonkeyPatch()
    monkey.setattr("dismo_core.gaussians4d.static_lgm.AT_ONCE", 60)
    try:
        assert main([*words, "--imagedream", str(toy_lgm[1]), "-o", str(out)]) == 0
    finally:
        monkey.undo()
    assert len(read_ply(out)) > 0 and "invented" in capsys.readouterr().out
    assert main([*words, "--imagedream", str(tmp_path), "-o", str(tmp_path / "b.ply")]) == 2
    assert "no part unet" in capsys.readouterr().err
