"""The small text-to-video networks of `tests/goldens/motiondirector.safetensors`, filled by name and shape."""

from __future__ import annotations

import json
from copy import deepcopy
from functools import cache
from pathlib import Path

import pytest
import torch
from diffusers import AutoencoderKL, DDIMScheduler, UNet3DConditionModel
from filling import filled
from safetensors.torch import load_file, save_file
from transformers import CLIPTextConfig, CLIPTextModel

GOLDENS = Path(__file__).parent / "goldens" / "motiondirector.safetensors"
UNET = dict(
    in_channels=4, out_channels=4, layers_per_block=1, norm_num_groups=32, norm_eps=1e-5, sample_size=8,
    block_out_channels=(32, 64), down_block_types=("CrossAttnDownBlock3D", "DownBlock3D"),
    up_block_types=("UpBlock3D", "CrossAttnUpBlock3D"), attention_head_dim=8, cross_attention_dim=16,
)  # fmt: skip
VAE = dict(
    in_channels=3, out_channels=3, latent_channels=4, block_out_channels=(32, 32), down_block_types=("DownEncoderBlock2D",) * 2,
    up_block_types=("UpDecoderBlock2D",) * 2, layers_per_block=1, norm_num_groups=32, sample_size=16, scaling_factor=0.18215,
)  # fmt: skip
TEXT = dict(
    vocab_size=120, hidden_size=16, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2,
    max_position_embeddings=77, hidden_act="gelu", projection_dim=16, bos_token_id=72, eos_token_id=73, pad_token_id=73,
)  # fmt: skip
SCHEDULER = dict(
    num_train_timesteps=1000, beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", clip_sample=False,
    set_alpha_to_one=False, steps_offset=1,
)  # fmt: skip


def old_name(name: str) -> str:
    """Of the text encoder in transformers 4."""
    return name if name.startswith("text_model.") else f"text_model.{name}"


def toy_unet() -> UNet3DConditionModel:
    return deepcopy(_unet())


def toy_vae() -> AutoencoderKL:
    return _load(AutoencoderKL(**VAE), "vae.")


def toy_text_encoder() -> CLIPTextModel:
    return _load(CLIPTextModel(CLIPTextConfig(**TEXT)), "text_encoder.", old_name)


@cache
def _unet() -> UNet3DConditionModel:
    return _load(UNet3DConditionModel(**UNET))


def toy_scheduler(**changes) -> DDIMScheduler:
    return DDIMScheduler(**SCHEDULER | changes)


def _load(module, prefix="", rename=lambda name: name):
    state = {name: filled(prefix + rename(name), value.shape) for name, value in module.state_dict().items()}
    module.load_state_dict(state)
    return module.eval().requires_grad_(False)


def write_tokenizer(folder: Path) -> None:
    """A CLIP tokenizer of single letters; words over the vocabulary of 120."""
    folder.mkdir(parents=True)
    letters = [chr(c) for c in range(ord("a"), ord("z") + 1)] + [str(digit) for digit in range(10)]
    words = [*letters, *(f"{letter}</w>" for letter in letters)]
    vocabulary = {word: i for i, word in enumerate([*words, "<|startoftext|>", "<|endoftext|>"])}
    (folder / "vocab.json").write_text(json.dumps(vocabulary))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    marks = dict(bos_token="<|startoftext|>", eos_token="<|endoftext|>", unk_token="<|endoftext|>")
    config = dict(tokenizer_class="CLIPTokenizer", model_max_length=77, pad_token="<|endoftext|>", **marks)
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    (folder / "special_tokens_map.json").write_text(json.dumps(marks))


def write_base(folder: Path, *, pickled: bool = False, older: bool = False) -> Path:
    """A diffusers folder of the toy networks.

    Args:
        pickled: weights as .bin files.
        older: attention of the VAE and the text encoder under the names of older libraries; else those of newer ones.
    """
    rename = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}

    def vae_name(name: str) -> str:
        for new, old in rename.items() if older and "attentions" in name else ():
            name = name.replace(f".{new}.", f".{old}.")
        return name

    def text_name(name: str) -> str:
        return old_name(name) if older else name.removeprefix("text_model.")

    write_tokenizer(folder / "tokenizer")
    (folder / "model_index.json").write_text(json.dumps({"_class_name": "TextToVideoSDPipeline"}))
    parts = {
        "unet": (toy_unet(), UNET | {"_class_name": "UNet3DConditionModel"}, "diffusion_pytorch_model", str),
        "vae": (toy_vae(), VAE, "diffusion_pytorch_model", vae_name),
        "text_encoder": (toy_text_encoder(), TEXT, "model", text_name),
    }
    for part, (module, config, stem, name_of) in parts.items():
        (folder / part).mkdir()
        (folder / part / "config.json").write_text(json.dumps(config))
        state = {name_of(name): value.contiguous() for name, value in module.state_dict().items()}
        if pickled:
            torch.save(state, folder / part / f"{'pytorch_model' if stem == 'model' else stem}.bin")
        else:
            save_file(state, folder / part / f"{stem}.safetensors")
    (folder / "scheduler").mkdir()
    (folder / "scheduler" / "scheduler_config.json").write_text(json.dumps(SCHEDULER))
    return folder


def close(found: torch.Tensor, expected: torch.Tensor, tolerance: float = 2e-4) -> None:
    """Assert that the error is within the tolerance, relative to max(1, largest expected value)."""
    error = (found.float() - expected.float()).abs().max()
    bound = tolerance * max(1.0, float(expected.abs().max()))
    assert found.shape == expected.shape and error <= bound, f"error {error:.2e} of {bound:.2e}"


@pytest.fixture(scope="session")
def published():
    """Name -> tensor, as the published code gave it."""
    return load_file(GOLDENS)


@pytest.fixture(scope="session")
def toy_base_folder(tmp_path_factory):
    return write_base(tmp_path_factory.mktemp("toy_text_to_video") / "toy")
