"""Layers drawn as a camera and a thing move: every frame is the original picture, warped once."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, conv1d, grid_sample, pad

from ...video.fill import push_pull
from .layers import Layers
from .similarity import Similarity

BORDERS = ("mirror", "extend", "crop")
ROWS = 256  # that are drawn at once
EXTENSION = 0.5  # of the picture's sides, on each side, beyond which the blurred border goes on unchanged
DOUBLED = 300_000  # pixels; of larger pictures no double is made: it costs time, and their finest detail is small
TAPS = 6  # of the interpolation that doubles, on each side
MAX_ZOOM = 8.0  # that borders "crop" may need
BLUR_STEPS = 16  # pictures, at most, that make one with motion blur


class Renderer:
    """Draws layers.

    Args:
        layers: on the device that is to draw.
        borders: what shows beyond the picture: "mirror" its mirror image, "extend" its blurred edges. "crop" is the caller's: a
            camera that never looks beyond; where it does, the mirror image shows.
    """

    def __init__(self, layers: Layers, borders: str = "mirror") -> None:
        self.size, self._picture = layers.size, layers.picture
        ground, self._margin = layers.ground, (0, 0)
        self._folds = borders != "extend"
        if borders == "extend":
            ground, self._margin = _extended(ground)
        self._ground = _Pyramid(ground)
        self._thing = None if layers.thing is None else _Pyramid(layers.thing)
        self._corner = layers.corner

    def frame(self, moves: Sequence[tuple[Similarity, Similarity]]) -> Tensor:
        """One frame, uint8 [H, W, 3] on the CPU: the mean of the pictures at these moments.

        Args:
            moves: of each moment how the ground and how the thing has moved from the picture to the screen: complex
                numbers, px from the middle. One moment, or several for motion blur.
        """
        if all(_is_still(move) for moment in moves for move in moment):
            return self._picture.clone()
        height, width = self.size
        out = torch.empty(height, width, 3, dtype=torch.uint8)
        for top in range(0, height, ROWS):
            rows = (top, min(height, top + ROWS))
            total: Tensor | None = None
            for ground, thing in moves:
                strip = self._strip(rows, ground.inverse(), thing)
                total = strip if total is None else total + strip
            assert total is not None
            mean = (total * (255 / len(moves))).round_().clamp_(0, 255)
            out[rows[0] : rows[1]] = mean[0].movedim(0, -1).to(torch.uint8).cpu()
        return out

    def _strip(self, rows: tuple[int, int], ground: Similarity, thing: Similarity) -> Tensor:
        """Rows of a picture, [1, 3, rows, W]; `ground` leads from the screen to the picture, `thing` the other way."""
        height, width = self.size
        if _is_still(ground):
            margin_y, margin_x = self._margin
            levels = self._ground.levels[0]
            image = levels[..., rows[0] + margin_y : rows[1] + margin_y, margin_x : margin_x + width]
        else:
            image = self._ground.sampled(
                ground, rows, (0, width), self.size, (-self._margin[1], -self._margin[0]), self._folds
            )
        if self._thing is None:
            return image
        found = self._reach(rows, thing)
        if found is None:
            return image
        part_rows, columns = found
        part = self._thing.sampled(thing.inverse(), part_rows, columns, self.size, self._corner, None)
        alpha = part[:, 3:].clamp(0, 1)
        image = image.clone()
        place = image[..., part_rows[0] - rows[0] : part_rows[1] - rows[0], columns[0] : columns[1]]
        place.mul_(1 - alpha).add_(part[:, :3])
        return image

    def _reach(self, rows: tuple[int, int], thing: Similarity) -> tuple[tuple[int, int], tuple[int, int]] | None:
        """Rows and columns of the screen that the thing can cover, within `rows`; None = none."""
        assert self._thing is not None
        h, w = self._thing.levels[0].shape[-2:]
        height, width = self.size
        left, top = self._corner[0] - width / 2 - 2, self._corner[1] - height / 2 - 2
        corners = [complex(x, y) for x in (left, left + w + 4) for y in (top, top + h + 4)]
        scale, shift = complex(thing.scale.item()), complex(thing.shift.item())
        moved = [scale * corner + shift for corner in corners]
        x0, x1 = (f(z.real for z in moved) + width / 2 for f in (min, max))
        y0, y1 = (f(z.imag for z in moved) + height / 2 for f in (min, max))
        first, last = max(rows[0], math.floor(y0)), min(rows[1], math.ceil(y1))
        begin, end = max(0, math.floor(x0)), min(width, math.ceil(x1))
        return None if first >= last or begin >= end else ((first, last), (begin, end))


class _Pyramid:
    """A picture [C, h, w], its double where that is not too large, and its halves.

    Between the pixels of the double, cubic interpolation keeps what between those of the picture it would blur.
    """

    def __init__(self, image: Tensor) -> None:
        self.levels = [image[None].contiguous()]
        self.double = doubled(self.levels[0]) if image[0].numel() <= DOUBLED else None

    def level(self, number: int) -> tuple[Tensor, int]:
        """The picture after `number` halvings, or after as many as its size allows."""
        while len(self.levels) <= number and min(self.levels[-1].shape[-2:]) >= 2:
            last = self.levels[-1]
            odd = (0, last.shape[-1] % 2, 0, last.shape[-2] % 2)
            self.levels.append(avg_pool2d(pad(last, odd, mode="replicate") if any(odd) else last, 2))
        number = min(number, len(self.levels) - 1)
        return self.levels[number], number

    def sampled(
        self,
        to_picture: Similarity,
        rows: tuple[int, int],
        columns: tuple[int, int],
        size: tuple[int, int],
        corner: tuple[int, int],
        folds: bool | None,
    ) -> Tensor:
        """Pixels of the screen [1, C, rows, columns], bicubic; where the picture shrinks, the mean of four samples.

        Args:
            to_picture: from the screen to the picture, px from the middle.
            rows: first and last + 1.
            columns: first and last + 1.
            size: (height, width) of the screen and of the whole picture.
            corner: (x, y), px, where in that picture this one lies.
            folds: beyond its edges comes its mirror image (True), its edge (False), nothing (None).
        """
        shrink = float(to_picture.scale.abs())  # px of the picture in one of the screen
        image, number = self.level(max(0, math.floor(math.log2(max(shrink, 1e-6)))))
        per_pixel = 2.0**number
        shrink /= per_pixel
        spread = min(1.0, 2 * max(0.0, shrink - 1.0)) / 4
        if number == 0 and self.double is not None:
            image, per_pixel = self.double, 0.5
        h, w = image.shape[-2:]
        device = image.device
        y = torch.arange(*rows, device=device, dtype=torch.float32) + 0.5 - size[0] / 2
        x = torch.arange(*columns, device=device, dtype=torch.float32) + 0.5 - size[1] / 2
        a, b = complex(to_picture.scale.item()), complex(to_picture.shift.item())
        out: Tensor | None = None
        offsets = [(0.0, 0.0)] if spread < 0.01 else [(dx, dy) for dy in (-spread, spread) for dx in (-spread, spread)]
        for dx, dy in offsets:
            px, py = x + dx, y + dy
            u = a.real * px[None] - a.imag * py[:, None] + (b.real + size[1] / 2 - corner[0])
            v = a.imag * px[None] + a.real * py[:, None] + (b.imag + size[0] / 2 - corner[1])
            u, v = u / (per_pixel * w / 2) - 1, v / (per_pixel * h / 2) - 1
            if folds:
                u, v = _folded(u), _folded(v)
            grid = torch.stack((u, v), dim=-1)[None]
            padding = "zeros" if folds is None else "border"
            part = grid_sample(image, grid, mode="bicubic", padding_mode=padding, align_corners=False)
            out = part if out is None else out + part
        assert out is not None
        return out / len(offsets) if len(offsets) > 1 else out


def doubled(image: Tensor) -> Tensor:
    """A picture [1, C, h, w] of twice the size by a windowed sinc of 2 x `TAPS` taps (Lanczos), its edges repeated."""
    taps = torch.arange(-TAPS, TAPS + 1, dtype=torch.float64)
    kernels = []
    for offset in (-0.25, 0.25):  # where the new pixels lie
        at = taps - offset
        kernel = torch.sinc(at) * torch.sinc(at / (TAPS + 1))
        kernels.append(kernel / kernel.sum())
    weight = torch.stack(kernels).to(image)[:, None]  # [2, 1, taps]
    for axis in (-1, -2):
        x = image.transpose(axis, -1)
        shape = x.shape
        rows = pad(x.reshape(-1, 1, shape[-1]), (TAPS, TAPS), mode="replicate")
        x = conv1d(rows, weight).transpose(1, 2).reshape(*shape[:-1], 2 * shape[-1])
        image = x.transpose(axis, -1)
    return image.contiguous()


def _folded(x: Tensor) -> Tensor:
    """Places -1..1 of a picture for places anywhere in its endless mirror images."""
    x = torch.remainder(x + 1, 4)
    return torch.where(x > 2, 4 - x, x) - 1


def _extended(image: Tensor) -> tuple[Tensor, tuple[int, int]]:
    """The picture with blurred borders, and how wide these are (rows, columns)."""
    height, width = image.shape[-2:]
    rows, columns = math.ceil(height * EXTENSION), math.ceil(width * EXTENSION)
    around = (columns, columns, rows, rows)
    known = pad(torch.ones(height, width, device=image.device), around)
    return push_pull(pad(image, around), known), (rows, columns)


def _is_still(move: Similarity) -> bool:
    return bool(move.scale == 1) and bool(move.shift == 0)


def corners_of(size: tuple[int, int]) -> Tensor:
    """Corners of a picture of `size` (height, width), complex [4], px from the middle."""
    height, width = size
    return torch.tensor([complex(x, y) for x in (-width / 2, width / 2) for y in (-height / 2, height / 2)])


def least_zoom(grounds: Similarity, size: tuple[int, int]) -> float:
    """How far a camera must zoom in about the middle so that it never sees beyond the picture.

    Args:
        grounds: how the ground has moved at every moment, complex [N], px from the middle.
        size: (height, width), px.

    Returns:
        1 where nothing beyond the picture shows; `MAX_ZOOM` where even that does not do.
    """
    height, width = size
    back = grounds.inverse()
    scale, shift = back.scale.cpu()[:, None], back.shift.cpu()[:, None]
    corners = corners_of(size).to(scale)

    def fits(zoom: float) -> bool:
        seen = scale * corners / zoom + shift
        return bool((seen.real.abs() <= width / 2 + 1e-3).all()) and bool((seen.imag.abs() <= height / 2 + 1e-3).all())

    if fits(1.0):
        return 1.0
    low, high = 1.0, MAX_ZOOM
    if not fits(MAX_ZOOM):
        return MAX_ZOOM
    while high - low > 1e-4:
        middle = (low + high) / 2
        low, high = (low, middle) if fits(middle) else (middle, high)
    return high
