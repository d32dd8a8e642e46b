"""Host memory of a large driving template whose frames stay in their files: `python benchmarks/mimo_template_memory.py --help`.

A drawn template, 300 frames of 1920x1080 px in five videos, is written; then what the jobs do with it is run frame by frame, and the
largest resident size is counted from what the process holds before. Linux only (/proc). A template held in memory would take
F x H x W x 11 bytes: 6.4 GiB.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.extraction_memory import reset_peak, resident
from benchmarks.report import OUT, table, write_json
from benchmarks.suite import verdict
from dismo_core import mimo
from dismo_core.mimo.crops.square import BLACK, WHITE, Squares
from dismo_core.mimo.insertion.insert import Insertion, inserted_frames
from dismo_core.mimo.templates.template import NAMES
from dismo_core.video import write_video

GIB = 2**30
FRAMES, SIZE = 300, (1920, 1080)
CHARACTER = (400, 200)  # px, height and width


def write_template(folder: Path, frames: int, width: int, height: int) -> None:
    """A person, 70 % of the frame tall, that goes through a gray scene, behind a post."""
    top, foot, wide = height // 5, height * 9 // 10, width // 6

    def video(name: str) -> Iterator[torch.Tensor]:
        for number in range(frames):
            frame = np.full((height, width, 3), 90 if name in ("vid", "bk") else 0, np.uint8)
            left = (width - wide) * number // max(1, frames - 1)
            if name != "bk":
                frame[top:foot, left : left + wide] = 255 if name == "mask" else 200
            if name == "occ":
                frame[:] = 0
            if name in ("vid", "occ"):
                frame[:, width // 2 : width // 2 + 40] = 255
            yield torch.from_numpy(frame)

    for name in NAMES:
        write_video(folder / f"{name}.mp4", video(name), 30, crf=20)


def inserting(template: mimo.Template) -> Iterable[NDArray[np.uint8]]:
    """What `dismo mimo insert` makes."""
    picture = np.full((1, *CHARACTER, 3), 160, np.uint8)
    alpha = np.full((1, *CHARACTER), 255, np.uint8)
    return inserted_frames(picture, alpha, template.open(None), Insertion())


def composing(template: mimo.Template) -> Iterable[NDArray[np.uint8]]:
    """What `dismo mimo edit` does around the network: crops planned, bodies and scenes cut out, made squares put back."""
    from dismo_core.mimo.compositing.compose import composed_frames

    opened = template.open(None)
    assert opened.sdc is not None
    clips = mimo.plan_crops(opened.sdc)
    shown = [Squares(opened.sdc, clips, BLACK), Squares(opened.bk, clips, WHITE)]
    for squares in shown:
        for square in squares:
            assert square.any()
    made = np.broadcast_to(np.full((64, 64, 3), 120, np.uint8), (len(shown[0]), 64, 64, 3))
    yield from composed_frames(made, clips, opened.bk, source=opened.vid, occlusion=opened.occ)


JOBS: dict[str, Callable[[mimo.Template], Iterable[NDArray[np.uint8]]]] = {
    "insert": inserting,
    "edit, around the network": composing,
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the template, run the jobs, print the table, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=FRAMES, help=f"default {FRAMES}")
    parser.add_argument("--size", type=int, nargs=2, default=SIZE, metavar=("W", "H"), help="default 1920 1080")
    parser.add_argument("--out", type=Path, default=OUT / "mimo_template_memory.json")
    options = parser.parse_args(arguments)
    width, height = options.size
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        write_template(Path(folder), options.frames, width, height)
        for name, job in JOBS.items():
            reset_peak()
            before = resident("VmRSS")
            count = sum(1 for _ in job(mimo.Template.load(folder)))
            assert count == options.frames
            found[name] = (resident("VmHWM") - before) / GIB
            print(f"{name}: {found[name]:.2f} GiB", flush=True)
    whole = options.frames * width * height * 11 / GIB
    rows = [(name, f"{value:.2f}") for name, value in found.items()]
    title = f"A template of {options.frames} frames of {width}x{height} px ({whole:.1f} GiB in memory), largest resident size"
    print(table(title, ("", "GiB"), rows))
    result = {"peaks": found, "largest": max(found.values()), "in memory": whole}
    write_json(options.out, "mimo_template_memory", result)
    if (options.frames, width, height) == (FRAMES, *SIZE):
        print(verdict("mimo_template_memory", result))


if __name__ == "__main__":
    main()
