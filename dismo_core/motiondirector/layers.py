"""Which layers of the UNet the two adapters sit on, in the order of the published files (docs/methods/motiondirector.md, 2.1, 2.3)."""

from __future__ import annotations

from collections.abc import Iterable
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


CONVOLUTIONS = "temp_convs"  # the UNet's name for what mixes neighbouring frames


def path_layers(unet: nn.Module, part: str, convolutions: bool = False) -> list[str]:
    """Names of the layers of a part: the linears in the order in which the UNet registers them, then the convolutions likewise.

    Args:
        unet: diffusers' UNet3DConditionModel.
        part: "appearance" (spatial transformers) or "motion" (temporal ones).
        convolutions: whether the motion has the convolutions over frames, too; ours, the published method leaves them out.

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
    if convolutions and part == "motion":
        found += [
            name
            for name, module in unet.named_modules()
            if isinstance(module, nn.Conv3d) and CONVOLUTIONS in name.split(".")
        ]
    return found


def has_convolutions(names: Iterable[str]) -> bool:
    """Whether convolutions are among layers."""
    return any(CONVOLUTIONS in name.split(".") for name in names)


def require_part(part: str) -> None:
    """Raise unless it is one of the two."""
    if part not in PARTS:
        raise DisMoError(f"There is no part {part!r}. Choose appearance or motion.")
