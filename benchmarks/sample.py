"""What following a motion costs CogVideoX: `python benchmarks/sample.py --help`.

With a CUDA GPU the full-size model makes 25 frames of 480x720 in bfloat16: seconds a step and peak memory. Without one a
small model of the same shape is timed by this process's CPU time, one thread: ratios only. Weights are random, nothing is
downloaded. All rows of a table run in turn, the turns are repeated, and ratios are medians of those within a turn.
"""

from __future__ import annotations

import argparse
import importlib.util
import platform
import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.random_cogvideox import random_adapter
from benchmarks.report import OUT, write_json
from benchmarks.video_jobs import Bench, Measured, Row
from benchmarks.workspace import workspaces
from dismo_core.cogvideox.attention import set_attention

TABLES = ("speed", "compiled", "memory", "workspace")


SPEED = [
    Row("bare base", "bare"),
    Row("straightforward loop", "straightforward"),
    Row("adapter"),
    Row("adapter outside its range of steps", outside=True),
    Row("adapter, fused", exact=False),
    Row("adapter, guidance halves in turn", halves=True),
    Row("adapter, cache: first block", cache="first block"),
    Row("adapter, cache: pyramid", cache="pyramid"),
    Row("adapter, cache: faster", cache="faster"),
]
COMPILED = [
    Row("bare base, compiled", "bare", compiled=True),
    Row("adapter, compiled and fused", exact=False, compiled=True),
    Row("... and cache: first block", exact=False, cache="first block", compiled=True),
    Row("... and cache: pyramid", exact=False, cache="pyramid", compiled=True),
    Row("... and cache: faster", exact=False, cache="faster", compiled=True),
]
MEMORY = [
    Row("full", memory="full"),
    Row("full, halves in turn, tiled decode", memory="full", low_memory=True),
    Row("model offload", memory="model offload"),
    Row("group offload", memory="group offload"),
    Row("group offload, halves in turn, tiled decode", memory="group offload", low_memory=True),
    Row("sequential", memory="sequential"),
]
CAPPED = [
    Row("group offload, halves in turn, tiled decode, 7 GB cap", memory="group offload", low_memory=True, capped=True),
    Row("disk, halves in turn, tiled decode, 7 GB cap", memory="disk", low_memory=True, capped=True),
]
NF4 = [Row("nf4, group offload, halves in turn, tiled decode", memory="group offload", low_memory=True)]
WANTED = [  # with a GPU: table, row, figure, limit, whether at most
    ("speed", "adapter", "ratio", 1.2, True),
    ("speed", "adapter", "speed_up", 1.05, False),
    ("speed", "adapter outside its range of steps", "ratio", 1.01, True),
    ("compiled", "adapter, compiled and fused", "ratio", 1.08, True),
    ("compiled", "... and cache: faster", "speed_up", 2.0, False),
    ("memory", CAPPED[0].name, "reserved_gb", 6.5, True),
    ("memory", CAPPED[1].name, "host_gb", 14.0, True),
    ("nf4", NF4[0].name, "reserved_gb", 5.0, True),
]


def matmul_rate(device: torch.device) -> float:
    """FLOP/s of a large square product in the model's precision: the best of several."""
    cuda = device.type == "cuda"
    n, dtype = (8192, torch.bfloat16) if cuda else (1024, torch.float32)
    a = torch.randn(n, n, device=device, dtype=dtype)
    seconds = []
    for _ in range(10):
        start = time.perf_counter() if cuda else time.process_time()
        a @ a
        if cuda:
            torch.cuda.synchronize()
        seconds.append((time.perf_counter() if cuda else time.process_time()) - start)
    return 2 * n**3 / min(seconds)


def machine(device: torch.device) -> str:
    """Name of the machine and versions, as they stand beside every figure."""
    import diffusers

    info = Path("/proc/cpuinfo")
    names = info.read_text().splitlines() if info.is_file() else []
    cpu = next((line.split(":")[1].strip() for line in names if line.startswith("model name")), platform.processor())
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else f"{cpu}, one thread"
    return f"{name}; torch {torch.__version__}, diffusers {diffusers.__version__}, Python {platform.python_version()}"


