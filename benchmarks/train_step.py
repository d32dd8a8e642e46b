"""A training step against its products and attention at the rates they reach alone: `python benchmarks/train_step.py --help`.

Operations of the step (forward and backward) are counted on shapes alone: mm, addmm and convolutions are products, bmm is
attention. Product rate: the extractor's widest linear, forward and backward, at the step's own number of tokens and precision.
Attention rate: the extractor's own attention, likewise. Share = (products / product rate + attention / attention rate) / step.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
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
from dismo_core.training.presets import PRESETS, Preset, freeze, tiny_generator
from dismo_core.training.videos import VideoObjective

WANTED = 0.6


def make_objective(preset: Preset) -> VideoObjective:
    """The preset's models with random weights; TAESD's shape is enough here."""
    from diffusers import AutoencoderTiny

    autoencoder = preset.autoencoder(None, False) if preset.generator is tiny_generator else AutoencoderTiny()
    objective = VideoObjective(preset.extractor(), preset.generator(autoencoder), preset.shift)
    for encoder in (objective.extractor.frame_encoder, objective.generator.source_encoder):
        freeze(encoder, preset.encoder_blocks)
    return objective


def make_batch(objective: VideoObjective, size: int, clips: int, device: str) -> tuple[Tensor, ...]:
    """Arguments of the objective."""
    frames = torch.rand(clips, 8, size, size, 3) * 2 - 1
    with torch.no_grad():
        latent = objective.generator.encode(frames[0, :1].to(objective.generator.token_merge.proj.weight.device)).shape[
            1:
        ]
    clean = torch.randn(clips, 4, *latent)
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


def seconds(work: Callable[[], object], device: str, repeats: int) -> float:
    """Median time of a call."""
    times = []
    for _ in range(repeats + 2):
        start = time.perf_counter()
        work()
        if device.startswith("cuda"):
            torch.cuda.synchronize()
        times.append(time.perf_counter() - start)
    return sorted(times[2:])[repeats // 2]


def rates(objective: VideoObjective, clips: int, device: str, autocast: Any, repeats: int) -> tuple[float, float]:
    """Operations a second of products and of attention."""
    extractor = objective.extractor
    side = extractor.frame_encoder.side
    tokens = extractor.window - extractor.look_ahead + extractor.window * side**2
    width = extractor.query_tokens.shape[-1]
    heads, per_head = extractor.pos_emb.temporal_freqs.shape
    x = torch.randn(clips * tokens, width, device=device, requires_grad=True)
    weight = torch.randn(6 * width, width, device=device, requires_grad=True)
    shape = (3, clips, heads, tokens, 8 * per_head)
    dtype = torch.bfloat16 if autocast else torch.float32
    q, k, v = (a.requires_grad_(True) for a in torch.randn(shape, device=device, dtype=dtype).unbind())

    def product() -> None:
        with torch.autocast(device.split(":")[0], torch.bfloat16) if autocast else nullcontext():
            y = F.linear(x, weight)
        y.backward(torch.ones_like(y))

    def attention() -> None:
        y = F.scaled_dot_product_attention(q, k, v)
        y.backward(torch.ones_like(y))

    products = 6 * x.numel() * 6 * width
    attended = 12 * clips * heads * tokens**2 * 8 * per_head
    return products / seconds(product, device, repeats), attended / seconds(attention, device, repeats)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print the table, write the JSON."""
    parser = argparse.ArgumentParser(description="Time of a training step against its products and attention alone.")
    parser.add_argument("--preset", choices=PRESETS, default="small")
    parser.add_argument("--batch", type=int, help="clips (default: the preset's)")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--precision", choices=("bf16", "fp32"), help="default: bf16 on a GPU, fp32 else")
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--repeats", type=int, default=10)
    parser.add_argument("--profile", type=Path, metavar="FILE", help="write the profiler's table of one step")
    parser.add_argument("--out", type=Path, default=OUT / "train_step.json", metavar="JSON")
    options = parser.parse_args(arguments)
    preset, device = PRESETS[options.preset], options.device
    clips = options.batch or preset.batch
    autocast = (options.precision or ("bf16" if device.startswith("cuda") else "fp32")) == "bf16"
    if autocast:
        torch.set_float32_matmul_precision("high")

    objective = make_objective(preset)
    products, attention = count(objective, make_batch(objective, preset.size, 1, "cpu"))
    objective.to(device)
    batch = make_batch(objective, preset.size, clips, device)
    optimizer = torch.optim.AdamW(
        [p for p in objective.parameters() if p.requires_grad], fused=True if device.startswith("cuda") else None
    )
    run = torch.compile(objective) if options.compile else objective

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast(device.split(":")[0], torch.bfloat16) if autocast else nullcontext():
            loss = run(*batch)["loss"]
        loss.backward()
        torch.nn.utils.clip_grad_norm_(optimizer.param_groups[0]["params"], 1.0)
        optimizer.step()

    measured = seconds(step, device, options.repeats)
    product_rate, attention_rate = rates(objective, clips, device, autocast, options.repeats)
    limit = clips * (products / product_rate + attention / attention_rate)
    share = limit / measured
    if options.profile is not None:
        with torch.profiler.profile() as profile:
            step()
        sort = "self_cuda_time_total" if device.startswith("cuda") else "self_cpu_time_total"
        options.profile.write_text(profile.key_averages().table(sort_by=sort, row_limit=30))
    table = Table(title=f"{options.preset}, {clips} clips, {'bf16' if autocast else 'fp32'}, {device}")
    for heading in ("what", "GFLOP a clip", "GFLOP/s alone", "ms a step"):
        table.add_column(heading)
    table.add_row(
        "products", f"{products / 1e9:.1f}", f"{product_rate / 1e9:.0f}", f"{1e3 * clips * products / product_rate:.1f}"
    )
    table.add_row(
        "attention",
        f"{attention / 1e9:.1f}",
        f"{attention_rate / 1e9:.0f}",
        f"{1e3 * clips * attention / attention_rate:.1f}",
    )
    table.add_row("step", f"{(products + attention) / 1e9:.1f}", "", f"{1e3 * measured:.1f}")
    Console().print(table)
    print(f"share: {share:.2f} (wanted {WANTED} for small on a GPU)")
    result = {"preset": options.preset, "clips": clips, "device": device, "bf16": autocast, "compile": options.compile}
    result |= {"products_flop_a_clip": products, "attention_flop_a_clip": attention}
    result |= {"product_rate": product_rate, "attention_rate": attention_rate, "step_seconds": measured, "share": share}
    write_json(options.out, "train_step", result)
    print(f"written: {options.out}")


if __name__ == "__main__":
    main()
