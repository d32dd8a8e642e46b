"""Plots of motions."""

from dataclasses import replace

import pytest
import torch

from dismo_core import DisMoError, Motion
from dismo_core.dismo.plots import PANELS, plot_motions, save_motion_plot


def clip(seed, frames=25):
    rows = torch.randn(frames - 4, 8, generator=torch.Generator().manual_seed(seed))
    return Motion(rows, 8.0, "clip.mp4", "0" * 16, torch.ones(8))


@pytest.mark.parametrize("panels", [PANELS, ("energy",), ("path",), ("self-similarity",)])
def test_a_plot_has_the_width_asked_for_and_shows_the_motion(panels):
    plots = [plot_motions({"a": clip(seed), "b": clip(2, 13)}, panels, width=400) for seed in (0, 1)]
    assert plots[0].dtype == torch.uint8 and plots[0].shape[1:] == (400, 3)
    assert not torch.equal(*plots)


def test_the_shortest_motion_without_still_can_be_plotted():
    assert plot_motions({"short": replace(clip(0, 5), still=None)}, width=300).shape[1] == 300


def test_a_plot_of_what_cannot_be_compared_is_refused():
    with pytest.raises(DisMoError, match="different extractors"):
        plot_motions({"a": clip(0), "b": replace(clip(1), extractor="f" * 16)})
    with pytest.raises(DisMoError, match="at least one"):
        plot_motions({})
    with pytest.raises(DisMoError, match="speed"):
        plot_motions({"a": clip(0)}, ("speed",))


def test_a_plot_file(tmp_path):
    save_motion_plot({"a": clip(0)}, tmp_path / "m.png")
    assert (tmp_path / "m.png").read_bytes()[1:4] == b"PNG"
