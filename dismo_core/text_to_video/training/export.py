"""From the trained tiny base to the folder that ships, laid out as diffusers lays out a text-to-video model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save

from ...files import atomic_write
from ...weights.files import sha256
from .parts import TinyBase, new_scheduler

CLASSES = {
    "unet": ("diffusers", "UNet3DConditionModel"),
    "vae": ("diffusers", "AutoencoderKL"),
    "text_encoder": ("transformers", "CLIPTextModel"),
    "tokenizer": ("transformers", "CLIPTokenizer"),
    "scheduler": ("diffusers", "DDIMScheduler"),
}
SAMPLING = {"steps": 25, "guidance": 3.0}  # that suit it, for `TextToVideoBase.sampling`


def export_base(base: TinyBase, vae: Any, folder: Path) -> list[Path]:
    """Write weights in half precision with their configurations, checksums beside them; existing files are replaced."""
    parts: dict[str, Any] = {"unet": base.unet, "vae": vae, "text_encoder": base.text_encoder}
    weights = []
    for name, model in parts.items():
        place = folder / name
        place.mkdir(parents=True, exist_ok=True)
        if name == "text_encoder":
            model.config.save_pretrained(place)
        else:
            model.save_config(place)
        path = place / ("model.safetensors" if name == "text_encoder" else "diffusion_pytorch_model.safetensors")
        tensors = {key: value.detach().to(torch.float16).contiguous() for key, value in model.state_dict().items()}
        with atomic_write(path, overwrite=True) as temporary:
            temporary.write_bytes(save(tensors, {"format": "pt", "license": "CC0-1.0"}))
        with atomic_write(place / "checksums.json", overwrite=True) as temporary:
            temporary.write_text(json.dumps({path.name: sha256(path)}, indent=2) + "\n", encoding="utf-8")
        weights.append(path)
    base.tokenizer.save_pretrained(folder / "tokenizer")
    new_scheduler().save_config(folder / "scheduler")
    with atomic_write(folder / "model_index.json", overwrite=True) as temporary:
        index: dict[str, Any] = {"_class_name": "TextToVideoSDPipeline", "sampling": SAMPLING} | {
            name: list(kind) for name, kind in CLASSES.items()
        }
        temporary.write_text(json.dumps(index, indent=2) + "\n", encoding="utf-8")
    return weights
