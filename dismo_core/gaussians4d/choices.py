"""Names of choices, for the command line and for what they choose."""

from __future__ import annotations

METHODS = ("auto", "alpha", "plain", "rembg")  # of matting
