"""The factor on a LoRA's update: alpha / rank, from a tensor of its own or from what the trainer tells of the whole file."""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from ..errors import DisMoError, first_line
from ..files import read_json
from ..weights.files import WeightFile

METADATA = "lora_adapter_metadata"  # in the header of a safetensors file: diffusers' copy of PEFT's config, as JSON
PEFT_FILE, PEFT_CONFIG = "adapter_model.safetensors", "adapter_config.json"  # what PEFT saves, side by side
FLOATS = (*(torch.float16, torch.bfloat16, torch.float32, torch.float64), torch.float8_e4m3fn, torch.float8_e5m2)
_BEGINNINGS = ("", "transformer.", "unet.")  # of the names in diffusers' copy


@dataclass(frozen=True)
class Declared:
    """What a PEFT config tells: numbers for all layers, and those of single layers, by the ends of their paths.

    Args:
        alpha: None = none is given, and the factor is 1.
        rank: None = none is given.
        root: divide by the root of the rank (rsLoRA), not by the rank.
    """

    source: str = ""
    alpha: float | None = None
    rank: float | None = None
    alphas: dict[str, float] = field(default_factory=dict)
    ranks: dict[str, float] = field(default_factory=dict)
    root: bool = False

    def scale(self, layer: str, rank: int) -> float:
        """Of the layer with this path, whose matrices have this rank.

        Raises:
            DisMoError: the config tells another rank.
        """
        if self.alpha is None:
            return 1.0
        declared = _of_layer(layer, self.ranks, self.rank)
        if declared not in (None, rank):
            raise DisMoError(
                f"{self.source} tells rank {declared:g} for {layer}, but its matrices have rank {rank}: the LoRA's strength is unknown. "
                "Fetch the file again, or use one whose metadata was kept in step."
            )
        alpha = _of_layer(layer, self.alphas, self.alpha) or 0.0
        return alpha / (math.sqrt(rank) if self.root else rank)


def read_declared(file: WeightFile) -> Declared:
    """The config in a file's metadata, or, for PEFT's own files, in the JSON file beside.

    Raises:
        DisMoError: it is damaged, or of a DoRA.
    """
    beside = file.path.with_name(PEFT_CONFIG)
    if METADATA in file.metadata:
        source = f"The metadata of {file.path}"
        config = _parse(file.metadata[METADATA], source)
    elif file.path.name == PEFT_FILE and beside.is_file():
        source, config = str(beside), read_json(beside)
    else:
        return Declared()
    begin = next((begin for begin in _BEGINNINGS if f"{begin}lora_alpha" in config), None)
    if begin is None:
        return Declared()
    config = {name.removeprefix(begin): value for name, value in config.items() if name.startswith(begin)}
    if config.get("use_dora"):
        raise DisMoError(f"{source} tells of a DoRA, which is not applied. Use an ordinary LoRA.")
    rank = config.get("r")
    return Declared(
        source=source,
        alpha=_number(config["lora_alpha"], "lora_alpha", source),
        rank=None if rank is None else _number(rank, "r", source),
        alphas=_pattern(config, "alpha_pattern", source),
        ranks=_pattern(config, "rank_pattern", source),
        root=bool(config.get("use_rslora")),
    )


def alpha_value(tensor: Tensor, name: str, source: str) -> float:
    """The number in an alpha tensor.

    Args:
        name: of the tensor.
        source: the file, for messages.

    Raises:
        DisMoError: it is not one finite number other than zero.
    """
    plain = tensor.numel() == 1 and tensor.dtype in (*FLOATS, torch.int32, torch.int64)
    value = float(tensor.double()) if plain else math.nan
    if not math.isfinite(value) or value == 0:
        raise DisMoError(
            f"{source} is a broken LoRA: {name[:160]!r} is {value if plain else f'{list(tensor.shape)} of {tensor.dtype}'}, not one number "
            "other than zero. Fetch it again, or use another save of the training."
        )
    return value


def _parse(text: str, source: str) -> dict[str, Any]:
    try:
        config = json.loads(text)
    except (ValueError, RecursionError) as error:  # the last: lists in lists without end
        raise DisMoError(f"{source} is no JSON: {first_line(error)}. The file is damaged; fetch it again.") from error
    if not isinstance(config, dict):
        raise DisMoError(
            f"{source} is a JSON {type(config).__name__}, not a config. The file is damaged; fetch it again."
        )
    return config


def _number(value: object, name: str, source: str) -> float:
    try:
        number = float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else 0.0
    except OverflowError:
        number = math.inf
    if not math.isfinite(number) or number == 0:
        raise DisMoError(
            f"{source} has {name} = {str(value)[:80]!r}, not a number other than zero: the LoRA's strength is unknown. Fetch the "
            "file again."
        )
    return number


def _pattern(config: dict[str, Any], name: str, source: str) -> dict[str, float]:
    pattern = config.get(name) or {}
    if not isinstance(pattern, dict):
        raise DisMoError(
            f"{source} has {name} = {str(pattern)[:80]!r}, not a table. The file is damaged; fetch it again."
        )
    for layer in pattern:
        if re.fullmatch(r"\^?[\w.-]+", layer) is None:
            raise DisMoError(
                f"{source} has {layer[:80]!r} in {name}: regular expressions are not read, so the LoRA's strength is unknown. Use a "
                "file that names its layers, such as one saved by diffusers."
            )
    return {layer: _number(value, f"{name}[{layer[:80]!r}]", source) for layer, value in pattern.items()}


def _of_layer(layer: str, pattern: dict[str, float], otherwise: float | None) -> float | None:
    """As PEFT looks it up: the first entry that the path ends in; behind ^ it must be the whole path."""
    for end, value in pattern.items():
        if end.removeprefix("^") == layer or layer.endswith(f".{end}"):
            return value
    return otherwise
