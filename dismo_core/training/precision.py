"""Which dtype the matrix products of a training have on a device."""

from __future__ import annotations

import torch


def product_dtype(device: str | torch.device) -> torch.dtype | None:
    """bfloat16 where it is fast; None = that of the weights.

    A CPU without AVX-512 does it a hundred times slower than float32.
    """
    kind = torch.device(device).type
    if kind == "cpu" and not torch.backends.cpu.get_cpu_capability().startswith("AVX512"):
        return None
    return torch.bfloat16


def fast_products(device: str | torch.device) -> torch.autocast:
    """The context in which products have `product_dtype`."""
    dtype = product_dtype(device)
    return torch.autocast(torch.device(device).type, dtype, enabled=dtype is not None)
