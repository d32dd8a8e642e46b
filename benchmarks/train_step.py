"""A training step against its products and attention at the rates they reach alone: `python benchmarks/train_step.py --help`.

Operations of the step (forward and backward) are counted on shapes alone: mm, addmm and convolutions are products, bmm is
attention. Product rate: the extractor's widest linear, forward and backward, at the step's own number of tokens and precision.
Attention rate: the extractor's own attention, likewise. Share = (products / product rate + attention / attention rate) / step.
All three are timed in turn, and the share is the median of those within a turn. On a GPU by the clock; on a CPU by this
process's processor time in one thread, so that other work on the machine counts little.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.report import OUT, write_json
from dismo_core.dismo.training.presets import PRESETS, Preset, freeze, taesd
from dismo_core.dismo.training.videos import VideoObjective

WANTED = 0.6
GROUPS = {  # marks in the names of operations and kernels; the first that fits
    "attention": ("attention", "flash", "fmha", "bmm", "softmax"),
    "products": ("::mm", "addmm", "gemm", "cublas", "cutlass"),
    "convolutions": ("conv",),
    "optimizer and clipping": ("adam", "optimizer", "foreach", "addc", "lerp", "linalg_vector_norm"),
    "copies": ("copy", "cat", "contiguous", "clone", "fill"),
    "elementwise and norms": tuple("mul add sub div silu gelu pow rsqrt mean sum norm neg elementwise reduce".split()),
}


def make_objective(preset: Preset) -> VideoObjective:
    """The preset's models with random weights; TAESD's shape is enough here."""
    from diffusers import AutoencoderTiny

    autoencoder = AutoencoderTiny() if preset.autoencoder is taesd else preset.autoencoder(None, False)
    objective = VideoObjective(preset.extractor(), preset.generator(autoencoder), preset.shift)
    for encoder in (objective.extractor.frame_encoder, objective.generator.source_encoder):
        freeze(encoder, preset.encoder_blocks)
    return objective


def make_batch(objective: VideoObjective, size: int, clips: int, device: str) -> tuple[Tensor, ...]:
    """Arguments of the objective."""
    frames = torch.rand(clips, 8, size, size, 3) * 2 - 1
    one = frames[0, :1].to(objective.generator.token_merge.proj.weight.device)
    clean = torch.randn(clips, 4, *objective.generator.encode(one).shape[1:])
    gap, t = torch.rand(clips, 4) * 4, torch.rand(clips, 4)
    return tuple(x.to(device) for x in (frames, frames[:, :4], gap, clean, torch.randn_like(clean), t))


def count(objective: VideoObjective, batch: Sequence[Tensor]) -> tuple[float, float]:
    """Operations of products and of attention, forward and backward."""
    counter = FlopCounterMode(display=False)
    with sdpa_kernel(SDPBackend.MATH), counter:
        objective(*batch)["loss"].backward()
    counts: dict[Any, int] = counter.get_flop_counts()["Global"]
    objective.zero_grad(set_to_none=True)
    attention = sum(n for op, n in counts.items() if "bmm" in str(op))
    return float(sum(counts.values()) - attention), float(attention)


def seconds(work: Callable[[], object], device: str) -> float:
    """Time of a call: by the clock on a GPU, else this process's processor time."""
    cuda = device.startswith("cuda")
    clock = time.perf_counter if cuda else time.process_time
    start = clock()
    work()
    if cuda:
        torch.cuda.synchronize()
    return clock() - start


def alone(
    objective: VideoObjective, clips: int, device: str, bf16: bool
) -> dict[str, tuple[Callable[[], None], float]]:
    """Products and attention by themselves, forward and backward: name -> (work, operations)."""
    extractor = objective.extractor
    side = extractor.frame_encoder.side
    tokens = extractor.window - extractor.look_ahead + extractor.window * side**2
    width = extractor.query_tokens.shape[-1]
    heads, per_head = extractor.pos_emb.temporal_freqs.shape
    x = torch.randn(clips * tokens, width, device=device, requires_grad=True)
    weight = torch.randn(6 * width, width, device=device, requires_grad=True)
    shape = (3, clips, heads, tokens, 8 * per_head)
    dtype = torch.bfloat16 if bf16 else torch.float32
    q, k, v = (a.requires_grad_(True) for a in torch.randn(shape, device=device, dtype=dtype).unbind())

    def product() -> None:
        with torch.autocast(device.split(":")[0], torch.bfloat16, enabled=bf16):
            y = F.linear(x, weight)
        y.backward(torch.ones_like(y))

    def attention() -> None:
        y = F.scaled_dot_product_attention(q, k, v)
        y.backward(torch.ones_like(y))

    return {
        "products": (product, 6.0 * x.numel() * 6 * width),
        "attention": (attention, 12.0 * clips * heads * tokens**2 * 8 * per_head),
    }


