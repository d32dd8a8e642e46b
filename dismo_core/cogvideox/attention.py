"""Attention kernels for CogVideoX by diffusers' dispatch, which its own attention processor of this model bypasses."""

from __future__ import annotations

import logging
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn

from ..errors import DisMoError
from ..imports import importing

log = logging.getLogger(__name__)

Attention = Literal["auto", "sdpa", "cudnn", "flash", "flash 3", "sage", "xformers"]
ATTENTION: tuple[str, ...] = get_args(Attention)
BACKENDS = {  # as diffusers calls them
    "sdpa": "native",
    "cudnn": "_native_cudnn",
    "flash": "flash",
    "flash 3": "_flash_3",
    "sage": "sage",
    "xformers": "xformers",
}


def set_attention(transformer: nn.Module, kernel: str, device: torch.device) -> str:
    """Let every block of a CogVideoX transformer compute its attention with one kernel.

    sdpa is PyTorch's own choice among its kernels, and the reference. auto takes FlashAttention 3 where it is installed
    and the GPU is a Hopper, otherwise sdpa. sage rounds queries and keys to 8 bits, so it is never picked by itself.

    Args:
        device: where the transformer will run.

    Returns:
        The kernel taken.

    Raises:
        DisMoError: no such kernel, not installed, or not for this device.
    """
    kernel = require_attention(kernel, device)
    log.info("Attention: %s.", kernel)
    for block in transformer.get_submodule("transformer_blocks").children():
        attention: Any = block.get_submodule("attn1")
        attention.set_processor(DispatchedAttention(BACKENDS[kernel]))
    return kernel


def require_attention(kernel: str, device: torch.device) -> str:
    """The kernel that a choice means on a device.

    Raises:
        DisMoError: as `set_attention`.
    """
    if kernel not in ATTENTION:
        raise DisMoError(f"There is no attention kernel {kernel!r}. Choose one of {', '.join(ATTENTION)}.")
    if kernel == "auto":
        hopper = device.type == "cuda" and torch.cuda.get_device_capability(device)[0] == 9
        return "flash 3" if hopper and _missing("flash 3") is None else "sdpa"
    if kernel != "sdpa":
        if device.type != "cuda":
            raise DisMoError(f"The attention kernel {kernel!r} needs an NVIDIA or AMD GPU, not {device}. Choose sdpa.")
        if problem := _missing(kernel):
            raise DisMoError(f"The attention kernel {kernel!r} cannot be used here: {problem} Or choose sdpa.")
    return kernel


class DispatchedAttention:
    """Attention processor of a CogVideoX block: the stock one's numbers, the kernel by diffusers' dispatch."""

    def __init__(self, backend: str) -> None:
        with importing("diffusers"):
            from diffusers.models.attention_dispatch import AttentionBackendName, dispatch_attention_fn
            from diffusers.models.embeddings import apply_rotary_emb

        self._rotate: Any = apply_rotary_emb
        self.backend = AttentionBackendName(backend)
        self._dispatch = dispatch_attention_fn
        self._run: Any = self._attend

    def compile(self, backend: str) -> None:
        """Compile the attention by itself. backend: of torch.compile."""
        self._run = torch.compile(self._attend, backend=backend)

    def __call__(
        self,
        attn: Any,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor,
        attention_mask: Tensor | None = None,
        image_rotary_emb: tuple[Tensor, Tensor] | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Image tokens [B,N,width] and text tokens [B,M,width] attend to each other; rotary positions of image tokens."""
        mixed: tuple[Tensor, Tensor] = self._run(
            attn, hidden_states, encoder_hidden_states, attention_mask, image_rotary_emb
        )
        return mixed

    def _attend(
        self,
        attn: Any,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor,
        attention_mask: Tensor | None,
        image_rotary_emb: tuple[Tensor, Tensor] | None,
    ) -> tuple[Tensor, Tensor]:
        text = encoder_hidden_states.shape[1]
        tokens = torch.cat((encoder_hidden_states, hidden_states), dim=1)
        query, key, value = (
            project(tokens).unflatten(-1, (attn.heads, -1)) for project in (attn.to_q, attn.to_k, attn.to_v)
        )
        query, key = attn.norm_q(query), attn.norm_k(key)
        if image_rotary_emb is not None:
            query, key = (
                torch.cat((x[:, :text], self._rotate(x[:, text:], image_rotary_emb, sequence_dim=1)), dim=1)
                for x in (query, key)
            )
        mixed = self._dispatch(query, key, value, attn_mask=attention_mask, backend=self.backend)
        for layer in attn.to_out:  # projection, dropout
            mixed = layer(mixed.flatten(2) if mixed.ndim == 4 else mixed)
        return mixed[:, text:], mixed[:, :text]


def _missing(kernel: str) -> str | None:
    """Why a kernel cannot be used, in diffusers' words; None where it can."""
    with importing("diffusers"):
        from diffusers.models.attention_dispatch import attention_backend

    try:
        with attention_backend(BACKENDS[kernel]):
            return None
    except (RuntimeError, ImportError) as error:
        return f"{error}"
