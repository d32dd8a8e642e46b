"""Tiny clips whose every frame tells its own number, in each container and codec that this PyAV can write."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from av.codec.codec import UnknownCodecError

HEIGHT, WIDTH, BLOCK = 64, 96, 32  # smaller pictures make x265 write past its memory
RATE, COUNT, GROUP = 25, 60, 12  # frames per second, frames, frames from key frame to key frame
_DARK, _LIGHT = 40, 215


def picture(number: int) -> np.ndarray:
    """uint8 [64, 96, 3]: six grey blocks, the binary digits of `number` + 1 (1 to 63; all dark is no number)."""
    digits = [_LIGHT if (number + 1) >> place & 1 else _DARK for place in range(6)]
    cells = np.array(digits, np.uint8).reshape(2, 3)
    return np.kron(cells, np.ones((BLOCK, BLOCK), np.uint8))[..., None].repeat(3, axis=2)


def number_of(frame: torch.Tensor) -> int | None:
    """The number that a frame [64, 96, 3] shows; None where its blocks are neither dark nor light (a broken picture)."""
    number = 0
    for place in range(6):
        top, left = BLOCK * (place // 3), BLOCK * (place % 3)
        block = frame[top + 8 : top + 24, left + 8 : left + 24].float()
        level = float(block.mean())
        if min(abs(level - _DARK), abs(level - _LIGHT)) > 30 or float(block.std()) > 30:
            return None
        number |= (level > 128) << place
    return number - 1 if number else None


@dataclass(frozen=True)
class Recipe:
    """How a clip of `COUNT` numbered frames is made.

    Args:
        suffix: of the file. codec, pix_fmt, options: of the encoder.
        times: seconds of each frame; None = `RATE` frames a second.
        offset: seconds that the clock shows at the first frame.
        dropped: packets missing at the beginning, as in a capture that began while the video was running.
        stamped: whether packets keep their time stamps.
        container: options of the container.
    """

    suffix: str
    codec: str
    pix_fmt: str = "yuv420p"
    options: dict[str, str] = field(default_factory=dict)
    times: tuple[float, ...] | None = None
    offset: float = 0.0
    dropped: int = 0
    stamped: bool = True
    container: dict[str, str] = field(default_factory=dict)

    @property
    def first(self) -> int:
        """Number of the first frame that can be shown."""
        return GROUP if self.dropped else 0

    def timed(self) -> list[float]:
        """Seconds after the first frame that can be shown, for it and those after it."""
        times = self.times or [k / RATE for k in range(COUNT)]
        return [time - times[self.first] for time in times[self.first :]]


def make(path: Path, recipe: Recipe) -> Path:
    """Write the clip, by FFmpeg's command where this PyAV has not the encoder, or skip the test where that has not either."""
    clock = 1000 if recipe.times else RATE
    times = recipe.times or [k / RATE for k in range(COUNT)]
    with av.open(str(path), "w", container_options=recipe.container) as container:
        try:
            stream = container.add_stream(recipe.codec, rate=RATE, options=recipe.options)
        except UnknownCodecError:
            return _by_command(path, recipe)
        stream.height, stream.width, stream.pix_fmt = HEIGHT, WIDTH, recipe.pix_fmt
        stream.codec_context.time_base = Fraction(1, clock)
        packets = []
        for number, time in enumerate(times):
            frame = av.VideoFrame.from_ndarray(picture(number), format="rgb24").reformat(format=recipe.pix_fmt)
            frame.pts, frame.time_base = round((time + recipe.offset) * clock), Fraction(1, clock)
            packets += stream.encode(frame)
        packets += stream.encode()
        for packet in packets[recipe.dropped :]:
            if not recipe.stamped:
                packet.pts = None
            container.mux(packet)
    return path


def _by_command(path: Path, recipe: Recipe) -> Path:
    if shutil.which("ffmpeg") is None or recipe.times or recipe.offset or recipe.dropped or not recipe.stamped:
        pytest.skip(f"this PyAV has no encoder {recipe.codec}")
    lossless = make(path.with_suffix(".lossless.mkv"), Recipe("mkv", "ffv1", recipe.pix_fmt))
    options = [word for name, value in recipe.options.items() for word in (f"-{name}", value)]
    command = ["ffmpeg", "-v", "error", "-i", str(lossless), "-c:v", recipe.codec, *options, "-y", str(path)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"neither this PyAV nor the ffmpeg command has an encoder {recipe.codec}: {done.stderr[:200]}")
    return path


