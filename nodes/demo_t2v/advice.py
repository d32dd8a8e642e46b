"""What helps when memory runs out."""

from __future__ import annotations

OUT_OF_MEMORY = (
    "Out of memory. Make fewer frames or a smaller batch, then a smaller width and height; in Load DEMO choose a memory setting further "
    "down the list or a smaller precision."
)
