"""Figures G1 and G1b of the published code; G2 stands in test_extractor.py, because names enter its fill."""

import pytest
from filling import assert_figures, wave

from dismo_core.dismo.models.dino import fit_frames


def test_frames_are_cropped_and_resized_without_antialias():
    frames = wave(0.001, 2, 11, 64, 80, 3)[:, 0]
    assert_figures(
        fit_frames(frames, 56), 0.104579, 0.698993, [0.041136, 0.044555, 0.047973, 0.051391], [0.880101, 0.878482]
    )


def test_large_frames_are_pooled_first():
    frames = wave(0.001, 1, 3, 150, 130).movedim(1, -1)
    assert_figures(
        fit_frames(frames, 56), -0.069668, 0.694470, [0.978526, 0.978947, 0.979363, 0.979773], [0.530128, 0.532082]
    )


@pytest.mark.parametrize(("height", "width"), [(64, 80), (81, 64), (15, 14), (500, 700)])
def test_any_size_gives_the_asked_one(height, width):
    assert fit_frames(wave(0.001, 1, height, width, 3), 56).shape == (1, 3, 56, 56)
