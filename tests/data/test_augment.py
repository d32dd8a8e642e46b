"""The augmentations against closed forms: geometry on pictures whose value at any point is known, colors on known greys."""

import cmath
import math

import numpy as np
import pytest
import torch

from dismo_core.data.augment import Augmentation, View, clamp_aspect, render
from dismo_core.dismo.training.samples import CONTENT, MOTION


def test_positive_angles_turn_the_picture_clockwise():
    picture = torch.zeros(1, 65, 65, 3, dtype=torch.uint8)
    picture[0, 32, 52] = 255  # three o'clock
    turned = render(picture, View((32.5, 32.5), (65, 65), math.radians(90)), 65)
    assert turned[0, 52, 32].tolist() == [255] * 3 and int(turned[0, :, :, 0].sum()) == 255  # six o'clock


@pytest.mark.parametrize("augmentation", [MOTION, CONTENT])
def test_pixels_come_from_where_the_spec_says(augmentation):
    # Bilinear interpolation is exact on a plane; red is the plane x, green the plane y.
    h, w, size = 90, 110, 32
    y, x = torch.meshgrid(torch.arange(h), torch.arange(w), indexing="ij")
    picture = torch.stack((2 * x + 3, 2 * y + 5, x), dim=-1)[None].to(torch.uint8)
    rng = np.random.default_rng(3)
    for _ in range(20):
        drawn = augmentation.draw(h, w, rng)
        out = render(picture, View(drawn.centre, drawn.size, drawn.angle), size)[0]
        for row, column in ((0, 0), (0, 31), (17, 5), (31, 0), (31, 31), (16, 16)):
            from_centre = complex(column + 0.5 - size / 2, row + 0.5 - size / 2) * cmath.exp(-1j * drawn.angle)
            at_x = drawn.centre[0] + from_centre.real * drawn.size[0] / size - 0.5
            at_y = drawn.centre[1] + from_centre.imag * drawn.size[1] / size - 0.5
            at_x, at_y = min(max(at_x, 0), w - 1), min(max(at_y, 0), h - 1)  # borders repeat
            assert float(out[row, column, 0]) == pytest.approx(2 * at_x + 3, abs=0.51)
            assert float(out[row, column, 1]) == pytest.approx(2 * at_y + 5, abs=0.51)


def test_the_whole_frame_at_its_own_size_stays_as_it_is():
    picture = torch.randint(0, 256, (3, 40, 40, 3), dtype=torch.uint8)
    assert torch.equal(render(picture, View((20, 20), (40, 40)), 40), picture)


@pytest.mark.parametrize(
    ("augmentation", "area", "aspect"), [(MOTION, (0.25, 1), (0.666, 1.5)), (CONTENT, (0.7, 1), (1, 1))]
)
def test_ranges(augmentation, area, aspect):
    h, w = 200, 220
    rng = np.random.default_rng(0)
    views = [augmentation.draw(h, w, rng) for _ in range(3000)]
    sizes = np.array([v.size for v in views])
    corners = np.array([v.centre for v in views]) - sizes / 2
    assert np.array_equal(sizes, sizes.round()) and np.array_equal(corners, corners.round())
    assert corners.min() >= 0 and (corners + sizes).max(0).tolist() <= [w, h]
    areas, aspects = sizes.prod(1) / (h * w), sizes[:, 0] / sizes[:, 1]
    assert areas.min() > area[0] - 0.01 and areas.max() <= 1
    assert aspects.min() > aspect[0] - 0.01 and aspects.max() < aspect[1] + 0.02
    angles = np.degrees([v.angle for v in views])
    if augmentation is MOTION:
        assert areas.min() < 0.27 and areas.max() > 0.85
        assert -30 <= angles.min() < -29 and 29 < angles.max() <= 30
    else:
        assert not angles.any()
    spread = (
        {"brightness": 0.5, "contrast": 0.5, "saturation": 0.5}
        if augmentation is MOTION
        else {"brightness": 0.2, "saturation": 0.2}
    )
    assert {name for v in views for name, _ in v.colors} == set(spread)
    for name, most in spread.items():
        factors = [dict(v.colors)[name] for v in views]
        assert 1 - most <= min(factors) < 1 - 0.97 * most and 1 + 0.97 * most < max(factors) <= 1 + most
    orders = {tuple(name for name, _ in v.colors) for v in views}
    assert len(orders) == math.factorial(len(spread))


def test_a_crop_that_never_fits_becomes_the_largest_in_the_middle():
    view = Augmentation((0.9, 1.0), (1, 1), 0, 0, 0, 0).draw(90, 120, np.random.default_rng(0))
    assert view == View((60, 45), (90, 90))


@pytest.mark.parametrize(("shape", "clamped"), [((90, 160), (90, 120)), ((160, 90), (120, 90)), ((90, 100), (90, 100))])
def test_frames_are_cut_to_moderate_aspects(shape, clamped):
    picture = torch.arange(shape[0] * shape[1]).reshape(1, *shape, 1).expand(-1, -1, -1, 3)
    cut = clamp_aspect(picture)
    assert cut.shape[1:3] == clamped
    top, left = (shape[0] - clamped[0]) // 2, (shape[1] - clamped[1]) // 2
    assert torch.equal(cut, picture[:, top : top + clamped[0], left : left + clamped[1]])


def test_inside_leaves_no_repeated_borders():
    inside = Augmentation((0.25, 1.0), (0.666, 1.5), 30, 0, 0, 0, inside=True)
    rng = np.random.default_rng(1)
    for _ in range(300):
        view = inside.draw(90, 110, rng)
        for corner in (1 + 1j, 1 - 1j, -1 + 1j, -1 - 1j):
            turned = corner / 2 * cmath.exp(-1j * view.angle)
            x, y = view.centre[0] + turned.real * view.size[0], view.centre[1] + turned.imag * view.size[1]
            assert -1e-6 <= x <= 110 + 1e-6 and -1e-6 <= y <= 90 + 1e-6


def colored(color, *colors):
    picture = torch.tensor(color, dtype=torch.uint8).expand(1, 8, 8, 3)
    return render(picture, View((4, 4), (8, 8), colors=colors), 8)[0, 3, 3].tolist()


def test_color_factors_are_torchvisions():
    assert colored([100, 200, 40], ("brightness", 1.5)) == [150, 255, 60]
    grey = 0.2989 * 100 + 0.587 * 200 + 0.114 * 40
    assert colored([100, 200, 40], ("saturation", 0.0)) == [round(grey)] * 3
    assert colored([100, 200, 40], ("saturation", 1.2)) == [round(grey + 1.2 * (v - grey)) for v in (100, 200, 40)]
    # clipping between the two shows the order
    assert colored([200] * 3, ("brightness", 1.5), ("brightness", 0.5)) == [128] * 3
    assert colored([200] * 3, ("brightness", 0.5), ("brightness", 1.5)) == [150] * 3


def test_contrast_turns_about_each_frames_own_grey():
    frames = torch.zeros(2, 8, 8, 3, dtype=torch.uint8)
    frames[0, :, 4:] = 100
    frames[1, :, :4], frames[1, :, 4:] = 100, 200
    out = render(frames, View((4, 4), (8, 8), colors=(("contrast", 0.5),)), 8)
    assert out[:, 0, 0, 0].tolist() == [25, 125] and out[:, 0, 7, 0].tolist() == [75, 175]
