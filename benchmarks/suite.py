"""The benchmarks, and of each the figures that the suite's table shows. The one list: README and results follow it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Figure:
    """One number of a benchmark's JSON.

    Args:
        what: in the table. path: of keys in the JSON, joined by "/".
        wanted: number to reach, None where none is set. at_most: it is a ceiling; without a number: less is better.
        limit: path of the fraction of its limit that is reached, where there is one.
    """

    what: str
    path: str
    wanted: float | None = None
    at_most: bool = False
    limit: str = ""

    def word(self, value: float) -> str:
        """Whether `value` is as wanted; empty where nothing is."""
        if self.wanted is None:
            return ""
        return "reached" if (value <= self.wanted if self.at_most else value >= self.wanted) else "NOT reached"


@dataclass(frozen=True)
class Benchmark:
    """A module of this folder with `main(arguments)` that writes JSON.

    Args:
        name: of the module. figures: for the table. quick: its arguments for a short run.
        device: "cuda" where the figures are those of a GPU. arguments: for every run.
    """

    name: str
    figures: Sequence[Figure]
    quick: Sequence[str] = ()
    device: str = ""
    arguments: Sequence[str] = ()

    @property
    def title(self) -> str:
        """Name, and device where it is not the processor."""
        return f"{self.name}-{self.device}" if self.device else self.name


FIRST, SPEED, COMPILED = "first/fractions", "tables/speed/adapter", "tables/compiled"
BENCHMARKS = (
    Benchmark(
        "extraction",
        (
            Figure("exact, fp32: share of the product limit", f"{FIRST}/products", 0.8),
            Figure("exact, fp32: share of products and attention alone", f"{FIRST}/parts"),
            Figure("exact, fp32: bytes at the copy rate, of the time", f"{FIRST}/copy"),
            Figure("times as fast as the published procedure", "ratios/published"),
            Figure("bf16 autocast: times as fast as fp32 (3 with AMX)", "ratios/bf16"),
            Figure("bf16 weights: times as fast as fp32", "ratios/bf16_weights"),
            Figure("stride 4: times as fast as exact", "ratios/stride_4", 3.0, limit="ratios/stride_4_fraction"),
            Figure("stride 4, long clip: times as fast as exact", "ratios/stride_4_long", 3.0, limit="ratios/stride_4_long_fraction"),
            Figure("bf16 autocast: least cosine with fp32, real clips", "cosines/bf16 autocast/least", 0.999),
            Figure("stride 4: median cosine with exact, real clips", "cosines/stride 4/median"),
        ),
        ("--frames", "12", "--long", "32", "--width", "256", "--depth", "4"),
        arguments=("--device", "cpu"),
    ),
    Benchmark(
        "extraction_memory",
        (
            Figure("exact: peak by length, largest over least", "flat/sliding", 1.1, True, "fraction"),
            Figure("of a file: peak by length, largest over least", "flat/file", 1.1, at_most=True),
        ),
        ("--frames", "25", "120", "--published", "25"),
    ),
    Benchmark(
        "layered",
        (
            Figure("layered model: drawing, of encoding and decoding", "ratio", 2.0, at_most=True),
            Figure("layered model: drawn again at 512 px, s", "preview", 1.0, at_most=True),
            Figure("layered model: peak by length, largest over least", "flat", 1.05, at_most=True),
        ),
        ("--repeats", "1", "--frames", "25", "121"),
    ),
    Benchmark(
        "decoding",
        (
            Figure("times as fast as FFmpeg's command line", "of_ffmpeg", 0.9, limit="of_decoding"),
            Figure("times as fast as ComfyUI's route", "times_comfyui", 5.0),
            Figure("memory, of ComfyUI's route", "memory_share", 0.1, at_most=True),
        ),
        ("--seconds", "3", "--short", "1", "--repeats", "3"),
    ),
    Benchmark(
        "start_up",
        (
            Figure("pack import, s", "seconds/pack", 0.1, at_most=True),
            Figure("pack import with its nodes, beside ComfyUI, s", "seconds/nodes", 0.1, at_most=True),
            Figure("dismo --help, s", "seconds/help", 0.3, True, "fractions/help"),
            Figure("demo's first video, s", "seconds/demo", 15.0, True, "fractions/demo"),
        ),
        ("--repeat", "2"),
    ),
    Benchmark(
        "mimo_memory",
        (
            Figure("MIMO at 512 px: on the card, counted, GiB", "sizes/512/on the card, smallest", 5.5, at_most=True),
            Figure("MIMO at 784 px: on the card, counted, GiB", "sizes/784/on the card, smallest", 7.5, at_most=True),
        ),
    ),
    Benchmark(
        "mimo_flops",
        (
            Figure("MIMO at 512 px: work, of the published", "sizes/512/share", 0.88, at_most=True),
            Figure("MIMO at 784 px: work, of the published", "sizes/784/share", 0.82, at_most=True),
        ),
    ),
    Benchmark(
        "mimo_train_step",
        (
            Figure("MIMO: a step of stage 1: share of its parts alone", "stages/stage1/share", 0.6, limit="stages/stage1/share"),
            Figure("MIMO: a step of stage 2: share of its parts alone", "stages/stage2/share", 0.6, limit="stages/stage2/share"),
        ),
        ("--turns", "1"),
    ),
    Benchmark(
        "mimo_template_memory",
        (Figure("MIMO: a template of 300 frames of 1080p, host memory, GiB", "largest", 2.0, at_most=True),),
        ("--frames", "12", "--size", "480", "272"),
    ),
    Benchmark(
        "demo_t2v",
        (
            Figure("DEMO: a pass: share of its limit", "speed/share", 0.6, limit="speed/share"),
            Figure("DEMO: times as fast as the published way", "speed/times as fast", 1.2),
            Figure("DEMO: memory, of the published way", "memory/of the published way", 0.7, True),
            Figure("DEMO: all on the card, counted, GB", "memory/everything on the device, towers released", 6.5, True),
            Figure("DEMO: one part at a time, counted, GB", "memory/one part at a time", 4.5, True),
            Figure("DEMO: ... and fp8, counted, GB", "memory/one part at a time, fp8", 3.0, True),
        ),
        ("--turns", "1", "--side", "8", "--frames", "4"),
    ),
    # What is wanted of the following stands in their own tables.
    Benchmark(
        "gaussians4d",
        (
            Figure("4D: rasterizer, 64 px: times as fast as a dense one", "rasterizer/64/times as fast", 8.0),
            Figure("4D: rasterizer, 128 px: times as fast as a dense one", "rasterizer/128/times as fast", 8.0),
            Figure("4D: rasterizer, 64 px: apart from the dense one, but on edges of cuts", "rasterizer/64/apart", 1e-5, True),
            Figure("4D: rasterizer, 128 px: apart from the dense one, but on edges of cuts", "rasterizer/128/apart", 1e-5, True),
            Figure("4D: zero123: memory of 112 samples over that of 16", "guidance/growth", 1.1, True),
            Figure("4D: zero123: memory in chunks, of that of one backward", "guidance/of one backward", 0.25, True),
            Figure("4D: a judged step in chunks, times as long as in one backward", "times/times as long", 1.3, True),
            Figure("4D: a step's memory at 56 frames over that at 14", "fit/growth", 1.1, True),
        ),
        ("--turns", "1"),
    ),
    Benchmark(
        "train_step",
        (Figure("training step: share of its limit", "share", limit="share"),),
        arguments=("--device", "cpu", "--batch", "1", "--repeats", "1"),
    ),
    Benchmark(
        "data_pipeline",
        (Figure("training clips: rate, of decoding alone", "share_of_decoding", limit="share_of_decoding"),),
        ("--clips", "8", "--videos", "1"),
    ),
    Benchmark(
        "sample",
        (
            Figure("CogVideoX adapter: time over the bare base", f"{SPEED}/ratio", at_most=True, limit="limits/adapter_fraction"),
            Figure("CogVideoX adapter: times as fast as recomputing", f"{SPEED}/speed_up"),
            Figure("CogVideoX adapter outside its steps: time over the bare base", f"{SPEED} outside its range of steps/ratio", 1.01, True),
        ),
        ("--steps", "3", "--repeats", "1", "--tables", "speed"),
        arguments=("--device", "cpu"),
    ),
    Benchmark(
        "many",
        (
            Figure("ten pictures, CogVideoX: of ten single samplings", "ratios/CogVideoX", 1.02, True),
            Figure("ten pictures, layered: of ten single samplings", "ratios/layered", 1.02, True),
        ),
        ("--pictures", "3"),
    ),
    Benchmark(
        "extraction",
        (
            *(
                Figure(f"GPU: exact, {way}: share of the product limit", f"rows/exact, {way}/fractions/products", wanted)
                for way, wanted in (
                    ("fp32, 300 frames", None),
                    ("tf32, 300 frames", None),
                    ("bf16 autocast, 300 frames", 0.5),
                    ("bf16 weights, 300 frames", 0.5),
                    ("bf16 weights, 300 frames, compiled", 0.5),
                    ("bf16 weights, 300 frames, graphs", 0.5),
                    ("bf16 weights, 300 frames, compiled and graphs", 0.5),
                )
            ),
            Figure("GPU: bf16 autocast, 25 frames: times as fast as fp32", "ratios/bf16"),
            Figure("GPU: times as fast as the published procedure, 25 frames", "ratios/published"),
            Figure("GPU: peak GB beside weights and clip, bf16, 300 frames", "rows/exact, bf16 autocast, 300 frames/peak_gb", at_most=True),
        ),
        ("--frames", "25", "--forms", "graphs"),
        "cuda",
        ("--device", "cuda"),
    ),
    Benchmark(
        "sample",
        (
            Figure("GPU: CogVideoX adapter: time over the bare base", f"{SPEED}/ratio", 1.2, True, "limits/adapter_fraction"),
            Figure("GPU: CogVideoX adapter: times as fast as recomputing", f"{SPEED}/speed_up", 1.05),
            Figure("GPU: adapter outside its steps: time over the bare base", f"{SPEED} outside its range of steps/ratio", 1.01, True),
            Figure("GPU: adapter compiled and fused: time over the bare base", f"{COMPILED}/adapter, compiled and fused/ratio", 1.08, True),
            Figure("GPU: CogVideoX adapter, faster cache: times as fast as recomputing", f"{COMPILED}/... and cache: faster/speed_up", 2.0),
        ),
        ("--steps", "3", "--repeats", "1", "--tables", "speed"),
        "cuda",
        ("--device", "cuda"),
    ),
    Benchmark(
        "train_step",
        (Figure("GPU: training step: share of its limit", "share", 0.6, limit="share"),),
        ("--repeats", "2"),
        "cuda",
        ("--device", "cuda"),
    ),
)  # fmt: skip


def read(result: Any, path: str) -> float | None:
    """The number at `path`, None where there is none."""
    if not path:
        return float(result) if isinstance(result, (int, float)) else None
    key, _, rest = path.partition("/")
    return read(result.get(key), rest) if isinstance(result, dict) else None


def verdict(name: str, result: dict[str, Any], device: str = "") -> str:
    """A line for each figure of a benchmark that something is wanted of."""
    (benchmark,) = (b for b in BENCHMARKS if (b.name, b.device) == (name, device))
    lines = []
    for figure in benchmark.figures:
        value = read(result, figure.path)
        if value is not None and figure.wanted is not None:
            sign = "at most" if figure.at_most else "at least"
            lines.append(f"{figure.what}: {value:.3g}, wanted {sign} {figure.wanted:g}: {figure.word(value)}")
    return "\n".join(lines)
