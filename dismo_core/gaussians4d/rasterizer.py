"""Gaussians into pictures: differentiable, in plain torch, on any device (docs/methods/gaussians4d.md, 2.2).

After "3D Gaussian Splatting" (Kerbl et al., SIGGRAPH 2023), section 4 to 6, and "EWA Splatting" (Zwicker et al., 2002), from the
formulas. Each picture is cut into tiles; a tile adds up the Gaussians that reach it, front first. Within a tile the logarithm of
what a Gaussian covers is a polynomial of second degree in the pixel's place, so it is one matrix product.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from .cameras import FOV_Y, focal_length
from .gaussians import Activated, rotation_matrices
from .gsplat_backend import BLUR, NEAR, choose_backend, rasterize_gsplat

MOST_ALPHA = 0.99
LEAST_ALPHA = 1 / 255
LEAST_TRANSMITTANCE = 1e-4
GUARD = 1.3  # the Jacobian is taken at most this far out, in half fields of view
TILE = 8  # px
CHUNK = {"cpu": 1 << 20}  # pixel-Gaussian pairs that are worked on at once
CHUNK_GPU = 1 << 25
GROWTH = 1.3  # tiles are worked on beside others that have at most so many times their Gaussians


class Raster(NamedTuple):
    """Pictures. image: [V,3,H,W], not clamped. alpha: [V,1,H,W]. depth: [V,1,H,W], sum of weight times depth."""

    image: Tensor
    alpha: Tensor
    depth: Tensor


def rasterize(
    means: Tensor,
    scales: Tensor,
    quaternions: Tensor,
    opacities: Tensor,
    colors: Tensor,
    views: Tensor,
    height: int,
    width: int,
    fov_y: float = FOV_Y,
    background: tuple[float, float, float] | Tensor = (1, 1, 1),
    backend: str = "auto",
    *,
    screen: Tensor | None = None,
    tile: int = TILE,
) -> Raster:
    """Draw Gaussians from several cameras.

    Args:
        means: [N,3], or [V,N,3] where they differ from view to view; so may all that follow up to `colors`.
        scales: [N,3], standard deviations.
        quaternions: [N,4] (w,x,y,z), of any length but 0.
        opacities: [N], 0..1.
        colors: [N,3], RGB.
        views: world to camera, OpenCV convention [V,4,4].
        height: of the pictures, px.
        width: of the pictures, px.
        fov_y: vertical field of view, degrees.
        background: RGB, or [V,3].
        backend: "torch", "gsplat" (CUDA, where that library is installed), or "auto": gsplat where it works.
        screen: [V,N,2] zeros whose gradient is wanted: that of the places in the picture, in units of half its width and height.
        tile: px; any size gives the same pictures.

    Returns:
        Float pictures of the dtype of `means`.

    Raises:
        DisMoError: an unknown backend, or gsplat asked for by name where it does not work.
    """
    if choose_backend(backend, means.device, screen) == "gsplat":
        given = Activated(means, scales, quaternions, opacities, colors)
        return Raster(*rasterize_gsplat(given, views, height, width, fov_y, background))
    count = len(views)
    focal = focal_length(height, fov_y)
    behind = torch.as_tensor(background, dtype=means.dtype, device=means.device).expand(count, 3)
    views = views.to(means)
    centers, conics, depths = _project(means, scales, quaternions, views, height, width, focal)
    if screen is not None:
        centers = centers + screen * screen.new_tensor([width / 2, height / 2])
    n = means.shape[-2]
    seen = torch.cat((colors.expand(count, n, 3), depths[..., None], torch.ones_like(depths[..., None])), dim=-1)
    opacity = opacities.expand(count, n)
    columns, rows = -(-width // tile), -(-height // tile)
    pairs = _Pairs(centers, conics, depths, opacity, columns, rows, tile)
    out = means.new_zeros(count * rows * columns, tile * tile, 5)
    if len(pairs.tiles):
        flat = centers.reshape(-1, 2), conics.reshape(-1, 3), opacity.reshape(-1), seen.reshape(-1, 5)
        parts = [_composite(*flat, index, corner, tile) for index, corner in pairs.chunks(tile)]
        order = torch.cat([number for number, _ in pairs.order])
        out = out.index_copy(0, order, torch.cat(parts))
    # [V, rows, columns, y, x, 5] -> pictures
    out = out.view(count, rows, columns, tile, tile, 5).permute(0, 5, 1, 3, 2, 4)
    out = out.reshape(count, 5, rows * tile, columns * tile)[..., :height, :width]
    alpha = out[:, 4:]
    return Raster(out[:, :3] + (1 - alpha) * behind[..., None, None], alpha, out[:, 3:4])


def _project(
    means: Tensor, scales: Tensor, quaternions: Tensor, views: Tensor, height: int, width: int, focal: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Places in the picture [V,N,2], inverse covariances there [V,N,3] (xx, xy, yy) and depths [V,N]."""
    rotation, shift = views[:, None, :3, :3], views[:, None, :3, 3]
    seen = (rotation @ means[..., None])[..., 0] + shift  # [V,N,3]
    depth = seen[..., 2]
    z = torch.where(depth > NEAR, depth, torch.ones_like(depth))  # the others are not drawn
    plane = seen[..., :2] / z[..., None]
    centers = focal * plane + plane.new_tensor([width / 2, height / 2])
    limit = plane.new_tensor([GUARD * width / (2 * focal), GUARD * height / (2 * focal)])
    guarded = torch.minimum(torch.maximum(plane, -limit), limit)
    half = rotation @ (
        rotation_matrices(F.normalize(quaternions, dim=-1)) * scales[..., None, :]
    )  # [V,N,3,3], a square root of the covariance
    # rows of the Jacobian times that root: (focal / z) * (first row - place * third row)
    root = (half[..., :2, :] - guarded[..., None] * half[..., 2:, :]) * (focal / z)[..., None, None]
    xx, yy = root.square().sum(-1).unbind(-1)
    xy = (root[..., 0, :] * root[..., 1, :]).sum(-1)
    xx, yy = xx + BLUR, yy + BLUR
    determinant = xx * yy - xy * xy
    return centers, torch.stack((yy, -xy, xx), dim=-1) / determinant[..., None], depth


