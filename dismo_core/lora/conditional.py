"""Conditional LoRA: a low-rank update whose bottleneck is scaled and shifted per latent frame (docs/methods/dismo.md, 7.3).

With the frozen linear W x + b, and h_k the condition of latent frame k:

    u = A x;   image tokens of frame k:  u <- (1 + G h_k) * u + Bt h_k;   y = W x + b + scale * B u

Text tokens, which come first in the sequence, keep u as it is. With a strength f_k for every latent frame, u of its tokens
is multiplied by f_k, and that of the text by their mean. `MotionLoRA` holds A and B and lies inside the frozen
linear as its child `motion`, called by a forward hook: names and types of the base stay what they were, so PEFT,
quantisation and offloading still find their linears, and A and B travel with the block they belong to. G and Bt are
needed once per video; they stay with the adapter, which gives their products to the layers as small tables.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.hooks import RemovableHandle

from ..errors import DisMoError

NAME = "motion"


class Matrix(nn.Linear):
    """A linear without bias that computes in its input's precision: training keeps the weights in float32."""

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight.to(x.dtype))


class Accumulate(Matrix):
    """A linear that can add its product onto a tensor, in place and with one rounding."""

    def forward(self, x: Tensor, onto: Tensor | None = None) -> Tensor:
        if onto is None:
            return super().forward(x)
        onto.view(-1, self.out_features).addmm_(x.flatten(0, -2), self.weight.to(x.dtype).t())
        return onto


class MotionLoRA(nn.Module):
    """The update of one linear. Without tables, or at strength 0, it leaves the linear's output as it is.

    Attributes:
        strength: factor on the whole update; 1 = reference.
        exact: round after every operation as the reference does. Otherwise the operations are fused and rounded
            less often: in bfloat16 the output then differs by about 0.3 % (root mean square), towards the true value.
        acting: False = it is not called for now.
        gain, shift: 1 + G h and Bt h, [videos, K, 1, rank]; None = off.
        text_gain: factor on the update of text tokens, a scalar; None = 1.
        text_tokens: how many tokens come before those of the image.
    """

    def __init__(self, lora_A: Matrix, lora_B: Accumulate, scale: float) -> None:
        super().__init__()
        self.lora_A = lora_A
        self.lora_B = lora_B
        self.scale = scale
        self.strength = 1.0
        self.exact = True
        self.acting = True
        self.gain: Tensor | None = None
        self.shift: Tensor | None = None
        self.text_gain: Tensor | None = None
        self.text_tokens = 0

    def forward(self, x: Tensor, output: Tensor) -> Tensor:
        """Input [B,L,in] and output [B,L,out] of the frozen linear -> its output with the update.

        B is a multiple of the number of videos that the tables are for: [video 1, 2, ..., video 1, 2, ...].
        """
        if self.gain is None or self.shift is None or self.strength == 0:
            return output
        scale = self.scale * self.strength
        u = self.lora_A(x)
        videos, frames = self.gain.shape[:2]
        image = u[:, self.text_tokens :].unflatten(1, (frames, -1)).unflatten(0, (-1, videos))
        if self.exact:
            image = image * self.gain + self.shift
        else:
            image = torch.addcmul(self.shift, image, self.gain)
        text = u[:, : self.text_tokens]
        if self.text_gain is not None:
            text = text * self.text_gain
        u = torch.cat((text, image.flatten(2, 3).flatten(0, 1)), dim=1)
        if self.exact:
            # A factor that is a power of two, as the released 0.5, rounds nothing: one pass gives the bits of two.
            return torch.add(output, self.lora_B(u), alpha=scale)
        fused: Tensor = self.lora_B(u * scale, output)
        return fused


class ConditionalLoRA(nn.Module):
    """The four matrices of one adapted linear, under the names of the released adapter.

    Args:
        d_in: of the frozen linear.
        d_out: of the frozen linear.
        d_cond: width of a condition.
        rank: of the update.
        dtype: of the four matrices; that of the base model's activations.
    """

    def __init__(self, d_in: int, d_out: int, d_cond: int, rank: int, dtype: torch.dtype) -> None:
        super().__init__()
        b = Accumulate(rank, d_out, bias=False)
        nn.init.zeros_(b.weight)
        parts: dict[str, Matrix] = {
            "lora_A": Matrix(d_in, rank, bias=False),
            "lora_B": b,
            "lora_emb_gamma": Matrix(d_cond, rank, bias=False),
            "lora_emb_beta": Matrix(d_cond, rank, bias=False),
        }
        for name in ("lora_emb_gamma", "lora_emb_beta"):
            nn.init.zeros_(parts[name].weight)
        for name, linear in parts.items():
            self.add_module(name, nn.ModuleDict({"default": linear.to(dtype)}))

    def attach(self, linear: nn.Module, scale: float) -> RemovableHandle:
        """Put the update into a frozen linear; returns the handle of its hook.

        Raises:
            DisMoError: the linear carries a motion adapter already.
        """
        if hasattr(linear, NAME):
            raise DisMoError(
                "This base model carries a motion adapter already, and would follow both. Detach the first "
                "(adapter.detach()), or load the base model a second time."
            )
        linear.add_module(NAME, MotionLoRA(self._part("lora_A"), self._part("lora_B"), scale))
        return linear.register_forward_hook(_add_update)

    def tables(self, conditions: Tensor) -> tuple[Tensor, Tensor]:
        """Conditions [videos,K,d_cond] -> gain and shift, each [videos,K,1,rank]."""
        gain, shift = self._part("lora_emb_gamma")(conditions), self._part("lora_emb_beta")(conditions)
        return (1 + gain).unsqueeze(2), shift.unsqueeze(2)

    def _part(self, name: str) -> Any:
        return self.get_submodule(f"{name}.default")


def _add_update(linear: nn.Module, args: tuple[Tensor, ...], output: Tensor) -> Tensor | None:
    motion: MotionLoRA = getattr(linear, NAME)
    if not motion.acting:
        return None  # the output stays
    updated: Tensor = motion(args[0], output)
    return updated
