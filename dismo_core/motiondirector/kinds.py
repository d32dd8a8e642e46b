"""Kinds of MotionDirector's files."""

from __future__ import annotations

from ..weights.kinds import Kind, Place

_PLACE = Place("Load MotionDirector", "dismo motiondirector", "DualPathLoRA.from_files")
KIND_OF = {
    "appearance": Kind("an appearance adapter of MotionDirector", _PLACE, ("appearance.0.",)),
    "motion": Kind("a motion adapter of MotionDirector", _PLACE, ("motion.0.transformer_in.",)),
}
