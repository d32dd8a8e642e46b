"""Names in LoRA files: which half of an update a tensor is, and which layer of a model it belongs to.

Trainers write the layer `blocks.0.attn1.to_q` with its dots (diffusers, PEFT, ComfyUI's) or with underscores (kohya's,
CogVideoX-Fun's), behind beginnings of their own:

    transformer.blocks.0.attn1.to_q.lora_A.weight          base_model.model.blocks.0.attn1.to_q.lora_A.default.weight
    diffusion_model.blocks.0.attn1.to_q.lora_A.weight      transformer.blocks.0.attn1.to_q.lora.down.weight
    lora_unet_blocks_0_attn1_to_q.lora_down.weight         lora_unet__blocks_0_attn1_to_q.alpha

Where names have underscores only, the model's own names tell where the dots belong.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from torch import nn

from ..errors import DisMoError

DOWN, UP, ALPHA = "down", "up", "alpha"
_HALF = re.compile(
    r"(?P<layer>.*)\.(?:lora_(?P<letter>[AB])|lora_(?P<kohya>down|up)|lora(?:_linear_layer)?\.(?P<old>down|up))(?:\.[^.]+)?\.weight",
    re.DOTALL,
)
_BEGINNINGS = ("base_model.model.", "model.", "diffusion_model.", "transformer.", "unet.")
_FLAT_BEGINNINGS = ("lora_unet_", "lora_", "lycoris_", "_", *(name.replace(".", "_") for name in _BEGINNINGS))


def split_name(name: str) -> tuple[str, str] | None:
    """A tensor's name -> its layer as the file calls it, and `DOWN`, `UP` or `ALPHA`; None = no name of a LoRA."""
    if name.endswith(".alpha"):
        return name.removesuffix(".alpha"), ALPHA
    found = _HALF.fullmatch(name)
    if found is None:
        return None
    half = found["letter"] or found["kohya"] or found["old"]
    return found["layer"], DOWN if half in ("A", DOWN) else UP


class LayerNames:
    """The modules of a model, to be found by the names that LoRA files give them.

    Args:
        model: any. What lies inside a linear, such as the motion adapter's matrices, is left out.
    """

    def __init__(self, model: nn.Module) -> None:
        self.modules = dict(_modules(model))
        self._flat: dict[str, list[str]] = {}
        for path in self.modules:
            self._flat.setdefault(path.replace(".", "_"), []).append(path)

    def find(self, layer: str) -> str | None:
        """A layer as a file calls it -> its path in the model; None = the model has none.

        Raises:
            DisMoError: with underscores for dots it could be two.
        """
        for name in _shortened(layer, _BEGINNINGS):
            if name in self.modules:
                return name
        if "." in layer:
            return None
        for name in _shortened(layer, _FLAT_BEGINNINGS):
            paths = self._flat.get(name, [])
            if len(paths) > 1:
                raise DisMoError(
                    f"The name {layer!r} of the LoRA could be {' or '.join(paths)}, as it has underscores for dots. Use a file in "
                    "diffusers' format."
                )
            if paths:
                return paths[0]
        return None


def _modules(model: nn.Module, before: str = "") -> Iterator[tuple[str, nn.Module]]:
    for name, module in model.named_children():
        yield before + name, module
        if not isinstance(module, nn.Linear):
            yield from _modules(module, f"{before}{name}.")


def _shortened(name: str, beginnings: tuple[str, ...]) -> Iterator[str]:
    """The name, then without its first beginning, then without the next."""
    while True:
        yield name
        beginning = next((b for b in beginnings if name.startswith(b)), None)
        if beginning is None:
            return
        name = name[len(beginning) :]
