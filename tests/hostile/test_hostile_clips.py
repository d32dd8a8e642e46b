"""Clips made by hand to mislead: far time stamps, texts in no known encoding, lists of addresses, sizes beyond reason."""

from __future__ import annotations

import io
import socket
import struct
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction

import av
import psutil
import pytest
import torch

from dismo_core import DisMoError
from dismo_core.video import iter_video, probe, read_image, read_video, write_video


def clip(path, seconds):
    """Grey frames of rising level at the given times."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=10)
        stream.height, stream.width, stream.pix_fmt = 32, 32, "bgr0"
        stream.codec_context.time_base = Fraction(1, 1000)
        for index, second in enumerate(seconds):
            frame = av.VideoFrame.from_ndarray(torch.full((32, 32, 3), 20 * index, dtype=torch.uint8).numpy())
            frame = frame.reformat(format="bgr0")
            frame.pts, frame.time_base = round(1000 * second), Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def test_a_time_stamp_that_jumps_for_hours_is_taken_for_the_next_frame(tmp_path):
    path = clip(tmp_path / "jump.mkv", [0, 0.1, 0.2, 90_000, 90_000.1])
    sampled = list(iter_video(path, fps=10))
    assert [round(float(frame.float().mean()) / 20) for frame in sampled] == [0, 1, 2, 3, 4]


def test_a_frame_may_be_held_for_minutes(tmp_path):
    sampled = list(iter_video(clip(tmp_path / "slides.mkv", [0, 900, 1800]), fps=0.1))
    assert len(sampled) == 181


def test_reading_from_late_in_a_long_video(tmp_path):
    path = clip(tmp_path / "long.mkv", [1000 * k for k in range(9)])
    assert round(float(read_video(path, fps=1, start=7000, frames=1).frames.float().mean()) / 20) == 7


def test_texts_in_no_known_encoding_are_shown_as_far_as_they_go(tmp_path):
    write_video(tmp_path / "a.mp4", torch.zeros(2, 32, 32, 3, dtype=torch.uint8), 8, metadata={"comment": "words"})
    data = (tmp_path / "a.mp4").read_bytes()
    assert data.count(b"words") == 1
    assert probe(data.replace(b"words", b"wor\xffs")).metadata["comment"] == "wor\ufffds"


@pytest.fixture
def listener():
    """A port, and a function that tells whether anybody has called."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)

        def called():
            try:
                server.accept()[0].close()
                return True
            except BlockingIOError:
                return False

        yield server.getsockname()[1], called


LISTS = {
    "hls": "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{url}/a.ts\n#EXT-X-ENDLIST\n",
    "hls of lists": "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n{url}/a.m3u8\n",
    "concat": "ffconcat version 1.0\nfile {url}/a.mp4\n",
    "sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\na=rtpmap:96 H264/90000\n",
    "dash": '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" mediaPresentationDuration="PT9S">'
    '<Period><AdaptationSet mimeType="video/mp4"><Representation id="1" bandwidth="1"><BaseURL>{url}/v.mp4</BaseURL>'
    "</Representation></AdaptationSet></Period></MPD>",
    "rtsp": "[Reference]\nRef1={url}/a.asf\n",
}


@pytest.mark.parametrize("suffix", ["mp4", "m3u8", None])
@pytest.mark.parametrize("name", LISTS)
def test_lists_of_addresses_call_nobody(tmp_path, listener, name, suffix):
    port, called = listener
    content = LISTS[name].format(url=f"http://127.0.0.1:{port}").encode()
    source = io.BytesIO(content) if suffix is None else tmp_path / f"clip.{suffix}"
    if suffix is not None:
        source.write_bytes(content)

    def sockets():
        return {(c.fd, c.laddr) for c in psutil.Process().net_connections("inet")}

    before, opened = sockets(), set()
    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(read_video, source, fps=8, frames=5)
        while not reading.done():
            opened |= sockets() - before
        with pytest.raises(DisMoError):
            reading.result()
    assert not opened and not called()


def test_sizes_beyond_reason_are_refused_with_the_size(tmp_path):
    from PIL import Image

    Image.new("1", (9000, 9000)).save(tmp_path / "large.png")
    with pytest.raises(DisMoError, match=r"large.png is 9000x9000 px; at most 67 million"):
        read_image(tmp_path / "large.png")
    Image.new("L", (8, 8)).save(tmp_path / "a.gif")
    data = bytearray((tmp_path / "a.gif").read_bytes())
    data[6:10] = struct.pack("<HH", 65_535, 65_535)
    with pytest.raises(DisMoError):
        read_video(bytes(data))


def test_formats_that_pillow_hands_to_other_programs_are_refused(tmp_path):
    (tmp_path / "a.eps").write_text("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n")
    with pytest.raises(DisMoError, match="its format is not known"):
        read_image(tmp_path / "a.eps")
