"""Kinds of DisMo's files."""

from __future__ import annotations

from ..weights import registry
from ..weights.kinds import Kind

AUTOENCODER = "autoencoder."  # before the names of its tensors, in the file of a frame generator
ADAPTER = Kind(
    "a motion adapter for CogVideoX",
    "It goes into Load CogVideoX Motion Adapter, or into --model together with --base.",
    ("init_gru_state", ".lora_emb_gamma."),
)
GENERATOR = Kind(
    "a frame generator",
    "It goes into Load Frame Generator, or into --model without --base.",
    ("token_merge.proj.weight",),
    beside=AUTOENCODER,
)
EXTRACTOR = Kind("a motion extractor", "It goes into Load DisMo Extractor, or into --extractor.", ("query_tokens",))
MOTION = Kind("a motion", "It goes into Load Motion, or into --motion.", ("embeddings",))

registry.register(kinds=[ADAPTER, GENERATOR, EXTRACTOR, MOTION])
