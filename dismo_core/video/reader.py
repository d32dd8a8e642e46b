"""Packets and frames of one open video stream, and what is learned from them."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING

import av
import av.error
from av.codec.codec import UnknownCodecError

from .color import ToRGB, has_alpha
from .frame_timing import DEFAULT_DISPLAY, LONGEST, Display, TimedFrame
from .source import Source, demuxed, label, no_frames, open_video
from .timeline import Decoded, Timeline, in_order

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.packet import Packet
    from av.video.codeccontext import VideoCodecContext
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

log = logging.getLogger(__name__)

_NEARLY_ALL = 0.95
_FIRST_STAMPS = 64  # how many are looked at to find when the first frame is shown
_FALLBACK_FPS = 25.0  # FFmpeg's own assumption for streams without a clock
_STORED_TIMES = ("avi", "asf")  # containers that give times as packets are stored; what FFmpeg makes of them is late
_ALPHA_DECODERS = {"vp8": "libvpx", "vp9": "libvpx-vp9"}  # FFmpeg's own decoders leave the second, alpha stream out


class Reader:
    """One stream of an open container, for one reading.

    Args:
        container: open.
        stream: of it.
        source: for messages.
        one_frame: only the first frame is wanted.

    Attributes:
        tick: seconds of the stream's clock.
        interval: seconds from frame to frame where nothing else tells.
        packets_read: so far.
        reordered: a stamp of a packet was smaller than one before: the file knows in which order frames are shown.
        earliest: smallest stamp of a packet that is to be shown, in ticks; None = none was read.
        alpha_decoder: for streams whose alpha lies beside the colors; None for all others.
    """

    def __init__(
        self, container: InputContainer, stream: VideoStream, source: Source, *, one_frame: bool = False
    ) -> None:
        if not one_frame:  # side by side, frames only come when as many have been read as there are threads
            stream.thread_type = "AUTO"
        self.container, self.stream = container, stream
        self.tick = float(stream.time_base or 1e-6)
        self.interval = min(1 / native_fps(stream), LONGEST)
        self.packets_read = 0
        self.reordered = False
        self.earliest: int | None = None
        self._latest: int | None = None
        self._first_stamps: list[int] = []
        self._source = source
        self.alpha_decoder = _alpha_decoder(stream, source)
        self._decoder: VideoStream | VideoCodecContext = self.alpha_decoder or stream

    @property
    def stored_order(self) -> bool:
        """Whether packets may be stamped in the order in which they are stored, though frames are shown in another."""
        return self.stream.codec_context.has_b_frames and not self.reordered

    @property
    def ends_early(self) -> bool:
        """Whether the packets read so far are fewer than the file declares, and it is not that it repeats frames."""
        declared = declared_frames(self.stream) or 0
        if self.packets_read >= _NEARLY_ALL * declared:
            return False
        if self.stream.duration is None or self.earliest is None or self._latest is None:
            return True
        return self._latest - self.earliest < _NEARLY_ALL * self.stream.duration

    def packets(self) -> Iterator[Packet[VideoStream]]:
        """Packets from where the container stands to where it breaks off."""
        try:
            for packet in demuxed(self.container, self.stream):
                if packet.size:
                    self._note(packet)
                    yield packet
        except av.error.InvalidDataError:
            log.warning("%s breaks off: the rest of the file cannot be read.", label(self._source))

    def _note(self, packet: Packet[VideoStream]) -> None:
        self.packets_read += 1
        if self.container.format.name in _STORED_TIMES:
            packet.pts = packet.dts
        if packet.pts is None:
            return
        if len(self._first_stamps) < _FIRST_STAMPS:
            self._first_stamps.append(packet.pts)
        self.reordered |= self._latest is not None and packet.pts < self._latest
        self._latest = packet.pts if self._latest is None else max(packet.pts, self._latest)
        if not packet.is_discard and (self.earliest is None or packet.pts < self.earliest):
            self.earliest = packet.pts

    def frames(self, packets: Iterator[Packet[VideoStream]], *, whole: bool = True) -> Iterator[Decoded]:
        """Frames of packets, in the order in which they are shown.

        Args:
            whole: where the first packet builds on missing ones, leave out what comes before a picture that stands alone.
        """
        return in_order(self._decoded(packets, whole), lambda: self.stored_order, self._first_stamps)

    def _decoded(self, packets: Iterator[Packet[VideoStream]], whole: bool) -> Iterator[Decoded]:
        durations: dict[int | None, int] = {}  # by stamp; the frames of PyAV 14 do not tell
        damaged, begun = 0, not whole
        for number, packet in enumerate(chain(packets, (None,))):  # at the end the decoder still holds frames
            if packet is not None:
                durations[packet.pts] = packet.duration or 0
                begun |= number == 0 and packet.is_keyframe
            try:
                frames = self._frames_of(packet)
            except av.error.InvalidDataError:
                damaged += begun
                if begun and damaged == 1:
                    log.warning(
                        "%s: a part cannot be decoded and is skipped; the frame before it is held.", label(self._source)
                    )
                continue
            for frame in frames:
                ticks = durations.pop(frame.pts, 0)
                begun |= bool(frame.key_frame)
                if begun:
                    yield Decoded(frame, frame.pts, getattr(frame, "duration", 0) or ticks)

    def _frames_of(self, packet: Packet[VideoStream] | None) -> list[VideoFrame]:
        try:
            return self._decoder.decode(packet)
        except av.error.BlockingIOError:  # after damage, VP9 in one thread takes nothing more until it is emptied
            (self.alpha_decoder or self.stream.codec_context).flush_buffers()
            return self._decoder.decode(packet)

    def timed(
        self, frames: Iterator[Decoded], timeline: Timeline, display: Display = DEFAULT_DISPLAY
    ) -> Iterator[TimedFrame]:
        """Frames with their times."""
        to_rgb = ToRGB(self.stream.sample_aspect_ratio if display.square else None, display.background)
        for decoded in frames:
            time = timeline.seconds(decoded.stamp)
            duration = min(decoded.duration * self.tick, LONGEST) or self.interval
            yield TimedFrame(time, duration, self.tick, partial(to_rgb, decoded.frame))


@contextlib.contextmanager
def opened_at_first_frame(source: Source) -> Iterator[tuple[Reader, Decoded]]:
    """Open a video and decode the first frame that can be shown.

    Raises:
        DisMoError: not a video, or there is none.
    """
    for whole in (True, False):  # files without a single declared key frame are shown all the same
        with open_video(source) as (container, stream):
            reader = Reader(container, stream, source, one_frame=True)
            first = next(reader.frames(reader.packets(), whole=whole), None)
            if first is not None:
                yield reader, first
                return
    raise no_frames(source)


def native_fps(stream: VideoStream) -> float:
    """Average frames per second that the stream declares."""
    if stream.codec_context.name == "gif" and stream.frames and stream.duration and stream.time_base:
        return float(stream.frames / (stream.duration * stream.time_base))  # GIF has no rate: FFmpeg guesses it
    rate = stream.average_rate or stream.guessed_rate or stream.base_rate
    return float(rate) if rate else _FALLBACK_FPS


def declared_frames(stream: VideoStream) -> int | None:
    """How many frames the file says that it shows; None where it does not say, or hides some of them (edit lists)."""
    if not stream.frames:
        return None
    if stream.duration is not None and stream.time_base is not None:
        shown = float(stream.duration * stream.time_base) * native_fps(stream)
        if abs(shown - stream.frames) > 1:
            return None
    return stream.frames


def is_transparent(stream: VideoStream) -> bool:
    """Whether the stream has an alpha channel, within its pixels or, as VP8 and VP9 have it, beside them."""
    context = stream.codec_context
    return stream.metadata.get("alpha_mode") == "1" or (
        context.pix_fmt is not None and has_alpha(av.VideoFormat(context.pix_fmt))
    )


def _alpha_decoder(stream: VideoStream, source: Source) -> VideoCodecContext | None:
    name = _ALPHA_DECODERS.get(stream.codec_context.name)
    if name is None or stream.metadata.get("alpha_mode") != "1":
        return None
    try:
        decoder = av.CodecContext.create(name, "r")
    except UnknownCodecError:
        log.warning(
            "%s has an alpha channel, but this PyAV has no decoder %s for it: it is read as opaque. Install PyAV from its "
            "own wheels (pip install av).",
            label(source),
            name,
        )
        return None
    assert isinstance(decoder, av.VideoCodecContext)
    decoder.options = dict(stream.codec_context.options)
    return decoder
