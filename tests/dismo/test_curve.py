"""Strength over time: curves as people write them, and motions that follow them."""

import numpy as np
import pytest
import torch

import dismo_core as dismo
from dismo_core import DisMoError, Motion
from dismo_core.dismo.curve import PRESETS, Curve, read_curve


def test_keys_are_reached_and_the_way_between_them_is_straight():
    assert read_curve("1:1, 3:0, 5:2")(8) == [1, 1, 0.5, 0, 1, 2, 2, 2]


def test_smooth_keys_have_no_slope():
    values = np.array(Curve(((0, 0.0), (20, 1.0)), smooth=True).values(21))
    steps = np.diff(values)
    assert values[10] == pytest.approx(0.5) and steps[0] < 0.3 * steps[10] and (steps >= 0).all()


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize("frames", [5, 24, 25])
def test_presets_fit_any_length(name, frames):
    values = read_curve(name)(frames)
    assert len(values) == frames and 0 <= min(values) < 0.2 and 0.8 < max(values) <= 1
    assert read_curve(f" {name.upper()} ")(frames) == values


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no key"),
        ("0", "no key"),
        ("0:one", "no key"),
        ("bounce", "ease-in"),
        ("0:nan", "cannot be"),
        ("0:2.1", "cannot be"),
        ("-1:1", "cannot be"),
        ("inf:1", "cannot be"),
        ("5:1, 3:0", "out of order"),
        ("5:1, 5:0", "out of order"),
    ],
)
def test_curves_that_cannot_be(text, message):
    with pytest.raises(DisMoError, match=message):
        read_curve(text)


def test_a_key_beyond_the_motion_is_refused():
    assert len(read_curve("0:1, 8:0")(9)) == 9
    with pytest.raises(DisMoError, match="last frame is 7"):
        read_curve("0:1, 8:0")(8)


def motion(frames=13):
    rows = torch.randn(frames - 4, 6, generator=torch.Generator().manual_seed(0))
    return Motion(rows, 8.0, "", "0" * 16, torch.randn(6, generator=torch.Generator().manual_seed(1)))


def test_a_constant_curve_is_a_strength_and_ones_change_nothing():
    whole = motion()
    assert whole.scaled([1.0] * 13) is whole
    torch.testing.assert_close(whole.scaled([0.5] * 13).embeddings, whole.with_strength(0.5).embeddings)


def test_rows_are_scaled_where_their_steps_begin_and_others_stay_to_the_bit():
    whole = motion()
    scaled = whole.scaled([1.0] * 8 + [0.0] * 5)
    assert torch.equal(scaled.embeddings[:5], whole.embeddings[:5])
    lengths = whole.embeddings[8:].norm(dim=-1, keepdim=True)
    torch.testing.assert_close(scaled.embeddings[8:], (whole.still / whole.still.norm()).expand(1, -1) * lengths)


def test_lists_of_another_length_and_a_missing_still_are_refused():
    with pytest.raises(DisMoError, match="13 frames needs as many strengths, not 12"):
        motion().scaled([1.0] * 12)
    with pytest.raises(DisMoError, match="needs the embedding of the still"):
        Motion(motion().embeddings, 8.0, "", "0" * 16).scaled([1.0] * 12 + [0.5])


def test_what_is_read_of_a_scaled_motion_follows_the_curve():
    """A real motion, read by the bundled head: slower where the curve is low."""
    from dismo_core.assets.examples import example

    driver = dismo.extract_motion(dismo.load_motion_extractor("tiny"), example("camera")[0])
    model = dismo.load_layered_model("tiny", moves="scene")
    values = read_curve("0:1, 8:1, 12:0, 24:0")(driver.frames)
    plain, curved = (model.path(m).steps[:, :2].norm(dim=-1) for m in (driver, driver.scaled(values)))
    assert curved[:6].sum() > 0.85 * plain[:6].sum() and curved[14:].sum() < 0.25 * plain[14:].sum()