_G = {"g": str(GROUP)}
_MPEG = {**_G, "b": "2000000"}
_X264 = {**_G, "keyint_min": str(GROUP), "sc_threshold": "0", "crf": "20", "preset": "veryfast"}
_X265 = f"log-level=none:keyint={GROUP}:min-keyint={GROUP}:scenecut=0:bframes=3"
_VPX = {**_MPEG, "cpu-used": "8", "deadline": "realtime"}

# name: (encoder, pixels, options, containers)
CODECS: dict[str, tuple[str, str, dict[str, str], str]] = {
    "h264": ("libx264", "yuv420p", {**_X264, "bf": "0"}, "mp4 mov mkv avi ts flv mpg 3gp nut asf mxf"),
    "h264-b": ("libx264", "yuv420p", {**_X264, "bf": "3"}, "mp4 mov mkv avi ts flv mpg 3gp nut asf mxf"),
    "h264-open": (
        "libx264",
        "yuv420p",
        {**_X264, "bf": "3", "x264-params": "open-gop=1"},
        "mp4 mov mkv avi ts flv mpg nut asf mxf",
    ),
    "h264-refresh": ("libx264", "yuv420p", {**_X264, "bf": "0", "intra-refresh": "1"}, "mp4 mkv avi ts flv mpg"),
    "h264-one-group": ("libx264", "yuv420p", {**_X264, "bf": "3", "g": "300"}, "mp4 mkv ts"),
    "hevc": ("libx265", "yuv420p", {"x265-params": f"{_X265}:open-gop=0"}, "mp4 mov mkv ts"),
    "hevc-open": ("libx265", "yuv420p", {"x265-params": f"{_X265}:open-gop=1"}, "mp4 mov mkv ts"),
    "mpeg4": ("mpeg4", "yuv420p", {**_MPEG, "bf": "0"}, "mp4 mov mkv avi ts mpg asf nut"),
    "mpeg4-b": ("mpeg4", "yuv420p", {**_MPEG, "bf": "2"}, "mp4 mov mkv avi ts mpg asf nut"),
    "mpeg2": ("mpeg2video", "yuv420p", {**_MPEG, "bf": "0"}, "mp4 mov mkv avi ts mpg asf nut mxf"),
    "mpeg2-b": ("mpeg2video", "yuv420p", {**_MPEG, "bf": "2"}, "mp4 mov mkv avi ts mpg asf nut mxf"),
    "mpeg2-closed": (
        "mpeg2video",
        "yuv420p",
        {**_MPEG, "bf": "2", "flags": "+cgop", "sc_threshold": "1000000000"},
        "mkv ts mpg",
    ),
    "mpeg1-b": ("mpeg1video", "yuv420p", {**_MPEG, "bf": "2"}, "mpg mkv"),
    "mjpeg": ("mjpeg", "yuvj420p", {"q": "3"}, "mp4 mov mkv avi asf"),
    "vp8": ("libvpx", "yuv420p", _VPX, "mkv webm avi"),
    "vp9": ("libvpx-vp9", "yuv420p", _VPX, "mkv webm avi mp4 ivf"),
    "vp8-alpha": ("libvpx", "yuva420p", {**_VPX, "auto-alt-ref": "0"}, "webm"),
    "vp9-alpha": ("libvpx-vp9", "yuva420p", {**_VPX, "auto-alt-ref": "0"}, "webm"),
    "av1": (
        "libsvtav1",
        "yuv420p",
        {**_G, "preset": "10", "crf": "8", "svtav1-params": f"keyint={GROUP}"},
        "mkv webm avi mp4 obu",
    ),
    "theora": ("libtheora", "yuv420p", _MPEG, "ogv mkv avi"),
    "prores": ("prores_ks", "yuv422p10le", {}, "mov mkv"),
    "raw": ("rawvideo", "yuv420p", {}, "mkv avi nut"),
    "raw-rgb": ("rawvideo", "bgr24", {}, "mov avi nut"),
    "ffv1": ("ffv1", "yuv420p", _G, "mkv avi nut"),
    "huffyuv": ("huffyuv", "yuv422p", {}, "avi nut"),
    "png": ("png", "rgb24", {}, "mov avi nut"),
    "qtrle": ("qtrle", "rgb24", _G, "mov"),
    "flashsv": ("flashsv", "bgr24", _G, "avi nut flv"),
    "zmbv": ("zmbv", "bgr0", _G, "avi nut"),
    "msvideo1": ("msvideo1", "rgb555le", _G, "avi nut"),
    "cinepak": ("cinepak", "rgb24", _G, "mov avi nut"),
    "svq1": ("svq1", "yuv410p", _G, "mov avi nut"),
    "wmv1": ("wmv1", "yuv420p", _MPEG, "wmv avi"),
    "wmv2": ("wmv2", "yuv420p", _MPEG, "wmv avi"),
    "msmpeg4": ("msmpeg4", "yuv420p", _MPEG, "asf avi mkv"),
    "sorenson": ("flv", "yuv420p", _MPEG, "flv"),
    "gif": ("gif", "gray", {}, "gif"),
    "apng": ("apng", "rgb24", {}, "apng"),
    "webp": ("libwebp_anim", "yuv420p", {}, "webp"),
    "h264 alone": ("libx264", "yuv420p", {**_X264, "bf": "3"}, "h264"),
    "hevc alone": ("libx265", "yuv420p", {"x265-params": _X265}, "hevc"),
    "mpeg4 alone": ("mpeg4", "yuv420p", {**_MPEG, "bf": "2"}, "m4v"),
    "mpeg2 alone": ("mpeg2video", "yuv420p", {**_MPEG, "bf": "2"}, "m2v"),
}