class _Pairs:
    """Which Gaussians reach which tiles, sorted by tile and then by depth.

    Args:
        tiles: numbers of the tiles that any Gaussian reaches, by the number of Gaussians.
        order: after `chunks`: numbers of the tiles of each chunk.
    """

    @torch.no_grad()
    def __init__(
        self, centers: Tensor, conics: Tensor, depths: Tensor, opacity: Tensor, columns: int, rows: int, tile: int
    ) -> None:
        views, n = depths.shape
        determinant = conics[..., 0] * conics[..., 2] - conics[..., 1].square()
        variance = conics[..., (2, 0)] / determinant[..., None]
        reach = (2 * variance * (opacity / LEAST_ALPHA).log().clamp_min(0)[..., None]).sqrt() + 1e-3
        grid = torch.tensor([columns, rows], device=centers.device)
        first = ((centers - reach) / tile).floor().clamp(min=0).minimum(grid).long()
        last = ((centers + reach) / tile).floor().clamp(min=-1).minimum(grid - 1).long() + 1
        size = (last - first).clamp_min(0)
        usable = (depths > NEAR) & (opacity >= LEAST_ALPHA) & centers.isfinite().all(-1) & determinant.isfinite()
        counts = torch.where(usable, size[..., 0] * size[..., 1], 0).flatten()
        front = depths.flatten().argsort(stable=True)
        counts = counts[front]
        source = front.repeat_interleave(counts)
        inside = torch.arange(len(source), device=source.device) - (counts.cumsum(0) - counts).repeat_interleave(counts)
        wide = size.view(-1, 2)[source, 0]
        x = first.view(-1, 2)[source, 0] + inside % wide
        y = first.view(-1, 2)[source, 1] + inside // wide
        number = (source // n * rows + y) * columns + x
        by_tile = number.argsort(stable=True)
        self.source = source[by_tile]
        tiles, lengths = number[by_tile].unique_consecutive(return_counts=True)
        starts = lengths.cumsum(0) - lengths
        longest = lengths.argsort(descending=True, stable=True)
        self.tiles, self.starts, self.lengths = tiles[longest], starts[longest], lengths[longest]
        self.columns, self.rows = columns, rows
        self.order: list[tuple[Tensor, int]] = []

    def chunks(self, tile: int) -> Any:
        """(numbers of Gaussians [t,L] padded with -1, top left corners [t,2]) of tiles with about as many Gaussians."""
        budget = CHUNK.get(self.tiles.device.type, CHUNK_GPU) // (tile * tile)
        lengths = self.lengths.tolist()
        begin = 0
        while begin < len(lengths):
            longest = lengths[begin]
            end = begin + 1
            while end < len(lengths) and lengths[end] * GROWTH + 2 >= longest and (end - begin + 1) * longest <= budget:
                end += 1
            tiles = self.tiles[begin:end]
            place = torch.arange(longest, device=tiles.device)
            inside = place < self.lengths[begin:end, None]
            index = torch.where(
                inside, self.source[(self.starts[begin:end, None] + place).clamp_max(len(self.source) - 1)], -1
            )
            within = tiles % (self.columns * self.rows)
            corner = torch.stack((within % self.columns, within // self.columns), dim=-1) * tile
            self.order.append((tiles, longest))
            yield index, corner
            begin = end


def _composite(
    centers: Tensor, conics: Tensor, opacity: Tensor, seen: Tensor, index: Tensor, corner: Tensor, tile: int
) -> Tensor:
    """[t,P,5]: color, depth and coverage of the pixels of t tiles."""
    real = index >= 0
    row = index.clamp_min(0)
    middle = (corner + tile / 2).to(centers)[:, None]
    mx, my = (centers[row] - middle).unbind(-1)
    a, b, c = conics[row].unbind(-1)
    gx, gy = a * mx + b * my, b * mx + c * my
    log_opacity = torch.where(real, opacity[row].clamp_min(LEAST_ALPHA / 2), centers.new_tensor(LEAST_ALPHA / 2)).log()
    constant = log_opacity - 0.5 * (mx * gx + my * gy)
    # coefficients of 1, x, y, x^2, xy, y^2 in the pixel's place within the tile
    coefficients = torch.stack((constant, gx, gy, -0.5 * a, -b, -0.5 * c), dim=-1)
    coefficients = torch.where(real[..., None], coefficients, _nothing(coefficients))
    at = torch.arange(tile, dtype=centers.dtype, device=centers.device) + 0.5 - tile / 2
    y, x = (part.flatten() for part in torch.meshgrid(at, at, indexing="ij"))
    powers = torch.stack((torch.ones_like(x), x, y, x * x, x * y, y * y))
    mixed: Tensor = _Mix.apply(coefficients, seen[row], powers)  # type: ignore[no-untyped-call]
    return mixed


def _nothing(like: Tensor) -> Tensor:
    return like.new_tensor([-1e4, 0, 0, 0, 0, 0])


class _Mix(torch.autograd.Function):
    """Front-to-back mixing with a backward pass that works everything out again, so that nothing is kept."""

    @staticmethod
    def forward(ctx: Any, coefficients: Tensor, seen: Tensor, powers: Tensor) -> Tensor:
        ctx.save_for_backward(coefficients, seen, powers)
        weights, _, _ = _weights(coefficients, powers)
        return weights.mT @ seen

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        coefficients, seen, powers = ctx.saved_tensors
        (gradient,) = gradients
        weights, alpha, through = _weights(coefficients, powers)
        of_weights = seen @ gradient.mT  # [t,L,P]
        of_seen = weights @ gradient
        share = weights * of_weights
        behind = share.sum(1, keepdim=True) - share.cumsum(1)
        # alpha_i takes its own weight and dims all that lie behind it
        of_alpha = share - behind * (alpha / (1 - alpha))  # times alpha already: that of log alpha
        drawn = (alpha < MOST_ALPHA) & (through >= LEAST_TRANSMITTANCE)
        of_log = torch.where(drawn, of_alpha, 0)
        return of_log @ powers.mT, of_seen, None


def _weights(coefficients: Tensor, powers: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Weights, alpha and what still gets through behind each Gaussian, all [t,L,P]."""
    alpha = (coefficients @ powers).exp_()
    alpha = torch.where(alpha >= LEAST_ALPHA, alpha, 0).clamp_max_(MOST_ALPHA)
    through = (1 - alpha).cumprod(1)
    before = F.pad(through[:, :-1], (0, 0, 1, 0), value=1.0)
    weights = torch.where(through >= LEAST_TRANSMITTANCE, alpha * before, 0)
    return weights, alpha, through
