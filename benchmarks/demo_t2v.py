"""DEMO's network against its limit and against the published way, and its memory at full size: `python -m benchmarks demo_t2v`.

Random weights. On a GPU at the published size in bfloat16; on a CPU 128 wide, float32, one thread, processor time. Limit: all matrix
products of a pass, convolutions among them, at the rate of one large product measured in the same run (`limits.py`).

The published way: the content's text repeated for each frame before its keys and values are computed, in every step; the keys and
values of the motion repeated for each pixel; scores of its text held as a whole; both towers on the device; 16 frames decoded at once.
The time is that of a guided step. Memory is counted on the meta device, float16, 16 frames of 256x256 px: live tensors, no context.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from torch import Tensor
from torch.nn import functional as F

from benchmarks.limits import Rates, count, seconds
from benchmarks.live_bytes import LiveBytes
from benchmarks.report import OUT, table, write_json
from benchmarks.suite import verdict
from dismo_core import demo_t2v as demo
from dismo_core.demo_t2v.autoencoder import empty_autoencoder
from dismo_core.demo_t2v.models.attention import Attention, HeldText
from dismo_core.text_to_video.base import attention_linears

GB = 1e9
CONTEXT, TOKENS = 1024, 77
SMALL = {"width": 128}


def measure(device: torch.device, side: int, frames: int, turns: int) -> dict[str, Any]:
    """Seconds of a pass, of a guided step and of one the published way, in turn; shares and ratios.

    Args:
        device: where.
        side: of the latents.
        frames: of a clip.
        turns: readings of each.
    """
    gpu = device.type == "cuda"
    dtype = torch.bfloat16 if gpu else torch.float32
    torch.manual_seed(0)
    unet = demo.UNet(**({} if gpu else SMALL)).to(device, dtype).eval().requires_grad_(False)
    x = torch.randn(1, 4, frames, side, side, device=device, dtype=dtype)
    texts = [torch.randn(2, TOKENS, CONTEXT, device=device, dtype=dtype) for _ in range(2)]
    t = torch.tensor([500], device=device)
    held = [HeldText(text) for text in texts]
    halves = x.repeat(2, 1, 1, 1, 1)

    def one_pass() -> None:
        unet(x, t, texts[0][:1], texts[1][:1])

    def step() -> Tensor:
        noise: Tensor = unet(halves, t, *held)
        return noise

    def published() -> Tensor:
        with mock.patch.object(Attention, "forward", published_attention):
            return torch.cat([unet(x, t, texts[0][k : k + 1], HeldText(texts[1][k : k + 1])) for k in range(2)])

    with torch.no_grad():
        apart = float((step() - published()).abs().max() / published().abs().max())
        work = count(one_pass)
        rates = Rates(device, dtype, heads=8, tokens=side * side, d_head=64, batch=frames)
        times: dict[str, list[float]] = {"pass": [], "step": [], "published": []}
        for _ in range(turns):
            rates.sample()
            for name, run in (("pass", one_pass), ("step", step), ("published", published)):
                times[name].append(seconds(run, device))
    limit = rates.limits(work)["products"]
    return {
        "seconds": {name: statistics.median(found) for name, found in times.items()},
        "share": limit / statistics.median(times["pass"]),
        "times as fast": statistics.median(
            theirs / ours for ours, theirs in zip(times["step"], times["published"], strict=True)
        ),
        "apart": apart,
    }


def published_attention(self: Attention, x: Tensor, context: Any = None, column: Any = None) -> tuple[Tensor, Tensor]:
    """`Attention.forward` as the published network has it; a `HeldText` marks the motion's text."""
    groups, length = x.shape[:2]
    queries = self._split(self.to_q(x))
    if isinstance(context, HeldText):
        keys, values = (part.repeat_interleave(groups // len(part), dim=0) for part in self.keys_values(context.states))
        out = (queries @ keys.transpose(-1, -2) * queries.shape[-1] ** -0.5).softmax(dim=-1) @ values
    else:
        text = x if context is None else context.repeat_interleave(groups // len(context), dim=0)
        out = F.scaled_dot_product_attention(queries, *self.keys_values(text))
    return self.to_out[0](out.transpose(1, 2).reshape(groups, length, -1)), x.new_empty(0)


def memory(frames: int = 16, side: int = 32) -> dict[str, float]:
    """GB on the device at full size, float16: of a job in the ways of the memory plan, and the published way."""
    with torch.device("meta"):
        unet = demo.UNet().half().eval().requires_grad_(False)
        tower = demo.TextTower().half()
        autoencoder = empty_autoencoder().half().eval().requires_grad_(False)
        x, text = _half(1, 4, frames, side, side), _half(1, TOKENS, CONTEXT)
        t = torch.zeros(1, device="meta")
    both = x.repeat(2, 1, 1, 1, 1), text.repeat(2, 1, 1)

    def peak(run: Callable[[], Any]) -> float:
        with torch.no_grad(), LiveBytes() as live:
            run()
        return live.peak / GB

    def decoding(at_once: int) -> float:
        return peak(lambda: autoencoder.decode(_half(at_once, 4, side, side)))

    def published() -> None:
        with mock.patch.object(Attention, "forward", published_attention):
            unet(x, t, text, HeldText(text))

    held = HeldText(text)
    with torch.no_grad():
        unet(x, t, held, held)  # keys and values are there from the second step on
    kept = 2 * sum(part.nbytes for pair in held._held.values() for part in pair) / GB  # of two passes
    weights = {"unet": _bytes(unet), "tower": _bytes(tower), "autoencoder": _bytes(autoencoder)}
    stored = sum(unet.get_submodule(name).weight.nbytes for name in attention_linears(unet)) / GB
    one, two = peak(lambda: unet(x, t, held, held)), peak(lambda: unet(both[0], t, both[1], both[1]))
    four, sixteen = decoding(4), decoding(16)
    offloaded = max(weights["unet"] + kept + one, weights["autoencoder"] + four)
    found = {
        "everything on the device, towers released": weights["unet"]
        + weights["autoencoder"]
        + kept
        + max(two, sixteen),
        "one part at a time": offloaded,
        "one part at a time, fp8": max(weights["unet"] - stored / 2 + kept + one, weights["autoencoder"] + four),
        "published way": weights["unet"]
        + 2 * weights["tower"]
        + weights["autoencoder"]
        + max(peak(published), sixteen),
    }
    work = count(lambda: unet(x, t, text, text))
    return found | {
        "of the published way": offloaded / found["published way"],
        "TFLOP a pass": (work.products + work.attention) / 1e12,
    }


def _bytes(module: Any) -> float:
    return sum(weight.nbytes for weight in module.parameters()) / GB


def _half(*shape: int) -> Tensor:
    return torch.zeros(shape, dtype=torch.float16, device="meta")


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print the tables, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=int, default=5, help="default 5")
    parser.add_argument("--frames", type=int, default=16, help="default 16")
    parser.add_argument("--side", type=int, default=32, help="of the latents (default 32: 256 px)")
    parser.add_argument("--device", default="cpu", help="cpu or cuda (default cpu)")
    parser.add_argument("--out", type=Path, default=OUT / "demo_t2v.json")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    counted = memory()
    speed = measure(torch.device(options.device), options.side, options.frames, options.turns)
    rows = [(name, f"{value:.2f}") for name, value in counted.items()]
    print(table("DEMO at full size, float16, 16 frames of 256x256 px, counted; GB unless said", ("", ""), rows))
    rows = [(f"{name}, s", f"{value:.2f}") for name, value in speed["seconds"].items()]
    rows += [(name, f"{speed[name]:.3g}") for name in ("share", "times as fast", "apart")]
    print(table(f"DEMO on {options.device}, {options.frames} frames, latents of {options.side}", ("", ""), rows))
    result = {"memory": counted, "speed": speed}
    write_json(options.out, "demo_t2v", result)
    print(verdict("demo_t2v", result))


if __name__ == "__main__":
    main()
