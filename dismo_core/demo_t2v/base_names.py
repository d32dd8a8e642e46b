"""DEMO's UNet and the base that it grew out of: ModelScope's names, and diffusers' names for the same base."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TypeVar

from torch import Tensor

from ..errors import DisMoError

Value = TypeVar("Value")
_PARTS = re.compile(r"(input_blocks\.\d+|output_blocks\.\d+|middle_block)\.(\d+)\.(.*)")
_RESIDUAL = {
    "norm1": "in_layers.0", "conv1": "in_layers.2", "time_emb_proj": "emb_layers.1", "norm2": "out_layers.0", "conv2": "out_layers.3",
    "conv_shortcut": "skip_connection",
}  # fmt: skip
_OUTER = {
    "time_embedding.linear_1": "time_embed.0", "time_embedding.linear_2": "time_embed.2", "conv_in": "input_blocks.0.0",
    "transformer_in": "input_blocks.0.1", "conv_norm_out": "out.0", "conv_out": "out.2",
}  # fmt: skip


def from_modelscope(state_dict: Mapping[str, Value]) -> dict[str, Value]:
    """Names of the base to names of DEMO; every M begins as a copy of the S before it, and shares its values.

    Args:
        state_dict: of the base; values of any kind.

    Raises:
        DisMoError: it has motion modules already.
    """
    attended = {name.split(".transformer_blocks.")[0] for name in state_dict if ".transformer_blocks." in name}
    if "middle_block.3" in attended:
        raise DisMoError(
            "These are weights of DEMO, with motion modules in them, not of its base. Load them as they are, or begin with the base: "
            "text2video_pytorch_model.pth."
        )
    found: dict[str, Value] = {}
    for name, value in state_dict.items():
        match = _PARTS.fullmatch(name)
        if match is None or match[1] == "input_blocks.0" or f"{match[1]}.1" not in attended:
            found[name] = value
            continue
        stage, piece, rest = match[1], int(match[2]), match[3]
        found[f"{stage}.{piece + (piece >= 2)}.{rest}"] = value
        if piece == 1:
            found[f"{stage}.2.{rest}"] = value
    return found


def modelscope_name(name: str, blocks: int) -> str:
    """ModelScope's name of a tensor of diffusers' UNet3DConditionModel.

    Args:
        name: diffusers'.
        blocks: residual blocks of a level, `layers_per_block` of its config.

    Raises:
        DisMoError: no such tensor.
    """
    for theirs, ours in _OUTER.items():
        if name.startswith(f"{theirs}."):
            return ours + name.removeprefix(theirs)
    match = re.fullmatch(r"(down_blocks\.(\d+)|up_blocks\.(\d+)|mid_block)\.(\w+)\.(\d+)\.(.*)", name)
    if match is None:
        raise DisMoError(f"{name} is no tensor of a text-to-video base of this family.")
    kind, number, rest = match[4], int(match[5]), match[6]
    if match[2] is not None:
        stage = f"input_blocks.{1 + (blocks + 1) * int(match[2]) + (blocks if kind == 'downsamplers' else number)}"
        if kind == "downsamplers":
            return f"{stage}.op.{rest.removeprefix('conv.')}"
    elif match[3] is not None:
        last = kind == "upsamplers"
        stage = f"output_blocks.{(blocks + 1) * int(match[3]) + (blocks if last else number)}"
        if last:
            return f"{stage}.UP.{rest}"  # its number depends on what stands before it, see `from_diffusers`
    else:
        stage = "middle_block"
    offset = 3 * number if stage == "middle_block" and kind in ("resnets", "temp_convs") else 0
    if kind == "resnets":
        layer, _, leaf = rest.partition(".")
        return f"{stage}.{offset}.{_RESIDUAL[layer]}.{leaf}"
    if kind == "temp_convs":
        return f"{stage}.{offset}.temopral_conv.{rest}"
    return f"{stage}.{1 if kind == 'attentions' else 2}.{rest}"


def from_diffusers(state_dict: Mapping[str, Tensor], blocks: int) -> dict[str, Tensor]:
    """Weights of diffusers' UNet3DConditionModel in ModelScope's names.

    Args:
        state_dict: of the base.
        blocks: see `modelscope_name`.

    Raises:
        DisMoError: another kind of model.
    """
    found = {modelscope_name(name, blocks): value for name, value in state_dict.items()}
    return {_numbered_up(name, found): _one_token_wide(name, value) for name, value in found.items()}


def _numbered_up(name: str, names: Iterable[str]) -> str:
    """Up stands after the transformers of its stage, where that has some."""
    if ".UP." not in name:
        return name
    stage = name.partition(".UP.")[0]
    return name.replace("UP", "3" if any(other.startswith(f"{stage}.1.") for other in names) else "1")


def _one_token_wide(name: str, value: Tensor) -> Tensor:
    """Transformers over frames: diffusers has linears where these names have convolutions over one token."""
    over_frames = re.fullmatch(r"(input_blocks\.0\.1|\w+\.\d+\.2|middle_block\.2)\.proj_(in|out)\.weight", name)
    return value[..., None] if over_frames and value.ndim == 2 else value


def geometry_of_diffusers(config: Mapping[str, object]) -> dict[str, object]:
    """Arguments of DEMO's UNet for a base with the config of diffusers' UNet3DConditionModel.

    Raises:
        DisMoError: a base whose heads differ in width.
    """
    widths = list(config["block_out_channels"])  # type: ignore[call-overload]
    kinds = list(config["down_block_types"])  # type: ignore[call-overload]
    head = config["attention_head_dim"]
    if not isinstance(head, int):
        raise DisMoError(
            f"A base with heads of {head} has no place in DEMO's network, whose heads are all of one width. Choose a base of ModelScope or "
            "ZeroScope."
        )
    return {
        "in_channels": config["in_channels"],
        "out_channels": config["out_channels"],
        "width": widths[0],
        "multipliers": [width / widths[0] for width in widths],
        "blocks": config["layers_per_block"],
        "attention_scales": [0.5**level for level, kind in enumerate(kinds) if kind.startswith("CrossAttn")],
        "head_width": head,
        "first_heads": 8,
        "context_width": config["cross_attention_dim"],
        "groups": config["norm_num_groups"],
    }
