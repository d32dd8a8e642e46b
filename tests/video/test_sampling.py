"""Which frames come out, at which rate, from which start; every kind of source; streaming."""

import io
import itertools

import pytest
import torch
from video_clips import REAL, encode, grey, levels, real_clip, repeat_packets

from dismo_core.video import iter_video, probe, read_image, read_video, write_video

# shown from these times on, in seconds; the last for one frame of the nominal rate
VARIABLE = [(0.0, 0), (0.04, 20), (0.5, 40), (0.52, 60), (1.3, 80), (1.35, 100), (2.0, 120)]


@pytest.fixture(params=["mp4", "mkv"])
def variable_clip(request, tmp_path):
    times = [time for time, _ in VARIABLE]
    pictures = [grey(level) for _, level in VARIABLE]
    if request.param == "mp4":
        return encode(tmp_path / "v.mp4", pictures, codec="libx264", pix_fmt="yuv420p", times=times, clock=90_000)
    return encode(tmp_path / "v.mkv", pictures, times=times, clock=1000)


def shown_at(time):
    return [level for begin, level in VARIABLE if begin <= time][-1]


@pytest.mark.parametrize("fps", [4, 7.5, 8, 25])
def test_a_sample_takes_the_frame_shown_at_its_time(variable_clip, fps):
    got = levels(read_video(variable_clip, fps=fps).frames)
    assert len(got) >= 2 * fps
    assert got == [shown_at(k / fps) for k in range(len(got))]


def test_start_and_frames_choose_the_span(variable_clip):
    got = levels(read_video(variable_clip, fps=8, start=0.45, frames=5).frames)
    assert got == [shown_at(0.45 + k / 8) for k in range(5)]


def test_native_frames_begin_with_the_one_shown_at_start(variable_clip):
    assert levels(read_video(variable_clip).frames) == [level for _, level in VARIABLE]
    assert levels(read_video(variable_clip, start=0.51).frames) == [40, 60, 80, 100, 120]


@pytest.mark.parametrize("fps", [1, None])
def test_a_late_start_where_frames_have_no_times(tmp_path, fps):
    """H.264 in AVI: after a seek nothing says where it arrived."""
    pictures = [grey(20 + 2 * i) for i in range(100)]
    clip = encode(tmp_path / "c.avi", pictures, codec="libx264", pix_fmt="yuv420p", options={"g": "10", "bf": "0"})
    (first, *_) = read_video(clip, fps=fps, start=5, frames=2).frames
    assert abs(float(first.float().mean()) - 120) <= 3


def test_recordings_joined_end_to_end_are_read_to_the_end(tmp_path):
    """Their clock begins again; frames of both, in their order, and as many seconds as both have."""
    options = dict(codec="libx264", pix_fmt="yuv420p", options={"bf": "0"})
    parts = [
        encode(tmp_path / f"{k}.ts", [grey(20 + 5 * i + 100 * k) for i in range(20)], **options).read_bytes()
        for k in range(2)
    ]
    (tmp_path / "joined.ts").write_bytes(parts[0] + parts[1])
    got = [float(frame.float().mean()) for frame in read_video(tmp_path / "joined.ts", fps=10).frames]
    assert 39 <= len(got) <= 41 and got == sorted(got) and got[-1] > 200


def test_times_count_from_the_start_of_the_stream(tmp_path):
    late = encode(
        tmp_path / "late.mkv", [grey(20 * i) for i in range(8)], times=[7 + i / 8 for i in range(8)], clock=1000
    )
    assert levels(read_video(late, fps=8).frames) == [20 * i for i in range(8)]


def test_clock_rounding_neither_doubles_nor_drops_frames(tmp_path):
    # WebM and Matroska stamp 1/24 s as 0.042 s
    clip = encode(tmp_path / "r.mkv", [grey(10 * i) for i in range(24)], rate=24, clock=1000)
    assert levels(read_video(clip, fps=24).frames) == [10 * i for i in range(24)]


def test_ntsc_rate_given_as_float_gives_every_frame_once():
    clip = real_clip("carphone_pristine")
    native = read_video(clip)
    assert native.fps == pytest.approx(30000 / 1001) and len(native.frames) == 120
    assert torch.equal(read_video(clip, fps=30000 / 1001).frames, native.frames)


@pytest.mark.parametrize("name", REAL)
def test_real_clips_sampled_equal_the_frames_by_index(name):
    native = read_video(real_clip(name))
    assert native.frames.shape[1:] == (*REAL[name], 3) and native.source == f"{name}.mp4"
    sampled = read_video(real_clip(name), fps=8, start=0.3)
    for k, frame in enumerate(sampled.frames):
        assert torch.equal(frame, native.frames[int((0.3 + k / 8) * native.fps + 1e-6)]), k


