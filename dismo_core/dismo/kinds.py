"""Kinds of DisMo's files."""

from __future__ import annotations

from ..weights import registry
from ..weights.kinds import Kind, Place

AUTOENCODER = "autoencoder."  # before the names of its tensors, in the file of a frame generator
ADAPTER = Kind(
    "a motion adapter for CogVideoX",
    Place("Load CogVideoX Motion Adapter", "--model, together with --base", "load_cogvideox_adapter"),
    ("init_gru_state", ".lora_emb_gamma."),
)
GENERATOR = Kind(
    "a frame generator",
    Place("Load Frame Generator", "--model, without --base", "load_frame_generator"),
    ("token_merge.proj.weight",),
    beside=AUTOENCODER,
)
LAYERED = Kind(
    "a layered model",
    Place("Load Layered Model", "--model, without --base", "load_layered_model"),
    ("segmenter.out.weight",),
)
EXTRACTOR = Kind(
    "a motion extractor",
    Place("Load DisMo Extractor", "--extractor", "load_motion_extractor"),
    ("query_tokens",),
)
MOTION = Kind("a motion", Place("Load Motion", "--motion", "Motion.load"), ("embeddings",))

registry.register(kinds=[ADAPTER, GENERATOR, LAYERED, EXTRACTOR, MOTION])
