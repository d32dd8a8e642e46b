"""A decoded frame as it is shown: RGB by its color tags, alpha over a background, pixels made square, upright."""

from __future__ import annotations

import struct
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import av
import av.filter
import numpy as np
import torch
from torch import Tensor

from .alpha import BLACK, RGB, over_background
from .source import MOST_PIXELS

if TYPE_CHECKING:
    from av.video.frame import VideoFrame

_MOST_STRETCH = 8  # times wider or higher than square; pixel shapes beyond are damaged


class ToRGB:
    """Turns frames of one stream into uint8 [H, W, 3].

    FFmpeg's scale filter does the conversion: it obeys the color tags of each frame in every FFmpeg version, which
    PyAV's own `reformat` does not. Frames without tags are taken as FFmpeg, torchcodec and ComfyUI take them: BT.601,
    limited range. HDR transfer curves (PQ, HLG) are not tone-mapped.

    Args:
        pixel_shape: width over height of one stored pixel, as the stream tells it; None or 0 = square.
        background: color that shows through transparent pixels.
    """

    def __init__(self, pixel_shape: Fraction | None = None, background: RGB = BLACK) -> None:
        self._pixel_shape = pixel_shape
        self._background = background
        self._key: tuple[object, ...] = ()
        self._graph: av.filter.Graph | None = None
        self._matrix: tuple[int, ...] | None = None

    def __call__(self, frame: VideoFrame) -> Tensor:
        key = (frame.width, frame.height, frame.format.name, frame.colorspace, frame.color_range, frame.rotation)
        if self._graph is None or key != self._key:  # a stream may change size half-way
            self._matrix = display_matrix(frame)
            width, height = square_size(frame.width, frame.height, self._pixel_shape)
            # bicubic as torchcodec, so that both backends give equal pixels
            self._graph, self._key = _graph(frame, f"{width}:{height}:flags=bicubic"), key
        self._graph.push(frame)
        converted = self._graph.pull()
        assert isinstance(converted, av.VideoFrame)
        pixels = converted.to_ndarray().astype(np.uint8, copy=False)
        if pixels.shape[2] == 4:
            pixels = over_background(pixels, self._background)
        return upright(torch.from_numpy(pixels), self._matrix)


def square_size(width: int, height: int, pixel_shape: Fraction | None) -> tuple[int, int]:
    """Width and height at which a picture of width x height stored pixels is shown with square ones.

    Only the width changes, as in players. Shapes that cannot be meant are passed over.
    """
    if not pixel_shape or not 1 / _MOST_STRETCH <= pixel_shape <= _MOST_STRETCH:
        return width, height
    shown = max(1, round(width * pixel_shape))
    return (shown, height) if shown * height <= MOST_PIXELS else (width, height)


def _graph(frame: VideoFrame, scaling: str) -> av.filter.Graph:
    graph = av.filter.Graph()
    source = graph.add_buffer(
        width=frame.width, height=frame.height, format=frame.format, time_base=frame.time_base or Fraction(1, 1000)
    )
    scale = graph.add("scale", scaling)
    target = graph.add("format", "rgba" if has_alpha(frame.format) else "rgb24")
    sink = graph.add("buffersink")
    source.link_to(scale)
    scale.link_to(target)
    target.link_to(sink)
    graph.configure()
    return graph


def has_alpha(pixels: av.VideoFormat) -> bool:
    """Whether pixels of this format can be transparent; entries of a palette can."""
    return pixels.has_palette or any(component.is_alpha for component in pixels.components)


def display_matrix(frame: VideoFrame) -> tuple[int, ...] | None:
    """The nine numbers by which the file asks players to turn or mirror the picture, or None."""
    # PyAV never frees a frame whose `side_data` was looked at: look at a copy of 2 x 2 pixels
    graph = _graph(frame, "2:2")
    graph.push(frame)
    copy = graph.pull()
    assert isinstance(copy, av.VideoFrame)
    data: Any = copy.side_data.get("DISPLAYMATRIX")
    return None if data is None else struct.unpack("=9i", memoryview(data)[:36])


def turned_sideways(matrix: tuple[int, ...] | None) -> bool:
    """Whether `upright` exchanges height and width."""
    return matrix is not None and abs(matrix[1]) > abs(matrix[0])


def upright(pixels: Tensor, matrix: tuple[int, ...] | None) -> Tensor:
    """Apply a display matrix to [H, W, 3], to the nearest quarter turn (x' = a x + c y, y' = b x + d y)."""
    if matrix is None:
        return pixels
    a, b, _, c, d = matrix[:5]
    if turned_sideways(matrix):
        pixels, mirror, flip = pixels.transpose(0, 1), c < 0, b < 0
    else:
        mirror, flip = a < 0, d < 0
    dims = [dim for dim, wanted in ((0, flip), (1, mirror)) if wanted]
    return pixels.flip(dims).contiguous()
