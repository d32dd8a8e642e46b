"""What is written comes back: picture, rate, sound, metadata; and nothing half-written stays."""

import json
import os
import signal
import subprocess
import sys
import textwrap
from fractions import Fraction

import av
import pytest
import torch
from PIL import Image
from video_clips import ROOT, blocks, real_clip

from dismo_core import DisMoError
from dismo_core.video import Audio, iter_video, probe, read_video, write_video

FORMATS = ["mp4", "webm", "webp", "gif"]


def moving(count=6, height=48, width=64):
    picture = blocks(height, width)
    return torch.stack([picture.roll(8 * k, 1) for k in range(count)])


@pytest.mark.parametrize("kind", FORMATS)
def test_frames_and_rate_come_back(tmp_path, kind):
    frames = moving()
    write_video(tmp_path / f"o.{kind}", frames, 8, crf=4)
    back = read_video(tmp_path / f"o.{kind}")
    assert back.frames.shape == frames.shape
    assert back.fps == pytest.approx(8, abs=0.3)
    inside = (slice(None), slice(4, None, 8), slice(4, None, 8))  # away from the edges, where 4:2:0 mixes colors
    assert (back.frames[inside].int() - frames[inside].int()).abs().float().mean() < (3 if kind == "mp4" else 9)
    assert torch.equal(read_video(tmp_path / f"o.{kind}", fps=8).frames, back.frames)


@pytest.mark.parametrize("kind", ["mp4", "webm"])
@pytest.mark.parametrize(
    "color", [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255), (20, 30, 25), (200, 150, 90)]
)
def test_colors_come_back_and_are_tagged_bt709(tmp_path, kind, color):
    frames = torch.tensor(color, dtype=torch.uint8).expand(3, 64, 64, 3).contiguous()
    write_video(tmp_path / f"c.{kind}", frames, 8, crf=2)
    back = read_video(tmp_path / f"c.{kind}").frames
    assert (back.int() - frames.int()).abs().max() <= 4
    with av.open(str(tmp_path / f"c.{kind}")) as container:
        frame = next(container.decode(video=0))
        assert (frame.colorspace, frame.color_range, frame.format.name) == (1, 1, "yuv420p")


def test_odd_sizes_are_padded_by_repeating_the_edge(tmp_path):
    frames = moving(3, 47, 63)
    write_video(tmp_path / "o.mp4", frames, 8, crf=1)
    back = read_video(tmp_path / "o.mp4").frames
    assert back.shape == (3, 48, 64, 3)
    assert (back[:, 47].int() - back[:, 46].int()).abs().max() < 12
    assert (back[:, 4:47:8, 63].int() - frames[:, 4::8, 62].int()).abs().max() < 20
    write_video(tmp_path / "o.webp", frames, 8)
    assert read_video(tmp_path / "o.webp").frames.shape == frames.shape


@pytest.mark.parametrize("fps", [Fraction(30000, 1001), 30000 / 1001, 23.976, 12.5, 8])
def test_rates_are_exact(tmp_path, fps):
    write_video(tmp_path / "r.mp4", moving(), fps)
    with av.open(str(tmp_path / "r.mp4")) as container:
        assert container.streams.video[0].average_rate == Fraction(fps).limit_denominator(10_000)


@pytest.mark.parametrize("kind", ["gif", "webp"])
@pytest.mark.parametrize("fps", [8, 12, 24, 30000 / 1001])
def test_coarse_clocks_of_animated_pictures_keep_every_frame_at_its_time(tmp_path, kind, fps):
    frames = torch.stack([torch.full((16, 16, 3), 10 * k, dtype=torch.uint8) for k in range(20)])
    write_video(tmp_path / f"t.{kind}", frames, fps)
    back = read_video(tmp_path / f"t.{kind}", fps=fps).frames
    assert (back.int() - frames.int()).abs().max() <= 2


def test_gif_times_do_not_drift(tmp_path):
    frames = torch.stack([torch.full((16, 16, 3), 8 * k, dtype=torch.uint8) for k in range(30)])
    write_video(tmp_path / "g.gif", frames, 24)
    assert probe(tmp_path / "g.gif").duration == pytest.approx(30 / 24, abs=0.011)


def test_frames_may_come_one_at_a_time_with_progress(tmp_path):
    taken, seen = [], []

    def produce():
        for index, frame in enumerate(moving(5)):
            taken.append(index)
            yield frame

    write_video(tmp_path / "a.mp4", produce(), 8, progress=lambda done, total: seen.append((done, total, len(taken))))
    assert len(read_video(tmp_path / "a.mp4").frames) == 5
    assert seen == [(k, 0, k) for k in range(1, 6)]  # each frame is reported before the next is taken
    seen.clear()
    write_video(tmp_path / "b.mp4", moving(5), 8, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(k, 5) for k in range(1, 6)]


