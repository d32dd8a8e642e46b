"""Toy CogVideoX files in a models folder: a base, an adapter that embeds the tiny extractor, a style LoRA, wrong bases.

Small enough for a CPU, of no use as a model. `python tests/comfyui/toy_base.py FOLDER` makes them beside your own.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

GOLDENS = Path(__file__).resolve().parents[1] / "goldens"
BASE, ADAPTER, LORA = "toy-CogVideoX-I2V", "toy_adapter.safetensors", "toy_style.safetensors"
NO_ADAPTER, WRONG_LORA, TEXT_ENCODER = "no_adapter.safetensors", "wrong_style.safetensors", "toy_t5.safetensors"
SIZE = (64, 96)  # height, width of its videos, px


def make_toy(models: Path) -> None:
    """Write the toy files below `models`, a ComfyUI models folder."""
    shutil.copytree(GOLDENS / "tiny-CogVideoX-I2V", models / "diffusers" / BASE)
    make_adapter(models / "dismo" / ADAPTER)
    shutil.copy(models / "diffusers" / BASE / "vae/diffusion_pytorch_model.safetensors", models / "dismo" / NO_ADAPTER)
    make_lora(models / "loras" / LORA, width=32)
    make_lora(models / "loras" / WRONG_LORA, width=64)
    make_version_1_5(models / "diffusers" / "toy-CogVideoX-1.5")
    make_text_to_video(models / "diffusers" / "toy-CogVideoX-T2V")
    share_text_encoder(models)


def make_adapter(path: Path) -> None:
    """The goldens' LoRA, conditions for the tiny extractor drawn again, and that extractor."""
    import torch
    from safetensors.torch import load_file, save_file

    import dismo_core as dismo

    golden = load_file(GOLDENS / "cogvideox_adapter.safetensors")
    lora = {k.removeprefix("sd."): v for k, v in golden.items() if k.startswith("sd.transformer.")}
    torch.manual_seed(0)
    adapter = dismo.CogVideoXMotionAdapter(
        GOLDENS / "tiny-CogVideoX-I2V", dismo.load_motion_extractor("tiny"), d_cond=16, rank=128, alpha=64
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    tensors = adapter.state_dict() | lora
    save_file({k: v.clone().contiguous() for k, v in tensors.items()}, path)


def make_lora(path: Path, width: int) -> None:
    """A style LoRA as diffusers saves them, strong enough to be seen, for layers of a width."""
    import torch
    from safetensors.torch import save_file

    torch.manual_seed(1)
    tensors = {}
    for block in range(2):
        for layer in ("to_q", "to_k", "to_v", "to_out.0"):
            name = f"transformer.transformer_blocks.{block}.attn1.{layer}"
            tensors |= {f"{name}.lora_A.weight": torch.randn(4, width), f"{name}.lora_B.weight": torch.randn(width, 4)}
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(tensors, path)


def make_version_1_5(folder: Path) -> None:
    """A base that says it patches in time, too."""
    shutil.copytree(GOLDENS / "tiny-CogVideoX-I2V", folder)
    path = folder / "transformer/config.json"
    path.write_text(json.dumps(json.loads(path.read_text("utf-8")) | {"patch_size_t": 2}), "utf-8")


def make_text_to_video(folder: Path) -> None:
    """A base whose transformer has no input channels for a picture."""
    from safetensors.torch import load_file, save_file

    shutil.copytree(GOLDENS / "tiny-CogVideoX-I2V", folder)
    path = folder / "transformer/diffusion_pytorch_model.safetensors"
    tensors = load_file(path)
    tensors["patch_embed.proj.weight"] = tensors["patch_embed.proj.weight"][:, :4].clone()
    save_file(tensors, path)


def share_text_encoder(models: Path) -> None:
    """A base without text encoder and tokenizer weights, and the encoder as a single file, as for other models."""
    folder = models / "diffusers" / f"{BASE}-no-t5"
    shutil.copytree(GOLDENS / "tiny-CogVideoX-I2V", folder)
    (models / "text_encoders").mkdir(parents=True, exist_ok=True)
    shutil.move(folder / "text_encoder/model.safetensors", models / "text_encoders" / TEXT_ENCODER)


if __name__ == "__main__":
    make_toy(Path(sys.argv[1]))
