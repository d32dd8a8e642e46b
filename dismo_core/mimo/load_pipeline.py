"""Released or own weights of MIMO made into a pipeline; strict, and never twice in memory."""

from __future__ import annotations

import json
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
from .lora import use_lora
from .models.denoising_unet import WITH_OCCLUSION, DenoisingUNet
from .models.from_sd15 import CONV_IN, motion_modules, unets_from_sd15, widened
from .models.pose_guider import PoseGuider
from .models.reference_unet import ReferenceUNet
from .models.sizes import TINY_CHANNELS, guider_sizes, positions, unet_sizes
from .pipeline import RELEASED, TINY, MimoPipeline
from .single_files import image_encoder_from_file, unet_from_file, vae_from_file, vae_from_tensors
from .weight_layout import NEEDED, Layout, find_layout
from .weights import tiny_folder

log = logging.getLogger(__name__)

VAE = "pretrained_vae_path"
_UNET_FILES = ("diffusion_pytorch_model.safetensors", "diffusion_pytorch_model.fp16.safetensors")


def load_mimo(
    source: str | os.PathLike[str] | Mapping[str, str | os.PathLike[str]],
    device: str | torch.device = "cpu",
    dtype: torch.dtype | None = None,
    memory: str = "auto",
    *,
    vae: Mapping[str, Tensor] | None = None,
    lora: str | os.PathLike[str] | None = None,
) -> MimoPipeline:
    """A pipeline from weights.

    What the file of the denoising UNet lacks comes from the motion modules' file and from Stable Diffusion 1.5, in this order; how many
    tensors did is logged. Everything is checked by name and shape before it is used.

    Args:
        source: "tiny" (bundled), a folder as the release has it, its YAML file, or a mapping with the keys of that file. In place of the
            folders of Stable Diffusion, VAE and image encoder, single files as ComfyUI keeps them will do.
        device: where it runs.
        dtype: precision; None = that of the YAML file, else float16 on CUDA devices and float32 elsewhere.
        memory: see `MemoryPlan`.
        vae: tensors of a VAE of Stable Diffusion 1.5 in the place of the weights' own.
        lora: file of low-rank updates, see `use_lora`.

    Raises:
        DisMoError: weights that are missing, damaged, of another system, or of shapes that do not fit.
    """
    needed = [key for key in NEEDED if vae is None or key != VAE]
    layout = find_layout(tiny_folder() if source == "tiny" else source, needed)
    device = torch.device(device)
    if dtype is None:
        dtype = DTYPES[layout.precision or ("fp16" if device.type == "cuda" else "fp32")]
    networks = load_networks(layout, dtype)
    if lora is not None:
        use_lora(nn.ModuleDict(dict(zip(("reference_unet", "denoising_unet"), networks[:2], strict=True))), lora)
    encoders = load_encoders(layout, dtype, vae)
    defaults = TINY if tuple(networks[1].channels) == TINY_CHANNELS else RELEASED
    return MimoPipeline(*networks, *encoders, device=device, memory=memory, defaults=defaults)


def load_networks(
    layout: Layout, dtype: torch.dtype, in_channels: int | None = None
) -> tuple[ReferenceUNet, DenoisingUNet, PoseGuider]:
    """The networks that MIMO trains, on the CPU; see `load_mimo`. in_channels: of the denoising UNet; None = those of its file."""
    reference = read_weights(layout.path("reference_unet_path")).tensors
    guider = read_weights(layout.path("pose_guider_path")).tensors
    denoising = _whole_denoising(layout)
    if in_channels is not None and CONV_IN in denoising:
        denoising[CONV_IN] = widened(denoising[CONV_IN], max(in_channels, denoising[CONV_IN].shape[1]))
    said = _configured(layout)
    return (
        _filled(
            lambda: ReferenceUNet(**unet_sizes(reference), **said), reference, layout.path("reference_unet_path"), dtype
        ),
        _filled(
            lambda: DenoisingUNet(
                **unet_sizes(denoising),
                **said,
                in_channels=denoising[CONV_IN].shape[1] if CONV_IN in denoising else 8,
                max_frames=positions(denoising),
            ),
            denoising,
            layout.path("denoising_unet_path"),
            dtype,
        ),
        _filled(lambda: PoseGuider(**guider_sizes(guider)), guider, layout.path("pose_guider_path"), dtype),
    )


def load_encoders(layout: Layout, dtype: torch.dtype, vae: Mapping[str, Tensor] | None = None) -> tuple[Any, Any]:
    """VAE and image encoder, on the CPU; see `load_mimo`."""
    decoder = _vae(layout.path(VAE), dtype) if vae is None else vae_from_tensors(vae, "The VAE", dtype)
    return decoder, _image_encoder(layout.path("image_encoder_path"), dtype)


