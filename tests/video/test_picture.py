"""Pictures and motions made to fit a model: channels, size and length."""

from __future__ import annotations

import pytest
import torch

from dismo_core import DisMoError, Motion
from dismo_core.dismo.video_model import fit_motion
from dismo_core.video.picture import fit_image, one_picture, shown_part, to_rgb


def motion(frames: int) -> Motion:
    return Motion(torch.zeros(frames - 4, 2), 8.0, "clip.mp4", "0" * 16)


class Model:
    """Makes the given lengths."""

    def __init__(self, *lengths: int) -> None:
        self.lengths = list(lengths)

    def valid_lengths(self, motion: Motion) -> list[int]:
        return self.lengths


def test_rgb_stays_as_it_is():
    image = torch.rand(3, 4, 3)
    assert torch.equal(to_rgb(image), image)


def test_one_channel_is_repeated():
    image = torch.rand(3, 4, 1)
    assert torch.equal(to_rgb(image), image.repeat(1, 1, 3))


@pytest.mark.parametrize("channels", [2, 4])
def test_transparency_is_laid_over_the_background(channels):
    image = torch.rand(3, 4, channels)
    color, alpha = image[..., :-1], image[..., -1:]
    torch.testing.assert_close(to_rgb(image), (color * alpha).expand(3, 4, 3))
    torch.testing.assert_close(to_rgb(image, "white"), (color * alpha + 1 - alpha).expand(3, 4, 3))


def test_overshoot_of_resizing_is_clamped():
    assert to_rgb(torch.tensor([-0.05, 0.5, 1.05]).view(1, 1, 3)).flatten().tolist() == [0, 0.5, 1]


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (torch.full((2, 2, 3), 200.0), "from 200 to 200"),
        (torch.full((2, 2, 3), -1.0), "from -1"),
        (torch.full((2, 2, 3), float("nan")), "NaN"),
        (torch.full((2, 2, 3), float("inf")), "infinite"),
        (torch.zeros(2, 2, 3, dtype=torch.uint8), "uint8"),
        (torch.zeros(2, 2, 5), r"\[2, 2, 5\]"),
        (torch.zeros(2, 2), r"\[2, 2\]"),
        (torch.zeros(0, 2, 3), r"\[0, 2, 3\]"),
    ],
)
def test_bad_pictures_are_refused(image, message):
    with pytest.raises(DisMoError, match=message):
        to_rgb(image)


@pytest.mark.parametrize("shape", [(2, 4, 4, 3), (0, 4, 4, 3), (4, 4, 3)])
def test_only_one_picture(shape):
    with pytest.raises(DisMoError, match="one out of the batch"):
        one_picture(torch.zeros(shape))


@pytest.mark.parametrize("mode", ["crop", "pad"])
@pytest.mark.parametrize("shape", [(64, 64), (31, 64), (64, 31), (500, 2), (1, 1), (720, 1280)])
def test_fitted_size_and_range(shape, mode):
    fitted = fit_image(torch.rand(*shape, 3), (48, 64), mode)
    assert fitted.shape == (48, 64, 3)
    assert fitted.min() >= 0 and fitted.max() <= 1


def test_crop_keeps_the_middle():
    image = torch.zeros(10, 30, 3)
    image[:, 10:20] = 1
    assert torch.equal(fit_image(image, (10, 10), "crop"), torch.ones(10, 10, 3))


def test_pad_shows_all_between_blurred_edges():
    image = torch.rand(64, 128, 3)
    image[0], image[-1] = torch.tensor([1.0, 0, 0]), torch.tensor([0, 0, 1.0])
    fitted = fit_image(image, (128, 128), "pad")
    rows, columns = shown_part(64, 128, (128, 128), "pad")
    assert (rows, columns) == (slice(32, 96), slice(0, 128))
    torch.testing.assert_close(fitted[rows, columns], image)
    above, below = fitted[:16], fitted[-16:]  # filled from the first and the last row, without an edge
    torch.testing.assert_close(above.mean(dim=(0, 1)), torch.tensor([1.0, 0, 0]), atol=0.01, rtol=0)
    torch.testing.assert_close(below.mean(dim=(0, 1)), torch.tensor([0, 0, 1.0]), atol=0.01, rtol=0)
    assert fitted[24:31].std(dim=1).max() < image[1:8].std(dim=1).min() / 3  # blurred


@pytest.mark.parametrize("shape", [(64, 64), (31, 64), (64, 31), (500, 2), (1, 1), (720, 1280), (101, 64)])
def test_what_is_cut_back_is_even_and_not_distorted(shape):
    rows, columns = shown_part(*shape, (48, 64), "pad")
    sides = rows.stop - rows.start, columns.stop - columns.start
    assert all(side % 2 == 0 or side == 1 for side in sides)
    scale = min(48 / shape[0], 64 / shape[1])
    assert all(abs(side - max(1, scale * own)) <= 1.5 for side, own in zip(sides, shape, strict=True))
    assert shown_part(*shape, (48, 64), "crop") == (slice(0, 48), slice(0, 64))


def test_unknown_fit():
    with pytest.raises(DisMoError, match="stretch"):
        fit_image(torch.ones(2, 2, 3), (4, 4), "stretch")


@pytest.mark.parametrize(("lengths", "expected"), [((5, 25), 25), ((13, 25, 49), 25), ((13, 23), 23)])
def test_trim_keeps_the_longest_beginning(lengths, expected):
    assert fit_motion(Model(*lengths), motion(25), "trim").frames == expected


def test_length_error_names_the_lengths():
    with pytest.raises(DisMoError, match="has 25 frames; this video model makes 13, 23"):
        fit_motion(Model(13, 23), motion(25), "error")
    assert fit_motion(Model(25), motion(25), "error").frames == 25


@pytest.mark.parametrize("lengths", [(), (13,)])
def test_no_length_fits(lengths):
    with pytest.raises(DisMoError, match="has 9 frames, too few"):
        fit_motion(Model(*lengths), motion(9), "trim")


def test_unknown_length_rule():
    with pytest.raises(DisMoError, match="loop"):
        fit_motion(Model(25), motion(25), "loop")


def test_bright_spots_of_an_hdr_picture_are_clamped_with_a_line(caplog):
    image = torch.full((8, 8, 3), 0.4)
    image[2, 2] = 9.0
    assert torch.equal(to_rgb(image), image.clamp(0, 1))
    assert "HDR" in caplog.text
    with pytest.raises(DisMoError, match="dividing by 255"):
        to_rgb(image * 255)
