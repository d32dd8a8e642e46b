"""MotionTransferSample: how widgets reach the video model."""

from __future__ import annotations

import types
from fractions import Fraction

import pytest
import torch

WIDGETS = dict(
    prompt="", negative_prompt="", steps=0, guidance=0.0, strength=1.0, seed=0, fit="crop", length="trim", audio=None
)


class Model:
    """A video model of 8 x 6 pixels that makes up to 13 frames and remembers how it was called."""

    extractor_id = "0" * 16
    defaults = types.SimpleNamespace(
        steps=4, guidance=6.0, negative_prompt="blurry", fps=8.0, size=(6, 8), antialias=True
    )

    def valid_lengths(self, motion):
        return list(range(5, 14))

    def output_fps(self, motion):
        return motion.fps

    def transfer(self, motion, image, settings=None, *, mask=None, runtime):
        self.motion, self.image, self.settings, self.mask = motion, image, settings, mask
        self.calls = [*getattr(self, "calls", []), (image, settings)]
        return torch.full((motion.frames, 6, 8, 3), 255, dtype=torch.uint8)


@pytest.fixture
def sample(pack):
    """Function: widgets by name -> (model, result)."""
    core, node = pack("dismo_core"), pack("nodes.dismo.sample").MotionTransferSample

    def run(extractor="0" * 16, image=None, frames=9, **widgets):
        model = Model()
        motion = core.Motion(torch.zeros(frames - 4, 2), 8.0, "", extractor)
        image = torch.rand(1, 6, 8, 3) if image is None else image
        videos, frames = node.execute(model, motion, image, **(WIDGETS | widgets))
        return model, (videos[0], frames[0]) if len(videos) == 1 else (videos, frames)

    return run


def test_video_and_frames(sample):
    _, (video, frames) = sample()
    components = video.get_components()
    assert frames.shape == (9, 6, 8, 3) and frames.max() == 1
    assert components.images is frames
    assert components.frame_rate == Fraction(8) and components.audio is None


def test_settings_are_passed_on(pack, sample):
    given = dict(prompt="a kite", negative_prompt="rain", steps=3, guidance=2.0, strength=0.5, seed=11)
    model, _ = sample(**given)
    assert model.settings == pack("dismo_core").SamplingSettings(**given)


def test_what_is_left_empty_is_left_to_the_model(pack, sample):
    model, _ = sample()
    assert model.settings == pack("dismo_core").SamplingSettings()


def test_a_background_shows_through_transparent_pixels(sample):
    clear = torch.zeros(1, 6, 8, 4)
    assert sample(image=clear)[0].image.max() == 0
    assert sample(image=clear, background="white")[0].image.min() == 1


def test_picture_is_fitted_and_motion_trimmed(sample):
    model, (_, frames) = sample(image=torch.rand(1, 40, 30, 4), frames=25)
    assert model.image.shape == (6, 8, 3)
    assert model.motion.frames == len(frames) == 13


def test_padding_is_cut_off_the_video_again(sample):
    model, (video, frames) = sample(image=torch.rand(1, 12, 12, 3), fit="pad")
    assert model.image.shape == (6, 8, 3)
    assert frames.shape == (9, 6, 6, 3) and video.get_components().images is frames


def test_a_mask_is_passed_on(sample):
    assert sample()[0].mask is None
    mask = torch.ones(1, 6, 8)
    assert sample(mask=mask)[0].mask is mask


def test_a_model_of_any_size_and_its_own_rate(sample, monkeypatch):
    """As the layered model: the picture keeps its size, whatever fit says."""
    monkeypatch.setattr(Model, "defaults", types.SimpleNamespace(**vars(Model.defaults) | {"size": None}))
    monkeypatch.setattr(Model, "output_fps", lambda self, motion: 30000 / 1001)
    monkeypatch.setattr(
        Model,
        "transfer",
        lambda self, motion, image, *_, **__: (image * 255).byte()[None].repeat(motion.frames, 1, 1, 1),
    )
    for fit in ("crop", "pad"):
        _, (video, frames) = sample(image=torch.rand(1, 11, 7, 3), fit=fit)
        assert frames.shape == (9, 11, 7, 3)
        assert video.get_components().frame_rate == Fraction(30000, 1001)


def test_audio_is_cut(sample):
    _, (video, _) = sample(audio={"waveform": torch.rand(1, 1, 1000), "sample_rate": 80})
    assert video.get_components().audio["waveform"].shape == (1, 1, 90)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (dict(extractor="f" * 16), "made by extractor ffff"),
        (dict(image=torch.rand(0, 6, 8, 3)), r"at least one, not as \[0, 6, 8, 3\]"),
        (dict(image=torch.rand(6, 8, 3)), r"\[6, 8, 3\]"),
        (dict(start_percent=0.5, end_percent=0.4), "from 0.5 to 0.4 of the steps"),
        (dict(curve="0:1, 9:0"), "key at frame 9; the motion's last frame is 8"),
        (dict(image=torch.full((1, 6, 8, 3), float("nan"))), "NaN"),
        (dict(image=torch.full((1, 6, 8, 3), 255.0)), "255"),
        (dict(frames=25, length="error"), "has 25 frames"),
    ],
)
def test_bad_input(pack, sample, wrong, message):
    with pytest.raises(pack("dismo_core").DisMoError, match=message):
        sample(**wrong)


def test_a_batch_gives_a_video_of_each_picture(sample):
    batch = torch.rand(3, 6, 8, 3)
    model, (videos, frames) = sample(image=batch, seed=2**64 - 2)
    assert [settings.seed for _, settings in model.calls] == [2**64 - 2, 2**64 - 1, 0]
    assert all(torch.equal(image, picture) for (image, _), picture in zip(model.calls, batch, strict=True))
    assert [video.get_components().images is each for video, each in zip(videos, frames, strict=True)] == [True] * 3
    assert {settings.seed for _, settings in sample(image=batch, seed=4, seeds="same")[0].calls} == {4}


def test_a_batch_may_begin_the_segments_of_one_video(sample):
    model, (_, frames) = sample(image=torch.rand(3, 12, 12, 3), pictures="one a segment", fit="pad")
    assert [image.shape for image, _ in model.calls] == [(3, 6, 8, 3)]
    assert frames.shape == (9, 6, 6, 3)


def test_ranges_and_curves_are_passed_on(sample):
    model, _ = sample(start_percent=0.1, end_percent=0.8, curve="0:1, 4:0")
    settings = model.settings
    assert (settings.start_percent, settings.end_percent) == (0.1, 0.8)
    assert settings.curve == (1, 0.75, 0.5, 0.25, 0, 0, 0, 0, 0)
    assert sample(frames=25, curve="ease-in")[0].settings.curve[-1] == 1  # of the 13 frames that the model makes


def test_a_blank_video_is_told_on_the_node(sample, caplog):
    sample()  # the model of these tests makes white frames
    assert "9 of the 9 frames are of one color" in caplog.text


def test_out_of_memory_is_comfyuis_to_handle(sample, caplog, monkeypatch):
    def transfer(*_, **__):
        raise torch.OutOfMemoryError("CUDA out of memory.")

    monkeypatch.setattr(Model, "transfer", transfer)
    with pytest.raises(torch.OutOfMemoryError, match="^CUDA out of memory.$"):
        sample()
    assert "Make fewer frames" in caplog.text
