"""The layered model: what moves, how long, at which rate, and what it refuses."""

import logging
from dataclasses import replace

import pytest
import torch

import dismo_core as dismo
from dismo_core import DisMoError, Runtime
from dismo_core.dismo.layered.rendered import frame_count

CPU = Runtime.cpu()


def picture(height=48, width=64):
    white = torch.rand(1, 3, height // 8, width // 8, generator=torch.Generator().manual_seed(3))
    return torch.nn.functional.interpolate(white, (height, width), mode="bicubic").clamp(0, 1)[0].movedim(0, -1)


def square(height=48, width=64):
    mask = torch.zeros(height, width)
    mask[16:32, 24:40] = 1
    return mask


def test_the_video_has_the_pictures_size_and_begins_with_it(model, motion):
    for size in ((48, 64), (33, 57), (16, 200)):
        image = picture(*size) if size[0] >= 33 else torch.rand(*size, 3)
        video = model().transfer(motion(x=0.02), image, runtime=CPU)
        assert video.shape == (13, *size, 3) and video.dtype == torch.uint8
        assert torch.equal(video[0], (image * 255).round().to(torch.uint8))


def test_a_pan_moves_everything_by_its_share_of_the_picture(model, motion):
    image = picture()
    video = model().transfer(motion(x=1 / 64), image, runtime=CPU)  # a pixel a frame
    assert (video[8, :, 8:].int() - video[0, :, :-8].int()).abs().float().mean() < 2


def test_a_thing_moves_on_a_ground_that_stands_still(model, motion):
    image, mask = picture() * 0.4, square()
    image[mask > 0] = torch.tensor([1.0, 0.0, 0.0])
    video = model().transfer(motion(thing_x=1 / 64), image, mask=mask, runtime=CPU)
    red = (video[12].float() - torch.tensor([255.0, 0, 0])).abs().mean(-1) < 30
    rows, columns = torch.nonzero(red).float().mean(0) + 0.5
    assert abs(float(columns) - 44) < 0.5 and abs(float(rows) - 24) < 0.5
    assert torch.equal(video[12, :10], video[0, :10])


@pytest.mark.parametrize(
    ("moves", "ground", "thing"), [("scene", 1, 0), ("thing", 0, 1), ("both", 1, 1), ("auto", 1, 1)]
)
def test_what_moves_is_chosen(model, motion, moves, ground, thing):
    steps = model(moves=moves).path(motion(x=0.01, thing_y=0.01)).steps
    assert bool(steps[:, :4].any()) == ground and bool(steps[:, 4:].any()) == thing


def test_auto_leaves_out_what_hardly_moves(model, motion):
    steps = model().path(motion(x=0.01, thing_y=0.001)).steps
    assert steps[:, 0].all() and not steps[:, 4:].any()


def test_a_motion_that_stands_still_moves_nothing(model, motion):
    video = model(moves="both").transfer(motion(x=1e-4, thing_y=1e-4), picture(), runtime=CPU)
    assert bool((video == video[0]).all())


def test_what_is_read_of_a_standstill_is_no_movement(model, motion):
    moving = motion(x=0.02)
    shifted = replace(moving, embeddings=moving.embeddings + 1, still=moving.still + 1)
    torch.testing.assert_close(model().path(shifted).steps, model().path(moving).steps, atol=1e-5, rtol=0)
    assert model().path(replace(moving, still=None)).frames == 13


def test_strength_is_a_factor_on_the_way(model, motion):
    way = model().path(motion(x=0.02)).steps.sum(0)
    torch.testing.assert_close(model().path(motion(x=0.02), 0.5).steps.sum(0), way / 2)
    still = model().transfer(motion(x=0.02), picture(), strength=0, runtime=CPU)
    assert bool((still == still[0]).all())


def test_a_curve_is_a_factor_on_every_step(model, motion):
    curve = tuple(i % 3 / 2 for i in range(13))
    steps = model().path(motion(x=0.02)).steps
    torch.testing.assert_close(model().path(motion(x=0.02), curve).steps, steps * torch.tensor(curve[:-1])[:, None])
    video = model().transfer(motion(x=0.02), picture(), curve=curve, runtime=CPU)
    still = [torch.equal(before, after) for before, after in zip(video, video[1:], strict=False)]
    assert still == [factor == 0 for factor in curve[:-1]]
    with pytest.raises(DisMoError, match="13 frames needs as many strengths, not 2"):
        model().path(motion(x=0.02), (1.0, 0.5))


def test_any_rate_lasts_as_long_and_passes_the_same_places(model, motion):
    image = picture()
    plain = model().transfer(motion(x=0.02), image, runtime=CPU)
    smooth = model(fps=24).transfer(motion(x=0.02), image, runtime=CPU)
    assert len(smooth) == 37 == frame_count(13, 8, 24)
    assert (smooth[::3].int() - plain.int()).abs().max() <= 1
    assert model(fps=24).output_fps(motion()) == 24 and model().output_fps(motion(fps=12)) == 12
    assert frame_count(25, 8, 3) == 10


def test_a_shutter_blurs_along_the_way(model, motion):
    image = torch.rand(48, 64, 3, generator=torch.Generator().manual_seed(4))
    sharp, blurred = (
        model(shutter=angle).transfer(motion(x=0.05), image, runtime=CPU)[6].float() for angle in (0, 360)
    )
    assert blurred.diff(dim=1).abs().mean() < 0.8 * sharp.diff(dim=1).abs().mean()
    assert blurred.diff(dim=0).abs().mean() > 1.2 * blurred.diff(dim=1).abs().mean()


def test_crop_zooms_until_no_border_shows(model, motion, caplog):
    with caplog.at_level(logging.INFO):
        frames = model(borders="crop").render(motion(x=0.02), picture(), runtime=CPU)
    assert frames.zoom > 1.3 and "Zoomed in by" in caplog.text
    with caplog.at_level(logging.WARNING):
        model(borders="crop").render(motion(x=0.2), picture(), runtime=CPU)
    assert "there the picture is mirrored" in caplog.text


def test_frames_are_drawn_when_they_are_asked_for(model, motion):
    frames = model().render(motion(x=0.02), picture(), runtime=CPU)
    assert len(frames) == 13 and frames.shape == (13, 48, 64, 3)
    assert torch.equal(frames[-1], frames[12]) and torch.equal(torch.stack(list(frames))[5], frames[5])
    assert [frame.shape for frame in frames[2:4]] == [(48, 64, 3)] * 2
    with pytest.raises(IndexError):
        frames[13]


def test_progress_and_cancel(model, motion):
    class Cancelled(Exception):
        pass

    seen = []

    def progress(done, total, preview):
        seen.append((done, total, preview.size))
        if done == 3:
            raise Cancelled

    with pytest.raises(Cancelled):
        model().transfer(motion(x=0.02), picture(), runtime=replace(CPU, progress=progress))
    assert seen == [(n, 13, (64, 48)) for n in (1, 2, 3)]


def test_without_a_thing_all_moves_and_it_is_said(model, motion, caplog):
    nothing = model()
    with torch.no_grad():
        nothing.segmenter.out.weight.zero_()
        nothing.segmenter.out.bias.fill_(-5)
    image = picture()
    with caplog.at_level(logging.WARNING):
        video = nothing.transfer(motion(thing_x=1 / 64), image, runtime=CPU)
    assert "Nothing that stands out" in caplog.text
    assert (video[8, :, 8:].int() - video[0, :, :-8].int()).abs().float().mean() < 3


def test_a_zoom_that_runs_away_is_stopped(model, motion, caplog):
    with caplog.at_level(logging.WARNING):
        video = model().transfer(motion(growth=1.0), picture(), runtime=CPU)
    assert "from frame 5 on it is stopped" in caplog.text and len(video) == 13


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (torch.zeros(48, 64), "marks nothing"),
        (torch.rand(3, 48, 64), "3 masks"),
        (torch.full((48, 64), float("nan")), "finite"),
        (torch.full((48, 64), 7.0), "finite values"),
        (torch.ones(4), "shape"),
    ],
)
def test_masks_that_cannot_be(model, motion, mask, message):
    with pytest.raises(DisMoError, match=message):
        model().transfer(motion(thing_x=0.02), picture(), mask=mask, runtime=CPU)


