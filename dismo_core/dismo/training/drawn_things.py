"""Drawn pictures of things on grounds, with masks: what the segmenter is trained on."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from ...synthetic.draws import Draws
from ...synthetic.outlines import HARMONICS, wavy_outline
from ...synthetic.renderer import DrawnObject, Screen, Texture, Trajectory, render
from ...synthetic.textures import texture_pool

SIZES = (64, 64, 96, 128, 160)  # px, sides of the pictures; batches take turns
BLOCK = 100  # batches that share a pool of textures
POOL = 96
THINGS = 2  # at most, in one picture
SAMPLES = 2  # of a thing per pixel and axis


class PictureGenerator:
    """Draws batches of pictures; every batch is a function of (seed, index) alone.

    Args:
        seed: of the run.
    """

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed
        self._pool: tuple[int, Tensor] | None = None

    def batch(self, index: int, pixels: int) -> tuple[Tensor, Tensor]:
        """Pictures number `index`.

        Args:
            index: any integer >= 0.
            pixels: of all pictures together, about.

        Returns:
            Pictures [B, 3, H, H], 0..1, and masks [B, H, H], 0..1.
        """
        draws = Draws(self.seed * 1_000_003 + index * 7919 + 6)
        size = SIZES[int(draws.integers(0, len(SIZES)))]
        count = max(1, pixels // size**2)
        textures = self._textures(index // BLOCK)[draws.integers(0, POOL, count, THINGS + 2)]
        contrast = (0.15 + 0.85 * draws.rand(count, THINGS + 2, 1, 1, 1)) ** 1.3
        flat = textures.mean(dim=(-1, -2), keepdim=True)
        textures = flat + contrast * (textures - flat)
        image = self._ground(textures[:, :2], size, draws)
        light = _light(count, size, draws)
        things = draws.rand(count)
        present = torch.stack((things > 0.06, things > 0.85), dim=1)
        mask = torch.zeros(count, size, size)
        for number in range(THINGS):
            skin = _apart(textures[:, 2 + number], image, draws)
            image, mask = _with_thing(image, mask, skin, present[:, number], size, draws)
        image = (image * light).clamp(0, 1)
        image = image + 0.03 * draws.rand(count, 1, 1, 1) * draws.randn(count, 3, size, size)
        return _degraded(image, draws).clamp(0, 1), mask

    def _textures(self, block: int) -> Tensor:
        if self._pool is None or self._pool[0] != block:
            self._pool = (block, texture_pool(POOL, Draws(self.seed * 1_000_003 + block * 7919 + 7)))
        return self._pool[1]

    def _ground(self, textures: Tensor, size: int, draws: Draws) -> Tensor:
        """One texture, or two that meet along a wavy line, [B, 3, size, size]."""
        count = len(textures)
        here = _still(torch.zeros(count, 1, 2))
        parts = []
        for number in range(2):
            zoom = torch.exp((draws.rand(count) - 0.5) * 1.6)
            shift = (draws.rand(count, 2) - 0.5) * 2
            ground = Texture(textures[:, number], float(size), zoom, shift, mirrored=True)
            parts.append(render(ground, [], Screen(size), here)[0][:, :, 0])
        field = interpolate(draws.randn(count, 1, 3, 3), (size, size), mode="bicubic", align_corners=False)
        share = torch.sigmoid(field * torch.exp(4 * draws.rand(count, 1, 1, 1)) + 2 * draws.randn(count, 1, 1, 1))
        share = share * (draws.rand(count, 1, 1, 1) < 0.5)
        return parts[0] + share * (parts[1] - parts[0])


def _apart(skin: Tensor, image: Tensor, draws: Draws) -> Tensor:
    """A texture whose mean color differs from the picture's by 0.15 to 0.7."""
    mean, color = image.mean(dim=(-1, -2), keepdim=True), skin.mean(dim=(-1, -2), keepdim=True)
    direction = torch.where(mean < 0.5, 1.0, -1.0) * (0.2 + 0.8 * draws.rand(len(skin), 3, 1, 1))
    target = mean + direction * (0.15 + 0.55 * draws.rand(len(skin), 1, 1, 1))
    near = ((color - mean).abs().amax(dim=1, keepdim=True) < 0.3).float()
    return (skin + near * (target - color)).clamp(0, 1)


def _with_thing(
    image: Tensor, mask: Tensor, skin: Tensor, present: Tensor, size: int, draws: Draws
) -> tuple[Tensor, Tensor]:
    count = len(image)
    radius = size * (0.07 + 0.25 * draws.rand(count) ** 1.5) * present
    place = (draws.rand(count, 1, 2) - 0.5) * size * 0.8
    turn = 2 * math.pi * draws.rand(count)
    amplitude = draws.randn(count, HARMONICS) * draws.tensor(0.0, 0.22, 0.18, 0.12, 0.1)
    outline = wavy_outline(amplitude * (draws.rand(count, 1) < 0.85), 2 * math.pi * draws.rand(count, HARMONICS))
    aspect = torch.exp((draws.rand(count) - 0.5) * 1.4)
    thing = DrawnObject(
        outline,
        Texture(skin, zoom=0.3 + 0.5 * draws.rand(count), shift=(draws.rand(count, 2) - 0.5) * 2, mirrored=True),
        radius,
        turn=turn,
        stretch=torch.stack((aspect.sqrt(), aspect.rsqrt()), dim=-1),
    )
    screen, camera = Screen(size, SAMPLES), _still(torch.zeros(count, 1, 2))
    drawn, covered = render(Texture(torch.zeros_like(image)), [(thing, _still(place))], screen, camera)
    alpha = covered[0][:, 0]
    lit = _light(count, size, draws)
    image = image * (1 - alpha[:, None]) + drawn[:, :, 0] * lit.clamp(max=1.3)
    return image, torch.maximum(mask, alpha)


def _still(place: Tensor) -> Trajectory:
    return Trajectory(place, torch.zeros(place.shape[:2]), torch.zeros(place.shape[:2]))


def _light(count: int, size: int, draws: Draws) -> Tensor:
    """Uneven light, [B, 1, size, size], about 1."""
    field = interpolate(draws.randn(count, 1, 2, 2), (size, size), mode="bicubic", align_corners=False)
    return torch.exp(0.25 * field * draws.rand(count, 1, 1, 1))


def _degraded(image: Tensor, draws: Draws) -> Tensor:
    """Some of the pictures a little blurred, as photographs are."""
    half = interpolate(image, scale_factor=0.5, mode="bilinear", antialias=True)
    blurred = interpolate(half, size=image.shape[-2:], mode="bilinear", align_corners=False)
    share = draws.rand(len(image), 1, 1, 1) * (draws.rand(len(image), 1, 1, 1) < 0.5)
    return image + share * (blurred - image)
