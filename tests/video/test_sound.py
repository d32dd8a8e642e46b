"""Sound keeps its place beside the pictures, from wherever one begins to read."""

from fractions import Fraction

import av
import numpy as np
import pytest
from numbered_clips import CODECS, COUNT, GROUP, HEIGHT, RATE, WIDTH, picture

from dismo_core.video import read_video

SAMPLES = 48_000  # a second
LOUD_FROM = 1.2  # seconds; silence before


def clip_with_sound(path, *, dropped=0, offset=0.0, audio="aac"):
    """Numbered frames and a tone that begins at `LOUD_FROM`."""
    codec, pix_fmt, options, _ = CODECS["h264-b"]
    with av.open(str(path), "w") as container:
        video = container.add_stream(codec, rate=RATE, options=options)
        video.height, video.width, video.pix_fmt = HEIGHT, WIDTH, pix_fmt
        video.codec_context.time_base = Fraction(1, RATE)
        sound = container.add_stream(audio, rate=SAMPLES)
        sound.codec_context.layout = "mono"
        packets = []
        for number in range(COUNT):
            frame = av.VideoFrame.from_ndarray(picture(number), format="rgb24").reformat(format=pix_fmt)
            frame.pts, frame.time_base = number + round(offset * RATE), Fraction(1, RATE)
            packets += video.encode(frame)
        packets = (packets + video.encode())[dropped:]
        times = np.arange(SAMPLES * COUNT // RATE) / SAMPLES
        wave = np.where(times < LOUD_FROM, 0, 0.8 * np.sin(2 * np.pi * 440 * times)).astype(np.float32)
        wave = wave.reshape(1, -1) if audio == "aac" else (wave * 32767).astype(np.int16).reshape(1, -1)
        for begin in range(0, wave.shape[1], 1024):
            piece = av.AudioFrame.from_ndarray(
                np.ascontiguousarray(wave[:, begin : begin + 1024]),
                format="fltp" if audio == "aac" else "s16",
                layout="mono",
            )
            piece.sample_rate = SAMPLES
            piece.pts, piece.time_base = begin + round(offset * SAMPLES), Fraction(1, SAMPLES)
            packets += sound.encode(piece)
        packets += sound.encode()
        container.mux(sorted(packets, key=lambda packet: packet.dts * packet.time_base))
    return path


def loud_from(audio):
    """Seconds at which the tone begins."""
    return int((audio.waveform[0].abs() > 0.3).nonzero()[0]) / audio.sample_rate


CASES = {
    "mp4": {},
    "mkv": {},
    "ts": {},
    "avi": {"audio": "pcm_s16le"},
    "mp4, begins within a group": {"dropped": 7},
    "mkv, begins within a group": {"dropped": 7},
    "ts, begins within a group": {"dropped": 7},
    "mkv, late clock": {"offset": 5000.0},
    "ts, late clock": {"offset": 5000.0},
}


@pytest.mark.parametrize("case", CASES)
def test_sound_keeps_its_place_beside_the_pictures(tmp_path, case):
    clip = clip_with_sound(tmp_path / f"clip.{case.partition(',')[0]}", **CASES[case])
    first = GROUP / RATE if CASES[case].get("dropped") else 0.0
    assert loud_from(read_video(clip, audio=True).audio) == pytest.approx(LOUD_FROM - first, abs=0.05)
    late = 0.6  # with a run-up of a second no seek; below, one
    assert loud_from(read_video(clip, start=late, audio=True).audio) == pytest.approx(
        LOUD_FROM - first - late, abs=0.05
    )
    whole = read_video(clip, audio=True).audio.waveform[0]
    part = read_video(clip, start=1.5, audio=True).audio.waveform[0]
    begin, length = round(1.5 * SAMPLES), SAMPLES // 4
    assert float(part[:length].abs().max()) > 0.3
    lags = range(-SAMPLES // 1000, SAMPLES // 1000 + 1)  # Matroska's clock rounds to a millisecond
    assert min(float((whole[begin + lag :][:length] - part[:length]).abs().max()) for lag in lags) < 0.05
