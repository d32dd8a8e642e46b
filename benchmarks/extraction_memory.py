"""Peak memory of motion extraction over the clip itself, by length: `python benchmarks/extraction_memory.py --help`.

Every row is a process of its own at an eighth of the released width. It runs a short clip first, gives back what is free,
and counts from there: the largest resident size minus the size before. Linux only (/proc). The limit is what the tensors
alive at once take, counted: kernels and allocators take the rest.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.report import OUT, table, write_json
from benchmarks.suite import verdict

WAYS = {
    "sliding": "forward_sliding on a clip in memory",
    "stride 4": "the same, window_stride=4",
    "file": "extract_motion of a file, with the decoder",
    "published": "all windows in one batch",
}
SIZE = 128, 2  # width, depth


def resident(field: str) -> int:
    """Bytes of this process: VmRSS now, VmHWM at most since the mark was reset."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) * 1024
    raise SystemExit(f"/proc/self/status has no {field}; this benchmark needs Linux.")


def reset_peak() -> None:
    """Give free memory back and start a new high-water mark."""
    ctypes.CDLL(None).malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")


def child(way: str, frames: int) -> int:
    """Peak bytes of one extraction over what is there before it."""
    import torch

    from benchmarks.extraction import published, random_extractor
    from dismo_core import extract_motion, write_video

    torch.set_num_threads(1)
    extractor = random_extractor(*SIZE, torch.device("cpu"))
    clip = torch.rand(1, frames, 64, 64, 3) * 2 - 1
    with torch.no_grad(), tempfile.TemporaryDirectory() as folder:
        if way == "file":
            path = Path(folder) / "clip.mp4"
            write_video(path, (((frame + 1) * 127.5).to(torch.uint8) for frame in clip[0]), 8.0)
            del clip
            runs = [lambda n=n: extract_motion(extractor, path, fps=8, frames=n) for n in (9, frames)]
        elif way == "published":
            runs = [lambda n=n: published(extractor, clip[:, :n]) for n in (9, frames)]
        else:
            stride = 4 if way == "stride 4" else 1
            runs = [lambda n=n: extractor.forward_sliding(clip[:, :n], window_stride=stride) for n in (9, frames)]
        runs[0]()
        reset_peak()
        before = resident("VmRSS")
        runs[1]()
        return resident("VmHWM") - before


def alive(frames: int = 25) -> int:
    """Bytes of the tensors that extraction holds at once, at the most, counted without computing."""
    import torch

    from benchmarks.extraction import random_extractor
    from benchmarks.live_bytes import LiveBytes
    from dismo_core.dismo.models.extractor import FRAMES_CPU, WINDOWS_CPU

    extractor = random_extractor(*SIZE, torch.device("meta"))
    clip = torch.empty(1, frames, 64, 64, 3, device="meta")
    with torch.no_grad(), LiveBytes() as live:
        for _ in extractor.stream(clip.split(FRAMES_CPU, dim=1), chunk_windows=WINDOWS_CPU):
            pass
    return live.peak


def peak(way: str, frames: int) -> int:
    """`child` in a fresh process; every larger block of memory is taken from and given back to the system."""
    environment = os.environ | {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536"}
    command = [sys.executable, __file__, "--child", way, str(frames)]
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return int(done.stdout)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print the table, write the JSON."""
    parser = argparse.ArgumentParser(description="Peak memory of motion extraction over the clip itself, by length.")
    parser.add_argument("--frames", type=int, nargs="+", default=[25, 80, 1000])
    parser.add_argument("--published", type=int, nargs="*", default=[25, 80], help="frames for the published procedure")
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, default=OUT / "extraction_memory.json", metavar="JSON")
    options = parser.parse_args(arguments)
    if options.child:
        print(child(options.child[0], int(options.child[1])))
        return
    megabytes: dict[str, dict[int, float]] = {way: {} for way in WAYS}
    for way in WAYS:
        for n in options.published if way == "published" else options.frames:
            megabytes[way][n] = peak(way, n) / 1e6
            print(f"{way}, {n} frames: {megabytes[way][n]:.1f} MB", flush=True)
    limit = alive() / 1e6
    flat = {way: max(mb.values()) / min(mb.values()) for way, mb in megabytes.items() if way != "published"}
    lengths = sorted({n for mb in megabytes.values() for n in mb})
    rows = [
        (f"{way}: {WAYS[way]}", *(f"{mb[n]:.1f}" if n in mb else "" for n in lengths),
         f"{flat[way]:.2f}" if way in flat else "", f"{limit / max(mb.values()):.2f}" if way in flat else "")
        for way, mb in megabytes.items()
    ]  # fmt: skip
    title = f"MB over the clip, width {SIZE[0]}, depth {SIZE[1]}, fp32; limit: {limit:.1f} MB of tensors alive at once"
    print(table(title, ("way", *(f"{n} frames" for n in lengths), "max/min", "limit/max"), rows))
    result = {
        "megabytes": megabytes,
        "flat": flat,
        "limit": limit,
        "fraction": limit / max(megabytes["sliding"].values()),
    }
    print(verdict("extraction_memory", result))
    write_json(options.out, "extraction_memory", result)
    print(f"written: {options.out}")


if __name__ == "__main__":
    main()
