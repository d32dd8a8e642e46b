"""Released or own weights of MIMO made into a pipeline; strict, and never twice in memory."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import DisMoError, first_line
from ..imports import importing
from ..memory.precision import DTYPES
from ..weights.files import differences, read_weights
from ..weights.recognise import recognise
from .models.denoising_unet import DenoisingUNet
from .models.from_sd15 import CONV_IN, motion_modules, unets_from_sd15
from .models.pose_guider import PoseGuider
from .models.reference_unet import ReferenceUNet
from .pipeline import MimoPipeline
from .single_files import image_encoder_from_file, unet_from_file, vae_from_file
from .weight_layout import Layout, find_layout

log = logging.getLogger(__name__)

_UNET_FILES = ("diffusion_pytorch_model.safetensors", "diffusion_pytorch_model.fp16.safetensors")


def load_mimo(
    source: str | os.PathLike[str] | Mapping[str, str | os.PathLike[str]],
    device: str | torch.device = "cpu",
    dtype: torch.dtype | None = None,
    memory: str = "auto",
) -> MimoPipeline:
    """A pipeline from weights.

    What the file of the denoising UNet lacks comes from the motion modules' file and from Stable Diffusion 1.5, in this order; how many
    tensors did is logged. Everything is checked by name and shape before it is used.

    Args:
        source: a folder as the release has it, its YAML file, or a mapping with the keys of that file. In place of the folders of Stable
            Diffusion, VAE and image encoder, single files as ComfyUI keeps them will do.
        device: where it runs.
        dtype: precision; None = that of the YAML file, else float16 on CUDA devices and float32 elsewhere.
        memory: see `MemoryPlan`.

    Raises:
        DisMoError: weights that are missing, damaged, of another system, or of shapes that do not fit.
    """
    layout = find_layout(source)
    device = torch.device(device)
    if dtype is None:
        dtype = DTYPES[layout.precision or ("fp16" if device.type == "cuda" else "fp32")]
    reference = read_weights(layout.path("reference_unet_path")).tensors
    guider = read_weights(layout.path("pose_guider_path")).tensors
    denoising = _whole_denoising(layout)
    networks = (
        _filled(lambda: ReferenceUNet(**unet_sizes(reference)), reference, layout.path("reference_unet_path"), dtype),
        _filled(
            lambda: DenoisingUNet(
                **unet_sizes(denoising), in_channels=denoising[CONV_IN].shape[1], max_frames=_positions(denoising)
            ),
            denoising,
            layout.path("denoising_unet_path"),
            dtype,
        ),
        _filled(lambda: PoseGuider(**guider_sizes(guider)), guider, layout.path("pose_guider_path"), dtype),
    )
    vae = _vae(layout.path("pretrained_vae_path"), dtype)
    encoder = _image_encoder(layout.path("image_encoder_path"), dtype)
    return MimoPipeline(*networks, vae, encoder, device=device, memory=memory)


def unet_sizes(tensors: Mapping[str, Tensor]) -> dict[str, Any]:
    """The sizes of a UNet, told from its tensors; heads and groups, which they do not tell, are Stable Diffusion's."""
    try:
        channels, level = [], 0
        while (conv := tensors.get(f"down_blocks.{level}.resnets.0.conv1.weight")) is not None:
            channels.append(conv.shape[0])
            level += 1
        layers = sum(f"down_blocks.0.resnets.{number}.conv1.weight" in tensors for number in range(8))
        context = tensors["mid_block.attentions.0.transformer_blocks.0.attn2.to_k.weight"].shape[1]
        return {"channels": channels, "layers": layers or 2, "cross_attention_dim": context}
    except (KeyError, IndexError):
        return {}  # of the full size, against which the differences are told


def guider_sizes(tensors: Mapping[str, Tensor]) -> dict[str, Any]:
    """The sizes of a pose guider, told from its tensors."""
    try:
        channels = [tensors["conv_in.weight"].shape[0]]
        channels += [tensors[f"blocks.{number}.weight"].shape[0] for number in (1, 3, 5)]
        return {"channels": channels, "out_channels": tensors["conv_out.weight"].shape[0]}
    except (KeyError, IndexError):
        return {}


