"""A whole model of toy size, in the layouts in which users have the real one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from demo_goldens import fill
from filling import filled

from dismo_core import demo_t2v as demo
from dismo_core.demo_t2v.autoencoder import empty_autoencoder, ldm_name

GEOMETRY: dict[str, Any] = dict(
    width=32, multipliers=[1, 2], blocks=1, attention_scales=[1.0], head_width=16, first_heads=2, context_width=64
)
TOWER: dict[str, Any] = dict(width=64, layers=3, heads=1, embed_width=64)
DEFAULTS = dict(steps=4, size=[16, 32], frames=5, fps=4.0, guidance=3.0)


def ldm_weights() -> dict[str, torch.Tensor]:
    empty = empty_autoencoder((32, 32, 32, 32), 1)
    state = {}
    for name, value in empty.state_dict().items():
        ldm = ldm_name(name, 4)
        wide = (*value.shape, 1, 1) if "attn_1" in ldm and value.ndim == 2 else tuple(value.shape)
        state[ldm] = filled(f"first_stage_model.{ldm}", wide)
    return state


def write_release(folder: Path, *, defaults: bool = True) -> Path:
    """Files as the release and its base have them, all in one folder."""
    folder.mkdir(parents=True, exist_ok=True)
    unet = fill(demo.UNet(**GEOMETRY)).state_dict()
    told = json.dumps(GEOMETRY)
    torch.save({"unet_state_dict": unet, "step": 7, "geometry": told}, folder / "demo.pth")
    torch.save(fill(demo.TextTower(**TOWER), "motion.").state_dict(), folder / "motion_encoder.pth")
    image = fill(demo.ImageTower(width=64, layers=1, heads=1, patch=14, image_size=28, embed_width=64), "visual.")
    both = fill(demo.TextTower(**TOWER), "content.").state_dict() | {
        f"visual.{name}": value for name, value in image.state_dict().items()
    }
    torch.save(both, folder / "open_clip_pytorch_model.bin")
    prefixed = {f"first_stage_model.{name}": value for name, value in ldm_weights().items()}
    torch.save({"state_dict": prefixed, "global_step": 3}, folder / "VQGAN_autoencoder.pth")
    return folder


def write_ours(folder: Path) -> Path:
    """Our own layout: safetensors, the UNet's file tells its geometry and what it was made for."""
    from safetensors.torch import save_file

    write_release(folder / "release")
    content = torch.load(folder / "release" / "demo.pth")
    about = {"geometry": content["geometry"], "defaults": json.dumps(DEFAULTS)}
    save_file(content["unet_state_dict"], folder / "demo.safetensors", about)
    save_file(torch.load(folder / "release" / "motion_encoder.pth"), folder / "motion_encoder.safetensors")
    tower = {
        n: v for n, v in torch.load(folder / "release" / "open_clip_pytorch_model.bin").items() if "visual" not in n
    }
    save_file(tower, folder / "content_encoder.safetensors")
    save_file(ldm_weights(), folder / "autoencoder.safetensors")
    return folder
