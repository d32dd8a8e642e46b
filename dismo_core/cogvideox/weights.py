"""The published weights of CogVideoX-5B-I2V."""

from __future__ import annotations

from ..weights import registry
from ..weights.kinds import Kind
from ..weights.manifest import WEIGHTS, HubModel

PARTS = {"text_encoder": "model", "transformer": "diffusion_pytorch_model", "vae": "diffusion_pytorch_model"}
BASE = HubModel(
    repo="zai-org/CogVideoX-5b-I2V",
    patterns=(
        "model_index.json",
        "LICENSE",
        "scheduler/*.json",
        "tokenizer/*",
        *(f"{part}/*{suffix}" for part in PARTS for suffix in (".json", WEIGHTS)),
    ),
    size=21_200_000_000,
    licence="CogVideoX licence, see the repository",
    parts=PARTS,
    family="CogVideoX",
    formerly=("THUDM/CogVideoX-5b-I2V",),
)
TRANSFORMER = Kind(
    "a CogVideoX transformer",
    "It is part of a base model and goes where the base is chosen.",
    ("patch_embed.text_proj.weight",),
)

registry.register(kinds=[TRANSFORMER], bases={BASE.name: BASE})
