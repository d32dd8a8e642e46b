"""Which precision a model computes in, and in how few bits its large matrices are stored.

Only the linears that a base names are stored in fewer bits. Norms, embeddings, tables and whatever is added later (an
adapter, a LoRA) keep the precision of computation. Quantise before adding something, so that it finds its linears where
they stay.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping
from types import ModuleType
from typing import Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..errors import DisMoError

log = logging.getLogger(__name__)

Precision = Literal["auto", "bf16", "fp16", "fp32", "fp8", "int8", "nf4"]
PRECISIONS: tuple[str, ...] = get_args(Precision)
STORED = ("fp8", "int8", "nf4")  # precisions in which matrices are stored, not computed
DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16, "fp32": torch.float32}
FLOAT8 = torch.float8_e4m3fn


def compute_dtype(precision: str, device: torch.device) -> torch.dtype:
    """The precision of computation that a choice of precision means on a device.

    auto is bfloat16, as the base was trained; float16 on CUDA devices that have no bfloat16 arithmetic. The stored
    precisions fp8, int8 and nf4 compute as auto does.

    Raises:
        DisMoError: no such choice.
    """
    if precision not in PRECISIONS:
        raise DisMoError(f"There is no precision {precision!r}. Choose one of {', '.join(PRECISIONS)}.")
    if precision in DTYPES:
        return DTYPES[precision]
    if device.type == "cuda" and not torch.cuda.is_bf16_supported(including_emulation=False):
        log.info("This GPU has no bfloat16 arithmetic: computing in fp16.")
        return torch.float16
    return torch.bfloat16


def store(model: nn.Module, linears: Collection[str], precision: str, device: str | torch.device = "cpu") -> None:
    """Store the matrices of some linears in fp8, int8 or nf4; other choices of precision change nothing here.

    fp8: float8 (e4m3) with one power of two per output row; any device; memory of the blocks halves.
    int8: torchao, weight only, one scale per output row; memory halves.
    nf4: bitsandbytes, blocks of 64 values; a quarter of the memory.
    Root mean square error of the product with a matrix of normal numbers: fp8 2.6 %, int8 0.8 %, nf4 9.3 %, where
    rounding to bfloat16 alone gives 0.24 %.

    Args:
        model: a transformer.
        linears: names of its linears to store so.
        precision: one of `PRECISIONS`.
        device: where nf4 is computed, matrix by matrix; the result lies on the CPU again.

    Raises:
        DisMoError: the library that int8 or nf4 needs is not installed, or something was added to a linear already.
    """
    if precision not in STORED:
        return
    chosen = _without_additions(model, linears)
    if precision == "fp8":
        _replace(model, chosen, Float8Linear.quantise)
    elif precision == "int8":
        torchao = _library("torchao.quantization", "torchao", precision)
        torchao.quantize_(model, torchao.Int8WeightOnlyConfig(), filter_fn=lambda _, name: name in chosen)
    else:
        bitsandbytes = _library("bitsandbytes.nn", "bitsandbytes", precision)

        def make(linear: nn.Linear) -> nn.Module:
            made: nn.Linear = bitsandbytes.Linear4bit(
                linear.in_features,
                linear.out_features,
                linear.bias is not None,
                compute_dtype=linear.weight.dtype,
                quant_type="nf4",
                device="meta",
            )
            made.weight = bitsandbytes.Params4bit(
                linear.weight.data, requires_grad=False, quant_type="nf4", module=made
            )
            made.bias = linear.bias
            return made.to(device).to("cpu")

        _replace(model, chosen, make)


class Float8Linear(nn.Linear):
    """A frozen linear whose matrix is stored in float8: weight = float8 * scale, computed in the input's precision.

    Attributes:
        weight: float8 [out, in].
        scale: float32, [out, 1] or one number.
    """

    scale: Tensor

    def __init__(self, weight: Tensor, scale: Tensor, bias: nn.Parameter | None) -> None:
        super().__init__(weight.shape[1], weight.shape[0], bias=False, device="meta")
        self.weight = nn.Parameter(weight, requires_grad=False)
        self.bias = bias  # type: ignore[assignment]
        self.register_buffer("scale", scale.reshape(-1, 1) if scale.ndim else scale, persistent=False)

    @classmethod
    def quantise(cls, linear: nn.Linear) -> Float8Linear:
        """Scale every output row by the power of two that just fits it into float8, which costs no rounding itself."""
        weight = linear.weight.data.float()
        largest = weight.abs().amax(dim=1, keepdim=True).clamp(min=torch.finfo(torch.float32).tiny)
        scale = torch.exp2(torch.ceil(torch.log2(largest / torch.finfo(FLOAT8).max)))
        return cls((weight / scale).to(FLOAT8), scale, linear.bias)

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight.to(x.dtype) * self.scale.to(x.dtype), self.bias)


def _without_additions(model: nn.Module, names: Collection[str]) -> dict[str, nn.Linear]:
    """Name -> linear; raises where something was added to one."""
    linears: dict[str, nn.Linear] = {name: model.get_submodule(name) for name in names}  # type: ignore[misc]
    if changed := [name for name, linear in linears.items() if len(list(linear.children()))]:
        raise DisMoError(
            f"{changed[0]} and {len(changed) - 1} more linears carry an adapter already. Choose the precision where the "
            "base is loaded, before the adapter is added."
        )
    return linears


def _replace(model: nn.Module, linears: Mapping[str, nn.Linear], make: Callable[[nn.Linear], nn.Module]) -> None:
    for name, linear in linears.items():
        parent, _, child = name.rpartition(".")
        made = make(linear)
        model.get_submodule(parent).add_module(child, made.train(linear.training))


def _library(module: str, package: str, precision: str) -> ModuleType:
    import importlib

    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise DisMoError(
            f"Precision {precision} needs {package}, which does not load here ({error}). Install it (pip install "
            f"{package}), or choose fp8, which needs nothing."
        ) from error
