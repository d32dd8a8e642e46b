"""Where points of a picture go as a motion says: tracks for video models that follow them."""

from __future__ import annotations

import logging

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...errors import DisMoError
from ...evaluation.track_json import check_tracks, point_grid
from ...video.picture import centre_crop, fit_image, to_uint8
from ..motion import Motion
from .checks import FOUND, NOTHING_FOUND, check_image, fitted_mask
from .layers import centre_of_gravity
from .model import LayeredModel
from .path import Path, moving

log = logging.getLogger(__name__)
Array = NDArray[np.float64]


def motion_tracks(
    model: LayeredModel,
    motion: Motion,
    image: Tensor,
    *,
    mask: Tensor | None = None,
    points: int = 81,
    own_points: Array | None = None,
    size: tuple[int, int] = (480, 832),
    frames: int = 121,
    fps: float = 24.0,
    strength: float = 1.0,
) -> tuple[Array, Tensor]:
    """Tracks of points of a picture.

    Args:
        model: says what moves.
        motion: of the model's extractor; after its end the points stay where they are.
        image: [H, W, 3] float, 0..1.
        mask: [H, W], 0..1, the thing; None = found where it is needed.
        points: about how many, on a grid over what moves.
        own_points: [N, 2], px of the video; None = the grid.
        size: (height, width) of the video, px; the picture is cropped in its middle to this shape.
        frames: T.
        fps: positions per second.
        strength: factor on the motion.

    Returns:
        Tracks [N, T, 2], px of the video; and the picture as the video shows it, uint8 [height, width, 3].

    Raises:
        DisMoError: numbers out of range, a picture or mask that cannot be, a motion of another extractor.
    """
    check_tracks(len(own_points) if own_points is not None else points, size[1], size[0], frames, fps)
    check_image(image)
    image, mask = image.cpu(), None if mask is None else mask.cpu()
    path = model.path(motion, strength)
    ground_moves, thing_moves = moving(path.steps)
    given = mask is not None
    if mask is not None:
        mask = fitted_mask(mask, image)
    elif thing_moves:
        mask = model.find(image)
    top, left, rows, columns = centre_crop(image.shape[0], image.shape[1], size)
    shown = fit_image(image, size, "crop")
    thing: Tensor | None = None
    if thing_moves and mask is not None:
        part = mask[top : top + rows, left : left + columns]
        thing = torch.nn.functional.interpolate(part[None, None], size, mode="bilinear", antialias=True)[0, 0]
        if float(thing.max()) < FOUND and given:
            raise DisMoError(
                "The mask lies outside the part of the picture that the video shows. Choose another shape of the video."
            )
        if float(thing.max()) < FOUND:
            log.warning(NOTHING_FOUND)
            thing = torch.ones_like(thing)
    if own_points is None:
        inside = np.ones(size, bool) if ground_moves or thing is None else (thing >= FOUND).numpy()
        own_points = point_grid(points, inside)
    tracks = _followed(path, own_points, thing, size, frames, fps)
    return tracks, to_uint8(shown, 0)


def _followed(path: Path, points: Array, thing: Tensor | None, size: tuple[int, int], frames: int, fps: float) -> Array:
    """[N, T, 2]: each point with the thing where it lies on it, else with the ground."""
    height, width = size
    middle = complex(width / 2, height / 2)
    times = torch.arange(frames, dtype=torch.float64) * (path.fps / fps)
    ground = path.ground(times, size)
    start = torch.from_numpy(points[:, 0] + 1j * points[:, 1]) - middle
    moved = ground.scale[None] * start[:, None] + ground.shift[None]
    if thing is not None:
        rows, columns = (np.clip(points[:, axis].astype(int), 0, size[1 - axis] - 1) for axis in (1, 0))
        on_it = thing[torch.from_numpy(rows), torch.from_numpy(columns)] >= FOUND
        own = path.thing(times, size, complex(*centre_of_gravity(thing)))
        both = ground.after(own)
        moved = torch.where(on_it[:, None], both.scale[None] * start[:, None] + both.shift[None], moved)
    moved = moved + middle
    return np.stack((moved.real.numpy(), moved.imag.numpy()), axis=-1)
