"""Motion fidelity (Yatim et al. 2024, Space-Time Diffusion Features, section 5): does a video move as its source does?"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..errors import DisMoError
from .tracks import Tracks

STILL = 0.25  # px a frame at a shorter side of 256: slower points stand still, flow is not surer than that
LASTING = 0.5  # share of the steps over which a point must be seen to count
MOVING = 0.25  # share of the steps seen in which a point must move to count; one that a passing object hides jumps now and then


def motion_fidelity(source: Tracks, generated: Tracks) -> float:
    """Half of [mean over generated tracks of the best match among the source's + mean over the source's, the other way].

    A match is the mean cosine of two points' velocities over the steps in which both are seen. What the paper leaves open:
    in a step slower than 0.25 px a point stands still; where one of two does, the step counts as 0, where both do, it does
    not count. Only points seen in at least half of the steps count, and only those that move in a quarter of the
    steps they are seen in; else a still background would make any video of it a good one.

    Args:
        source: tracks of the source.
        generated: tracks of the generated video, over as many frames; sizes may differ.

    Returns:
        -1..1; 1 where neither moves, 0 where only one does or where no point of the generated video can be followed.

    Raises:
        DisMoError: different lengths, or no point of the source can be followed.
    """
    if source.frames != generated.frames:
        raise DisMoError(
            f"The source has {source.frames} frames, the generated video {generated.frames}; they must be as long."
        )
    a, b = _lasting(source), _lasting(generated)
    if not len(a.points):
        raise DisMoError(
            "No point of the source can be followed through half of it (a cut, or motion too fast); fidelity cannot be measured on it."
        )
    if not len(b.points):
        return 0.0
    moving_a, moving_b = moving(a), moving(b)
    if not moving_a.any() and not moving_b.any():
        return 1.0
    if not moving_a.any() or not moving_b.any():
        return 0.0
    directions_a, seen_a, moves_a = _steps(Tracks(a.points[moving_a], a.visible[moving_a]))
    directions_b, seen_b, moves_b = _steps(Tracks(b.points[moving_b], b.visible[moving_b]))
    either_moves = seen_a @ seen_b.T - (seen_a - moves_a) @ (seen_b - moves_b).T
    match = directions_a @ directions_b.T / np.maximum(either_moves, 1)
    return float((match.max(axis=0).mean() + match.max(axis=1).mean()) / 2)


def moving(tracks: Tracks) -> NDArray[np.bool_]:
    """Which points move in at least a quarter of the steps in which they are seen, bool [N]."""
    _, seen, moves = _steps(tracks)
    return np.asarray(moves.sum(axis=1) >= MOVING * np.maximum(seen.sum(axis=1), 1))


def _lasting(tracks: Tracks) -> Tracks:
    lasting = _steps(tracks)[1].mean(axis=1) >= LASTING
    return Tracks(tracks.points[lasting], tracks.visible[lasting])


def _steps(tracks: Tracks) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Unit velocities [N, 2 (T-1)], 0 where unseen or still; 1 where a step is seen, 1 where it is seen to move, [N, T-1]."""
    velocity = np.diff(tracks.points.astype(np.float64), axis=1)
    speed = np.linalg.norm(velocity, axis=-1)
    seen = tracks.visible[:, 1:] & tracks.visible[:, :-1]
    moves = seen & (speed >= STILL)
    unit = velocity * (moves / np.maximum(speed, STILL))[..., None]
    return unit.reshape(len(unit), -1), seen.astype(np.float64), moves.astype(np.float64)
