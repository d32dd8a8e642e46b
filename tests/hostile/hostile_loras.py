"""LoRA files whose names, shapes, numbers and metadata are drawn at random around good ones, and damaged good ones."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random
from typing import Any

import torch
from mutate import mutated
from safetensors.torch import save_file
from torch import Tensor, nn

from dismo_core.errors import DisMoError
from dismo_core.lora.alphas import METADATA
from dismo_core.lora.files import read_lora

BEGINNINGS = (
    "transformer.",
    "diffusion_model.",
    "base_model.model.",
    "unet.",
    "",
    ".",
    "lora_unet_",
    "lora_unet__",
    "lora_te_",
)
LAYERS = (
    "blocks.0.to_q",
    "blocks.0.to_k",
    "blocks.0.conv",
    "blocks.1.to_q",
    "blocks_0_to_q",
    "blocks",
    "",
    "lora_A",
    "é" * 300,
)
ENDS = (
    *(
        ".lora_A.weight",
        ".lora_B.weight",
        ".lora_A.default.weight",
        ".lora_B..weight",
        ".lora.down.weight",
        ".lora.up.weight",
    ),
    *(".lora_down.weight", ".lora_up.weight", ".alpha", ".lora_B.bias", ".dora_scale", ".hada_w1_a", ".diff", "", "."),
)
SIDES = (0, 1, 2, 4, 8)
DTYPES = (
    torch.float32,
    torch.bfloat16,
    torch.float8_e5m2,
    torch.float8_e8m0fnu,
    torch.int8,
    torch.bool,
    torch.complex64,
)
VALUES: tuple[Any, ...] = (
    4,
    0.5,
    0,
    -1,
    1e308,
    10**400,
    float("nan"),
    True,
    None,
    "4",
    [],
    {},
    {"to_q": 2},
    {"(a*)*$": 2},
)
KEYS = ("r", "lora_alpha", "alpha_pattern", "rank_pattern", "use_rslora", "use_dora")
TAGS = (b"lora_A", b"alpha", b"data_offsets", b"shape", b"dtype", b"__metadata__")


def model() -> nn.Module:
    blocks = [
        nn.ModuleDict({"to_q": nn.Linear(4, 4), "to_k": nn.Linear(4, 8), "conv": nn.Conv2d(4, 4, 1)}) for _ in range(2)
    ]
    return nn.ModuleDict({"blocks": nn.ModuleList(blocks)})


def good() -> dict[str, Tensor]:
    return {f"transformer.blocks.0.to_q{end}": torch.ones(4, 4) for end in ENDS[:2]} | {
        "transformer.blocks.0.to_q.alpha": torch.ones(())
    }


def matrix(rng: Random) -> Tensor:
    shape = [rng.choice(SIDES) for _ in range(rng.choice((0, 1, 2, 2, 2, 2, 4)))]
    tensor = torch.full(shape, rng.choice((1.0, 1.0, 1.0, 0.0, 3e38, torch.nan, -torch.inf)))
    return tensor.to(rng.choice(DTYPES)) if rng.random() < 0.3 else tensor


def drawn(rng: Random) -> tuple[dict[str, Tensor], dict[str, str] | None]:
    """A file of a few names; most are good ones with a fault or two."""
    tensors = good() if rng.random() < 0.8 else {}
    for name in list(tensors):
        if rng.random() < 0.2:
            tensors[name] = matrix(rng)
        if rng.random() < 0.1:
            del tensors[name]
    for _ in range(rng.choice((0, 0, 0, 1, 2, 5))):
        layer = rng.choice(LAYERS)
        layer = layer.replace(".", "_") if rng.random() < 0.3 else layer
        tensors[rng.choice(BEGINNINGS) + layer + rng.choice(ENDS)] = matrix(rng)
    if rng.random() < 0.5:
        return tensors, None
    begin = rng.choice(("", "transformer."))
    config = json.dumps({begin + key: rng.choice(VALUES) for key in KEYS if rng.random() < 0.6})
    return tensors, {METADATA: rng.choice((config, config, config, config[:-1], "[]", "[" * 10**5))}


def prepare(folder: Path) -> None:
    save_file(good(), folder / "seed.safetensors", {METADATA: '{"transformer.r": 4, "transformer.lora_alpha": 8}'})


def attempt(folder: Path, number: int) -> None:
    """Read a drawn file, or every fourth time a damaged one.

    Raises:
        DisMoError: it is refused.
    """
    rng = Random(number)
    path = folder / "out" / "case.safetensors"
    if number % 4 == 3:
        path.write_bytes(mutated((folder / "seed.safetensors").read_bytes(), rng, TAGS))
    else:
        tensors, metadata = drawn(rng)
        save_file(tensors, path, metadata)
    try:
        file = read_lora(path, model(), "the toy")
    except DisMoError as error:
        assert len(str(error)) < 2000, "a message without end"
        raise
    assert file.updates
    for layer, update in file.updates.items():
        linear = model().get_submodule(layer)
        assert isinstance(linear, nn.Linear)
        assert update.down.shape[1] == linear.in_features and update.up.shape[0] == linear.out_features
        assert update.scale == update.scale and bool((update.up @ update.down.to(update.up.dtype)).shape)
