"""The base model CogVideoX-5B-I2V, frozen: transformer, VAE, text encoder, tokenizer (docs/methods/dismo.md, 7.1)."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from ..errors import DisMoError
from ..imports import importing
from ..memory.mmap_weights import fill
from ..weights.base_folder import find_base, read_config
from ..weights.shards import opened, shards
from .geometry import COGVIDEOX_5B_I2V, Geometry
from .text_files import load_text_encoder, load_tokenizer
from .vae_names import diffusers_name
from .weights import BASE

if TYPE_CHECKING:
    from diffusers.models.autoencoders.autoencoder_kl_cogvideox import AutoencoderKLCogVideoX
    from diffusers.models.transformers.cogvideox_transformer_3d import CogVideoXTransformer3DModel

COMFYUI_PREFIX = "model.diffusion_model."


@dataclass
class CogVideoXBase:
    """The parts of a CogVideoX image-to-video model, in evaluation mode, without gradients, on the CPU.

    Args:
        transformer: as diffusers defines it.
        vae: as diffusers defines it.
        tokenizer: of the text encoder.
        text_encoder: T5 encoder, or None where it was released.
        scheduler_config: the base's stored numbers (docs/methods/dismo.md, 7.6, step 4).
        name: where it came from, for messages.
    """

    transformer: CogVideoXTransformer3DModel
    vae: AutoencoderKLCogVideoX
    tokenizer: Any
    text_encoder: Any | None
    scheduler_config: dict[str, Any]
    name: str


def load_base(
    source: str | os.PathLike[str],
    dtype: torch.dtype = torch.bfloat16,
    *,
    download: bool = False,
    text_encoder: str | os.PathLike[str] | None = None,
    vae: str | os.PathLike[str] | None = None,
    tokenizer: str | os.PathLike[str] | None = None,
    stage: Callable[[str], None] = lambda label: None,
) -> CogVideoXBase:
    """The base model from a diffusers folder, or from the hub: whole, checked, in the default folder or the hub's cache.

    Args:
        source: folder with model_index.json, or a hub id such as `zai-org/CogVideoX-5b-I2V`.
        dtype: precision of all weights; bfloat16 is the reference.
        download: fetch what a hub id lacks on this machine; otherwise the network is never touched.
        text_encoder: file as in `load_base_files`, in place of the folder's, which may then lack it.
        vae: file as in `load_base_files`, in place of the folder's, which may then lack it.
        tokenizer: folder as in `load_base_files`, where the base's folder has none.
        stage: called with what is loaded next, see `Runtime`.

    Raises:
        DisMoError: nothing there, a file missing or damaged, or a base that the adapter was not made for.
    """
    others = {"text_encoder": text_encoder, "vae": vae}
    folder = base_folder(source, [part for part, file in others.items() if file is not None], download=download)
    own_text, own_tokenizer = folder / "text_encoder", folder / "tokenizer"
    text_config: Mapping[str, Any] = COGVIDEOX_5B_I2V.text_encoder
    if text_encoder is None or (own_text / "config.json").is_file():
        text_config = read_config(own_text)
    stage("loading the transformer")
    loaded_transformer = _transformer(
        read_config(folder / "transformer"), shards(folder / "transformer", "diffusion_pytorch_model"), dtype
    )
    stage("loading the VAE")
    loaded_vae = _vae(
        read_config(folder / "vae"),
        shards(folder / "vae", "diffusion_pytorch_model") if vae is None else [Path(vae)],
        dtype,
    )
    stage("loading the text encoder")
    return CogVideoXBase(
        transformer=loaded_transformer,
        vae=loaded_vae,
        tokenizer=load_tokenizer(own_tokenizer if tokenizer is None or own_tokenizer.is_dir() else Path(tokenizer)),
        text_encoder=load_text_encoder(
            text_config, shards(own_text, "model") if text_encoder is None else [Path(text_encoder)], dtype
        ),
        scheduler_config=read_config(folder / "scheduler", "scheduler_config.json"),
        name=os.fspath(source),
    )


def load_base_files(
    transformer: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    vae: str | os.PathLike[str],
    text_encoder: str | os.PathLike[str],
    tokenizer: str | os.PathLike[str],
    dtype: torch.dtype = torch.bfloat16,
    geometry: Geometry = COGVIDEOX_5B_I2V,
) -> CogVideoXBase:
    """The base model from single files, as ComfyUI's folders hold them: nobody downloads twice what he has.

    Args:
        transformer: file from `diffusion_models` with diffusers' key names (also behind `model.diffusion_model.`), or
            several files that complete each other.
        vae: file from `vae` with diffusers' key names or those of the authors' own code.
        text_encoder: T5-XXL file from `text_encoders`: fp16, bf16, or float8 plain or scaled.
        tokenizer: folder with `spiece.model` or tokenizer.json.
        dtype: precision of the weights; a float8 text encoder stays float8 in memory.
        geometry: what no file of these says.

    Raises:
        DisMoError: as `load_base`.
    """
    several = [transformer] if isinstance(transformer, (str, os.PathLike)) else transformer
    files = [Path(path) for path in several]
    return CogVideoXBase(
        transformer=_transformer(geometry.transformer, files, dtype),
        vae=_vae(geometry.vae, [Path(vae)], dtype),
        tokenizer=load_tokenizer(Path(tokenizer)),
        text_encoder=load_text_encoder(geometry.text_encoder, [Path(text_encoder)], dtype),
        scheduler_config=dict(geometry.scheduler),
        name=", ".join(path.name for path in files),
    )


def require_image_to_video(config: Mapping[str, Any]) -> None:
    """Raise unless a transformer's config is that of CogVideoX (1.0) image-to-video (docs/methods/dismo.md, 8)."""
    needed = f"The adapter needs the image-to-video base {BASE.repo} (version 1.0)."
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


