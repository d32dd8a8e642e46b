"""A tiny base in training, read out of its checkpoints for its gates."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ...errors import DisMoError
from ...training.checkpoint import latest_checkpoint
from .autoencoder import new_autoencoder
from .parts import TinyBase


def checkpointed(folder: Path) -> tuple[TinyBase, Any, int]:
    """Both models of a run, averaged weights of their newest checkpoints, and the denoiser's step.

    Args:
        folder: of `train_tiny`, with `autoencoder/` and `denoiser/`.
    """
    base, autoencoder = TinyBase(folder / "tokenizer"), new_autoencoder().eval()
    steps = []
    for model, name in ((autoencoder, "autoencoder"), (base, "denoiser")):
        state = latest_checkpoint(folder / name)
        if state is None:
            raise DisMoError(f"{folder / name} holds no checkpoint. Train first, or name the folder of a run.")
        averaged = {key.removeprefix("module."): value for key, value in state["averaged"].items() if "." in key}
        model.load_state_dict(state["model"] | averaged)
        steps.append(int(state["step"]))
    return base, autoencoder, steps[1]
