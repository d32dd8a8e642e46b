"""The sound of a clip over a span of time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import av
import av.error
import numpy as np
import torch
from numpy.typing import NDArray

from .animated_webp import is_animated_webp
from .clip import Audio
from .reader import opened_at_first_frame
from .seek import WITH_INDEX
from .source import Source, demuxed, open_video

if TYPE_CHECKING:
    from av.audio.stream import AudioStream
    from av.container import InputContainer

_RUN_UP = 1.0  # seconds decoded before those asked for, as some decoders need
_GAP = 0.1  # seconds; smaller jumps of the time stamps are rounding and must not tear the wave


def read_audio(source: Source, start: float, duration: float) -> Audio | None:
    """First sound stream of `source` from `start` for `duration` seconds, at its own sample rate; None without one.

    Times count from the first picture that can be shown. Where the sound is missing there is silence.

    Raises:
        DisMoError: `source` cannot be read.
    """
    if is_animated_webp(source):
        return None
    with opened_at_first_frame(source) as (reader, first):
        if _sound(reader.container) is None:
            return None
        stamp = reader.stream.start_time if first.stamp is None else first.stamp
        zero = (stamp or 0) * reader.tick
        seek = start > _RUN_UP and reader.container.format.name in WITH_INDEX
    sound = _read(source, zero, start, duration, seek)
    return _read(source, zero, start, duration, False) if sound is None else sound


def _sound(container: InputContainer) -> AudioStream | None:
    return next((stream for stream in container.streams.audio if stream.codec_context is not None), None)


def _read(source: Source, zero: float, start: float, duration: float, seek: bool) -> Audio | None:
    """The sound; None where a seek was asked for and did not land before `start`."""
    with open_video(source) as (container, _):
        stream = _sound(container)
        assert stream is not None
        rate = stream.rate
        if seek:
            try:
                container.seek(int((zero + start - _RUN_UP) * av.time_base), backward=True)
            except av.error.FFmpegError as error:
                if isinstance(error, MemoryError):
                    raise
                return None
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
                if seek and position is None and wanted > 0:
                    return None
                if position is not None and wanted < position - rate:  # a second back: the clock began again
                    zero -= (position - wanted) / rate
                    wanted = position
                if position is None or abs(wanted - position) > _GAP * rate:
                    position = wanted
                if position + frame.samples < -_RUN_UP * rate:
                    position += frame.samples
                    continue
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
