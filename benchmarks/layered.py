"""The layered model: time of a video beside its decoding and encoding, and memory by length: `python benchmarks/layered.py --help`.

One core, processor time. Every row of memory is a process of its own that writes a video of 512x512 px, whose frames are drawn
as they are written. Memory on Linux only (/proc).
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.extraction_memory import resident
from benchmarks.report import OUT, table, write_json
from benchmarks.suite import verdict

SIDE, FRAMES = 1024, 25
MEMORY_SIDE = PREVIEW_SIDE = 512
KINDS = {
    "camera": "the camera moves over the whole picture",
    "thing": "a thing moves, its mask is given",
    "found": "a thing moves, its mask is found",
}


def inputs(kind: str, side: int, times: int = 1) -> Any:
    """What gives the frames of a video: the bundled model, a bundled motion played so many times, a photograph of `side` px."""
    import torch

    import dismo_core as dismo
    from dismo_core.assets.examples import example
    from dismo_core.dismo.edit import loop
    from dismo_core.video import read_image

    torch.set_num_threads(1)
    name = "camera" if kind == "camera" else "cutout"
    motion = loop(dismo.extract_motion(dismo.load_motion_extractor("tiny"), example(name)[0]), times)
    picture = read_image(example(name)[1]).movedim(-1, 0)[None]
    picture = torch.nn.functional.interpolate(picture, (side, side), mode="bicubic", antialias=True)
    picture = picture[0].movedim(0, -1).clamp(0, 1)
    mask = None
    if kind == "thing":
        mask = torch.zeros(side, side)
        mask[side // 4 : 3 * side // 4, side // 4 : 3 * side // 4] = 1
    model = dismo.load_layered_model("tiny")
    return lambda: model.render(motion, picture, mask=mask, runtime=dismo.Runtime.cpu())


def seconds(work: Callable[[], Any]) -> tuple[float, Any]:
    """Processor seconds, and what came of it."""
    start = time.process_time()
    result = work()
    return time.process_time() - start, result


def measure(kind: str, repeats: int, side: int = SIDE) -> dict[str, float]:
    """Best processor seconds: taking the picture apart and drawing; encoding and decoding what was drawn."""
    import torch

    import dismo_core as dismo

    frames_of = inputs(kind, side)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for number in range(repeats):
            drawing, video = seconds(lambda: torch.stack(list(frames_of())))
            path = Path(folder) / f"{number}.mp4"
            encoding, _ = seconds(partial(dismo.write_video, path, video, 24))
            decoding, _ = seconds(partial(dismo.read_video, path, fps=24, frames=FRAMES))
            rows.append({"drawing": drawing, "encoding": encoding, "decoding": decoding})
    best = {name: min(row[name] for row in rows) for name in rows[0]}
    return best | {"ratio": best["drawing"] / (best["encoding"] + best["decoding"])}


def child(frames: int) -> int:
    """Largest resident bytes while a video of so many frames is written."""
    import dismo_core as dismo

    made = inputs("camera", MEMORY_SIDE, (frames - 1) // (FRAMES - 1))()
    assert len(made) == frames
    with tempfile.TemporaryDirectory() as folder:
        dismo.write_video(Path(folder) / "video.mp4", made, 24)
    return resident("VmHWM")


def peak(frames: int) -> int:
    """`child` in a fresh process."""
    environment = os.environ | {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536"}
    command = [sys.executable, __file__, "--child", str(frames)]
    return int(subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True).stdout)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print the tables, write the JSON."""
    parser = argparse.ArgumentParser(description="Time and memory of the layered model.")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument(
        "--frames", type=int, nargs=2, default=[25, 1009], help="lengths whose memory is compared: 24 n + 1"
    )
    parser.add_argument("--child", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, default=OUT / "layered.json", metavar="JSON")
    options = parser.parse_args(arguments)
    if options.child:
        print(child(options.child))
        return
    times = {kind: measure(kind, options.repeats) for kind in KINDS}
    rows = [
        (what, *(f"{times[kind][name]:.2f}" for name in ("drawing", "encoding", "decoding", "ratio")))
        for kind, what in KINDS.items()
    ]
    headings = ("what", "drawing s", "encoding s", "decoding s", "drawing / both")
    print(table(f"{FRAMES} frames of {SIDE}x{SIDE} px, one core, processor time", headings, rows))
    preview = measure("thing", options.repeats, PREVIEW_SIDE)["drawing"]
    print(f"A widget changed at {PREVIEW_SIDE}x{PREVIEW_SIDE} px, a thing moves: drawn again in {preview:.2f} s.")
    megabytes = {frames: peak(frames) / 1e6 for frames in options.frames}
    least, most = (megabytes[n] for n in options.frames)
    print(f"Memory of the process: {', '.join(f'{n} frames {mb:.0f} MB' for n, mb in megabytes.items())}.")
    result = {
        "seconds": times,
        "ratio": max(row["ratio"] for row in times.values()),
        "preview": preview,
        "megabytes": megabytes,
        "flat": most / least,
    }
    print(verdict("layered", result))
    write_json(options.out, "layered", result)
    print(f"written: {options.out}")


if __name__ == "__main__":
    main()