def measure(
    bench: Bench, rows: Sequence[Row], steps: int, repeats: int, deadline: float = float("inf")
) -> dict[str, Measured]:
    """Every row once to warm up, then all in turn, `repeats` times.

    What does not fit on the GPU is left out, and what was not begun at the deadline (of `time.monotonic`).
    """
    found = {row.name: Measured() for row in rows}
    for turn in range(repeats + 1):
        for row in [row for row in rows if row.name in found]:
            if time.monotonic() > deadline:
                break
            try:
                warm_up = steps if row.compiled else 2  # a cache takes its ways in turn, and each is compiled
                bench.run(row, steps if turn else warm_up, found[row.name] if turn else None)
            except torch.OutOfMemoryError:
                del found[row.name]
                print(f"out of memory: {row.name}")
    whole = max(1, min((len(m.seconds) for m in found.values()), default=0))  # ratios are of rows within a turn
    for m in found.values():
        del m.seconds[whole:]
    return {name: m for name, m in found.items() if m.seconds}


def summarise(found: dict[str, Measured], straight: Sequence[float], cuda: bool) -> dict[str, dict[str, float]]:
    """Figures of a table. straight: seconds a step of the straightforward loop, in each turn."""
    first = next(iter(found.values()))
    rows = {}
    for name, m in found.items():
        rows[name] = {"ratio": statistics.median(a / b for a, b in zip(m.seconds, first.seconds, strict=True))}
        if straight:
            rows[name]["speed_up"] = statistics.median(a / b for a, b in zip(straight, m.seconds, strict=False))
        rows[name] |= m.ran
        if cuda:
            seconds = statistics.median(m.seconds)
            rows[name] |= {"seconds_a_step": seconds, "reserved_gb": m.reserved / 1e9, "host_gb": m.host / 1e9}
    return rows


def show(console: Console, title: str, rows: dict[str, dict[str, float]], where: str) -> None:
    """Print one table."""
    columns = {
        "estimated_gb": ("GB estimated", "{:.3f}"),
        "counted_gb": ("GB counted", "{:.3f}"),
        "counted_of_estimated": ("counted / estimated", "{:.2f}"),
        "seconds_a_step": ("s a step", "{:.3f}"),
        "reserved_gb": ("peak GB reserved", "{:.2f}"),
        "host_gb": ("host GB", "{:.1f}"),
        "ratio": ("of the first row", "{:.3f}"),
        "speed_up": ("straightforward / this", "{:.2f}"),
        "attention": ("attention run", "{:.0%}"),
        "feed_forward": ("feed-forward run", "{:.0%}"),
    }
    used = {key: c for key, c in columns.items() if any(key in row for row in rows.values())}
    table = Table(title=title, caption=where)
    table.add_column("way", no_wrap=True)
    for heading, _ in used.values():
        table.add_column(heading, justify="right")
    for name, row in rows.items():
        table.add_row(name, *(form.format(row[key]) if key in row else "" for key, (_, form) in used.items()))
    console.print(table)


def limits(bench: Bench, found: dict[str, Measured]) -> dict[str, float]:
    """What the linears alone take at the rate of one large product, and how much of that is reached."""
    rate, flops = matmul_rate(bench.device), bench.flops()
    fractions = {
        f"{key}_fraction": flops[key] / rate / statistics.median(found[name].seconds)
        for key, name in (("bare", "bare base"), ("adapter", "adapter"))
    }
    return {"matmul_flops": rate, **{f"{key}_flops_a_step": n for key, n in flops.items()}, **fractions}


