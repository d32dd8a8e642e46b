"""Damaged videos: real clips made tiny in many containers and codecs, then cut, flipped and with other numbers in their headers."""

from __future__ import annotations

import struct
from fractions import Fraction
from pathlib import Path
from random import Random

import av
import av.error
import numpy as np
import torch
from mutate import mutated
from video_clips import real_clip

from dismo_core.data.check import check_video
from dismo_core.data.frames import Unusable
from dismo_core.errors import DisMoError
from dismo_core.video import iter_video, probe, read_video, write_video

SIZE = (48, 64)
SIZES = ((65_535, 65_535), (16_000, 16_000), (1_500, 1_500), (1, 1))  # that headers declare instead, width and height
RATE = 24  # one that every codec knows
# suffix, codec, pixel format, sound
CODECS = (
    ("mp4", "libx264", "yuv420p", "aac"),
    ("mp4", "libx265", "yuv420p", None),
    ("mp4", "mpeg4", "yuv420p", "mp3"),
    ("mp4", "libsvtav1", "yuv420p", None),
    ("mkv", "libx264", "yuv444p", "flac"),
    ("mkv", "ffv1", "yuva420p", None),
    ("webm", "libvpx-vp9", "yuv420p", "libopus"),
    ("webm", "libvpx-vp9", "yuva420p", None),
    ("mov", "prores_ks", "yuv422p10le", "pcm_s16le"),
    ("mov", "qtrle", "rgb24", None),
    ("mov", "png", "rgba", None),
    ("avi", "mjpeg", "yuvj420p", "pcm_s16le"),
    ("avi", "rawvideo", "bgr24", None),
    ("avi", "msmpeg4v2", "yuv420p", None),
    ("mpg", "mpeg2video", "yuv420p", "mp2"),
    ("ts", "mpeg1video", "yuv420p", None),
    ("flv", "flv", "yuv420p", None),
    ("gif", "gif", "rgb8", None),
)
TAGS = (
    *(b"mvhd", b"tkhd", b"mdhd", b"elst", b"stsd", b"avcC", b"hvcC", b"stts", b"stss", b"stsc", b"stsz", b"stco", b"ctts"),
    *(b"moov", b"mdat", b"mp4a", b"esds", b"dref", b"udta"),
    *(b"avih", b"strh", b"strf", b"movi", b"idx1", b"RIFF", b"VP8X", b"ANIM", b"ANMF"),
    *(b"GIF8", b"\x21\xf9", b"\x2c\0\0\0\0"),
    *(b"\x1a\x45\xdf\xa3", b"\x16\x54\xae\x6b", b"\xe0", b"\x1f\x43\xb6\x75", b"\x15\x49\xa9\x66", b"\xa3"),
    *(b"\0\0\1\xba", b"\0\0\1\xb3", b"\0\0\1\xe0", b"\0\0\1\x67", b"\0\0\1\x00", b"G@", b"FLV", b"onMetaData"),
)  # fmt: skip


def prepare(folder: Path) -> None:
    """One small file of each kind in `folder`."""
    clips = [
        read_video(real_clip(name), fps=RATE, frames=12, size=SIZE).frames
        for name in ("carphone_pristine", "bikes", "bigbuckbunny")
    ]
    for number, (suffix, codec, pix_fmt, sound) in enumerate(CODECS):
        path = folder / f"{number:02d}.{suffix}"
        try:
            _encode(path, clips[number % 3], codec, pix_fmt, sound)
        except av.error.FFmpegError:  # older builds lack an encoder or two, or refuse so small a size
            path.unlink(missing_ok=True)
    assert len(list(folder.glob("??.*"))) >= len(CODECS) - 2
    write_video(folder / "animated.webp", clips[1], RATE)
    write_video(folder / "ours.gif", clips[2], RATE)


def attempt(folder: Path, number: int) -> None:
    """Read case `number` in every way there is; refused only where all refuse.

    Raises:
        DisMoError: no way of reading takes it.
    """
    seeds = sorted(path for path in folder.iterdir() if path.suffix not in ("", ".txt"))
    seed = seeds[number % len(seeds)]
    data = seed.read_bytes()
    if number < len(seeds):
        return _sampled_undamaged(data)
    if number < len(seeds) * (1 + len(SIZES)):
        data = _declare(data, SIZES[number // len(seeds) - 1])
    else:
        data = mutated(data, Random(number), TAGS)
    source: bytes | Path = data
    if number % 3 == 0:  # FFmpeg's own file access instead of ours
        source = folder / "out" / f"case{seed.suffix}"
        source.write_bytes(data)
    refusals = []
    for read in (probe, _sampled, _native, lambda _: check_video(data, seed.name)):
        try:
            read(source)
        except (DisMoError, Unusable) as error:
            refusals.append(error)
    if len(refusals) == 4:
        raise DisMoError(str(refusals[0]))


def _sampled_undamaged(data: bytes) -> None:
    try:
        _sampled(data)
    except DisMoError as error:
        raise AssertionError("a clip that nobody damaged is refused") from error


def _declare(data: bytes, size: tuple[int, int]) -> bytes:
    """Wherever the true size stands in a header, another one."""
    for form in (">HH", "<HH", ">II", "<II"):
        data = data.replace(struct.pack(form, *SIZE[::-1]), struct.pack(form, *size))
    return data


def _sampled(source: bytes | Path) -> None:
    video = read_video(source, fps=8, frames=9, audio=True)
    assert 1 <= len(video.frames) <= 9 and video.frames.dtype == torch.uint8 and video.frames.shape[3] == 3
    assert video.audio is None or bool(video.audio.waveform.isfinite().all())


def _native(source: bytes | Path) -> None:
    for frame in iter_video(source, fps=24, start=0.2):
        assert frame.ndim == 3


def _encode(path: Path, frames: torch.Tensor, codec: str, pix_fmt: str, sound: str | None) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=RATE, options={"threads": "1"})
        stream.height, stream.width, stream.pix_fmt = *SIZE, pix_fmt
        audio = None
        if sound is not None:
            audio = container.add_stream(sound, rate=48_000)
            audio.codec_context.layout = "stereo"
        for index, picture in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(picture.numpy(), format="rgb24").reformat(format=pix_fmt)
            frame.pts, frame.time_base = index, Fraction(1, RATE)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
        if audio is not None:
            wave = np.random.default_rng(0).normal(0, 0.1, (2, 24_000)).astype(np.float32)
            resampler = av.AudioResampler(
                format=audio.codec_context.format, layout="stereo", rate=48_000, frame_size=1024
            )
            whole = av.AudioFrame.from_ndarray(wave, format="fltp", layout="stereo")
            whole.sample_rate, whole.pts = 48_000, 0
            for part in resampler.resample(whole):
                container.mux(audio.encode(part))
            container.mux(audio.encode())
