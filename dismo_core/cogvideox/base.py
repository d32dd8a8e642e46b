"""The base model CogVideoX-5B-I2V, frozen: transformer, VAE, text encoder, tokenizer (specs/dismo.md, 6.1)."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from torch import nn

from ..errors import DisMoError
from .mapped import fill, shards

if TYPE_CHECKING:
    from diffusers.models.autoencoders.autoencoder_kl_cogvideox import AutoencoderKLCogVideoX
    from diffusers.models.transformers.cogvideox_transformer_3d import CogVideoXTransformer3DModel

HUB_ID = "zai-org/CogVideoX-5b-I2V"
DIFFUSERS_STEM = "diffusion_pytorch_model"
TRANSFORMERS_STEM = "model"
Module = TypeVar("Module", bound=nn.Module)
T5_TIED = {"encoder.embed_tokens.weight": "shared.weight"}


@dataclass
class CogVideoXBase:
    """The parts of a CogVideoX image-to-video model, in evaluation mode, without gradients, on the CPU.

    Args:
        transformer, vae: as diffusers defines them.
        tokenizer: of the text encoder.
        text_encoder: T5 encoder, or None where it was released.
        scheduler_config: the base's stored numbers (specs/dismo.md, 6.6 step 4).
        name: where it came from, for messages.
    """

    transformer: CogVideoXTransformer3DModel
    vae: AutoencoderKLCogVideoX
    tokenizer: Any
    text_encoder: Any | None
    scheduler_config: dict[str, Any]
    name: str


def load_base(source: str | os.PathLike[str], dtype: torch.dtype = torch.bfloat16) -> CogVideoXBase:
    """The base model from a diffusers folder.

    Args:
        source: folder with model_index.json.
        dtype: precision of all weights; bfloat16 is the reference.

    Raises:
        DisMoError: no such folder, a file missing or damaged, or a base that the adapter was not made for.
    """
    folder = Path(source)
    if not (folder / "model_index.json").is_file():
        raise DisMoError(f"{folder} is no diffusers folder: it has no model_index.json.")
    from transformers import AutoTokenizer

    return CogVideoXBase(
        transformer=_transformer(
            _config(folder / "transformer"), shards(folder / "transformer", DIFFUSERS_STEM), dtype
        ),
        vae=_vae(_config(folder / "vae"), shards(folder / "vae", DIFFUSERS_STEM), dtype),
        tokenizer=AutoTokenizer.from_pretrained(folder / "tokenizer", local_files_only=True),
        text_encoder=_text_encoder(
            _config(folder / "text_encoder"), shards(folder / "text_encoder", TRANSFORMERS_STEM), dtype
        ),
        scheduler_config=_config(folder / "scheduler", "scheduler_config.json"),
        name=str(source),
    )


def require_image_to_video(config: Mapping[str, Any]) -> None:
    """Raise unless a transformer's config is that of CogVideoX (1.0) image-to-video (specs/dismo.md, section 7)."""
    needed = f"The adapter needs the image-to-video base {HUB_ID} (version 1.0)."
    if config.get("patch_size_t") is not None or config.get("ofs_embed_dim") is not None:
        raise DisMoError(
            f"This base is CogVideoX 1.5 (patch_size_t = {config.get('patch_size_t')}, "
            f"ofs_embed_dim = {config.get('ofs_embed_dim')}). {needed}"
        )
    if config["in_channels"] == config["out_channels"]:
        raise DisMoError(
            f"This base is a text-to-video model: it takes {config['in_channels']} input channels, as many as it "
            f"gives, so there is no room for the picture. {needed}"
        )


def _config(folder: Path, name: str = "config.json") -> dict[str, Any]:
    path = folder / name
    if not path.is_file():
        raise DisMoError(f"{path} is missing. The download is not complete: fetch the missing files.")
    config: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return config


def _transformer(config: Mapping[str, Any], files: list[Path], dtype: torch.dtype) -> CogVideoXTransformer3DModel:
    from diffusers.models.transformers.cogvideox_transformer_3d import CogVideoXTransformer3DModel

    require_image_to_video(config)
    with torch.device("meta"):
        transformer: CogVideoXTransformer3DModel = CogVideoXTransformer3DModel.from_config(dict(config))
    fill(transformer, files, dtype)
    return _frozen(transformer)


def _vae(config: Mapping[str, Any], files: list[Path], dtype: torch.dtype) -> AutoencoderKLCogVideoX:
    from diffusers.models.autoencoders.autoencoder_kl_cogvideox import AutoencoderKLCogVideoX

    with torch.device("meta"):
        vae: AutoencoderKLCogVideoX = AutoencoderKLCogVideoX.from_config(dict(config))
    fill(vae, files, dtype)
    return _frozen(vae)


def _text_encoder(config: Mapping[str, Any], files: list[Path], dtype: torch.dtype) -> Any:
    from transformers import T5Config, T5EncoderModel

    with torch.device("meta"):
        encoder = T5EncoderModel(T5Config(**config))
    fill(encoder, files, dtype, lambda key: T5_TIED.get(key, key), tied=T5_TIED)
    encoder.tie_weights()
    return _frozen(encoder)


def _frozen(module: Module) -> Module:
    return module.eval().requires_grad_(False)
