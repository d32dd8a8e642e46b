"""Pictures made ready for a model: channels, values, size. Crop, pad, resize; and back to bytes."""

from __future__ import annotations

import logging

import torch
from torch import Tensor
from torch.nn.functional import interpolate, pad

from ..errors import DisMoError
from .alpha import background_rgb, float_over_background

log = logging.getLogger(__name__)

BLUR = 16  # px, what padding is averaged over
BRIGHTEST = 64  # of an HDR picture, times white; above it the values are bytes, or another scale
OVERSHOOT = 0.1  # bicubic and Lanczos resizing ring by about this much; more means another range of values


def to_rgb(image: Tensor, background: str = "black") -> Tensor:
    """A picture as clean RGB.

    One channel is repeated as gray. Transparency (the last of 2 or 4 channels) is laid over `background`, as `read_image`
    does. Values up to 0.1 outside 0..1, as resizing leaves them, are clamped; so are the bright spots of an HDR picture, with
    a line in the log.

    Args:
        image: [H,W,C] float, C = 1 to 4, 0..1.
        background: a color's name or "#rrggbb".

    Returns:
        [H,W,3] float32, 0..1.

    Raises:
        DisMoError: another rank, channel count or value range; integers; NaN; no such color.
    """
    behind = background_rgb(background)
    if image.ndim != 3 or image.shape[-1] not in (1, 2, 3, 4) or 0 in image.shape:
        raise DisMoError(
            f"A picture must have the shape [height, width, channels] with 1 to 4 channels, not {list(image.shape)}."
        )
    if not image.is_floating_point():
        raise DisMoError(f"A picture must hold floating-point values 0 to 1, not {image.dtype}. Divide bytes by 255.")
    image = image.float()
    if not bool(image.isfinite().all()):
        raise DisMoError("The picture holds NaN or infinite values. The step that made it went wrong; look there.")
    low, high = image.min().item(), image.max().item()
    if low >= -OVERSHOOT and 1 + OVERSHOOT < high <= BRIGHTEST and image.mean().item() <= 1:
        log.warning(
            "The picture holds values up to %.3g, as HDR pictures do; what lies above 1 is clamped to white.", high
        )
    elif low < -OVERSHOOT or high > 1 + OVERSHOOT:
        raise DisMoError(
            f"Picture values must lie in 0 to 1, but go from {low:.4g} to {high:.4g}. "
            "Rescale them, for instance by dividing by 255."
        )
    image = image.clamp(0, 1)
    color, alpha = (image[..., :-1], image[..., -1:]) if image.shape[-1] in (2, 4) else (image, None)
    if alpha is not None:
        color = float_over_background(color, alpha, behind)
    return color.expand(*color.shape[:2], 3).contiguous()


def one_picture(images: Tensor) -> Tensor:
    """The only picture of a batch [1,H,W,C] -> [H,W,C].

    Raises:
        DisMoError: more or fewer than one picture, or not a batch.
    """
    if images.ndim != 4 or images.shape[0] != 1:
        found = f"{images.shape[0]} pictures" if images.ndim == 4 else f"the shape {list(images.shape)}"
        raise DisMoError(
            f"One picture [1, height, width, channels] is needed, but got {found}. Take one out of the batch.",
            hint="one picture",
        )
    return images[0]


def each_picture(images: Tensor) -> list[Tensor]:
    """The pictures [H,W,C] of a batch [N,H,W,C].

    Raises:
        DisMoError: no picture, or not a batch.
    """
    if images.ndim != 4 or len(images) == 0:
        raise DisMoError(
            f"Pictures come as a batch [number, height, width, channels] of at least one, not as {list(images.shape)}. Connect a "
            "picture."
        )
    return list(images)


