"""Every bad input is one clear `DisMoError` that names the value; what is merely short is read as far as it goes."""

import io
import logging

import av
import numpy as np
import pytest
import torch
from PIL import Image
from video_clips import encode, grey, real_clip

from dismo_core import DisMoError
from dismo_core.video import Audio, iter_video, probe, read_image, read_video, write_video


def sound_only(path):
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=48_000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.sample_rate, frame.pts = 48_000, 0
        stream.codec_context.layout = "mono"
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def no_frames(path):
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        container.start_encoding()
    return path


def text(path, content="It was a dark and stormy night.\n" * 50):
    path.write_text(content)
    return path


def still(path):
    Image.new("RGB", (32, 32)).save(path)
    return path


def cut(path, source=None, keep=0.5):
    data = (source or real_clip("bigbuckbunny")).read_bytes()
    path.write_bytes(data[: int(keep * len(data))])
    return path


def cut_webp(path):
    pictures = [Image.effect_noise((64, 64), 90).convert("RGB") for _ in range(4)]
    pictures[0].save(path, save_all=True, append_images=pictures[1:], duration=100)
    path.write_bytes(path.read_bytes()[:-3000])
    return path


class Unseekable(io.BytesIO):
    def seek(self, *_):
        raise io.UnsupportedOperation("no seek here")


# name of the case: (how the source is made in the folder, what the message says)
SOURCES = {
    "nothing there": (lambda d: d / "nope.mp4", "There is no file .*nope.mp4"),
    "folder": (lambda d: d, "is a folder, not a video"),
    "empty file": (lambda d: text(d / "e.mp4", ""), "e.mp4 as a video"),
    "text called mp4": (lambda d: text(d / "t.mp4"), "t.mp4 as a video: .*not a video"),
    "text file": (lambda d: text(d / "t.txt"), "t.txt is not a video"),
    "playlist": (
        lambda d: text(d / "p.m3u8", "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nt.mp4\n#EXT-X-ENDLIST\n"),
        "p.m3u8",
    ),
    "png": (lambda d: still(d / "s.png"), "s.png is a still picture"),
    "jpeg": (lambda d: still(d / "s.jpg"), "s.jpg is a still picture"),
    "still webp": (lambda d: still(d / "s.webp"), "s.webp is a still picture"),
    "sound only": (lambda d: sound_only(d / "s.m4a"), "s.m4a has no video stream"),
    "no frames": (lambda d: no_frames(d / "n.mkv"), "n.mkv.*no frames"),
    "cut before its index": (lambda d: cut(d / "c.mp4", real_clip("carphone_pristine")), "c.mp4 as a video"),
    "cut webp": (lambda d: cut_webp(d / "c.webp"), "animated WebP .*c.webp"),
    "bytes that are none": (lambda d: b"hello" * 100, r"the given data \(500 bytes\)"),
    "no bytes": (lambda d: b"", r"the given data \(0 bytes\)"),
    "text stream": (lambda d: io.StringIO("x"), "not from StringIO"),
    "closed file": (lambda d: closed(), "closed file"),
    "unseekable file": (lambda d: Unseekable(b"xx"), "no seek here"),
    "a number": (lambda d: 7, "not from int"),
    "none": (lambda d: None, "not from NoneType"),
}


def closed():
    file = io.BytesIO(b"x")
    file.close()
    return file


@pytest.mark.parametrize("case", SOURCES)
@pytest.mark.parametrize("reader", [read_video, probe, lambda source: next(iter_video(source, fps=8))])
def test_bad_source(tmp_path, case, reader):
    make, message = SOURCES[case]
    with pytest.raises(DisMoError, match=message):
        reader(make(tmp_path))


