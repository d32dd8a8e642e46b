"""The roll-out of the frame generator with the bundled weights."""

from dataclasses import replace

import pytest
import torch

import dismo_core as dismo


@pytest.fixture(scope="module")
def motion(extractor, real_clip):
    return dismo.extract_motion(extractor, real_clip, frames=25)


@pytest.fixture(scope="module")
def picture(photograph):
    from dismo_core.video import read_image
    from dismo_core.video.picture import fit_image

    return fit_image(read_image(photograph), (64, 64), "crop")


def roll(model, motion, picture, **changes):
    arguments = dict(steps=2, seed=3, runtime=dismo.Runtime.cpu()) | changes
    return model.transfer(motion, picture, **arguments)


def test_as_many_frames_as_the_motion_and_the_first_is_the_picture(video_model, motion, picture):
    frames = roll(video_model, motion, picture)
    assert frames.shape == (25, 64, 64, 3) and frames.dtype == torch.uint8
    assert torch.equal(frames[0], (picture * 255).round().to(torch.uint8))


@pytest.mark.parametrize("length", [5, 6, 8, 9, 12, 24])
def test_any_length_that_the_motion_has(video_model, motion, picture, length):
    assert length in video_model.valid_lengths(motion)
    assert len(roll(video_model, motion.trimmed(length), picture)) == length


def test_a_seed_repeats_and_another_differs(video_model, motion, picture):
    short = motion.trimmed(9)
    first = roll(video_model, short, picture)
    assert torch.equal(first, roll(video_model, short, picture))
    assert not torch.equal(first, roll(video_model, short, picture, seed=4))
    roll(video_model, short, picture, seed=2**64 - 1)  # ComfyUI's largest seed


def test_one_step_hardly_depends_on_the_noise(video_model, motion, picture):
    """It is the mean of what can follow: noise that stayed in it would be carried from stride to stride (10 of 255 at the end)."""
    first, second = (roll(video_model, motion, picture, steps=1, seed=seed).float() for seed in (3, 4))
    assert float((first[-1] - second[-1]).abs().mean()) < 5


def test_strides_of_one_step_are_another_choice(video_model, motion, picture):
    single = dismo.FrameGeneratorModel(video_model.generator, stride=1)
    assert len(roll(single, motion.trimmed(9), picture)) == 9


def test_guidance_leads_away_from_the_picture_held_still(video_model, motion, picture):
    generator, short = video_model.generator, motion.trimmed(9)
    plain, more = (dismo.FrameGeneratorModel(generator, motion_guidance=g) for g in (1.0, 1.5))
    still = roll(plain, replace(short, embeddings=short.still.expand(5, -1).clone()), picture).float()
    first, second = (roll(model, short, picture).float() for model in (plain, more))
    assert float((second[4] - still[4]).norm()) > 1.2 * float((first[4] - still[4]).norm())


def test_guidance_changes_nothing_where_nothing_moves_or_stillness_is_unknown(video_model, motion, picture):
    plain = dismo.FrameGeneratorModel(video_model.generator, motion_guidance=1.0)
    assert video_model.motion_guidance > 1
    for same in (motion.trimmed(9).with_strength(0), replace(motion.trimmed(9), still=None)):
        difference = roll(video_model, same, picture).int() - roll(plain, same, picture).int()
        assert int(difference.abs().max()) <= 1


@pytest.mark.parametrize("value", [-1.0, 11.0, float("nan"), float("inf")])
def test_guidance_beyond_use_is_refused(video_model, value):
    with pytest.raises(dismo.DisMoError, match="motion_guidance"):
        dismo.FrameGeneratorModel(video_model.generator, motion_guidance=value)


def test_one_progress_call_a_step_with_a_preview_and_it_may_stop(video_model, motion, picture):
    runtime = dismo.Runtime.cpu()
    seen = []
    runtime.progress = lambda done, total, preview: seen.append((done, total, preview.size))
    roll(video_model, motion.trimmed(9), picture, steps=3, runtime=runtime)
    assert seen == [(i, 6, (64, 64)) for i in range(1, 7)]

    class Stop(Exception):
        pass

    def stop(done, total, preview):
        raise Stop

    runtime.progress = stop
    with pytest.raises(Stop):
        roll(video_model, motion, picture, runtime=runtime)


BAD = {
    "alpha": (lambda p: torch.cat((p, p[..., :1]), dim=-1), r"\[64, 64, 4\]"),
    "one channel": (lambda p: p[..., :1], r"\[64, 64, 1\]"),
    "size": (lambda p: p[:32], "64x32"),
    "range": (lambda p: p * 255, "expected 0..1"),
    "nan": (lambda p: p * float("nan"), "finite"),
    "integers": (lambda p: (p * 255).to(torch.uint8), "uint8"),
}


def test_of_several_pictures_the_first_is_taken_and_it_is_said(video_model, motion, picture, caplog):
    found = roll(video_model, motion.trimmed(5), torch.stack((picture, 1 - picture)), steps=1)
    assert torch.equal(found, roll(video_model, motion.trimmed(5), picture, steps=1))
    assert any("of 2 pictures it takes the first" in line for line in caplog.messages)


def test_a_curve_is_a_strength_for_every_frame(video_model, motion, picture):
    curve = (1.0,) * 6 + (0.0,) * 6
    found = roll(video_model, motion.trimmed(12), picture, steps=1, curve=curve)
    expected = roll(video_model, motion.trimmed(12).scaled(curve), picture, steps=1)
    assert torch.equal(found, expected)


def test_a_range_of_steps_is_said_to_change_nothing(video_model, motion, picture, caplog):
    found = roll(video_model, motion.trimmed(5), picture, steps=1, end_percent=0.5)
    assert torch.equal(found, roll(video_model, motion.trimmed(5), picture, steps=1))
    assert any("start_percent and end_percent change nothing" in line for line in caplog.messages)


@pytest.mark.parametrize("name", BAD)
def test_bad_pictures_are_named(video_model, motion, picture, name):
    change, message = BAD[name]
    with pytest.raises(dismo.DisMoError, match=message):
        roll(video_model, motion, change(picture))


def test_a_motion_of_another_extractor_is_refused(video_model, motion, picture):
    with pytest.raises(dismo.DisMoError, match="trained with extractor"):
        roll(video_model, replace(motion, extractor="0" * 16), picture)


def test_negative_steps_are_refused(video_model, motion, picture):
    with pytest.raises(dismo.DisMoError, match="steps"):
        roll(video_model, motion, picture, steps=-1)
