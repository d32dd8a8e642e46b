"""Where the subject is: alpha, a mask, a plain background, or rembg where it is installed (docs/methods/gaussians4d.md, 1.2)."""

from __future__ import annotations

import importlib.util
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from ..errors import DisMoError
from .choices import MATTING

RIM = 0.02  # of the sides: what counts as the border
PLAIN = 0.06  # spread of the border's colors up to which a background is plain
NEAR, FAR = 0.06, 0.16  # distance of a color from the background's: still background, surely not
COARSE = 128  # px, at which background is followed in from the border
SPECK = 0.01  # of the largest part's area: what is smaller is noise of the background


def matte(rgba: NDArray[np.uint8], method: str = "auto", number: int = 0) -> NDArray[np.uint8]:
    """A frame with the subject's alpha.

    Args:
        rgba: uint8 [H,W,4].
        method: "alpha" takes the frame's own; "plain" keys out a background of one color; "rembg" runs that library, which fetches a
            model at its first use; "auto" takes the first of them that can be.
        number: of the frame, for messages.

    Returns:
        uint8 [H,W,4].

    Raises:
        DisMoError: no such method, or one that cannot be used on this frame.
    """
    if method not in MATTING:
        raise DisMoError(f"matting is one of {', '.join(MATTING)}, not {method!r}.")
    transparent = bool((rgba[..., 3] < 255).any())
    if method == "alpha" or (method == "auto" and transparent):
        if not transparent:
            raise DisMoError(f"Frame {number} has no transparency. Give masks, or matting 'plain' or 'rembg'.")
        return rgba
    if method == "rembg" or (method == "auto" and _spread(rgba) > PLAIN):
        if importlib.util.find_spec("rembg") is None:
            reason = (
                "rembg is not installed"
                if method == "rembg"
                else (
                    f"it has neither mask nor transparency, and its background is busy (colors at the border spread by "
                    f"{_spread(rgba):.2f}; up to {PLAIN} counts as plain)"
                )
            )
            raise DisMoError(
                f"The subject of frame {number} cannot be told from the background: {reason}. Give masks or frames with "
                "transparency, or install rembg (it fetches a model): pip install rembg"
            )
        return _by_rembg(rgba)
    if _spread(rgba) > PLAIN:
        raise DisMoError(
            f"The background of frame {number} is not plain: colors at the border spread by {_spread(rgba):.2f}, at most {PLAIN} "
            "is. Give masks or frames with transparency."
        )
    return _keyed(rgba)


def _border(rgba: NDArray[np.uint8]) -> NDArray[np.float32]:
    h, w = rgba.shape[:2]
    rim = max(1, round(RIM * min(h, w)))
    rows = (rgba[:rim], rgba[-rim:], rgba[:, :rim], rgba[:, -rim:])
    pixels = np.concatenate([part[..., :3].reshape(-1, 3) for part in rows])
    return (pixels / 255).astype(np.float32)


def _spread(rgba: NDArray[np.uint8]) -> float:
    """Distance from the border's median color that nine tenths of its pixels stay within."""
    pixels = _border(rgba)
    return float(np.quantile(np.abs(pixels - np.median(pixels, axis=0)).max(axis=1), 0.9))


def _keyed(rgba: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Transparent where the border's color reaches in from the border; mixed colors at the rim are taken apart."""
    behind = torch.from_numpy(np.median(_border(rgba), axis=0))
    color = torch.from_numpy(rgba[..., :3].astype(np.float32) / 255)
    away = (color - behind).abs().amax(-1)
    alpha = ((away - NEAR) / (FAR - NEAR)).clamp(0, 1)
    h, w = away.shape
    coarse = (min(h, COARSE), min(w, COARSE))
    open_ = (F.adaptive_max_pool2d(alpha[None, None], coarse)[0, 0] < 0.5).float()
    reached = torch.zeros_like(open_)
    reached[0], reached[-1], reached[:, 0], reached[:, -1] = open_[0], open_[-1], open_[:, 0], open_[:, -1]
    reached = _spread_within(reached, open_)
    near = F.max_pool2d(reached[None, None], 5, 1, 2)
    outside = F.interpolate(near, (h, w), mode="nearest")[0, 0] > 0
    alpha = _without_specks(torch.where(outside, alpha, torch.ones_like(alpha)))[..., None]
    straight = ((color - (1 - alpha) * behind) / alpha.clamp_min(1e-3)).clamp(0, 1)
    both = torch.cat((straight, alpha), dim=-1)
    return (both * 255).round().to(torch.uint8).numpy()


def _without_specks(alpha: Tensor) -> Tensor:
    """`alpha` [h,w] without parts that are very small beside the largest: noise, which would widen the crop."""
    h, w = alpha.shape
    taken = F.adaptive_max_pool2d(alpha[None, None], (min(h, COARSE), min(w, COARSE)))[0, 0] > 0
    numbers = torch.arange(1, taken.numel() + 1, dtype=torch.float32).view_as(taken) * taken
    part = _spread_within(numbers, taken.float()).long()
    sizes = part[taken].bincount(minlength=taken.numel() + 1)
    large = (sizes >= SPECK * sizes.max())[part] & taken
    return alpha * F.interpolate(large[None, None].float(), (h, w), mode="nearest")[0, 0]


def _spread_within(values: Tensor, within: Tensor) -> Tensor:
    """Each place of `within` [h,w], 0 or 1, takes the largest of the values that reach it from place to place."""
    while True:
        wider = F.max_pool2d(values[None, None], 3, 1, 1)[0, 0] * within
        if torch.equal(wider, values):
            return values
        values = wider


def _by_rembg(rgba: NDArray[np.uint8]) -> NDArray[np.uint8]:
    import rembg

    remove: Any = rembg.remove
    found: NDArray[np.uint8] = np.asarray(remove(rgba[..., :3]))
    return found