BAD_OPTIONS = [
    ({"fps": 0}, "fps must .* not 0"),
    ({"fps": -8.0}, "not -8.0"),
    ({"fps": float("nan")}, "fps must .* not nan"),
    ({"fps": float("inf")}, "fps must .* not inf"),
    ({"fps": "8"}, "fps must .* not '8'"),
    ({"start": -0.5}, "start must .* not -0.5"),
    ({"start": float("nan")}, "start must .* not nan"),
    ({"start": float("inf")}, "start must .* not inf"),
    ({"frames": 0}, "frames must .* not 0"),
    ({"frames": 2.5}, "frames must .* not 2.5"),
    ({"frames": True}, "frames must .* not True"),
    ({"backend": "opencv"}, "backend must .* not 'opencv'"),
    ({"size": (0, 64)}, r"size must .* not \(0, 64\)"),
    ({"size": (64,)}, "size must"),
    ({"start": 10.0}, "start is 10 s, but .*bikes.mp4 lasts 10.000 s"),
    ({"start": 99.0, "fps": 8}, "start is 99 s, but"),
]


@pytest.mark.parametrize("options, message", BAD_OPTIONS)
def test_bad_reading_options(options, message):
    with pytest.raises(DisMoError, match=message):
        read_video(real_clip("bikes"), **options)


def test_bad_options_are_refused_at_the_call_not_at_the_first_frame():
    with pytest.raises(DisMoError, match="fps"):
        iter_video(real_clip("bikes"), fps=0)


def test_a_stream_that_ends_early_gives_the_frames_there_are(tmp_path, caplog):
    write_video(tmp_path / "w.mp4", read_video(real_clip("carphone_pristine")).frames, 30)  # index first
    short = cut(tmp_path / "short.mp4", tmp_path / "w.mp4", 0.6)
    with caplog.at_level(logging.WARNING, "dismo_core"):
        frames = read_video(short).frames
    assert 30 < len(frames) < 110
    assert "short.mp4" in caplog.text
    assert torch.equal(frames[:20], read_video(tmp_path / "w.mp4", frames=20).frames)


def test_damage_in_the_middle_is_skipped_with_a_warning(tmp_path, caplog):
    clip = encode(
        tmp_path / "d.webm",
        [grey(10 * k) for k in range(20)],
        codec="libvpx-vp9",
        pix_fmt="yuv420p",
        options={"g": "1"},
    )
    with av.open(str(clip)) as container:
        packet = [bytes(packet) for packet in container.demux(video=0)][10]
    data = clip.read_bytes()
    assert data.count(packet) == 1
    clip.write_bytes(data.replace(packet, b"\0" * len(packet)))
    with caplog.at_level(logging.WARNING, "dismo_core"):
        native, sampled = read_video(clip).frames, read_video(clip, fps=10).frames
    assert len(native) == 19 and len(sampled) == 20
    assert torch.equal(sampled[10], sampled[9]) and torch.equal(sampled[11], native[10])  # the frame before is held
    assert "skipped" in caplog.text and len(caplog.records) == 2  # one warning a reading


