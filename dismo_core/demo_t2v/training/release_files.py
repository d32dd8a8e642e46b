"""A run's checkpoints in the published two files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from ...training.checkpoint import write_state
from ...weights.geometry import KEY
from ..weights import UNET_ENTRY
from .motion_half import MotionHalf

MOTION_ENCODER = "_motion_encoder"


def save_release(
    half: MotionHalf, state: Mapping[str, Tensor], folder: Path, step: int, keep: int = 2
) -> tuple[Path, Path]:
    """The two files of a published checkpoint, each whole or not there; older ones but `keep` are removed.

    Args:
        half: what is trained.
        state: its state dict, whole.
        folder: takes the files.
        step: of the run.
        keep: pairs that stay.

    Returns:
        `non_ema_<step>.pth` with the UNet, and `non_ema_<step>_motion_encoder.pth`.

    Raises:
        DisMoError: they cannot be written, as on a full disk; those before them are as they were.
    """
    stem = f"non_ema_{step:08d}"
    unet, encoder = folder / f"{stem}.pth", folder / f"{stem}{MOTION_ENCODER}.pth"
    content: dict[str, Any] = {UNET_ENTRY: _below("unet.", state), "step": step, KEY: json.dumps(half.unet.geometry)}
    write_state(encoder, _below("motion_encoder.", state))
    write_state(unet, content)
    for old in sorted(folder.glob("non_ema_????????.pth"))[:-keep]:
        old.unlink()
        old.with_name(f"{old.stem}{MOTION_ENCODER}.pth").unlink(missing_ok=True)
    return unet, encoder


def _below(prefix: str, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}