@pytest.mark.parametrize("start", [0.7, 3.0, 7.77])
def test_seeking_gives_the_frames_of_reading_from_the_beginning(start):
    from_beginning = itertools.islice(iter_video(real_clip("bikes"), fps=25), round(start * 25 - 1e-6) + 1, None)
    after_seek = iter_video(real_clip("bikes"), fps=25, start=(round(start * 25 - 1e-6) + 1) / 25)
    pairs = list(zip(from_beginning, after_seek, strict=True))
    assert pairs and all(torch.equal(a, b) for a, b in pairs)


def test_transport_streams_without_an_index_can_start_late(tmp_path):
    pictures = [grey(10 * (i // 10)) for i in range(100)]
    clip = encode(tmp_path / "t.ts", pictures, codec="libx264", pix_fmt="yuv420p", options={"g": "30"})
    assert levels(read_video(clip, fps=1, start=5).frames) == [50, 60, 70, 80, 90]


def test_reading_late_in_a_long_file_does_not_decode_what_comes_before(tmp_path):
    import time

    piece = encode(
        tmp_path / "p.mp4",
        [grey(i * 8, 480, 640) for i in range(25)],
        rate=25,
        codec="libx264",
        pix_fmt="yuv420p",
        options={"bf": "0", "preset": "ultrafast"},
    )
    clip = repeat_packets(piece, tmp_path / "long.mp4", 200)

    def seconds(start):
        begin = time.perf_counter()
        next(iter_video(clip, start=start))
        return time.perf_counter() - begin

    decode_all = -time.perf_counter()
    assert sum(1 for _ in iter_video(clip, fps=1)) == 200
    decode_all += time.perf_counter()
    assert seconds(195.0) < 0.3 * decode_all


def test_bytes_and_file_objects_are_read_like_paths():
    path = real_clip("carphone_pristine")
    frames = read_video(path, fps=8).frames
    data = path.read_bytes()
    from_bytes = read_video(data, fps=8)
    assert torch.equal(from_bytes.frames, frames) and from_bytes.source == ""
    stream = io.BytesIO(data)
    stream.seek(1000)
    assert torch.equal(read_video(stream, fps=8).frames, frames)
    with open(path, "rb") as file:
        opened = read_video(file, fps=8)
    assert torch.equal(opened.frames, frames) and opened.source == path.name
    assert torch.equal(read_video(str(path), fps=8).frames, frames)


def test_iter_video_decodes_only_what_is_asked_for(tmp_path):
    clip = encode(tmp_path / "c.mkv", [grey(10 * i) for i in range(20)])
    frames = iter_video(clip)
    first = next(frames)
    first.zero_()  # the caller owns its frames
    assert levels([next(frames), next(frames)]) == [10, 20]
    frames.close()
    assert len(list(iter_video(clip, frames=3))) == 3
    repeated = list(iter_video(clip, fps=40, frames=4))
    repeated[0].fill_(255)
    assert levels(repeated[1:]) == [0, 0, 0]


def test_size_resizes_each_frame_with_antialiasing():
    clip = real_clip("bikes")
    full = read_video(clip, fps=4, frames=3).frames
    small = read_video(clip, fps=4, frames=3, size=(64, 48)).frames
    planes = full.permute(0, 3, 1, 2).float()
    expected = torch.nn.functional.interpolate(planes, size=(64, 48), mode="bilinear", antialias=True)
    assert small.shape == (3, 64, 48, 3) and small.dtype == torch.uint8
    assert (small.permute(0, 3, 1, 2) - expected).abs().max() <= 1  # one level


def test_probe_tells_size_rate_length_and_sound():
    info = probe(real_clip("bigbuckbunny"))
    assert (info.width, info.height, info.fps, info.frames, info.has_audio) == (1280, 720, 25.0, 132, True)
    assert info.duration == pytest.approx(5.28)
    info = probe(real_clip("carphone_pristine").read_bytes())
    assert info.fps == pytest.approx(30000 / 1001) and not info.has_audio


def test_file_names_with_a_colon_are_files_not_protocols(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    encode(tmp_path / "x.mkv", [grey(50)]).rename("concat:x.mkv")
    assert levels(read_video("concat:x.mkv").frames) == [50]


def test_importing_the_library_loads_neither_torch_nor_av():
    import subprocess
    import sys

    from video_clips import ROOT

    code = "import sys, dismo_core; print(sorted({'torch', 'av', 'PIL', 'torchcodec'} & set(sys.modules)))"
    output = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert output.strip() == "[]"
    code = "import sys; from dismo_core.video import read_video; print('torchcodec' in sys.modules)"
    output = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert output.strip() == "False"


def test_a_written_frame_comes_back_as_a_picture_too(tmp_path):
    write_video(tmp_path / "a.gif", torch.full((1, 8, 8, 3), 100, dtype=torch.uint8), 8)
    assert read_image(tmp_path / "a.gif").mul(255).round().unique().tolist() == [100]