def verdict(tables: dict[str, dict[str, dict[str, float]]]) -> list[str]:
    """Each wanted figure that was measured, and whether it is reached."""
    lines = []
    for table, row, figure, limit, at_most in WANTED:
        value = tables.get(table, {}).get(row, {}).get(figure)
        if value is not None:
            reached = value <= limit if at_most else value >= limit
            sign = "at most" if at_most else "at least"
            lines.append(
                f"{row}, {figure}: {value:.3g}, wanted {sign} {limit}: {'reached' if reached else 'NOT reached'}"
            )
    return lines


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print the tables, write the JSON."""
    parser = argparse.ArgumentParser(
        description="Cost of the motion adapter on CogVideoX, by memory setting and option."
    )
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--tables", nargs="+", choices=TABLES, metavar="TABLE", help=f"of: {' '.join(TABLES)} (default: all "
                        "with a GPU, all but compiled without)")  # fmt: skip
    parser.add_argument("--steps", type=int, help="of a video (default 20; CPU: 10)")
    parser.add_argument("--repeats", type=int, help="turns (default 3; CPU: 5)")
    parser.add_argument("--frames", type=int, default=25)
    parser.add_argument("--attention", default="auto", help="kernel, see dismo_core.cogvideox.attention")
    parser.add_argument(
        "--minutes", type=float, default=float("inf"), help="begin nothing after these (default: no limit)"
    )
    parser.add_argument("--out", type=Path, default=OUT / "sample.json", metavar="JSON")
    options = parser.parse_args(arguments)
    device = torch.device(options.device)
    cuda = device.type == "cuda"
    options.steps = (20 if cuda else 10) if options.steps is None else options.steps
    options.repeats = (3 if cuda else 5) if options.repeats is None else options.repeats
    if options.steps < 2:
        parser.error("--steps must be at least 2: the first step is not counted")
    if cuda:
        torch.cuda.set_device(device.index or 0)
    else:
        torch.set_num_threads(1)
    from diffusers.utils import logging

    logging.set_verbosity_error()  # FasterCache says at every job that it is experimental
    console, where = Console(width=None if sys.stdout.isatty() else 160), machine(device)
    model = "full size, 480x720, bfloat16" if cuda else "small model, 96x160, float32"
    result: dict[str, Any] = {"machine": where, "model": f"{model}, {options.frames} frames, guidance on", "tables": {}}
    straight: list[float] = []

    deadline = time.monotonic() + 60 * options.minutes

    def make(place: torch.device, precision: str = "", with_bare: bool = False) -> Bench:
        torch.manual_seed(0)
        # Numbers are drawn where that is fast.
        made = Bench(random_adapter(not cuda, device, precision).to(place), device, options.frames, with_bare)
        for base in filter(None, (made.base, made.adapter.base)):
            result["attention"] = set_attention(base.transformer, options.attention, device)
        return made

    def keep(name: str, rows: dict[str, dict[str, float]], title: str) -> None:
        result["tables"][name] = rows
        result["verdict"] = verdict(result["tables"]) if cuda else []
        show(console, f"{name}: {title}", rows, where)
        write_json(options.out, "sample", result)  # after every table: whatever comes later

    def table(name: str, bench: Bench, rows: Sequence[Row], steps: int = options.steps) -> dict[str, Measured]:
        found = measure(bench, rows, steps, options.repeats, deadline)
        if "straightforward loop" in found:
            straight.extend(found["straightforward loop"].seconds)
        if found:
            keep(name, summarise(found, straight, cuda), f"{result['model']}, {steps} steps")
        return found

    chosen = options.tables or [name for name in TABLES if cuda or name != "compiled"]
    if "workspace" in chosen:  # bytes beside the weights; blocks run one after the other, so two are as many as all
        rows = workspaces(random_adapter(False, torch.device("meta"), layers=2), options.frames)
        keep("workspace", rows, f"full size, bfloat16, {options.frames} frames, nothing computed")
    if "memory" in chosen:  # before anything is compiled, which would keep memory
        host, steps = torch.device("cpu"), min(options.steps, 5)
        table("memory", make(host), MEMORY + (CAPPED if cuda else []), steps)
        if cuda and importlib.util.find_spec("bitsandbytes"):
            table("nf4", make(host, "nf4"), NF4, steps)
    if "speed" in chosen or "compiled" in chosen:  # speed-ups are counted from a row of the first
        bench = make(device, with_bare=True)
        if {"bare base", "adapter"} <= (found := table("speed", bench, SPEED)).keys():
            result["limits"] = limits(bench, found)
            console.print({key: float(f"{value:.3g}") for key, value in result["limits"].items()})
        if "compiled" in chosen:
            torch._dynamo.config.recompile_limit = 64  # all rows share the code of one block
            table("compiled", bench, COMPILED)
    write_json(options.out, "sample", result)
    console.print(*result.get("verdict", []), f"written: {options.out}", sep="\n")


if __name__ == "__main__":
    main()
