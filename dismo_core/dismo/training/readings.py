"""What really moves in drawn clips, as the motion head is to read it from embeddings."""

from __future__ import annotations

import torch
from torch import Tensor

from ...synthetic.trajectories import positions
from ..layered.similarity import Similarity, logarithm
from ..motion import LOOK_AHEAD, SOURCES
from .drawn_clips import SeenMotion


def true_readings(seen: SeenMotion, size: int) -> Tensor:
    """What happens in 1 to 4 frame steps after each source frame, [B, 4, 4 gaps, 8].

    The eight numbers: of the ground on the screen shift x, y (in sides of the picture), log scale, turn (radians), as the
    logarithm of a similarity about the picture's middle; of the first object, the same on the ground, its shift as long as
    it looks on the screen.

    Args:
        seen: the clips.
        size: side of their frames, px.
    """
    moves = seen.trajectories.cpu()
    view, first = seen.view.cpu(), seen.start[:, 0].cpu()  # complex numbers are not for every device
    clips = len(seen.frames)
    times = torch.arange(SOURCES + LOOK_AHEAD, device=view.device).float().expand(clips, -1)
    camera = moves.of_camera(times)
    scale = torch.complex(camera.log_scale, camera.angle).exp()
    place = _complex(camera.place)
    zoom, shift = view[:, 2, None], _complex(view[:, :2])[:, None]
    viewed = Similarity(1 / zoom + 0j, -shift / zoom)  # the screen in pixels of the view
    to_pixels = viewed.after(Similarity(scale, scale * place))  # from the world
    thing = moves.of_object(0, first, times)
    where = _complex(thing.place)
    rows = []
    for gap in range(1, LOOK_AHEAD + 1):
        now, then = slice(0, SOURCES), slice(gap, SOURCES + gap)
        step = to_pixels[:, then].after(to_pixels[:, now].inverse())
        rate, glide = logarithm(step)
        own = (where[:, then] - where[:, now]) * to_pixels.scale[:, now]
        turn = positions(moves.object_turn[:, 0], times)
        turn = turn[:, then] - turn[:, now]
        rows.append(
            torch.stack(
                (glide.real / size, glide.imag / size, rate.real, rate.imag,
                 own.real / size, own.imag / size, turn[..., 0], turn[..., 1]), dim=-1,
            )
        )  # fmt: skip
    return torch.stack(rows, dim=2)


def _complex(points: Tensor) -> Tensor:
    return torch.complex(points[..., 0], points[..., 1])
