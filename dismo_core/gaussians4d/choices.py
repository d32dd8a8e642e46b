"""Names of choices, for the command line and for what they choose."""

from __future__ import annotations

MATTING = ("auto", "alpha", "plain", "rembg")
CROPS = ("largest", "union", "none")
DRIVE_BACKGROUNDS = ("white", "black", "original")
ENDS = ("clamp", "loop", "extrapolate")  # what comes after the last frame
