"""From trained networks to files under the released names, as `load_mimo` takes them (docs/methods/mimo.md, 2.5)."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors.torch import save
from torch import nn

from ...files import atomic_write
from ...weights.load import write_checksums
from ..models.unet import FrameUNet
from ..weight_layout import PLACES, Layout
from .examples import Encoders
from .networks import Networks
from .tiny import trained_so_far

_FILES = {
    "denoising_unet_path": "denoising_unet",
    "reference_unet_path": "reference_unet",
    "pose_guider_path": "pose_guider",
}
_UNET = Path(PLACES["pretrained_base_model_path"]) / "unet" / "config.json"


def export_networks(networks: Networks, folder: Path, dtype: torch.dtype = torch.float16) -> list[Path]:
    """Write the three networks as safetensors, and the configuration that says their heads and groups; existing files are replaced."""
    written = []
    for name in _FILES.values():
        path = folder / f"{name}.safetensors"
        _write(getattr(networks, name), path, dtype)
        written.append(path)
    unet: FrameUNet = networks.denoising_unet
    config = {
        "attention_head_dim": unet.heads,
        "norm_num_groups": unet.groups,
        "block_out_channels": list(unet.channels),
    }
    path = folder / _UNET
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path, overwrite=True) as temporary:
        temporary.write_text(json.dumps({"_class_name": "UNet2DConditionModel", **config}, indent=2) + "\n", "utf-8")
    return [*written, path]


def export_whole(networks: Networks, encoders: Encoders, folder: Path) -> list[Path]:
    """Write everything, VAE and image encoder among it, in half precision."""
    written = export_networks(networks, folder)
    for key, part, name in (
        ("pretrained_vae_path", encoders.vae, "diffusion_pytorch_model"),
        ("image_encoder_path", encoders.image_encoder, "model"),
    ):
        place = folder / PLACES[key]
        place.mkdir(parents=True, exist_ok=True)
        if key == "image_encoder_path":
            part.config.save_pretrained(place)
        else:
            part.save_config(place)
        written.append(place / f"{name}.safetensors")
        _write(part, written[-1], torch.float16)
    return written


def bundle(run: Path, folder: Path) -> list[Path]:
    """Write what the newest checkpoints of a run of the tiny recipe hold as the files that ship, with their checksums.

    The run need not have ended: without a checkpoint of the second stage, clips are made frame by frame.

    Args:
        run: folder of `train_tiny`.
        folder: to write to; existing files are replaced.

    Raises:
        DisMoError: no checkpoints of the encoders and of the first stage.
    """
    written = export_whole(*trained_so_far(run), folder)
    weights = [path for path in written if path.suffix == ".safetensors"]
    sums = [
        write_checksums([path for path in weights if path.parent == place]) for place in {p.parent for p in weights}
    ]
    return [*written, *sums]


def export_beside(networks: Networks, layout: Layout, folder: Path) -> list[Path]:
    """Write the networks, and `mimo.yaml`, which names them and the VAE and image encoder they were trained with."""
    import yaml

    written = export_networks(networks, folder, torch.float32)
    paths = {key: f"{name}.safetensors" for key, name in _FILES.items()}
    paths["pretrained_base_model_path"] = PLACES["pretrained_base_model_path"]
    paths |= {key: str(layout.path(key).absolute()) for key in ("pretrained_vae_path", "image_encoder_path")}
    path = folder / "mimo.yaml"
    with atomic_write(path, overwrite=True) as temporary:
        temporary.write_text(yaml.safe_dump(paths), "utf-8")
    return [*written, path]


def _write(model: nn.Module, path: Path, dtype: torch.dtype) -> None:
    tensors = {
        name: (x.to(dtype) if x.is_floating_point() else x).detach().cpu().contiguous()
        for name, x in model.state_dict().items()
    }
    with atomic_write(path, overwrite=True) as temporary:
        temporary.write_bytes(save(tensors, {"format": "pt"}))
