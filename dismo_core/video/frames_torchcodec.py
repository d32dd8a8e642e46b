"""The second backend: torchcodec, where its libraries load. Same frames as PyAV; mainly a check of one by the other."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from ..errors import DisMoError
from .color import ToRGB
from .frame_timing import DEFAULT_DISPLAY, Display
from .reader import is_transparent, opened_at_first_frame
from .sample import slack
from .source import Source, file_object, label

_FULL_RANGE = 2  # AVCOL_RANGE_JPEG


def torchcodec_frames(
    source: Source, fps: float | None, start: float, display: Display = DEFAULT_DISPLAY
) -> Iterator[Tensor]:
    """Frames as `iter_video`, decoded by torchcodec, which keeps no alpha: files that have it are refused.

    Raises:
        DisMoError: torchcodec does not load here, or cannot read this source; PyAV may.
    """
    decoder_class = _decoder_class()
    with opened_at_first_frame(source) as (reader, first):  # also refuses what is no video, in the same words as PyAV
        tick, number = reader.tick, reader.stream.index
        context = reader.stream.codec_context
        if context.color_range == _FULL_RANGE and "yuvj" not in (context.pix_fmt or ""):
            raise _cannot_read(source, "its colors are tagged as full range, which torchcodec does not obey")
        if is_transparent(reader.stream):
            raise _cannot_read(source, "it has transparency, which torchcodec leaves out")
        if first.stamp is None or reader.stored_order:
            raise _cannot_read(source, "it does not tell when its frames are shown")
        zero = first.stamp * tick
        to_rgb = ToRGB(reader.stream.sample_aspect_ratio if display.square else None)
        size = to_rgb(first.frame).shape[:2]
    where = source if isinstance(source, bytes) else file_object(source)
    if isinstance(source, (str, os.PathLike)):
        where.close()  # type: ignore[union-attr]
        where = os.fspath(source)  # type: ignore[assignment]
    try:
        decoder = decoder_class(where, dimension_order="NHWC", stream_index=number)
        end = decoder.metadata.end_stream_seconds
    except (RuntimeError, ValueError) as error:
        raise _cannot_read(source, error) from error
    time, k = start, 0
    while zero + time + slack(tick) < end:
        try:
            frame = decoder.get_frame_played_at(zero + time + slack(tick))
        except (RuntimeError, ValueError, IndexError) as error:
            if isinstance(error, torch.OutOfMemoryError):
                raise
            raise _cannot_read(source, error) from error
        yield _stretched(frame.data, size)
        k += 1
        time = start + k / fps if fps is not None else frame.pts_seconds + frame.duration_seconds - zero


def _stretched(frame: Tensor, size: torch.Size) -> Tensor:
    """A frame [H, W, 3] at the (height, width) at which it is shown; bicubic, up to a few levels from PyAV's."""
    if frame.shape[:2] == size:
        return frame
    planes = frame.permute(2, 0, 1)[None]
    stretched = torch.nn.functional.interpolate(planes, size=size, mode="bicubic", antialias=True, align_corners=False)
    return stretched[0].permute(1, 2, 0).contiguous()


def _cannot_read(source: Source, reason: Exception | str) -> DisMoError:
    reason = (str(reason).strip().splitlines() or [""])[0]
    return DisMoError(f"torchcodec cannot read {label(source)}: {reason}. Use backend 'pyav'.")


def _decoder_class() -> Any:
    try:
        from torchcodec.decoders import VideoDecoder  # type: ignore[attr-defined,unused-ignore]
    except (ImportError, OSError, RuntimeError) as error:  # RuntimeError and OSError: its shared libraries do not load
        reason = (str(error).strip().splitlines() or [""])[0]
        raise DisMoError(f"torchcodec does not load here: {reason} Use backend 'auto' or 'pyav'.") from error
    return VideoDecoder
