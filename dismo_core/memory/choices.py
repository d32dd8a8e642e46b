"""The names of memory settings; apart from `plan.py`, so that a command's options need no PyTorch."""

from __future__ import annotations

from typing import Literal, get_args

Memory = Literal["auto", "full", "model offload", "group offload", "sequential", "disk"]
MEMORY: tuple[str, ...] = get_args(Memory)