def test_mp4_can_be_played_while_it_loads(tmp_path):
    write_video(tmp_path / "a.mp4", moving(), 8)
    data = (tmp_path / "a.mp4").read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")


TEXTS = {
    "prompt": json.dumps({"1": {"class_type": "X", "text": 'ünï "quoted"'}}),
    "workflow": json.dumps({"nodes": [1]}),
}


@pytest.mark.parametrize("kind", ["mp4", "webm"])
def test_metadata_are_container_tags(tmp_path, kind):
    write_video(tmp_path / f"m.{kind}", moving(), 8, metadata=TEXTS)
    with av.open(str(tmp_path / f"m.{kind}")) as container:
        tags = {key.lower() if kind == "webm" else key: value for key, value in container.metadata.items()}
    assert {key: tags[key] for key in TEXTS} == TEXTS
    assert {key: probe(tmp_path / f"m.{kind}").metadata[key] for key in TEXTS} == TEXTS


def test_metadata_of_webp_lie_where_comfyui_puts_them(tmp_path):
    write_video(tmp_path / "m.webp", moving(), 8, metadata=TEXTS)
    with Image.open(tmp_path / "m.webp") as picture:
        exif = picture.getexif()
    assert exif[0x0110] == "prompt:" + TEXTS["prompt"]
    assert exif[0x010F] == "workflow:" + TEXTS["workflow"]


def test_metadata_of_gif_are_its_comment(tmp_path):
    write_video(tmp_path / "m.gif", moving(), 8, metadata=TEXTS)
    assert json.loads(probe(tmp_path / "m.gif").metadata["comment"]) == TEXTS


def tone(seconds, rate=48_000, channels=2):
    time = torch.arange(round(seconds * rate)) / rate
    return Audio(torch.stack([0.5 * torch.sin(2 * torch.pi * 440 * (c + 1) * time) for c in range(channels)]), rate)


def loudest_hertz(audio, channel):
    wave = audio.waveform[channel, 4800:]
    return float(torch.fft.rfft(wave).abs().argmax()) * audio.sample_rate / wave.numel()


@pytest.mark.parametrize("kind", ["mp4", "webm"])
@pytest.mark.parametrize("rate, channels", [(48_000, 2), (44_100, 1), (22_050, 2), (37_000, 1)])
def test_sound_is_carried_and_cut_to_the_video(tmp_path, kind, rate, channels):
    write_video(tmp_path / f"s.{kind}", moving(16), 16, audio=tone(3, rate, channels))
    with av.open(str(tmp_path / f"s.{kind}")) as container:
        sound = container.streams.audio[0]
        assert sound.codec_context.name.startswith("aac" if kind == "mp4" else "opus")
        end = max(float((f.pts * f.time_base) + Fraction(f.samples, f.sample_rate)) for f in container.decode(sound))
    assert end == pytest.approx(1, abs=0.05)
    audio = read_video(tmp_path / f"s.{kind}", audio=True).audio
    assert audio.waveform.shape == (channels, audio.sample_rate) and audio.waveform.dtype == torch.float32
    for channel in range(channels):
        assert loudest_hertz(audio, channel) == pytest.approx(440 * (channel + 1), abs=3)
    assert audio.waveform[0].abs().max() == pytest.approx(0.5, abs=0.15)


def test_sound_shorter_than_the_video_is_followed_by_silence(tmp_path):
    write_video(tmp_path / "s.mp4", moving(16), 8, audio=tone(0.5))
    audio = read_video(tmp_path / "s.mp4", audio=True).audio
    assert audio.waveform.shape == (2, 96_000)
    assert audio.waveform[:, 9_600:19_200].abs().max() > 0.4 and audio.waveform[:, 40_000:].abs().max() < 0.01


def test_sound_of_a_real_clip_over_a_span(tmp_path):
    whole = read_video(real_clip("bigbuckbunny"), fps=8, size=(32, 32), audio=True)
    part = read_video(real_clip("bigbuckbunny"), fps=8, start=2.5, frames=12, size=(32, 32), audio=True)
    assert whole.audio.waveform.shape[0] == 6 and part.audio.waveform.shape == (6, round(1.5 * 48_000))
    begin = round(2.5 * 48_000)
    expected = whole.audio.waveform[:, begin : begin + 72_000]
    # the first packets after a seek lack the overlap with those before
    assert (part.audio.waveform - expected).abs().max() < 1e-3 and expected.abs().max() > 0.02
    write_video(tmp_path / "s.mp4", part.frames, 8, audio=part.audio)  # six channels become two
    assert read_video(tmp_path / "s.mp4", audio=True).audio.waveform.shape == (2, 72_000)
    assert read_video(real_clip("bikes"), fps=1, audio=True).audio is None
    assert read_video(real_clip("bigbuckbunny"), fps=1).audio is None


