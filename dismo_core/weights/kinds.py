"""Kinds of weights, recognised by the names of their tensors."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Place:
    """Where a file is used, as each front end calls it.

    Args:
        node: its name in ComfyUI.
        option: of the command line.
        function: in Python.
    """

    node: str
    option: str
    function: str


@dataclass(frozen=True)
class Kind:
    """A kind of weights.

    Args:
        what: it is, with its article.
        place: where it is used; or a sentence that every front end can say.
        marks: names that identify it, any one of them: whole ones, or parts of names where they contain a dot.
        beside: beginning of names that may stand in its files and belong to something else.
    """

    what: str
    place: Place | str
    marks: tuple[str, ...]
    beside: str = ""


# What belongs to no base or method. Asked last: a method's file may hold such names beside its own.
LORA = Kind(
    "an ordinary LoRA",
    Place("Video LoRA", "ComfyUI's node Video LoRA, and no command takes one", "set_video_loras"),
    (".lora_A.", ".lora_B.", ".lora_down.", ".lora_up.", ".lora.down.", ".lora.up.", ".lora_linear_layer."),
)
_NOT_APPLIED = (
    "Only ordinary LoRAs are applied, whose names end in lora_A and lora_B, or lora_down and lora_up: use one of these."
)
COMMON = (
    # These may hold names of LORA, too.
    Kind("a LoHa (its update is a product of two, number by number)", _NOT_APPLIED, (".hada_w", ".hada_t")),
    Kind("a LoKr (its update is a Kronecker product)", _NOT_APPLIED, (".lokr_w", ".lokr_t")),
    Kind("a DoRA (it sets the lengths of the weights, too)", _NOT_APPLIED, (".dora_scale", ".lora_magnitude_vector")),
    LORA,
    Kind("a T5 text encoder", "It goes where the text encoder is chosen.", (".SelfAttention.q.",)),
    Kind("a VAE", "It goes where the VAE is chosen.", ("decoder.conv_in.",)),
)