def base_folder(
    source: str | os.PathLike[str] = BASE.repo, without: Collection[str] = (), *, download: bool = False
) -> Path:
    """The diffusers folder that a source of `load_base` stands for.

    Args:
        without: parts ("text_encoder", "vae") whose weights come from elsewhere.

    Raises:
        DisMoError: nothing there.
    """
    return find_base(source, [BASE], without, download=download)


def _transformer(config: Mapping[str, Any], files: list[Path], dtype: torch.dtype) -> CogVideoXTransformer3DModel:
    with importing("diffusers"):
        from diffusers.models.transformers.cogvideox_transformer_3d import CogVideoXTransformer3DModel

    require_image_to_video({**config, **_read_off(files)})
    with torch.device("meta"):
        transformer: CogVideoXTransformer3DModel = CogVideoXTransformer3DModel.from_config(dict(config))
    fill(transformer, files, dtype, rename=lambda key: key.removeprefix(COMFYUI_PREFIX))
    return transformer.eval().requires_grad_(False)


def _read_off(files: list[Path]) -> dict[str, Any]:
    """What a transformer's tensors say about its kind, whatever config is assumed."""
    facts: dict[str, Any] = {}
    for path in files:
        with opened(path) as file:
            for name in file.keys():
                shape = file.get_slice(name).get_shape()
                if name.endswith("patch_embed.proj.weight"):
                    # 1.5 embeds patches in space and time by a matrix, 1.0 by a convolution
                    facts |= {"in_channels": shape[1]} if len(shape) == 4 else {"patch_size_t": "set"}
                if name.endswith("ofs_embedding.linear_1.weight"):
                    facts["ofs_embed_dim"] = shape[1]
    return facts


def _vae(config: Mapping[str, Any], files: list[Path], dtype: torch.dtype) -> AutoencoderKLCogVideoX:
    with importing("diffusers"):
        from diffusers.models.autoencoders.autoencoder_kl_cogvideox import AutoencoderKLCogVideoX

    with torch.device("meta"):
        vae: AutoencoderKLCogVideoX = AutoencoderKLCogVideoX.from_config(dict(config))
    levels = len(config["block_out_channels"])
    fill(vae, files, dtype, rename=lambda key: diffusers_name(key, levels))
    return vae.eval().requires_grad_(False)
