"""What MIMO's nodes say when memory runs out."""

from __future__ import annotations

OUT_OF_MEMORY = (
    "Out of memory. Choose a smaller size or window, a memory setting further down the list in Load MIMO Model, or a smaller precision; "
    "close other programs that use the GPU."
)