def begun_networks(layout: Layout, in_channels: int = 8) -> tuple[ReferenceUNet, DenoisingUNet, PoseGuider]:
    """Networks before any training of MIMO: UNets from Stable Diffusion 1.5, motion modules from AnimateDiff where its file is there.

    The pose guider, motion modules without a file, and input channels that Stable Diffusion does not have are new: the last layer of the
    former and the weights of the latter are zero, so they change nothing at first.

    Raises:
        DisMoError: weights that are missing or do not fit.
    """
    base = layout.path("pretrained_base_model_path")
    tensors = _base_tensors(base)
    motion = read_weights(layout.path("motion_module_path")).tensors if "motion_module_path" in layout.paths else None
    reference, denoising = unets_from_sd15(tensors, motion, in_channels=in_channels)
    sizes = unet_sizes(reference) | _configured(layout)
    unet = DenoisingUNet(**sizes, in_channels=in_channels)
    if motion is None:
        denoising |= {name: x for name, x in unet.state_dict().items() if ".motion_modules." in name}
    first = ReferenceUNet(**sizes)
    for model, state in ((first, reference), (unet, denoising)):
        if problem := differences(model.state_dict(), state):
            raise DisMoError(f"{base} does not fit {type(model).__name__}. {problem}. Check that it is the right file.")
        model.load_state_dict(state)
    return first, unet, PoseGuider(unet.channels[0])


def _whole_denoising(layout: Layout) -> dict[str, Tensor]:
    """All tensors of the denoising UNet, from up to three files."""
    path = layout.path("denoising_unet_path")
    own = read_weights(path).tensors
    if (first := own.get(CONV_IN)) is not None and first.ndim == 4 and first.shape[1] == 4:
        raise DisMoError(
            f"{path} has a conv_in.weight for 4 channels: it is a UNet of Stable Diffusion or of another animator, not MIMO's, which "
            "takes 8 (noise and background)."
        )
    if first is not None and first.ndim == 4 and first.shape[1] not in (8, WITH_OCCLUSION):
        raise DisMoError(
            f"{path} has a conv_in.weight for {first.shape[1]} channels; MIMO takes 8 (noise and background) or {WITH_OCCLUSION} (and what "
            f"stands in front).{_alike(own)} Check that it is the right file."
        )
    with torch.device("meta"):
        wanted = DenoisingUNet(**unet_sizes(own)).state_dict().keys()
    whole = dict(own)
    for key, take in (("motion_module_path", motion_modules), ("pretrained_base_model_path", None)):
        missing = wanted - whole.keys()
        if not missing or key not in layout.paths or not (take or _base_file(layout.path(key))):
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


def _configured(layout: Layout) -> dict[str, Any]:
    """Heads and groups, where the configuration of Stable Diffusion's UNet lies beside; else they are Stable Diffusion's 8 and 32."""
    base = layout.paths.get("pretrained_base_model_path")
    if base is None or base.is_file():
        return {}
    file = _unet_folder(base) / "config.json"
    if not file.is_file():
        return {}
    try:
        content = json.loads(file.read_text("utf-8"))
        # diffusers calls the number of heads attention_head_dim
        said = {"heads": content.get("attention_head_dim", 8), "groups": content.get("norm_num_groups", 32)}
    except (OSError, ValueError, AttributeError) as error:
        raise DisMoError(f"Cannot read {file} as JSON: {first_line(error)}. Restore it, or remove it.") from error
    for name, value in said.items():
        if not isinstance(value, int) or value < 1:
            raise DisMoError(f"{file} asks for {value!r} {name}, which must be a whole number from 1 on. Restore it.")
    return said


def _unet_folder(base: Path) -> Path:
    return base / "unet" if (base / "unet").is_dir() else base


def _stable_diffusion(folder: Path) -> dict[str, Tensor]:
    """What the denoising UNet takes of Stable Diffusion."""
    return unets_from_sd15(_base_tensors(folder))[1]


def _base_tensors(folder: Path) -> dict[str, Tensor]:
    """The UNet of Stable Diffusion: a folder, or a checkpoint file."""
    if folder.is_file():
        return unet_from_file(folder)
    if (file := _base_file(folder)) is not None:
        return read_weights(file).tensors
    raise DisMoError(
        f"{_unet_folder(folder)} holds none of {', '.join(_UNET_FILES)}. Give the folder of Stable Diffusion 1.5."
    )


def _base_file(base: Path) -> Path | None:
    """Where the weights of Stable Diffusion's UNet are; None in a folder that has its configuration alone, as exports have."""
    if base.is_file():
        return base
    return next((path for name in _UNET_FILES if (path := _unet_folder(base) / name).is_file()), None)


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
        raise DisMoError(
            f"{path} does not fit {type(module).__name__}.{_alike(tensors)} {problem}. Check that it is the right file."
        )
    module.load_state_dict({name: tensor.to(dtype) for name, tensor in tensors.items()}, strict=True, assign=True)
    return module.eval().requires_grad_(False)


def _alike(tensors: dict[str, Tensor]) -> str:
    """What weights seem to be, for a message."""
    kind = recognise(tensors)
    return f" It looks like {kind.what}." if kind else ""


def _pretrained(kind: Any, folder: Path, dtype: torch.dtype) -> Any:
    """A part from a folder of diffusers or transformers."""
    try:
        part = kind.from_pretrained(folder, torch_dtype=dtype, local_files_only=True)
    except (OSError, ValueError, RuntimeError, KeyError, TypeError) as error:
        raise DisMoError(
            f"{folder} does not load as {kind.__name__}: {first_line(error)}. Give the folder with its config.json and weights."
        ) from error
    return part.eval().requires_grad_(False)
