"""The two augmentations of training clips: one affine resampling and three color factors each (docs/methods/dismo.md, 6.2)."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

ASPECT = (0.75, 4 / 3)  # of the frame, width / height; what lies outside is cut off at both ends
_GREY = (0.2989, 0.587, 0.114)  # torchvision's
_ATTEMPTS = 10


@dataclass(frozen=True)
class View:
    """One draw of an augmentation, which any number of frames share.

    Args:
        centre: of the crop (x, y) in px from the top left corner of the frame; the middle of its first pixel is (0.5, 0.5).
        size: of the crop (w, h) in px.
        angle: radians by which the picture turns clockwise about the crop's centre.
        colors: names and factors, in the order in which they act.
    """

    centre: tuple[float, float]
    size: tuple[float, float]
    angle: float = 0.0
    colors: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True)
class Augmentation:
    """Ranges from which views are drawn.

    Args:
        area: of the crop, as a fraction of the frame, even.
        aspect: of the crop, width / height, even in its logarithm.
        degrees: largest rotation to either side.
        brightness: largest deviation of the factor from 1; 0 leaves it out.
        contrast: largest deviation of the factor from 1; 0 leaves it out.
        saturation: largest deviation of the factor from 1; 0 leaves it out.
        inside: shrink the crop until it holds nothing beyond the frame's border. Not done in the published recipe, where
            turned crops hold repeated borders.
    """

    area: tuple[float, float]
    aspect: tuple[float, float]
    degrees: float
    brightness: float
    contrast: float
    saturation: float
    inside: bool = False

    def draw(self, height: int, width: int, rng: np.random.Generator) -> View:
        """Draw a view of a frame of `height` x `width` px."""
        left, top, w, h = self._crop(height, width, rng)
        angle = math.radians(self.degrees) * rng.uniform(-1, 1)
        factors = {"brightness": self.brightness, "contrast": self.contrast, "saturation": self.saturation}
        drawn = [(name, 1 + rng.uniform(-spread, spread)) for name, spread in factors.items() if spread]
        colors = tuple(drawn[k] for k in rng.permutation(len(drawn)))
        centre = (left + w / 2, top + h / 2)
        shrink = 1.0
        if self.inside:
            reach = _reach((w, h), angle)
            rooms = [min(c, side - c) for c, side in zip(centre, (width, height), strict=True)]
            shrink = min(1.0, *(room / far for room, far in zip(rooms, reach, strict=True)))
        return View(centre, (w * shrink, h * shrink), angle, colors)

    def _crop(self, height: int, width: int, rng: np.random.Generator) -> tuple[int, int, int, int]:
        """Left, top, width, height in whole px."""
        low, high = self.aspect
        for _ in range(_ATTEMPTS):
            area = height * width * rng.uniform(*self.area)
            aspect = math.exp(rng.uniform(math.log(low), math.log(high)))
            w, h = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
            if 0 < w <= width and 0 < h <= height:
                return int(rng.integers(width - w + 1)), int(rng.integers(height - h + 1)), w, h
        return _centred(height, width, low, high)


def clamp_aspect(frames: Tensor) -> Tensor:
    """The middle of frames [K, H, W, 3] whose aspect lies outside 3:4 to 4:3; without a copy."""
    height, width = frames.shape[1:3]
    left, top, w, h = _centred(height, width, *ASPECT)
    return frames[:, top : top + h, left : left + w]


def render(frames: Tensor, view: View, size: int) -> Tensor:
    """Frames as `view` shows them.

    An output pixel, relative to the output's centre, is turned back, divided by the scale on each axis and added to the
    crop's centre. Bilinear, not antialiased; beyond the frame its border is repeated.

    Args:
        frames: uint8 [K, H, W, 3].
        size: side of the output in px.

    Returns:
        uint8 [K, size, size, 3].
    """
    (left, right), (top, bottom) = _spans(view, frames.shape[1], frames.shape[2])
    x, y = _positions(view, size)
    grid = torch.stack(((x - left) * (2 / (right - left)) - 1, (y - top) * (2 / (bottom - top)) - 1), dim=-1)[None]
    out = torch.empty((len(frames), size, size, 3), dtype=torch.uint8)
    for frame, shown in zip(frames, out, strict=True):  # one by one: a frame stays in the processor's cache
        part = frame[top:bottom, left:right].permute(2, 0, 1).contiguous().float()
        plane = F.grid_sample(part[None], grid, mode="bilinear", padding_mode="border", align_corners=False)[0]
        for name, factor in view.colors:
            plane = _COLOR[name](plane, factor).clamp_(0, 255)
        shown.copy_(plane.round_().to(torch.uint8).permute(1, 2, 0))
    return out


def _positions(view: View, size: int) -> tuple[Tensor, Tensor]:
    """Where each output pixel looks: x and y [size, size] in px of the frame."""
    out = torch.arange(size) + 0.5 - size / 2
    c, s = math.cos(view.angle), math.sin(view.angle)
    (w, h), (x, y) = view.size, view.centre
    turned_x = c * out[None, :] + s * out[:, None]
    turned_y = c * out[:, None] - s * out[None, :]
    return turned_x * (w / size) + x, turned_y * (h / size) + y


def _spans(view: View, height: int, width: int) -> list[tuple[int, int]]:
    """First and last + 1 column, then row, that `view` draws from: no others need become float."""
    spans = []
    for middle, reach, length in zip(view.centre, _reach(view.size, view.angle), (width, height), strict=True):
        first = min(max(math.floor(middle - reach) - 1, 0), length - 1)
        spans.append((first, max(min(math.ceil(middle + reach) + 1, length), first + 1)))
    return spans


def _reach(size: tuple[float, float], angle: float) -> tuple[float, float]:
    """How far the corners of a turned crop lie from its centre along x and y (the output is square)."""
    spread = (abs(math.cos(angle)) + abs(math.sin(angle))) / 2
    return size[0] * spread, size[1] * spread


def _centred(height: int, width: int, low: float, high: float) -> tuple[int, int, int, int]:
    """The largest centred crop whose aspect is within low..high: left, top, width, height."""
    w, h = width, height
    if width / height < low:
        h = max(1, round(width / low))
    elif width / height > high:
        w = max(1, round(height * high))
    return (width - w) // 2, (height - h) // 2, w, h


def _grey(plane: Tensor) -> Tensor:
    return _GREY[0] * plane[:1] + _GREY[1] * plane[1:2] + _GREY[2] * plane[2:]


# torchvision's factors, on [3, H, W]: 0 = black, the frame's mean grey, grey; 1 = as it was.
_COLOR: dict[str, Callable[[Tensor, float], Tensor]] = {
    "brightness": lambda plane, factor: plane * factor,
    "contrast": lambda plane, factor: torch.lerp(_grey(plane.mean(dim=(1, 2), keepdim=True)), plane, factor),
    "saturation": lambda plane, factor: torch.lerp(_grey(plane), plane, factor),
}
