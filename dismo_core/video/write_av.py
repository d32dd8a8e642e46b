"""MP4 and WebM through PyAV."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import av
import av.error
import av.filter
import numpy as np
import torch
from torch import Tensor

from ..errors import DisMoError
from .clip import Audio

if TYPE_CHECKING:
    from av.audio.stream import AudioStream
    from av.container import OutputContainer
    from av.video.stream import VideoStream

_BT709, _LIMITED, _FULL = 1, 1, 2  # the numbers of AVCOL_SPC/PRI/TRC_BT709, AVCOL_RANGE_MPEG and _JPEG
_AUDIO_PIECE = 1024  # samples
_AAC_RATES = {8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 64000, 88200, 96000}
_VIDEO = {
    # Macroblock trees read memory that was never written: the same frames would give another file each time.
    "mp4": ("libx264", {"preset": "medium", "x264-params": "mbtree=0"}),
    "webm": ("libvpx-vp9", {"b": "0", "deadline": "good", "cpu-used": "4", "row-mt": "1"}),
}
_LAYOUTS = ("mono", "stereo", "2.1", "quad", "5.0", "5.1", "6.1", "7.1")
_AUDIO = {"mp4": "aac", "webm": "libopus"}
# use_metadata_tags: else MP4 drops all tags but title, artist and the like; ComfyUI looks for `prompt` and `workflow`
_CONTAINER = {"mp4": {"movflags": "+faststart+use_metadata_tags"}, "webm": {}}
_HEADER = bytes(1 << 16)  # more than a header needs


def write_container(
    path: Path,
    first: Tensor,
    rest: Iterable[Tensor],
    rate: Fraction,
    kind: str,
    crf: int,
    audio: Audio | None,
    metadata: Mapping[str, str],
    full_range: bool = False,
) -> None:
    """Encode checked frames (uint8 [H, W, 3], all of one size) to `path`; arguments as `write_video`.

    Raises:
        DisMoError: the encoder is missing or refuses.
        OSError: the disk (turned into `DisMoError` by `atomic_write`).
    """
    try:
        path.write_bytes(_HEADER)  # PyAV never closes a file whose header did not fit on the disk
        with av.open(str(path), "w", format=kind, options=_CONTAINER[kind]) as container:
            container.metadata.update(metadata)
            video = _video_stream(container, first, rate, kind, crf, full_range)
            sound = None if audio is None else _Sound(container, audio, kind)
            to_yuv = _ToYUV(first, rate, full_range)
            for index, frame in enumerate(chain((first,), rest)):
                container.mux(video.encode(to_yuv(frame, index)))
                if sound is not None:
                    sound.write_until((index + 1) / rate)
            container.mux(video.encode())
            if sound is not None:
                sound.finish()
    except av.error.FFmpegError as error:
        if isinstance(error, (MemoryError, OSError)):
            raise
        height, width = first.shape[:2]
        raise DisMoError(
            f"The {kind} encoder refused {width}x{height} frames at {float(rate):g} fps: {error}. "
            "Try another size, rate or format."
        ) from error


def _video_stream(
    container: OutputContainer, first: Tensor, rate: Fraction, kind: str, crf: int, full: bool
) -> VideoStream:
    codec, options = _VIDEO[kind]
    try:
        stream = container.add_stream(codec, rate=rate, options={**options, "crf": str(crf)})
    except av.error.EncoderNotFoundError as error:
        raise DisMoError(
            f"This build of PyAV has no {codec} encoder, which {kind} needs. Install PyAV from its own wheels "
            "(pip install av), or write another format."
        ) from error
    assert isinstance(stream, av.VideoStream)
    stream.height, stream.width = (side + side % 2 for side in first.shape[:2])
    stream.pix_fmt = "yuv420p"
    context = stream.codec_context
    context.colorspace = context.color_primaries = context.color_trc = _BT709
    context.color_range = _FULL if full else _LIMITED
    return stream


class _ToYUV:
    """uint8 [H, W, 3] to a BT.709 frame with even sides, edges repeated."""

    def __init__(self, first: Tensor, rate: Fraction, full: bool) -> None:
        self._time_base = 1 / rate
        height, width = (side + side % 2 for side in first.shape[:2])
        self._graph = av.filter.Graph()
        source = self._graph.add_buffer(
            width=width, height=height, format=av.VideoFormat("rgb24"), time_base=self._time_base
        )
        scale = self._graph.add(
            "scale",
            f"out_color_matrix=bt709:out_range={'pc' if full else 'tv'}:flags=bicubic+accurate_rnd+full_chroma_int+full_chroma_inp",
        )
        target = self._graph.add("format", "yuv420p")
        sink = self._graph.add("buffersink")
        source.link_to(scale)
        scale.link_to(target)
        target.link_to(sink)
        self._graph.configure()

    def __call__(self, pixels: Tensor, index: int) -> av.VideoFrame:
        height, width = pixels.shape[:2]
        array = np.pad(pixels.numpy(), ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
        frame = av.VideoFrame.from_ndarray(array, format="rgb24")
        frame.pts, frame.time_base = index, self._time_base
        self._graph.push(frame)
        converted = self._graph.pull()
        assert isinstance(converted, av.VideoFrame)
        converted.pts, converted.time_base = index, self._time_base
        converted.pict_type = av.video.frame.PictureType.NONE
        return converted


class _Sound:
    """The sound stream, written in step with the video so that the muxer need not hold the video back."""

    def __init__(self, container: OutputContainer, audio: Audio, kind: str) -> None:
        self._container = container
        self._wave = audio.waveform.detach().cpu().clamp(-1, 1)
        self._rate = audio.sample_rate
        self._done = 0
        self._layout = _LAYOUTS[self._wave.shape[0] - 1]
        written = _LAYOUTS[min(self._wave.shape[0], 2) - 1]
        rate = self._rate if kind == "mp4" and self._rate in _AAC_RATES else 48_000  # Opus always works at 48 kHz
        stream = container.add_stream(_AUDIO[kind], rate=rate)
        assert isinstance(stream, av.AudioStream)
        stream.codec_context.layout = written
        self._stream: AudioStream = stream
        self._resampler = av.AudioResampler(format=stream.codec_context.format or "fltp", layout=written, rate=rate)

    def write_until(self, seconds: Fraction) -> None:
        end = min(round(seconds * self._rate), self._wave.shape[1])
        while self._done < end:
            self._write(self._wave[:, self._done : min(self._done + _AUDIO_PIECE, end)])

    def finish(self) -> None:
        for part in self._resampler.resample(None):
            self._container.mux(self._stream.encode(part))
        self._container.mux(self._stream.encode())

    def _write(self, piece: Tensor) -> None:
        frame = av.AudioFrame.from_ndarray(torch.Tensor.numpy(piece.contiguous()), format="fltp", layout=self._layout)
        frame.sample_rate = self._rate
        frame.pts, frame.time_base = self._done, Fraction(1, self._rate)
        self._done += piece.shape[1]
        for part in self._resampler.resample(frame):
            self._container.mux(self._stream.encode(part))
