"""How fast work could be: its operations and bytes, counted, at the rates that products, attention and copies reach alone.

Three limits, in seconds, none of which a program can pass:
- products: all operations at the rate of one large matrix product;
- parts: the linears at that rate, attention at the rate that attention of the same shape reaches alone;
- copy: what every product and attention reads and writes, once, at the rate of a large copy.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode


@dataclass(frozen=True)
class Work:
    """Operations of linears and convolutions, operations of attention, bytes that both read and write."""

    products: float = 0.0
    attention: float = 0.0
    bytes: float = 0.0

    def __add__(self, other: Work) -> Work:
        return Work(self.products + other.products, self.attention + other.attention, self.bytes + other.bytes)

    def __rmul__(self, times: float) -> Work:
        return Work(times * self.products, times * self.attention, times * self.bytes)


class _Tally(TorchFunctionMode):
    """Adds up the linears, convolutions and attentions that are called."""

    def __init__(self) -> None:
        super().__init__()
        self.work = Work()

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        if func is F.scaled_dot_product_attention:  # scores need not leave the chip
            q, k, v = args[:3]
            flops = 2.0 * q.shape[:-1].numel() * k.shape[-2] * (q.shape[-1] + v.shape[-1])
            self.work += Work(attention=flops, bytes=sum(t.nbytes for t in (q, k, v, out)))
        elif func in (F.linear, F.conv2d, F.conv3d):
            x, weight = args[:2]
            flops = 2.0 * out.numel() * weight[0].numel()
            self.work += Work(products=flops, bytes=sum(t.nbytes for t in (x, weight, out)))
        return out


def count(run: Callable[[], object]) -> Work:
    """Work of the linears, convolutions and attentions of `run`, which is called; on the meta device that costs nothing."""
    tally = _Tally()
    with torch.no_grad(), tally:
        run()
    return tally.work


def now(device: torch.device) -> float:
    """Seconds: of this process on a CPU, so that other work on the machine counts little; of the wall on a GPU."""
    if device.type == "cpu":
        return time.process_time()
    torch.cuda.synchronize(device)
    return time.perf_counter()


def seconds(run: Callable[[], object], device: torch.device, repeats: int = 1) -> float:
    """Time of a call, mean of `repeats`."""
    start = now(device)
    for _ in range(repeats):
        run()
    return (now(device) - start) / repeats


class Rates:
    """Rates of products, attention and copies; `sample` takes one reading of each, and medians count.

    Take readings before, between and after what they are compared with: a shared machine changes its pace.

    Args:
        device, dtype: of the work. heads, tokens, d_head, batch: of its attention.
    """

    def __init__(
        self, device: torch.device, dtype: torch.dtype, heads: int, tokens: int, d_head: int, batch: int = 1
    ) -> None:
        cuda = device.type == "cuda"
        n = 8192 if cuda else 1024
        self.device = device
        self.repeats = 5 if cuda else 2
        square = torch.randn(n, n, device=device, dtype=dtype)
        q, k, v = torch.randn(3, batch, heads, tokens, d_head, device=device, dtype=dtype)
        block = torch.empty(2**28 if cuda else 2**26, dtype=torch.uint8, device=device).fill_(1)
        other = torch.empty_like(block)
        self._work: dict[str, tuple[float, Callable[[], object]]] = {
            "products": (2.0 * n**3, lambda: square @ square),
            "attention": (
                4.0 * batch * heads * tokens**2 * d_head,
                lambda: F.scaled_dot_product_attention(q, k, v, scale=0.1),
            ),
            "copy": (2.0 * block.nbytes, lambda: other.copy_(block)),
        }
        self.readings: dict[str, list[float]] = {name: [] for name in self._work}
        for _, run in self._work.values():
            run()

    def sample(self) -> None:
        """One reading of each."""
        for name, (amount, run) in self._work.items():
            self.readings[name].append(amount / seconds(run, self.device, self.repeats))

    def limits(self, work: Work) -> dict[str, float]:
        """Seconds that `work` takes at least: products, parts, copy."""
        rate = self.medians()
        return {
            "products": (work.products + work.attention) / rate["products"],
            "parts": work.products / rate["products"] + work.attention / rate["attention"],
            "copy": work.bytes / rate["copy"],
        }

    def medians(self) -> dict[str, float]:
        """Operations or bytes a second."""
        return {name: sorted(values)[len(values) // 2] for name, values in self.readings.items()}
