"""Weights: bundled, from files, checked before use."""

from .load import BUNDLED, load_cogvideox_adapter, load_frame_generator, load_motion_extractor

__all__ = ["BUNDLED", "load_cogvideox_adapter", "load_frame_generator", "load_motion_extractor"]
