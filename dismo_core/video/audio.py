"""The sound of a clip over a span of time."""

from __future__ import annotations

from typing import Any

import av
import av.error
import numpy as np
import torch
from numpy.typing import NDArray

from .animated_webp import is_animated_webp
from .clip import Audio
from .source import Source, demuxed, open_video

_GAP = 0.1  # seconds; smaller jumps of the time stamps are rounding and must not tear the wave


def read_audio(source: Source, start: float, duration: float) -> Audio | None:
    """First sound stream of `source` from `start` for `duration` seconds, at its own sample rate; None without one.

    Times count from the beginning of the video stream. Where the sound is missing there is silence.

    Raises:
        DisMoError: `source` cannot be read.
    """
    if is_animated_webp(source):
        return None
    with open_video(source) as (container, video):
        stream = next((s for s in container.streams.audio if s.codec_context is not None), None)
        if stream is None:
            return None
        rate = stream.rate
        zero = float((video.start_time or 0) * (video.time_base or 0))
        if start > 1:
            try:
                container.seek(int((zero + start - 1) * av.time_base), backward=True)
            except av.error.FFmpegError as error:  # it cannot seek: all of it is read
                if isinstance(error, MemoryError):
                    raise
        resampler = av.AudioResampler(format="fltp", layout=stream.layout, rate=rate)
        wave = np.zeros((stream.layout.nb_channels, round(duration * rate)), np.float32)
        position: int | None = None
        for packet in demuxed(container, stream):
            try:
                frames = packet.decode()
            except av.error.InvalidDataError:
                continue  # a damaged piece stays silent
            for frame in frames:
                wanted = round(((frame.time or 0.0) - zero - start) * rate)
                if position is not None and wanted < position - rate:  # a second back: the clock began anew
                    zero -= (position - wanted) / rate
                    wanted = position
                if position is None or abs(wanted - position) > _GAP * rate:
                    position = wanted
                try:
                    parts = resampler.resample(frame)
                except ValueError:  # the sound changes its kind half-way
                    resampler = av.AudioResampler(format="fltp", layout=stream.layout, rate=rate)
                    parts = resampler.resample(frame)
                for part in parts:
                    position = _place(wave, part.to_ndarray(), position)
            if position is not None and position >= wave.shape[1]:
                break
    return Audio(torch.from_numpy(wave), rate)


def _place(wave: NDArray[np.float32], part: NDArray[Any], position: int) -> int:
    begin, end = max(position, 0), min(position + part.shape[1], wave.shape[1])
    if begin < end:
        wave[:, begin:end] = part[:, begin - position : end - position]
    return position + int(part.shape[1])
