"""What ten pictures with one motion cost beside ten single samplings: `python -m benchmarks.many --help`.

The ten are moved as Transfer Motion and `dismo transfer` move them: with one extraction and one encoding of the text, which
the single samplings are spared. CogVideoX is a small model of random weights, the layered model is the bundled one. CPU time
of this process, one thread; ratios within a turn, the median of the turns.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table

import dismo_core as dismo
from benchmarks.random_cogvideox import random_adapter
from benchmarks.report import OUT, write_json
from benchmarks.sample import machine
from dismo_core.assets.examples import example
from dismo_core.dismo.adapter.cogvideox_model import CogVideoXModel
from dismo_core.dismo.video_model import MotionVideoModel

CPU = dismo.Runtime.cpu()


def seconds_of(job: Callable[[], object]) -> float:
    """CPU seconds of this process."""
    begin = time.process_time()
    job()
    return time.process_time() - begin


def ratio(
    model: MotionVideoModel, extractor: dismo.MotionExtractor, size: tuple[int, int], count: int, turn: int
) -> float:
    """Time of all pictures with extraction and text, over that of single samplings without."""
    generator = torch.Generator().manual_seed(turn)
    pictures = [torch.rand(*size, 3, generator=generator) for _ in range(count)]
    clip = example("drawn")[0]
    motion = dismo.extract_motion(extractor, clip)

    def move(prompt: str, motion: dismo.Motion) -> None:
        for number, picture in enumerate(pictures):
            model.transfer(motion, picture, prompt=prompt, seed=number, steps=model.defaults.steps and 20, runtime=CPU)

    move("known", motion)
    many = seconds_of(lambda: move(f"new {turn}", dismo.extract_motion(extractor, clip)))
    return many / seconds_of(lambda: move("known", motion))


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print the table, write the JSON."""
    parser = argparse.ArgumentParser(description="Many pictures beside single samplings.")
    parser.add_argument("--pictures", type=int, default=10)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--out", type=Path, default=OUT / "many.json", metavar="FILE")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    adapter = random_adapter(True, torch.device("cpu"))
    models = {
        "CogVideoX": (CogVideoXModel(adapter), adapter.motion_extractor, adapter.size),
        "layered": (dismo.load_layered_model("tiny"), dismo.load_motion_extractor("tiny"), (512, 768)),
    }
    ratios = {
        name: statistics.median(ratio(*given, options.pictures, turn) for turn in range(options.turns))
        for name, given in models.items()
    }
    table = Table(title=f"{options.pictures} pictures, one motion", caption=machine(torch.device("cpu")))
    table.add_column("model")
    table.add_column("time over single samplings", justify="right")
    for name, value in ratios.items():
        table.add_row(name, f"{value:.3f}")
    Console().print(table)
    write_json(options.out, "many", {"machine": machine(torch.device("cpu")), "ratios": ratios})


if __name__ == "__main__":
    main()