def fit_image(image: Tensor, size: tuple[int, int] | None, mode: str, antialias: bool = True) -> Tensor:
    """Scale a picture to `size` without distorting it.

    Args:
        image: [H,W,3] float, 0..1.
        size: (height, width) in pixels; None = that of the picture.
        mode: "crop" fills the frame and cuts off what hangs over on both sides alike; "pad" shows the whole picture in
            the middle, and fills the rest with its blurred edges. `shown_part` says where it lies.
        antialias: of "crop"; without, it is the published way of CogVideoX (docs/methods/dismo.md, 7.7).

    Returns:
        [height, width, 3] float, 0..1.

    Raises:
        DisMoError: another mode.
    """
    size = size or (image.shape[0], image.shape[1])
    height, width = size
    inner = _inner(image.shape[0], image.shape[1], size, mode)
    if tuple(image.shape[:2]) == (height, width):
        return image
    if mode == "crop" and not antialias:
        return fit_picture(image, size)
    resized = interpolate(image.movedim(-1, 0)[None], inner, mode="bilinear", align_corners=False, antialias=True)
    missing_rows, missing_columns = height - inner[0], width - inner[1]
    top, left = missing_rows // 2, missing_columns // 2
    # negative padding crops
    sides = (left, missing_columns - left, top, missing_rows - top)
    fitted = pad(resized, sides, mode="replicate") if mode == "pad" else pad(resized, sides)
    if mode == "pad":
        coarse = interpolate(fitted, [max(1, side // BLUR) for side in size], mode="area")
        fitted = interpolate(coarse, size, mode="bicubic", align_corners=False)
        fitted[..., top : top + inner[0], left : left + inner[1]] = resized
    return fitted[0].movedim(0, -1).clamp(0, 1).contiguous()


def shown_part(height: int, width: int, size: tuple[int, int] | None, mode: str) -> tuple[slice, slice]:
    """Rows and columns that the picture itself takes in its `fit_image`; all for "crop".

    Videos made from a padded picture are cut back to it: `frames[:, rows, columns]`. Sides are even, as video formats
    want them, so a row or column of the picture may be left out.

    Args:
        height: of the picture, px.
        width: of the picture, px.
        size: as given to `fit_image`.
        mode: as given to `fit_image`.
    """
    if size is None:
        return slice(0, height), slice(0, width)
    inner = _inner(height, width, size, mode)
    if mode == "crop":
        return slice(0, size[0]), slice(0, size[1])
    rows, columns = (
        slice((side - part) // 2, (side - part) // 2 + (part - part % 2 or part))
        for side, part in zip(size, inner, strict=True)
    )
    return rows, columns


def _inner(height: int, width: int, size: tuple[int, int], mode: str) -> list[int]:
    """Rows and columns of the scaled picture before it is cropped or padded."""
    if mode not in ("crop", "pad"):
        raise DisMoError(f"Unknown fit {mode!r}. Choose 'crop' or 'pad'.")
    choose = max if mode == "crop" else min
    scale = choose(size[0] / height, size[1] / width)
    return [max(1, round(side * scale)) for side in (height, width)]


def centre_crop(height: int, width: int, size: tuple[int, int]) -> tuple[int, int, int, int]:
    """The largest centred part with the aspect of `size` (height, width): (first row, first column, rows, columns)."""
    aspect = size[1] / size[0]
    rows, columns = min(height, max(1, round(width / aspect))), min(width, max(1, round(height * aspect)))
    return (height - rows) // 2, (width - columns) // 2, rows, columns


def fit_picture(image: Tensor, size: tuple[int, int]) -> Tensor:
    """Crop to the centre and resize bilinearly, without antialias.

    Samples are taken from the uncropped picture, so the outermost ones may read a little beyond the crop.

    Args:
        image: [H,W,3].
        size: (height, width).

    Returns:
        [height, width, 3], float32.
    """
    if tuple(image.shape[:2]) == size:
        return image.float()
    top, left, rows, columns = centre_crop(image.shape[0], image.shape[1], size)
    out = _interpolate(image.float(), size[0], top, rows)
    return _interpolate(out.transpose(0, 1), size[1], left, columns).transpose(0, 1).contiguous()


def _interpolate(x: Tensor, count: int, first: int, length: int) -> Tensor:
    """`count` samples along dimension 0, evenly over the part of `length` that starts at `first`."""
    at = first + (torch.arange(count, device=x.device) + 0.5) * (length / count) - 0.5
    at = at.clamp(0, len(x) - 1)
    low = at.long()
    high = (low + 1).clamp(max=len(x) - 1)
    return torch.lerp(x[low], x[high], (at - low)[:, None, None])


def check_picture(image: Tensor, size: tuple[int, int] | None) -> None:
    """Raise unless image is a finite float [H,W,3] in 0..1 of exactly `size`; None = of any."""
    if image.ndim != 3 or image.shape[-1] != 3:
        raise DisMoError(f"The picture has shape {list(image.shape)}; expected one RGB picture [height, width, 3].")
    if size is not None and tuple(image.shape[:2]) != size:
        raise DisMoError(
            f"The picture is {image.shape[1]}x{image.shape[0]} px; this model takes {size[1]}x{size[0]}. Fit it first (fit_image)."
        )
    if not image.is_floating_point() or not bool(torch.isfinite(image).all()):
        raise DisMoError(f"The picture must hold finite floating values in 0..1 (dtype {image.dtype}).")
    low, high = (float(v) for v in image.aminmax())
    if low < -1e-3 or high > 1 + 1e-3:
        raise DisMoError(f"The picture holds values from {low:.3g} to {high:.3g}; expected 0..1.")


def to_uint8(frames: Tensor, low: float = -1.0) -> Tensor:
    """Float values low..1 as uint8 0..255 on the CPU; what lies outside is clamped."""
    return ((frames.float() - low) * (255 / (1 - low))).clamp(0, 255).round().to(torch.uint8).cpu()