@pytest.mark.parametrize("mask", [torch.ones(48, 64), torch.ones(1, 12, 20), square()[None], square(24, 32)])
def test_masks_that_can_be(model, motion, mask):
    assert len(model().transfer(motion(thing_x=0.02), picture(), mask=mask, runtime=CPU)) == 13


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (torch.rand(15, 64, 3), "64x15 px; its sides must be 16 to 16,384"),
        (torch.empty(1, 1, 3).expand(16, 16_385, 3), "16385x16"),
        (torch.rand(64, 64), "one RGB picture"),
        (torch.rand(64, 64, 3) * 255, "expected 0..1"),
        (torch.full((64, 64, 3), float("nan")), "finite"),
        (torch.zeros(64, 64, 3, dtype=torch.uint8), "finite floating"),
    ],
)
def test_pictures_that_cannot_be(model, motion, image, message):
    with pytest.raises(DisMoError, match=message):
        model().transfer(motion(x=0.02), image, runtime=CPU)


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"moves": "all"}, "no choice 'all'"),
        ({"borders": "black"}, "no borders 'black'"),
        ({"shutter": 361.0}, "not 361"),
        ({"shutter": float("nan")}, "not nan"),
        ({"fps": -1.0}, "not -1"),
        ({"fps": 241.0}, "not 241"),
    ],
)
def test_choices_that_cannot_be(model, choices, message):
    with pytest.raises(DisMoError, match=message):
        model(**choices)