GOOD = torch.zeros(2, 16, 16, 3, dtype=torch.uint8)
WAVE = torch.zeros(2, 100)
WRITES = {
    "unknown suffix": (("o.avi", GOOD, 8), {}, r"suffix '.avi' .*gif, mp4, webm, webp"),
    "no suffix": (("o", GOOD, 8), {}, "suffix ''"),
    "unknown format": (("o.mp4", GOOD, 8), {"format": "mkv"}, "format must .* not 'mkv'"),
    "suffix against format": (("o.mp4", GOOD, 8), {"format": "gif"}, "gif file with the suffix .mp4"),
    "no frames": (("o.mp4", GOOD[:0], 8), {}, "no frames"),
    "no frames from an iterator": (("o.mp4", iter(()), 8), {}, "no frames"),
    "floats": (("o.mp4", torch.rand(2, 16, 16, 3), 8), {}, r"torch.float32 \[16, 16, 3\].*0..255"),
    "wrong rank": (("o.mp4", GOOD[0], 8), {}, r"\[16, 16, 3\]"),
    "a batch": (("o.mp4", GOOD[None], 8), {}, r"\[1, 2, 16, 16, 3\]"),
    "four channels": (("o.mp4", torch.zeros(2, 16, 16, 4, dtype=torch.uint8), 8), {}, r"\[16, 16, 4\]"),
    "channels first": (("o.mp4", torch.zeros(2, 3, 16, 16, dtype=torch.uint8), 8), {}, r"\[3, 16, 16\]"),
    "no pixels": (("o.mp4", GOOD[:, :0], 8), {}, r"\[0, 16, 3\]"),
    "not tensors": (("o.mp4", ["a"], 8), {}, "Frame 0 .* not str"),
    "sizes that differ": (("o.mp4", [GOOD[0], GOOD[0, :8]], 8), {}, r"Frame 1 is \[8, 16, 3\]"),
    "fps 0": (("o.mp4", GOOD, 0), {}, "fps must .* not 0"),
    "fps nan": (("o.mp4", GOOD, float("nan")), {}, "fps must .* not nan"),
    "fps text": (("o.mp4", GOOD, "8"), {}, "fps must .* not '8'"),
    "gif too fast": (("o.gif", GOOD, 60), {}, "at most 50 for gif, not 60"),
    "crf too high": (("o.mp4", GOOD, 8), {"crf": 52}, "0 .best. to 51 for mp4, not 52"),
    "crf no number": (("o.mp4", GOOD, 8), {"crf": "18"}, "not '18'"),
    "metadata no text": (("o.mp4", GOOD, 8), {"metadata": {"prompt": {}}}, "'prompt' to dict"),
    "sound in gif": (("o.gif", GOOD, 8), {"audio": Audio(WAVE, 48_000)}, "gif files hold no sound"),
    "sound with a batch": (("o.mp4", GOOD, 8), {"audio": Audio(WAVE[None], 48_000)}, r"\[1, 2, 100\]"),
    "sound of integers": (("o.mp4", GOOD, 8), {"audio": Audio(WAVE.short(), 48_000)}, "torch.int16"),
    "sound of nan": (("o.mp4", GOOD, 8), {"audio": Audio(WAVE / 0, 48_000)}, "NaN"),
    "sound without a rate": (("o.mp4", GOOD, 8), {"audio": Audio(WAVE, 0)}, "sample rate .* not 0"),
    "too large": (("o.webm", torch.zeros(1, 2, 70_000, 3, dtype=torch.uint8), 8), {}, "70000x2"),
}


@pytest.mark.parametrize("case", WRITES)
def test_bad_writing_leaves_nothing(tmp_path, case):
    (name, *arguments), options, message = WRITES[case]
    with pytest.raises(DisMoError, match=message):
        write_video(tmp_path / name, *arguments, **options)
    assert list(tmp_path.iterdir()) == []


def test_unwritable_output(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(DisMoError, match="Cannot write .*o.mp4"):
        write_video(tmp_path / "file" / "o.mp4", GOOD, 8)  # a folder that cannot be: its name is a file
    with pytest.raises(DisMoError, match="a folder has that name"):
        (tmp_path / "d.mp4").mkdir()
        write_video(tmp_path / "d.mp4", GOOD, 8)


@pytest.mark.parametrize(
    "case", ["nothing there", "folder", "empty file", "text file", "bytes that are none", "a number"]
)
def test_bad_pictures(tmp_path, case):
    make, _ = SOURCES[case]
    with pytest.raises(DisMoError, match="picture"):
        read_image(make(tmp_path))


@pytest.mark.parametrize("kind", ["png", "jpg", "webp", "tiff"])
def test_truncated_pictures(tmp_path, kind):
    path = tmp_path / f"p.{kind}"
    Image.effect_noise((200, 200), 90).convert("RGB").save(path)
    path.write_bytes(path.read_bytes()[:-4000])
    with pytest.raises(DisMoError, match=rf"p.{kind} as a picture: .*damaged"):
        read_image(path)


def test_pictures_too_large_to_be_honest(tmp_path, monkeypatch):
    still(tmp_path / "bomb.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(DisMoError, match="bomb.png"):
        read_image(tmp_path / "bomb.png")
