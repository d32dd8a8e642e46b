"""Small real-world kinds of files that were read wrongly once, without a word; each with its right values."""

import logging
import struct
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from numbered_clips import COUNT, RATE, RECIPES, make, number_of
from PIL import Image
from video_clips import encode, grey, levels

from dismo_core import DisMoError
from dismo_core.video import probe, read_image, read_video

INPUTS = Path(__file__).parent / "inputs"


def numbers(source, fps, **options):
    """Which of the native frames each sample is."""
    native = read_video(source).frames
    sampled = read_video(source, fps=fps, **options).frames
    return [next(n for n, frame in enumerate(native) if torch.equal(frame, sample)) for sample in sampled]


def test_a_capture_that_begins_within_a_group_counts_from_its_first_whole_picture(caplog):
    clip = INPUTS / "midgop.ts"
    info = probe(clip)
    assert (info.duration, info.frames) == (pytest.approx(6.0), None)
    assert len(read_video(clip).frames) == 60
    assert numbers(clip, 8) == [k * 10 // 8 for k in range(48)]
    assert not caplog.records


def test_a_palette_at_the_beginning_colors_what_comes_late():
    clip = INPUTS / "palette_seek.avi"
    sampled = read_video(clip, fps=8).frames
    assert float(sampled.float().mean()) == pytest.approx(117.5, abs=1)
    for k in range(24):
        assert torch.equal(read_video(clip, fps=8, start=k / 8, frames=1).frames[0], sampled[k])


def test_alpha_beside_the_picture_is_composited():
    clip = INPUTS / "alpha_vp9.webm"
    frames = read_video(clip).frames
    assert frames.shape == (24, 128, 128, 3)
    assert float(frames.float().mean()) == pytest.approx(19.4, abs=0.1)
    # the white disc moves two pixels a frame, from x = 30
    assert [int((frames[k, 64, :, 0] > 128).nonzero().float().mean().round()) for k in (0, 10, 20)] == [30, 50, 70]
    assert float(read_video(clip, background="white").frames.float().mean()) > 254


def test_without_its_decoder_alpha_is_missed_aloud(monkeypatch, caplog):
    monkeypatch.setattr("dismo_core.video.reader._ALPHA_DECODERS", {"vp9": "no-such-decoder"})
    with caplog.at_level(logging.WARNING, "dismo_core"):
        assert float(read_video(INPUTS / "alpha_vp9.webm", frames=1).frames.float().mean()) > 254
    assert "alpha channel" in caplog.text and "no-such-decoder" in caplog.text


def test_the_default_track_is_read():
    clip = INPUTS / "two_tracks.mkv"
    info = probe(clip)
    assert (info.width, info.height, info.fps) == (128, 72, 24)
    assert read_video(clip).frames.shape == (48, 72, 128, 3)


def test_of_equal_tracks_the_largest_is_read(tmp_path):
    path = tmp_path / "two.mkv"
    with av.open(str(path), "w") as container:
        streams = [container.add_stream("ffv1", rate=10) for _ in range(3)]
        for stream, side in zip(streams, (32, 64, 64), strict=True):
            stream.height = stream.width = side
            stream.pix_fmt = "bgr0"
        for stream, level in zip(streams, (50, 100, 150), strict=True):
            frame = av.VideoFrame.from_ndarray(grey(level, stream.height, stream.width), format="rgb24")
            container.mux(stream.encode(frame.reformat(format="bgr0")))
            container.mux(stream.encode())
    assert levels(read_video(path).frames) == [100]


def test_frames_stamped_late_are_shown_on_time():
    clip = INPUTS / "xvid_bframes.avi"
    assert probe(clip).duration == pytest.approx(2.0)
    assert numbers(clip, 8) == [k * 25 // 8 for k in range(16)]


def test_frames_that_an_edit_list_hides_are_not_missed(caplog):
    clip = INPUTS / "trimmed_editlist.mp4"
    with caplog.at_level(logging.WARNING, "dismo_core"):
        assert len(read_video(clip).frames) == 99
    assert not caplog.records
    info = probe(clip)
    assert info.frames in (None, 99) and info.duration == pytest.approx(3.3)


@pytest.mark.parametrize("name", ["mkv h264-b, late clock", "ts mpeg2-b, late clock", "flv h264-b, late clock"])
def test_a_late_clock_adds_no_time(tmp_path, name):
    clip = make(tmp_path / f"clip.{RECIPES[name].suffix}", RECIPES[name])
    assert probe(clip).duration == pytest.approx(COUNT / RATE, abs=0.05)


def test_a_clock_that_begins_after_a_day():
    clip = INPUTS / "offset_90000s.mkv"
    assert probe(clip).duration == pytest.approx(2.0, abs=0.01)
    assert numbers(clip, 8) == [k * 30 // 8 for k in range(16)]
    with pytest.raises(DisMoError, match="start is 5 s, but .* lasts 2.000 s"):
        read_video(clip, start=5)


def test_frames_have_the_shape_in_which_they_are_shown():
    clip = INPUTS / "sar_64_45.mp4"
    info = probe(clip)
    assert (info.width, info.height) == (114, 64)
    assert read_video(clip).frames.shape == (25, 64, 114, 3)
    stored = read_video(clip, size=(64, 80)).frames
    assert stored.shape == (25, 64, 80, 3)


@pytest.mark.parametrize("shape, width", [((1, 2), 40), ((4, 3), 107), ((1, 1), 80), ((1, 100), 80), ((100, 1), 80)])
def test_pixels_become_square_where_their_shape_can_be_meant(shape, width):
    data = (INPUTS / "sar_64_45.mp4").read_bytes()
    assert data.count(b"pasp") == 1
    at = data.index(b"pasp") + 4
    data = data[:at] + struct.pack(">2I", *shape) + data[at + 8 :]
    assert read_video(data, frames=1).frames.shape == (1, 64, width, 3) and probe(data).width == width


def test_a_trimmed_clip_lasts_as_long_as_it_is_shown(tmp_path):
    """An edit list may end a clip early, too: its frames and its length are those that are shown."""
    data = bytearray((INPUTS / "trimmed_editlist.mp4").read_bytes())
    at = data.index(b"elst") + 12
    duration = int.from_bytes(data[at : at + 4], "big")
    assert duration == 3300
    data[at : at + 4] = (1000).to_bytes(4, "big")
    info = probe(bytes(data))
    assert info.duration == pytest.approx(1.0) and info.frames in (None, 30)
    assert 29 <= len(read_video(bytes(data), fps=30).frames) <= 31


SCENE = np.zeros((32, 64, 4), np.uint8)
SCENE[:, :16], SCENE[:, 16:32], SCENE[:, 32:] = (200, 200, 200, 255), (200, 200, 200, 128), (200, 200, 200, 0)
BEHIND = {"black": (0, 0, 0), "white": (255, 255, 255), "#ff8000": (255, 128, 0), None: (0, 0, 0)}


def picture(path):
    Image.fromarray(SCENE).save(path, lossless=True, exact=True)
    return path


def animation(path):
    other = Image.fromarray(np.roll(SCENE, 16, axis=1))
    Image.fromarray(SCENE).save(path, save_all=True, append_images=[other], duration=100, lossless=True, exact=True)
    return path


def vpx(path, codec):
    options = {"auto-alt-ref": "0", "crf": "4", "b": "4000000"}
    return encode(path, [SCENE] * 3, codec=codec, pix_fmt="yuva420p", options=options)


TRANSPARENT = {
    "png": lambda d: picture(d / "p.png"),
    "webp": lambda d: picture(d / "p.webp"),
    "animated webp": lambda d: animation(d / "a.webp"),
    "apng": lambda d: encode(d / "a.apng", [SCENE] * 3, codec="apng", pix_fmt="rgba"),
    "png in mov": lambda d: encode(d / "a.mov", [SCENE] * 3, codec="png", pix_fmt="rgba"),
    "qtrle in mov": lambda d: encode(d / "q.mov", [SCENE] * 3, codec="qtrle", pix_fmt="argb"),
    "prores 4444": lambda d: encode(d / "r.mov", [SCENE] * 3, codec="prores_ks", pix_fmt="yuva444p10le"),
    "vp8": lambda d: vpx(d / "8.webm", "libvpx"),
    "vp9": lambda d: vpx(d / "9.webm", "libvpx-vp9"),
}


@pytest.mark.parametrize("background", BEHIND)
@pytest.mark.parametrize("kind", TRANSPARENT)
def test_alpha_of_pictures_and_videos_is_treated_alike(tmp_path, kind, background):
    path = TRANSPARENT[kind](tmp_path)
    options = {} if background is None else {"background": background}
    if kind in ("png", "webp"):
        frame = (read_image(path, **options) * 255).round().int()
    else:
        frame = read_video(path, **options).frames[0].int()
    behind = torch.tensor(BEHIND[background])
    expected = [torch.full((3,), 200), (200 * 128 + behind * 127) / 255, behind]
    for x, color in zip((8, 24, 56), expected, strict=True):
        assert (frame[16, x] - color).abs().max() <= (1 if "p8" not in kind and "p9" not in kind else 6), x


@pytest.mark.parametrize("background", ["no color", "#12", 7, None, "#00000080"])
@pytest.mark.parametrize("read", [read_video, read_image])
def test_bad_backgrounds(tmp_path, read, background):
    with pytest.raises(DisMoError, match="background"):
        read(picture(tmp_path / "p.png"), background=background)


def test_a_late_start_without_honest_key_frames_is_right_all_the_same(tmp_path):
    """Frames refreshed bit by bit are declared as key frames, but build on frames before."""
    clip = make(tmp_path / "c.mp4", RECIPES["mp4 h264-refresh"])
    whole = read_video(clip).frames
    for k in range(27, COUNT):
        frame = read_video(clip, start=k / RATE, frames=1).frames[0]
        assert torch.equal(frame, whole[k]) and number_of(frame) == k
