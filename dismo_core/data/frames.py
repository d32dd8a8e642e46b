"""Single frames of a video by their number, decoding no more than lies between them and the key frame before."""

from __future__ import annotations

import contextlib
import io
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

import av.error
import torch
from torch import Tensor

from ..errors import DisMoError
from ..video.color import ToRGB
from ..video.reader import Reader, is_transparent, native_fps
from ..video.source import demuxed, open_video, readable

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.packet import Packet
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream


class Unusable(Exception):
    """A sample that training leaves out and counts; never reaches the user as an error.

    Args:
        reason: one or two words under which it is counted.
        detail: the whole story, for the report.
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


class IndexedVideo:
    """A video whose frames are numbered in the order in which they are shown; made by `open_indexed`.

    PyAV alone decodes here: torchcodec was not faster in one thread, and the samples of a run must not depend on
    which libraries a machine has.

    Args:
        fps: average native frames per second.
    """

    def __init__(self, container: InputContainer, stream: VideoStream, source: io.BytesIO) -> None:
        self.fps = native_fps(stream)
        self._container, self._stream, self._source = container, stream, source
        self._transparent = is_transparent(stream)
        stream.codec_context.thread_count = 1  # workers decode side by side, each on its own core
        with contextlib.suppress(av.error.InvalidDataError):  # breaks off: what was read so far counts
            packets, stored = [], []
            for packet in demuxed(container, stream):
                if packet.size and not packet.is_discard:
                    packets.append((packet.pts, packet.is_keyframe))
                    stored.append(packet.dts)
        times = sorted({pts for pts, _ in packets if pts is not None})
        self._length = len(packets)
        # Some files give packets no times, or one twice, AVI numbers reordered frames as they are stored, the clock of joined
        # recordings starts again, and palettes and alpha channels have beginnings of their own: frames are counted from the
        # beginning then.
        reordered = container.format.name == "avi" and stream.codec_context.has_b_frames
        known = [dts for dts in stored if dts is not None]
        restarted = any(after < before for before, after in pairwise(known))
        known_times = len(times) == len(packets) and not (reordered or restarted or self._transparent)
        self._times = times if known_times else None
        self._keys = sorted(pts for pts, key in packets if key and pts is not None)

    def __len__(self) -> int:
        return self._length

    def frames(self, numbers: Sequence[int]) -> Tensor:
        """Frames uint8 [K, H, W, 3], RGB, upright, with the given numbers (0 to len - 1, in any order, repeats allowed).

        Raises:
            Unusable: one of them cannot be decoded, or the picture changes its size.
        """
        wanted = set(numbers)
        last = max(wanted)
        found: dict[int, Tensor] = {}
        to_rgb = ToRGB(self._stream.sample_aspect_ratio)
        for number, frame in self._decoded(min(wanted)):
            if number in wanted:
                found[number] = to_rgb(frame)
            if number >= last:
                break
        missing = wanted - found.keys()
        if missing:
            raise Unusable("damaged", f"frame {min(missing)} of {len(self)} cannot be decoded")
        if len({frame.shape for frame in found.values()}) > 1:
            raise Unusable("changes size", "the picture changes its size within the clip")
        return torch.stack([found[number] for number in numbers])

    def _decoded(self, first: int) -> Iterator[tuple[int, VideoFrame]]:
        """Numbered frames, beginning with `first` or an earlier one."""
        if self._times is None:
            if self._transparent:  # opened again, since a palette comes once
                with open_video(io.BytesIO(self._source.getvalue())) as (container, stream):
                    reader = Reader(container, stream, self._source, one_frame=True)  # in one thread
                    yield from enumerate(decoded.frame for decoded in reader.frames(reader.packets()))
                return
            self._container.seek(0)
            yield from enumerate(_decode(self._stream, demuxed(self._container, self._stream)))
            return
        number = {pts: k for k, pts in enumerate(self._times)}
        for frame in _decode(self._stream, self._packets_from_key(self._times[first])):
            if frame.pts in number:
                yield number[frame.pts], frame

    def _packets_from_key(self, time: int) -> Iterator[Packet[VideoStream]]:
        """Packets from the last key frame not later than `time`, where the container can seek there, else all of them."""
        assert self._times is not None
        key = self._keys[max(0, bisect_right(self._keys, time) - 1)] if self._keys else self._times[0]
        for target in (key, self._times[0]):
            self._container.seek(target, stream=self._stream, backward=True)
            packets = (packet for packet in demuxed(self._container, self._stream) if packet.size)
            for packet in packets:
                if packet.is_keyframe and packet.pts is not None and packet.pts <= time:
                    yield packet
                    yield from packets
                    return
                break


def _decode(stream: VideoStream, packets: Iterable[Packet[VideoStream]]) -> Iterator[VideoFrame]:
    """Frames of packets; those that cannot be decoded are passed over."""
    with contextlib.suppress(av.error.InvalidDataError):  # the container breaks off
        for packet in packets:
            with contextlib.suppress(av.error.InvalidDataError):
                yield from stream.decode(packet)
    with contextlib.suppress(av.error.InvalidDataError):
        yield from stream.decode(None)


@contextlib.contextmanager
def open_indexed(data: bytes, name: str) -> Iterator[IndexedVideo]:
    """Open a video for picking frames by number.

    Args:
        data: the file.
        name: what messages call it.

    Raises:
        Unusable: empty, not a video, no pictures in it; also while frames are read.
    """
    if not data:
        raise Unusable("empty", "the file has no bytes")
    file = io.BytesIO(data)
    file.name = name
    try:
        with open_video(file) as (container, stream), readable(file):
            video = IndexedVideo(container, stream, file)
            if not len(video):
                raise Unusable("unreadable", "there are no frames in it")
            yield video
    except DisMoError as error:
        raise Unusable("unreadable", str(error)) from error