_LONG_GROUPS = ("h264", "hevc", "mpeg4", "mpeg2-b", "vp8", "vp9", "av1", "theora", "wmv2", "sorenson")
_STEPS = (0.02, 0.04, 0.08, 0.04, 0.1, 0.02, 0.04)  # seconds from frame to frame of a variable rate
_UNEVEN = tuple(round(sum(_STEPS[i % len(_STEPS)] for i in range(k)), 2) for k in range(COUNT))


def _recipes() -> Iterator[tuple[str, Recipe]]:
    for name, (codec, pix_fmt, options, containers) in CODECS.items():
        for suffix in containers.split():
            plain = Recipe(suffix, codec, pix_fmt, options)
            yield f"{suffix} {name}", plain
            alone = suffix in ("h264", "hevc", "m4v", "m2v", "ivf", "obu")
            if name.startswith(_LONG_GROUPS) and not alone and name not in ("h264-refresh", "h264-one-group"):
                if not name.endswith("alpha") and suffix not in ("mxf", "3gp"):
                    yield f"{suffix} {name}, begins within a group", replace(plain, dropped=7)
            if name in ("h264-b", "vp9", "mpeg2-b", "theora") and suffix not in ("avi", "asf", "ivf"):
                yield f"{suffix} {name}, late clock", replace(plain, offset=5000.0)
            # neither MXF nor MPEG program streams hold a variable rate; AVI and ASF hold it for frames in stored order
            in_order = name in ("h264", "mpeg4") and suffix in ("avi", "asf")
            if in_order or name in ("h264-b", "vp9", "theora") and suffix in ("mp4", "mov", "mkv", "webm", "ts", "flv"):
                yield f"{suffix} {name}, variable rate", replace(plain, times=_UNEVEN)
            if name in ("h264", "mpeg4") and suffix in ("mp4", "mkv", "avi", "ts"):
                yield f"{suffix} {name}, not stamped", replace(plain, stamped=False)
    mp4 = Recipe("mp4", *CODECS["h264-b"][:3])
    yield "mp4 in fragments", replace(mp4, container={"movflags": "frag_keyframe+empty_moov"})
    yield "mp4 with negative offsets", replace(mp4, container={"movflags": "negative_cts_offsets"})
    yield "mp4 without edit list", replace(mp4, container={"use_editlist": "0"})
    yield "mkv without index", replace(mp4, suffix="mkv", container={"live": "1"})


RECIPES = dict(_recipes())
