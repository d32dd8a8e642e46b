"""How the camera moved between frames: a translation or a homography, fitted to the pixels of the scene.

Normalised correlation of the unmasked pixels (Padfield 2012, Masked Object Registration in the Fourier Domain, section III) finds the
translation to a pixel; Gauss-Newton steps on the brightness differences, weighted so that what does not fit counts less (Baker and
Matthews 2004, Lucas-Kanade 20 Years On, section 3), refine it or the eight numbers of a homography, from a coarse to the full size.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from ...errors import DisMoError

MODELS = ("none", "translation", "homography")
COARSEST = 48  # px of the shorter side
STEPS = 12  # at each size
NOISE = 4 / 255  # differences above which a pixel counts less
SEARCHED = 96  # px of the shorter side, at which shifts are searched
ENOUGH = 0.3  # of the scene that two frames must share to be fitted to each other


def camera_path(frames: Sequence[Tensor], known: Sequence[Tensor], model: str) -> list[Tensor]:
    """For each frame, the homography from its pixels to those of the middle frame, float64 [3, 3].

    Frames are fitted one to the next, and then, where they still share enough with it, to the middle one itself.

    Args:
        frames: gray [H, W], 0..1.
        known: bool [H, W], the scene without the person.
        model: one of `MODELS`.

    Raises:
        DisMoError: no such model.
    """
    if model not in MODELS:
        raise DisMoError(f"There is no alignment {model!r}. Choose one of {', '.join(MODELS)}.")
    middle = len(frames) // 2
    path = [torch.eye(3, dtype=torch.float64) for _ in frames]
    if model == "none":
        return path
    for order in (range(middle + 1, len(frames)), range(middle - 1, -1, -1)):
        before = middle
        for number in order:
            start = _translation(frames[before], frames[number], known[before], known[number])
            step = fit(frames[before], frames[number], known[before], known[number], start, model)
            path[number] = path[before] @ step
            if _shared(path[number], frames[number].shape) > ENOUGH:
                path[number] = fit(frames[middle], frames[number], known[middle], known[number], path[number], model)
            before = number
    return path


def fit(first: Tensor, second: Tensor, known: Tensor, also: Tensor, start: Tensor, model: str) -> Tensor:
    """The homography from pixels of `second` to those of `first`, float64 [3, 3].

    Args:
        first: gray [H, W].
        second: gray [H, W].
        known: bool [H, W], what of `first` counts.
        also: bool [H, W], what of `second` counts.
        start: where the search begins.
        model: "translation" or "homography".
    """
    height, width = first.shape
    scales = [1.0]
    while min(height, width) * scales[-1] / 2 >= COARSEST:
        scales.append(scales[-1] / 2)
    matrix = start
    for scale in reversed(scales):
        sizes = (max(8, round(height * scale)), max(8, round(width * scale)))
        levels = [_smaller(x, sizes) for x in (first, second, known.float(), also.float())]
        zoom = torch.diag(torch.tensor([sizes[1] / width, sizes[0] / height, 1.0], dtype=torch.float64))
        small = zoom @ matrix @ zoom.inverse()
        small = _refined(levels[0], levels[1], levels[2], levels[3], small, model)
        matrix = zoom.inverse() @ small @ zoom
    return matrix / matrix[2, 2]


def warp(images: Tensor, matrix: Tensor, size: tuple[int, int], mode: str = "bicubic") -> Tensor:
    """Pictures seen from another frame: pixel p of the result shows the pixel `matrix` p of the pictures.

    Args:
        images: [C, H, W].
        matrix: homography [3, 3] between pixel positions (x, y), y down.
        size: (rows, columns) of the result.
        mode: of `grid_sample`.

    Returns:
        [C, *size]; edges go on outside.
    """
    grid = _places(matrix, size, images.shape[-2:])
    return F.grid_sample(images[None], grid[None].to(images), mode=mode, padding_mode="border", align_corners=False)[0]


def inside(matrix: Tensor, size: tuple[int, int], source: tuple[int, int]) -> Tensor:
    """Bool [*size]: where `warp` finds a pixel of the picture, whose size is `source`."""
    grid = _places(matrix, size, source)
    edge = 1 - torch.tensor([1 / source[1], 1 / source[0]], dtype=grid.dtype)
    return (grid.abs() <= edge).all(-1)


def _places(matrix: Tensor, size: tuple[int, int], source: Sequence[int]) -> Tensor:
    """Where pixels of the result lie in the picture, -1..1 from edge to edge, [rows, columns, 2]."""
    y, x = torch.meshgrid(torch.arange(size[0]), torch.arange(size[1]), indexing="ij")
    points = torch.stack((x, y, torch.ones_like(x)), -1).double() @ matrix.T
    places = points[..., :2] / points[..., 2:]
    extent = torch.tensor([source[1], source[0]], dtype=places.dtype)
    return (2 * places + 1) / extent - 1


def _refined(first: Tensor, second: Tensor, known: Tensor, also: Tensor, matrix: Tensor, model: str) -> Tensor:
    """Gauss-Newton from `matrix`: the pixels of `first` are looked up in `second` by its inverse."""
    height, width = first.shape
    centered = torch.tensor(
        [[1, 0, -(width - 1) / 2], [0, 1, -(height - 1) / 2], [0, 0, max(height, width) / 2]]
    ).double()
    to_second = matrix.inverse()
    pair = torch.stack((second, also))
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    points = torch.stack((x, y, torch.ones_like(x)), -1).double() @ centered.T / centered[2, 2]
    u, v = points[..., 0].float(), points[..., 1].float()
    for _ in range(STEPS):
        seen = warp(pair, to_second, (height, width), "bilinear")
        here = (known > 0.99) & (seen[1] > 0.99) & inside(to_second, (height, width), (height, width))
        if int(here.sum()) < 64:
            break
        gy, gx = torch.gradient(seen[0])
        difference = (first - seen[0])[here]
        weight = 1 / (1 + (difference / NOISE).square())
        if model == "translation":
            columns = torch.stack((gx, gy), -1)
        else:
            along = gx * u + gy * v
            parts = (gx * u, gx * v, gx, gy * u, gy * v, gy, -along * u, -along * v)
            columns = torch.stack(parts, -1) * float(centered[2, 2])
        slope = columns[here].double()
        normal = slope.T @ (slope * weight[:, None])
        normal += 1e-6 * normal.diagonal().max() * torch.eye(len(normal), dtype=torch.float64)
        change = torch.linalg.solve(normal, slope.T @ (weight * difference).double())
        update = torch.eye(3, dtype=torch.float64)
        if model == "translation":
            update[0, 2], update[1, 2] = change
            to_second = to_second @ update
        else:
            update.view(-1)[:8] += change
            to_second = to_second @ centered.inverse() @ update @ centered
        if float(change.abs().max()) < 1e-5:
            break
    back: Tensor = to_second.inverse()
    return back


def _translation(first: Tensor, second: Tensor, known: Tensor, also: Tensor) -> Tensor:
    """The shift at which what both know correlates best, to a pixel of a small copy."""
    height, width = first.shape
    scale = min(1.0, SEARCHED / min(height, width))
    size = (round(height * scale), round(width * scale))
    m1, m2 = ((_smaller(x.float(), size) > 0.99).double() for x in (known, also))
    f1, f2 = (_smaller(x - x.mean(), size).double() * m for x, m in ((first, m1), (second, m2)))

    def products(a: Tensor, b: Tensor) -> Tensor:
        """For each shift d the sum of a(p + d) b(p)."""
        padded = (2 * size[0], 2 * size[1])
        sums: Tensor = torch.fft.irfft2(torch.fft.rfft2(a, padded) * torch.fft.rfft2(b, padded).conj(), padded)
        return sums

    count = products(m1, m2).clamp_min(1)
    sum1, sum2 = products(f1, m2), products(m1, f2)
    together = products(f1, f2) - sum1 * sum2 / count
    spread1 = products(f1 * f1, m2) - sum1.square() / count
    spread2 = products(m1, f2 * f2) - sum2.square() / count
    likeness = together / (spread1 * spread2).clamp_min(1e-9).sqrt()
    likeness[count < ENOUGH * count.max()] = -1
    y, x = divmod(int(likeness.argmax()), likeness.shape[1])
    matrix = torch.eye(3, dtype=torch.float64)
    matrix[0, 2] = (x - 2 * size[1] * (x >= size[1])) * width / size[1]
    matrix[1, 2] = (y - 2 * size[0] * (y >= size[0])) * height / size[0]
    return matrix


def _shared(matrix: Tensor, size: torch.Size) -> float:
    """Share of a frame that the middle one shows, too."""
    return float(inside(matrix, (size[0], size[1]), (size[0], size[1])).float().mean())


def _smaller(x: Tensor, size: tuple[int, int]) -> Tensor:
    if tuple(x.shape) == size:
        return x
    return F.interpolate(x[None, None], size=size, mode="bilinear", antialias=True, align_corners=False)[0, 0]