def profile(step: Callable[[], None], cuda: bool) -> Any:
    """The profiler's averages of one step."""
    activity = torch.profiler.ProfilerActivity
    with torch.profiler.profile(activities=[activity.CPU, *([activity.CUDA] if cuda else [])]) as profiler:
        step()
    return profiler.key_averages()


def groups(averages: Any, cuda: bool) -> dict[str, float]:
    """Share of a step's time in each group of operations, largest first."""
    totals: dict[str, float] = {}
    for event in averages:
        spent = float(event.self_device_time_total if cuda else event.self_cpu_time_total)
        name = next((group for group, marks in GROUPS.items() if any(m in event.key.lower() for m in marks)), "other")
        totals[name] = totals.get(name, 0.0) + spent
    return {k: v / sum(totals.values()) for k, v in sorted(totals.items(), key=lambda item: -item[1])}


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print the table, write the JSON."""
    parser = argparse.ArgumentParser(description="Time of a training step against its products and attention alone.")
    parser.add_argument("--preset", choices=PRESETS, default="small")
    parser.add_argument("--batch", type=int, help="clips (default: the preset's)")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--precision", choices=("bf16", "fp32"), help="default: bf16 on a GPU, fp32 else")
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--repeats", type=int, default=5, help="turns (default 5)")
    parser.add_argument("--profile", type=Path, metavar="FILE", help="write the profiler's table of one step")
    parser.add_argument("--out", type=Path, default=OUT / "train_step.json", metavar="JSON")
    options = parser.parse_args(arguments)
    preset, device = PRESETS[options.preset], options.device
    clips = options.batch or preset.batch
    cuda = device.startswith("cuda")
    bf16 = (options.precision or ("bf16" if cuda else "fp32")) == "bf16"
    if bf16:
        torch.set_float32_matmul_precision("high")
    if not cuda:
        torch.set_num_threads(1)

    with torch.device("meta"):  # shapes alone
        shapes = make_objective(preset)
        counted = count(shapes, make_batch(shapes, preset.size, 1, "meta"))
    operations = dict(zip(("products", "attention"), counted, strict=True))
    objective = make_objective(preset).to(device)
    batch = make_batch(objective, preset.size, clips, device)
    trained = [p for p in objective.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, fused=True if cuda else None)
    run = torch.compile(objective) if options.compile else objective

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast(device.split(":")[0], torch.bfloat16, enabled=bf16):
            loss = run(*batch)["loss"]
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()

    parts = alone(objective, clips, device, bf16)
    turns: list[dict[str, float]] = []  # milliseconds that a step's products and attention would take, and the step
    for turn in range(options.repeats + 1):
        ms = {
            name: 1e3 * clips * operations[name] / done * seconds(work, device) for name, (work, done) in parts.items()
        }
        ms["step"] = 1e3 * seconds(step, device)
        if turn:  # the first warms up
            turns.append(ms)
    share = statistics.median((ms["products"] + ms["attention"]) / ms["step"] for ms in turns)
    middle = {name: statistics.median(ms[name] for ms in turns) for name in turns[0]}
    profiled = profile(step, cuda)
    if options.profile is not None:
        options.profile.write_text(
            profiled.table(sort_by=f"self_{'device' if cuda else 'cpu'}_time_total", row_limit=40)
        )

    table = Table(title=f"{options.preset}, {clips} clips, {'bf16' if bf16 else 'fp32'}, {device}")
    for heading in ("what", "GFLOP a clip", "GFLOP/s alone", "ms a step"):
        table.add_column(heading)
    for name, flop in operations.items():
        rate = clips * flop / middle[name] / 1e6
        table.add_row(name, f"{flop / 1e9:.1f}", f"{rate:.0f}", f"{middle[name]:.0f}")
    table.add_row("step", f"{sum(operations.values()) / 1e9:.1f}", "", f"{middle['step']:.0f}")
    Console().print(table)
    shares = groups(profiled, cuda)
    print("profile: " + ", ".join(f"{name} {100 * part:.0f} %" for name, part in shares.items()))
    print(f"share: {share:.2f} (wanted {WANTED} for small on a GPU)")
    result = {"preset": options.preset, "clips": clips, "device": device, "bf16": bf16, "compile": options.compile}
    result |= {"flop_a_clip": operations, "ms": middle, "share": share, "profile": shares}
    write_json(options.out, "train_step", result)
    print(f"written: {options.out}")


if __name__ == "__main__":
    main()
