"""Kinds of CMD's files."""

from __future__ import annotations

from ..weights import registry
from ..weights.kinds import Kind, Place

AUTOENCODER = Kind(
    "a CMD autoencoder",
    Place("CMD Load Model", "--autoencoder of `dismo content-motion`", "content_motion.load_autoencoder"),
    ("pre_xt.weight",),
)
MOTION_MODEL = Kind(
    "a CMD motion model",
    Place("CMD Load Model", "--motion-model of `dismo content-motion`", "content_motion.load_motion_model"),
    ("keyframe_pos_embed",),
)
CONTENT_MODEL = Kind(
    "a CMD content model",
    Place("CMD Load Model", "--content-model of `dismo content-motion`", "content_motion.load_content_model"),
    ("y_embedder.embedding_table.weight",),
)
# Of the files of a whole model, in one folder.
STEMS = {AUTOENCODER: "autoencoder", MOTION_MODEL: "motion_model", CONTENT_MODEL: "content_model"}
KINDS = tuple(STEMS)

registry.register(kinds=KINDS)