def test_a_motion_of_another_extractor_is_refused(model, motion):
    with pytest.raises(DisMoError, match="Extract the motion again"):
        model().transfer(replace(motion(x=0.02), extractor="0" * 16), picture(), runtime=CPU)


def test_the_bundled_one_follows_a_clip_and_returns_the_picture_itself():
    from dismo_core.assets.examples import example, example_mask
    from dismo_core.video import read_image

    extractor, layered = dismo.load_motion_extractor("tiny"), dismo.load_layered_model("tiny")
    assert layered.extractor_id == extractor.extractor_id
    motion = dismo.extract_motion(extractor, example("cutout")[0])
    way = layered.path(motion).steps[:, 4:6].cumsum(0)
    assert float(way[-1, 0]) < -0.2 and float(way[-1, 1]) < -0.1  # the drawn shape goes left and up
    image, mask = read_image(example("cutout")[1]), read_image(example_mask("cutout"))[..., 0]
    frames = layered.render(motion, image, mask=mask, runtime=CPU)
    found = layered.find(image)
    assert float(((found > 0.5) & (mask > 0.5)).sum() / ((found > 0.5) | (mask > 0.5)).sum()) > 0.7
    assert frames[0].shape == image.shape
    assert (frames[0].float() / 255 - image).abs().mean() < 0.004


@pytest.mark.parametrize("borders", ["mirror", "crop"])
def test_a_mask_of_everything_moves_the_picture_as_a_camera_would(model, motion, borders):
    """No second copy of it stands still behind: the borders are those of a moving camera."""
    image = picture()
    by_thing = model(borders=borders).transfer(motion(thing_x=1 / 64), image, mask=torch.ones(48, 64), runtime=CPU)
    by_camera = model(borders=borders).transfer(motion(x=1 / 64), image, runtime=CPU)
    assert (by_thing.int() - by_camera.int()).abs().max() <= 1


@pytest.mark.parametrize("strength", [-0.1, 101.0, float("nan"), float("inf")])
def test_strengths_that_cannot_be(model, motion, strength):
    with pytest.raises(DisMoError, match="strength must be 0"):
        model().path(motion(x=0.01), strength)


def test_nothing_that_moves_is_said(model, motion, caplog):
    with caplog.at_level(logging.WARNING):
        model(moves="scene").transfer(motion(thing_x=0.02), picture(), runtime=CPU)
    assert "Nothing moves in this motion that the choice 'scene' takes" in caplog.text


def test_the_last_frame_is_blurred_too(model, motion):
    image = torch.rand(48, 64, 3, generator=torch.Generator().manual_seed(4))
    blurred = model(shutter=360).transfer(motion(x=0.05), image, runtime=CPU).float()
    across = blurred.diff(dim=2).abs().mean(dim=(1, 2, 3))
    assert across[-1] < 1.3 * across[-2]
