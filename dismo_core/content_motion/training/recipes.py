"""How each stage is trained: as released, and the tiny model from nothing on drawn clips."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ...training.loop import Schedule
from ...weights.kinds import Kind
from ..kinds import AUTOENCODER, CONTENT_MODEL, MOTION_MODEL

NO_AVERAGE: float | None = None


@dataclass(frozen=True)
class Recipe:
    """Numbers of a stage.

    Args:
        results: folder of the runs.
        batch: clips of all processes in a step.
        schedule: how fast; of its steps, where `epochs` is None, how long.
        epochs: how long, in clips seen; None = by steps.
        geometry: of the model, where it is not the released one.
        exchange: see `DrawnSource`.
        recolored: see `train_autoencoder`.
        stand_ins: likewise, and `train_motion_model`.
        smooth: see `AutoencoderObjective`.
        standardised: whether a motion model draws standardised latents.
        lively: likewise.
        decibels: see `AutoencoderObjective`.
        begun: whether an autoencoder begins as the mean frame, see `start`.
        muon: see `StageRun`.
    """

    results: str
    batch: int
    schedule: Schedule
    epochs: int | None = None
    geometry: dict[str, Any] = field(default_factory=dict)
    exchange: float = 0.0
    recolored: float = 0.0
    stand_ins: float = 0.0
    smooth: float = 0.0
    standardised: bool = False
    lively: float = 1.0
    decibels: bool = False
    begun: bool = False
    muon: float | None = None


def _released(lr: float, every: int, betas: tuple[float, float], clip: float, average: float | None) -> Schedule:
    return Schedule(
        steps=0, lr=lr, warmup=0, shape="constant", clip=clip, betas=betas, weight_decay=0.0, average=average, ramped=False,
        save_every=every, log_every=100, draw_every=every,
    )  # fmt: skip


def _tiny(steps: int, lr: float, average: float, shape: str = "cosine") -> Schedule:
    return Schedule(
        steps=steps, lr=lr, warmup=50, shape=shape, average=average, save_every=500, log_every=50, draw_every=500
    )


_INFINITE = float("inf")
PUBLISHED = {
    AUTOENCODER: Recipe("./result", 256, _released(1e-5, 50_000, (0.5, 0.9), _INFINITE, NO_AVERAGE), 2000),
    MOTION_MODEL: Recipe("results", 256, _released(1e-4, 50_000, (0.9, 0.999), 1.0, 0.9999), 1400),
    CONTENT_MODEL: Recipe("results", 256, _released(1e-4, 10_000, (0.9, 0.999), _INFINITE, 0.9999), 1400),
}
# The autoencoder's first and last layers go slowly: every pixel passes through them, and larger steps cost more precision there than
# all that is learned about motion gains.
DRAWN = {
    AUTOENCODER: Recipe(
        "results", 16, _tiny(4_000, 1e-3, 0.995, "trapezoid"),
        geometry={"width": 96, "depth": 2, "heads": 4, "patch_size": 4, "positions": "rotary"},
        exchange=0.25, recolored=0.25, stand_ins=0.5, smooth=30.0, lively=0.5, decibels=True, begun=True, muon=0.02,
    ),
    MOTION_MODEL: Recipe(
        "results", 32, _tiny(4_000, 2e-3, 0.998),
        geometry={"width": 128, "depth": 5, "heads": 4, "table": "grid", "content_patch_size": 8},
        standardised=True, stand_ins=0.5, lively=0.5, muon=1.0,
    ),
    CONTENT_MODEL: Recipe(
        "results", 32, _tiny(4_000, 2e-3, 0.998),
        geometry={"width": 80, "depth": 4, "heads": 4, "table": "grid", "patch_size": 4}, lively=0.5, muon=1.0,
    ),
}  # fmt: skip
PRESETS: dict[str, dict[Kind, Recipe]] = {"released": PUBLISHED, "drawn": DRAWN}
