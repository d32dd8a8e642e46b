"""What a weight file is, told by the names of its tensors: for messages about a file that was chosen in the wrong place."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ..errors import DisMoError


@dataclass(frozen=True)
class Kind:
    """A kind of weights.

    Args:
        what: it is, with its article. place: where it is used, a sentence.
        marks: names that tell it, any one of them: whole ones, or parts of names where they contain a dot.
    """

    what: str
    place: str
    marks: tuple[str, ...]


ADAPTER = Kind(
    "a motion adapter for CogVideoX",
    "It goes into Load CogVideoX Motion Adapter, or into --model together with --base.",
    ("init_gru_state", ".lora_emb_gamma."),
)
GENERATOR = Kind(
    "a frame generator",
    "It goes into Load Frame Generator, or into --model without --base.",
    ("token_merge.proj.weight",),
)
EXTRACTOR = Kind("a motion extractor", "It goes into Load DisMo Extractor, or into --extractor.", ("query_tokens",))
LORA = Kind("an ordinary LoRA", "It goes into Video LoRA, beside the motion adapter.", (".lora_A.", ".lora_B."))
KINDS = (
    ADAPTER,
    GENERATOR,
    EXTRACTOR,
    Kind(
        "a LoRA in the format of kohya's trainer",
        "diffusers reads none of these for CogVideoX: take one in its own format, whose names end in lora_A.weight and "
        "lora_B.weight.",
        (".lora_down.", ".lora_up.", ".hada_w1_a", ".lokr_w1"),
    ),
    LORA,
    Kind(
        "a CogVideoX transformer",
        "It is part of a base model and goes where the base is chosen.",
        ("patch_embed.text_proj.",),
    ),
    Kind("a T5 text encoder", "It goes where the text encoder is chosen.", (".SelfAttention.q.",)),
    Kind("a VAE", "It goes where the VAE is chosen.", ("decoder.conv_in.",)),
    Kind("a motion", "It goes into Load Motion, or into --motion.", ("embeddings",)),
)


def recognise(names: Iterable[str]) -> Kind | None:
    """The first kind that one of the names tells; None where none does."""
    names = list(names)
    for kind in KINDS:
        if any(mark == name or ("." in mark and mark in name) for mark in kind.marks for name in names):
            return kind
    return None


def require_kind(wanted: Kind, names: Iterable[str], source: str) -> None:
    """Raise where the names are those of another kind. source: where they come from, for the message."""
    kind = recognise(names)
    if kind not in (None, wanted):
        raise DisMoError(f"{source} is {kind.what}, not {wanted.what}. {kind.place}")
