"""CogVideoX with a motion adapter and random weights, full-size or small, made without any download."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn

from dismo_core import CogVideoXMotionAdapter, MotionExtractor
from dismo_core.cogvideox.base import CogVideoXBase
from dismo_core.cogvideox.geometry import COGVIDEOX_5B_I2V, Geometry
from dismo_core.cogvideox.parts import block_linears
from dismo_core.cogvideox.positions import PositionTables
from dismo_core.dismo.adapter.module import adapted_linears
from dismo_core.memory.precision import store

# The full size divided by 10 to 16 in width, depth and tokens; rank and width of the conditions shrink along.
SMALL = Geometry(
    transformer={
        **COGVIDEOX_5B_I2V.transformer,
        "num_attention_heads": 3,
        "num_layers": 4,
        "time_embed_dim": 32,
        "text_embed_dim": 64,
        "max_text_seq_length": 32,
        "sample_height": 12,
        "sample_width": 20,
    },
    vae={
        **COGVIDEOX_5B_I2V.vae,
        "block_out_channels": (4, 4, 4, 4),
        "layers_per_block": 1,
        "norm_num_groups": 2,
        "sample_height": 96,
        "sample_width": 160,  # as at full size, a VAE tile ends on whole latents
    },
    text_encoder={
        **COGVIDEOX_5B_I2V.text_encoder,
        "vocab_size": 64,
        "d_model": 64,
        "d_kv": 16,
        "d_ff": 128,
        "num_layers": 2,
        "num_heads": 4,
    },
    scheduler=COGVIDEOX_5B_I2V.scheduler,
)


def random_base(geometry: Geometry, device: torch.device, dtype: torch.dtype) -> CogVideoXBase:
    """A base on the device; its tokenizer gives the same tokens for every prompt."""
    from diffusers.models.autoencoders.autoencoder_kl_cogvideox import AutoencoderKLCogVideoX
    from diffusers.models.transformers.cogvideox_transformer_3d import CogVideoXTransformer3DModel
    from transformers import T5Config, T5EncoderModel

    with torch.device("meta"):
        parts = (
            CogVideoXTransformer3DModel.from_config(dict(geometry.transformer)),
            AutoencoderKLCogVideoX.from_config(dict(geometry.vae)),
            T5EncoderModel(T5Config(**geometry.text_encoder)),
        )
    for part in parts:
        nn.Module.to(part, dtype).to_empty(device=device).eval().requires_grad_(False)  # type: ignore[call-overload]
        fill_random(part)
    transformer, vae, text_encoder = parts
    text_encoder.tie_weights()
    return CogVideoXBase(transformer, vae, _tokens, text_encoder, dict(geometry.scheduler), "random weights")


def random_adapter(
    small: bool,
    device: torch.device,
    precision: str = "",
    layers: int | None = None,
) -> CogVideoXMotionAdapter:
    """An adapter on a base of its own, all on `device`.

    Args:
        precision: see `dismo_core.memory.precision.store`.
        layers: of the transformer; None = all.
    """
    dtype = torch.float32 if small else torch.bfloat16
    geometry = SMALL if small else COGVIDEOX_5B_I2V
    if layers is not None:
        geometry = replace(geometry, transformer={**geometry.transformer, "num_layers": layers})
    base = random_base(geometry, device, dtype)
    if precision:
        store(base.transformer, block_linears(base.transformer), precision, device)
    with torch.device(device):
        if small:
            encoder = {"embed_dim": 24, "depth": 2, "num_heads": 2, "image_size": 224}
            extractor = MotionExtractor(width=32, depth=1, d_head=16, d_motion=8, frame_encoder=encoder)
            adapter = CogVideoXMotionAdapter(base, extractor, d_cond=64, rank=8, alpha=4, dtype=dtype)
        else:
            adapter = CogVideoXMotionAdapter(base, MotionExtractor.large())
    fill_random(adapter.transformer)
    return adapter


def bare(base: CogVideoXBase) -> CogVideoXBase:
    """The base as it is before an adapter is attached: the same weights, no hooks, its table of positions made once."""
    with torch.device("meta"):
        transformer = type(base.transformer).from_config(dict(base.transformer.config))
    own = {name: t for name, t in base.transformer.state_dict().items() if ".motion." not in name}
    transformer.load_state_dict(own, assign=True)
    PositionTables(transformer.patch_embed, base.transformer.dtype)
    return replace(base, transformer=transformer.eval().requires_grad_(False))


@contextmanager
def straightforward(adapter: CogVideoXMotionAdapter, embeddings: Tensor) -> Iterator[None]:
    """The adapter without anything made once: in every step the conditions from the embeddings [1,P,d_motion], in every
    layer its two tables for each guidance half, and the base's table of positions. The adapter's own update must be off
    (strength 0)."""
    transformer, now = adapter.base.transformer, {}
    text = adapter.encode_prompts.max_tokens

    def begin(module: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
        halves = len(kwargs["hidden_states"])
        now["conditions"] = adapter(embeddings).to(adapter.dtype).expand(halves, -1, -1)
        adapter._positions._held = None

    def follow(lora: nn.Module, scale: float) -> Any:
        a, b, g, s = (
            lora.get_submodule(f"{name}.default") for name in ("lora_A", "lora_B", "lora_emb_gamma", "lora_emb_beta")
        )

        def update(linear: nn.Module, args: tuple[Tensor], output: Tensor) -> Tensor:
            conditions = now["conditions"]
            u = a(args[0])
            image = u[:, text:].unflatten(1, (conditions.shape[1], -1))
            image = (1 + g(conditions))[:, :, None] * image + s(conditions)[:, :, None]
            u = torch.cat((u[:, :text], image.flatten(1, 2)), dim=1)
            return output + scale * b(u)

        return update

    scale = adapter.motion_loras[0].scale
    handles = [transformer.register_forward_pre_hook(begin, with_kwargs=True)]
    for path, linear in adapted_linears(transformer).items():
        handles.append(linear.register_forward_hook(follow(adapter.transformer.get_submodule(path), scale)))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


@torch.no_grad()
def fill_random(module: nn.Module) -> None:
    """Matrices and kernels that keep the scale of what they get; factors 1, biases 0."""
    for name, tensor in (*module.named_parameters(), *module.named_buffers()):
        if tensor.ndim >= 2 and tensor.is_floating_point():
            tensor.normal_(std=tensor[0].numel() ** -0.5)
        elif tensor.is_floating_point():
            tensor.fill_(1.0 if name.endswith("weight") else 0.0)


def _tokens(prompts: list[str], max_length: int, **_: Any) -> SimpleNamespace:
    return SimpleNamespace(input_ids=torch.ones(len(prompts), max_length, dtype=torch.long))
