"""The second backend: torchcodec, where its libraries load. Same frames as PyAV; mainly a check of one by the other."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from ..errors import DisMoError
from .sample import slack
from .source import Source, file_object, label, open_video

_FULL_RANGE = 2  # AVCOL_RANGE_JPEG


def torchcodec_frames(source: Source, fps: float | None, start: float) -> Iterator[Tensor]:
    """Frames as `iter_video`, decoded by torchcodec.

    Raises:
        DisMoError: torchcodec does not load here, or cannot read this source; PyAV may.
    """
    decoder_class = _decoder_class()
    with open_video(source) as (_, stream):  # also refuses what is no video, in the same words as PyAV
        tick = float(stream.time_base or 1e-6)
        context = stream.codec_context
        if context.color_range == _FULL_RANGE and "yuvj" not in (context.pix_fmt or ""):
            raise _cannot_read(source, "its colours are tagged as full range, which torchcodec does not obey")
    where = source if isinstance(source, bytes) else file_object(source)
    if isinstance(source, (str, os.PathLike)):
        where.close()  # type: ignore[union-attr]
        where = os.fspath(source)  # type: ignore[assignment]
    try:
        decoder = decoder_class(where, dimension_order="NHWC")
        zero, end = decoder.metadata.begin_stream_seconds, decoder.metadata.end_stream_seconds
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
        yield frame.data
        k += 1
        time = start + k / fps if fps is not None else frame.pts_seconds + frame.duration_seconds - zero


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