def _whole_denoising(layout: Layout) -> dict[str, Tensor]:
    """All tensors of the denoising UNet, from up to three files."""
    path = layout.path("denoising_unet_path")
    own = read_weights(path).tensors
    if (first := own.get(CONV_IN)) is not None and first.ndim == 4 and first.shape[1] == 4:
        raise DisMoError(
            f"{path} has a conv_in.weight for 4 channels: it is a UNet of Stable Diffusion or of another animator, not MIMO's, which "
            "takes 8 (noise and background)."
        )
    with torch.device("meta"):
        wanted = DenoisingUNet(**unet_sizes(own)).state_dict().keys()
    whole = dict(own)
    for key, take in (("motion_module_path", motion_modules), ("pretrained_base_model_path", None)):
        missing = wanted - whole.keys()
        if not missing or key not in layout.paths:
            continue
        tensors = take(read_weights(layout.path(key)).tensors) if take else _stable_diffusion(layout.path(key))
        added = {name: tensors[name] for name in missing & tensors.keys()}
        whole |= added
        log.info("%s lacks %d tensors; %d come from %s.", path.name, len(missing), len(added), layout.path(key).name)
    return whole


def _vae(path: Path, dtype: torch.dtype) -> Any:
    if path.is_file():
        return vae_from_file(path, dtype)
    with importing("diffusers"):
        from diffusers import AutoencoderKL
    return _pretrained(AutoencoderKL, path, dtype)


def _image_encoder(path: Path, dtype: torch.dtype) -> Any:
    if path.is_file():
        return image_encoder_from_file(path, dtype)
    with importing("transformers"):
        from transformers import CLIPVisionModelWithProjection
    return _pretrained(CLIPVisionModelWithProjection, path, dtype)


def _stable_diffusion(folder: Path) -> dict[str, Tensor]:
    """What the denoising UNet takes of Stable Diffusion: a folder, or a checkpoint file."""
    if folder.is_file():
        return unets_from_sd15(unet_from_file(folder))[1]
    unet = folder / "unet" if (folder / "unet").is_dir() else folder
    for name in _UNET_FILES:
        if (file := unet / name).is_file():
            return unets_from_sd15(read_weights(file).tensors)[1]
    raise DisMoError(f"{unet} holds none of {', '.join(_UNET_FILES)}. Give the folder of Stable Diffusion 1.5.")


def _positions(tensors: Mapping[str, Tensor]) -> int:
    table = tensors.get(
        "mid_block.motion_modules.0.temporal_transformer.transformer_blocks.0.attention_blocks.0.pos_encoder.pe"
    )
    return 32 if table is None or table.ndim != 3 else table.shape[1]


def _filled(make: Callable[[], nn.Module], tensors: dict[str, Tensor], path: Path, dtype: torch.dtype) -> Any:
    """The module with these tensors; each is cast by itself, or stays as it lies in its file."""
    with torch.device("meta"):
        try:
            module = make()
        except (ValueError, TypeError, RuntimeError, ZeroDivisionError) as error:  # sizes that no network can have
            raise DisMoError(
                f"{path} holds no weights of MIMO: {first_line(error)}. Check that it is the right file."
            ) from error
    if problem := differences(module.state_dict(), tensors):
        kind = recognise(tensors)
        what = f" It looks like {kind.what}." if kind else ""
        raise DisMoError(
            f"{path} does not fit {type(module).__name__}.{what} {problem}. Check that it is the right file."
        )
    module.load_state_dict({name: tensor.to(dtype) for name, tensor in tensors.items()}, strict=True, assign=True)
    return module.eval().requires_grad_(False)


def _pretrained(kind: Any, folder: Path, dtype: torch.dtype) -> Any:
    """A part from a folder of diffusers or transformers."""
    try:
        part = kind.from_pretrained(folder, torch_dtype=dtype, local_files_only=True)
    except (OSError, ValueError, RuntimeError, KeyError, TypeError) as error:
        raise DisMoError(
            f"{folder} does not load as {kind.__name__}: {first_line(error)}. Give the folder with its config.json and weights."
        ) from error
    return part.eval().requires_grad_(False)
