"""Memory goes with the frames asked for, not with the length of the video."""

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from video_clips import ROOT, blocks, encode, repeat_packets

pytestmark = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads the peak memory from /proc")

MEASURE = """
    import sys
    import torch
    from dismo_core.video import iter_video, read_video

    def peak():  # MiB
        line = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
        return int(line.split()[1]) / 1024

    path, how = sys.argv[1:]
    read_video(path, frames=8, size=(64, 64))
    before = peak()
    if how == "stream":
        count = sum(1 for _ in iter_video(path, fps=8))
    else:
        count = len(read_video(path, fps=8, size=(64, 64)).frames)
    print(count, peak() - before)
"""


def measure(path, how):
    command = [sys.executable, "-c", textwrap.dedent(MEASURE), str(path), how]
    output = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    count, grown = output.split()
    return int(count), float(grown)


@pytest.fixture(scope="module")
def second(tmp_path_factory):
    """One second of 1080p."""
    pictures = [blocks(1080, 1920, 120).roll(40 * k, 1).numpy() for k in range(25)]
    options = {"preset": "ultrafast", "bf": "0", "g": "25"}
    path = tmp_path_factory.mktemp("memory") / "second.mp4"
    return encode(path, pictures, codec="libx264", pix_fmt="yuv420p", rate=25, options=options)


@pytest.mark.parametrize("how", ["stream", "read"])
def test_peak_memory_does_not_grow_with_the_video(second, tmp_path, how):
    clip = repeat_packets(second, tmp_path / "long.mp4", 20)
    count, grown = measure(clip, how)
    assert count == 160  # 950 MiB of sampled 1080p frames, 3 GiB of decoded ones
    assert grown < 80, f"{grown:.0f} MiB"


@pytest.mark.slow
def test_ten_minutes_of_1080p(second, tmp_path):
    clip = repeat_packets(second, tmp_path / "long.mp4", 600)
    count, grown = measure(clip, "read")
    assert count == 4800
    assert grown < 80 + 4800 * 64 * 64 * 3 / 2**20, f"{grown:.0f} MiB"
