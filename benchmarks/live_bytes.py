"""How many bytes of tensors a computation holds at once, on any device; on `meta` without computing anything.

What kernels take for themselves is not seen, nor what an allocator loses between the pieces.
"""

from __future__ import annotations

import weakref
from contextlib import ExitStack
from typing import Any

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter


class LiveBytes:
    """Context that counts memory taken inside it and not given back.

    Args:
        fused: count attention as kernels compute it that keep no scores; where a backward pass computes a forward one again, that
            cannot be told, and all scores count.

    Attributes:
        peak: most bytes held at once.
    """

    def __init__(self, fused: bool = True) -> None:
        self.fused = fused
        self.peak = 0
        self._held: dict[int, int] = {}
        self._stack = ExitStack()

    def __enter__(self) -> LiveBytes:
        if self.fused:
            self._stack.enter_context(_FusedAttention())
        self._stack.enter_context(_Watch(self))
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def _see(self, storage: torch.UntypedStorage) -> None:
        key = storage._cdata
        if key not in self._held:
            self._held[key] = storage.nbytes()
            self.peak = max(self.peak, sum(self._held.values()))
            weakref.finalize(storage, self._held.pop, key)


class _Watch(TorchDispatchMode):
    def __init__(self, count: LiveBytes) -> None:
        super().__init__()
        self._count = count

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = {x.untyped_storage()._cdata for x in tree_iter((args, kwargs)) if isinstance(x, torch.Tensor)}
        out = func(*args, **(kwargs or {}))
        for x in tree_iter(out):
            if isinstance(x, torch.Tensor) and (storage := x.untyped_storage())._cdata not in given:
                self._count._see(storage)
        return out


class _FusedAttention(TorchFunctionMode):
    """On `meta` attention would be taken apart into matrices of all pairs of tokens, which the kernels of devices never hold."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is torch.nn.functional.scaled_dot_product_attention:
            query: torch.Tensor = args[0] if args else kwargs["query"]
            if query.device.type == "meta":
                return torch.empty_like(query)
        return func(*args, **(kwargs or {}))