def test_an_existing_file_is_kept_unless_overwriting_is_allowed(tmp_path):
    path = tmp_path / "o.mp4"
    path.write_text("mine")

    def untouched():
        pytest.fail("frames were made for a file that may not be written")
        yield

    with pytest.raises(DisMoError, match="o.mp4 exists already"):
        write_video(path, untouched(), 8)
    assert path.read_text() == "mine"
    write_video(path, moving(), 8, overwrite=True)
    assert len(read_video(path).frames) == 6


@pytest.mark.parametrize("kind", FORMATS)
def test_what_a_callback_raises_passes_through_and_nothing_stays(tmp_path, kind):
    class Cancelled(BaseException):
        pass

    def progress(done, total):
        if done == 90:  # the encoder looks ahead some 50 frames before it writes anything
            raise Cancelled

    (tmp_path / f"o.{kind}").write_text("old")
    with pytest.raises(Cancelled):
        write_video(tmp_path / f"o.{kind}", moving(100, 16, 16), 8, overwrite=True, progress=progress)
    assert [path.name for path in tmp_path.iterdir()] == [f"o.{kind}"]
    assert (tmp_path / f"o.{kind}").read_text() == "old"


def run(code, *arguments, **options):
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options,
    )  # fmt: skip


@pytest.mark.skipif(sys.platform == "win32", reason="kills with SIGKILL")
def test_a_killed_run_leaves_no_half_file_under_the_name(tmp_path):
    code = """
        import sys, itertools, torch
        from dismo_core.video import write_video
        frame = torch.randint(0, 256, (64, 64, 3), dtype=torch.uint8)
        def progress(done, total):
            if done == 150: print("well under way", flush=True)
        write_video(sys.argv[1], itertools.repeat(frame), 8, progress=progress)
    """
    child = run(code, tmp_path / "o.mp4")
    assert child.stdout.readline() == "well under way\n", child.stderr.read()
    child.send_signal(signal.SIGKILL)
    child.communicate()
    assert not (tmp_path / "o.mp4").exists()


NOISE = """
    import resource, sys, torch
    from dismo_core import DisMoError
    from dismo_core.video import write_video
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
    noise = torch.randint(0, 256, (40, 128, 128, 3), dtype=torch.uint8)
    for path in sys.argv[1:]:
        try:
            write_video(path, noise, 8, crf=4)
        except DisMoError as error:
            print(error)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="limits the file size with setrlimit")
def test_a_file_that_cannot_grow_is_a_clear_error_and_leaves_nothing(tmp_path):
    paths = [tmp_path / f"o.{kind}" for kind in FORMATS]
    output, errors = run(NOISE, *paths).communicate()
    assert len(output.splitlines()) == len(paths), (output, errors)
    for line, path in zip(output.splitlines(), paths, strict=True):
        assert line.startswith(f"Cannot write {path}: File too large")
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_a_clear_error_and_leaves_nothing(tmp_path):
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(tmp_path)]
    if not hasattr(os, "geteuid") or os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("a small full disk can only be made by root where mounting is allowed")
    try:
        torch.manual_seed(0)
        noise = torch.randint(0, 256, (40, 128, 128, 3), dtype=torch.uint8)
        for kind in FORMATS:
            with pytest.raises(DisMoError, match=rf"Cannot write .*o\.{kind}: No space left.*free space"):
                write_video(tmp_path / f"o.{kind}", noise, 8, crf=4)
            assert list(tmp_path.iterdir()) == []
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)


def test_read_frames_can_be_piped_into_a_file(tmp_path):
    write_video(tmp_path / "b.webm", iter_video(real_clip("carphone_pristine"), fps=8, frames=9), 8, crf=30)
    assert read_video(tmp_path / "b.webm").frames.shape == (9, 144, 194, 3)  # 193 columns, and one to make them even


def test_the_same_frames_give_the_same_file(tmp_path):
    rng = torch.Generator().manual_seed(0)
    picture = torch.randint(0, 256, (60, 90, 3), dtype=torch.uint8, generator=rng)
    picture = picture.repeat_interleave(6, 0).repeat_interleave(6, 1)
    frames = torch.stack([picture.roll(3 * i, 1) for i in range(25)])
    files = []
    for i in range(3):
        write_video(tmp_path / f"{i}.mp4", frames, 8.0)
        files.append((tmp_path / f"{i}.mp4").read_bytes())
    assert files[0] == files[1] == files[2]
