"""A drawn creature in three dimensions that turns and bobs: a clip whose other sides are known (docs/methods/gaussians4d.md, 12.5)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from .cameras import FOV_Y, orbit_views
from .clip import Clip4D
from .zbuffer import draw_triangles

TURN, BOB = 26.0, 0.05  # degrees to each side; of the height
FPS = 8.0
SAMPLES = 3  # of a pixel, along each side
STEPS = 24  # of a ball's outline
ORANGE, DARK, CREAM, BEAK, BLACK = (
    (0.95, 0.55, 0.15),
    (0.2, 0.2, 0.35),
    (0.95, 0.9, 0.75),
    (0.9, 0.3, 0.15),
    (0.05,) * 3,
)
# (middle, half axes, color, color of its stripes)
_PARTS = (
    ((-0.04, -0.04, 0.0), (0.27, 0.21, 0.21), ORANGE, DARK),
    ((0.22, 0.16, 0.0), (0.15, 0.15, 0.15), ORANGE, ORANGE),
    ((0.39, 0.13, 0.0), (0.08, 0.035, 0.045), BEAK, BEAK),
    ((-0.33, 0.07, 0.0), (0.12, 0.07, 0.05), DARK, DARK),
    ((0.02, -0.14, 0.0), (0.18, 0.12, 0.17), CREAM, CREAM),
    ((0.31, 0.2, 0.1), (0.025, 0.025, 0.025), BLACK, BLACK),
    ((0.31, 0.2, -0.1), (0.025, 0.025, 0.025), BLACK, BLACK),
)


@dataclass(frozen=True)
class DrawnObject:
    """The creature.

    Args:
        frames: T.
        radius: distance of the camera.
    """

    frames: int = 14
    radius: float = 1.5

    def seen(self, frame: int, azimuth: float = 0.0, size: int = 64) -> Tensor:
        """One picture, straight alpha, float [4,size,size]: color where it is, 0 elsewhere.

        Args:
            frame: 0 to T-1.
            azimuth: of the camera, degrees.
            size: px.
        """
        share = 2 * math.pi * frame / self.frames
        vertices, faces, colors = _mesh()
        angle = math.radians(TURN) * math.sin(share)
        c, s = math.cos(angle), math.sin(angle)
        turn = torch.tensor([[c, 0, s], [0, 1, 0], [-s, 0, c]], dtype=torch.float32)
        moved = vertices @ turn.mT + torch.tensor([0.0, BOB * math.sin(2 * share), 0.0])
        view = orbit_views([0.0], [azimuth], [self.radius])[0]
        drawn = draw_triangles(moved, faces, view, SAMPLES * size, SAMPLES * size, FOV_Y)
        there = (drawn.face >= 0).float()
        color = (colors[faces[drawn.face.clamp_min(0)]] * drawn.weights[..., None]).sum(-2) * there[..., None]
        fine = torch.cat((color.movedim(-1, 0), there[None]))
        both = F.avg_pool2d(fine[None], SAMPLES)[0]
        return torch.cat((both[:3] / both[3:].clamp_min(1e-6), both[3:]))

    def clip(self, size: int = 128) -> Clip4D:
        """As the known view sees it; prepared, though nothing is cropped, so that its cameras are the truth's."""
        pictures = torch.stack([self.seen(frame, 0.0, size) for frame in range(self.frames)])
        return Clip4D((pictures * 255).round().to(torch.uint8).movedim(1, -1), FPS, "drawn object")

    def truth(self, azimuth: float, size: int = 64) -> tuple[Tensor, Tensor]:
        """RGB on white [T,3,size,size] and alpha [T,1,size,size] from one side."""
        pictures = torch.stack([self.seen(frame, azimuth, size) for frame in range(self.frames)])
        alpha = pictures[:, 3:]
        return pictures[:, :3] * alpha + 1 - alpha, alpha


def _mesh() -> tuple[Tensor, Tensor, Tensor]:
    """Vertices [V,3], faces [F,3] and colors [V,3]."""
    down, around = np.meshgrid(np.linspace(0, math.pi, STEPS), np.linspace(0, 2 * math.pi, 2 * STEPS), indexing="ij")
    ball = np.stack((np.sin(down) * np.cos(around), np.cos(down), np.sin(down) * np.sin(around)), -1).reshape(-1, 3)
    number = np.arange(STEPS * 2 * STEPS).reshape(STEPS, 2 * STEPS)
    a, b, c, d = number[:-1, :-1], number[:-1, 1:], number[1:, :-1], number[1:, 1:]
    one = np.concatenate([np.stack(corners, -1).reshape(-1, 3) for corners in ((a, b, c), (b, d, c))])
    vertices, faces, colors = [], [], []
    for count, (middle, axes, color, stripes) in enumerate(_PARTS):
        vertices.append(ball * np.array(axes) + np.array(middle))
        faces.append(one + count * len(ball))
        striped = (np.sin(ball[:, :1] * 9) > 0.3).astype(float)
        colors.append(np.array(color) * (1 - striped) + np.array(stripes) * striped)
    return (
        torch.from_numpy(np.concatenate(vertices)).float(),
        torch.from_numpy(np.concatenate(faces)).long(),
        torch.from_numpy(np.concatenate(colors)).float(),
    )
