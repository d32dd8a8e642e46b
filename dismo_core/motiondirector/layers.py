"""Which linears of the UNet the two adapters sit on, in the order of the published files (docs/methods/motiondirector.md, 2.1, 2.3)."""

from __future__ import annotations

from typing import Literal, get_args

from torch import nn

from ..errors import DisMoError
from ..lora.conditional import Matrix

Part = Literal["appearance", "motion"]
PARTS: tuple[str, ...] = get_args(Part)
FOLDERS = {"appearance": "spatial", "motion": "temporal"}  # how the published folders call the parts
# Class of the transformer -> parts of its blocks. Text enters by attn2 of the first alone, which stays as it is.
_TAKEN = {
    "appearance": ("Transformer2DModel", ("attn1", "ff")),
    "motion": ("TransformerTemporalModel", ("attn1", "attn2", "ff")),
}


def path_layers(unet: nn.Module, part: str) -> list[str]:
    """Names of the linears of a part, in the order in which the UNet registers them.

    Args:
        unet: diffusers' UNet3DConditionModel.
        part: "appearance" (spatial transformers) or "motion" (temporal ones).

    Raises:
        DisMoError: another part, or a model without such linears.
    """
    require_part(part)
    kind, blocks = _TAKEN[part]
    found = [
        f"{place}.{name}"
        for place, transformer in unet.named_modules()
        if type(transformer).__name__ == kind
        for name, module in transformer.named_modules()
        if isinstance(module, nn.Linear) and not isinstance(module, Matrix) and set(blocks) & set(name.split("."))
    ]
    if not found:
        raise DisMoError(
            f"This {type(unet).__name__} has no {kind}, which the {part} adapter changes. Choose a text-to-video base of the ModelScope "
            "family, such as ZeroScope."
        )
    return found


def require_part(part: str) -> None:
    """Raise unless it is one of the two."""
    if part not in PARTS:
        raise DisMoError(f"There is no part {part!r}. Choose appearance or motion.")
