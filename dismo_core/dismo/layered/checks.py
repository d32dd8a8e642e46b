"""What a layered model is given, checked: choices, pictures, masks."""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import interpolate

from ...errors import DisMoError
from ...video.picture import check_picture
from .path import MOVES
from .renderer import BORDERS

SMALLEST, LARGEST = 16, 16_384  # px, sides of a picture
MAX_FPS = 240.0
FOUND = 0.5  # a mask that nowhere reaches it shows nothing
NOTHING_FOUND = "Nothing that stands out was found in the picture, so all of it moves. Give a mask of what is to move."


def check_choices(moves: str, borders: str, shutter: float, fps: float) -> None:
    """Raise for choices that there are not and numbers out of range."""
    if moves not in MOVES:
        raise DisMoError(f"There is no choice {moves!r} of what moves. Choose one of: {', '.join(MOVES)}.")
    if borders not in BORDERS:
        raise DisMoError(f"There are no borders {borders!r}. Choose one of: {', '.join(BORDERS)}.")
    if not 0 <= shutter <= 360:
        raise DisMoError(
            f"The shutter angle must be 0 to 360 degrees (0 = no motion blur, 180 is usual), not {shutter}."
        )
    if not 0 <= fps <= MAX_FPS:
        raise DisMoError(f"fps must be above 0 and at most {MAX_FPS:g} (0 = that of the motion), not {fps}.")


def check_image(image: Tensor) -> None:
    """Raise unless it is a finite float picture [H, W, 3], 0..1, of 16 to 16,384 px a side."""
    if image.ndim == 3 and not all(SMALLEST <= side <= LARGEST for side in image.shape[:2]):
        height, width = image.shape[:2]
        raise DisMoError(
            f"The picture is {width}x{height} px; its sides must be {SMALLEST} to {LARGEST:,} px. Scale it first."
        )
    check_picture(image, None)


def fitted_mask(mask: Tensor, image: Tensor) -> Tensor:
    """A mask as [H, W] in the size of the picture [H, W, 3].

    Raises:
        DisMoError: several masks, another rank, NaN, values outside 0..1, or a mask of nothing.
    """
    if mask.ndim == 3 and len(mask) == 1:
        mask = mask[0]
    if mask.ndim != 2 or 0 in mask.shape:
        found = f"{len(mask)} masks" if mask.ndim == 3 else f"the shape {list(mask.shape)}"
        raise DisMoError(f"One mask [height, width] is needed for one picture, but got {found}. Choose one of them.")
    mask = mask.float()
    if not bool(mask.isfinite().all()) or float(mask.min()) < -1e-3 or float(mask.max()) > 1 + 1e-3:
        raise DisMoError("A mask must hold finite values: 0 = ground, 1 = what moves.")
    if float(mask.max()) < FOUND:
        raise DisMoError("The mask is empty: it marks nothing that could move. Draw it, or leave it away.")
    if mask.shape != image.shape[:2]:
        mask = interpolate(mask[None, None], tuple(image.shape[:2]), mode="bilinear", antialias=True)[0, 0]
    return mask.clamp(0, 1)
