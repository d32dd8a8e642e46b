"""The published adapters, and the bundled ones."""

from __future__ import annotations

from ..weights import registry
from ..weights.manifest import HubFolder
from .bundled import bundled_adapters
from .kinds import KIND_OF

LICENCE = "Apache-2.0 as their repositories say; they were trained on ZeroScope, which is CC BY-NC 4.0: non-commercial use only"
PATTERNS = ("*/lora/*.pt", "*/lora/*.safetensors")
ADAPTERS = tuple(
    HubFolder(repo=repo, patterns=PATTERNS, size=0, licence=LICENCE)
    for repo in ("ruizhaocv/MotionDirector", "ruizhaocv/MotionDirector_weights")
)
LATENTS = tuple(
    HubFolder(repo=part.repo, patterns=("*/cached_latents/*.pt",), size=0, licence=LICENCE) for part in ADAPTERS
)

registry.register(
    kinds=KIND_OF.values(),
    collections={"motiondirector": ADAPTERS, "motiondirector_latents": LATENTS},
    bundled={f"motiondirector_{name}": path for name, path in bundled_adapters().items()},
)
