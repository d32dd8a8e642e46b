"""Frames picked by number are the frames of the video."""

from pathlib import Path

import pytest
import torch
from made_shards import BAD

import dismo_core as dismo
import dismo_core.video
from dismo_core.data.frames import Unusable, open_indexed


def pick(path, numbers):
    with open_indexed(path.read_bytes(), path.name) as video:
        return len(video), video.fps, video.frames(numbers)


@pytest.mark.parametrize("name", ["clip0.mp4", "clip5.webm"])
def test_any_order_with_repeats(videos, name):
    whole = dismo.read_video(videos / name)
    for numbers in ([0], [35], [20, 3, 20, 11], list(range(36))):
        length, fps, frames = pick(videos / name, numbers)
        assert (length, fps) == (36, pytest.approx(24))
        assert torch.equal(frames, whole.frames[numbers])


def test_real_clip(real_clip):
    whole = dismo.read_video(real_clip).frames
    length, fps, frames = pick(real_clip, [119, 60, 61])
    assert length == 120 and fps == pytest.approx(30000 / 1001)
    assert torch.equal(frames, whole[[119, 60, 61]])


@pytest.mark.parametrize(
    ("suffix", "codec", "options"),
    [
        ("avi", "libx264", {}),  # AVI numbers its reordered frames as they are stored
        ("avi", "mpeg4", {"bf": "2"}),
        ("mpg", "mpeg2video", {"bf": "2", "g": "12"}),
        ("mp4", "libx264", {"g": "10", "x264-params": "open-gop=1"}),
    ],
)
def test_containers_and_codecs_of_training_sets(tmp_path, suffix, codec, options):
    path = encode(tmp_path / f"clip.{suffix}", 40, codec, options)
    greys = [level(frame) for frame in pick(path, range(40))[2]]
    assert greys == sorted(greys) and len(set(greys)) == 40
    for number in (0, 25, 39):
        assert level(pick(path, [number])[2][0]) == greys[number]


def test_only_from_the_key_frame_before(tmp_path):
    path = encode(tmp_path / "clip.mp4", 40, "libx264", {"g": "10", "bf": "0", "x264-params": "scenecut=0"})
    whole = dismo.read_video(path).frames
    data = bytearray(path.read_bytes())
    first = data.index(b"mdat") + 4
    data[first : first + 4] = b"\xff" * 4  # a length that makes the first frame unreadable
    with open_indexed(bytes(data), "clip.mp4") as video:
        assert torch.equal(video.frames([25, 32]), whole[[25, 32]])
        with pytest.raises(Unusable) as fault:
            video.frames([0, 25])
    assert fault.value.reason == "damaged"


@pytest.mark.parametrize("name", [name for name, reason in BAD.items() if reason in ("empty", "unreadable")])
def test_what_is_no_video(videos, name):
    with pytest.raises(Unusable) as fault:
        pick(videos / name, [0])
    assert fault.value.reason == BAD[name] and str(fault.value)


def encode(path, frames, codec, options):
    import av
    import numpy as np

    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=24, options={"b": "4000000", **options})
        stream.height, stream.width, stream.pix_fmt = 64, 96, "yuv420p"
        for k in range(frames):
            picture = np.full((64, 96, 3), 20 + 5 * k, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format="yuv420p")))
        container.mux(stream.encode())
    return path


def level(frame):
    return round(float(frame.float().mean()))


@pytest.mark.parametrize("name", ["palette_seek.avi", "alpha_vp9.webm", "xvid_bframes.avi"])
def test_frames_are_those_that_reading_gives(name):
    """Palettes come with the first packet, alpha lies in a stream of its own, and AVI stores frames out of order."""
    file = Path(__file__).parents[1] / "video/inputs" / name
    info = dismo_core.video.probe(file)
    expected = dismo_core.read_video(file, fps=info.fps).frames
    with open_indexed(file.read_bytes(), name) as video:
        assert len(video) == len(expected)
        numbers = [len(video) - 1, 3, len(video) // 2]
        for number in numbers:
            assert (video.frames([number])[0].int() - expected[number].int()).abs().max() <= 2, number
