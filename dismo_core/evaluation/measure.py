"""What a video shows, measured on its pixels alone: where the object is, how the ground shifts, size, angle, picture.

Everything works on uint8 frames [T, H, W, 3] and the target picture with its object's mask; no generator internals.
Positions and shifts are (x right, y down) in px. A video where the object cannot be found scores as one that fails,
never as NaN.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Frames = NDArray[np.uint8]
LUMA = np.array([0.299, 0.587, 0.114])
LOST = 0.25  # of the object's area in the picture: with less in sight the object counts as gone


def box(field: Array, r: int, times: int = 1) -> Array:
    """Mean over (2r+1)^2 neighbourhoods of [..., H, W], edges repeated, `times` over."""
    for axis in (-2, -1):
        pad = [(0, 0)] * field.ndim
        pad[axis % field.ndim] = (r + 1, r)
        for _ in range(times):
            total = np.cumsum(np.pad(field, pad, "edge"), axis)
            n = field.shape[axis]
            field = (total.take(range(2 * r + 1, 2 * r + 1 + n), axis) - total.take(range(n), axis)) / (2 * r + 1)
    return field


@dataclass(frozen=True)
class ObjectTrack:
    """The object in each frame.

    Args:
        position: [T, 2] centre of gravity, px; where the object is lost, its position in the picture.
        area: [T] px, all over the frame: a second copy counts.
        size: [T] px, area of the tracked copy alone.
        found: bool [T].
        matte: [T, H, W] 0..1, how much of each pixel is object.
    """

    position: Array
    area: Array
    size: Array
    found: NDArray[np.bool_]
    matte: Array

    @property
    def displacement(self) -> Array:
        """[T, 2] px from frame 0; zero where the object is lost."""
        return np.asarray(self.position - self.position[0])


def matte(frames: Frames, picture: Frames, mask: Array) -> Array:
    """How much of each pixel is the object, [T, H, W] 0..1.

    Each pixel is projected on the line from the picture's ground at that place (what the object hides is filled in from
    around it) to the object's mean color; the middle half of that line is stretched to 0..1, so that a blurred edge
    keeps its area while drifting ground colors stay at 0.
    """
    image = picture.astype(np.float64) / 255
    bare = (box(mask, 1) < 0.01).astype(np.float64)
    hidden, ground = bare[..., None] < 0.5, image.copy()
    weight = box(bare, 3, 2) + 1e-3 * box(bare, 12, 3) + 1e-9
    blur = box(np.moveaxis(image, -1, 0) * bare, 3, 2) + 1e-3 * box(np.moveaxis(image, -1, 0) * bare, 12, 3)
    ground = np.where(hidden, np.moveaxis(blur / weight, 0, -1), ground)
    core = mask > min(0.9, float(mask.max()) * 0.9)
    line = image[core].mean(0) - ground
    alpha = ((frames / 255.0 - ground) * line).sum(-1) / np.maximum((line**2).sum(-1), 0.02)
    return np.asarray(np.clip((alpha - 0.25) / 0.5, 0.0, 1.0))


def track_object(frames: Frames, picture: Frames, mask: Array, growth: float = 1.0) -> ObjectTrack:
    """Follow the object of the picture through a video.

    In each frame the disc of the object's size that holds most matte gives a first guess, and the centre of gravity of
    the matte inside the object's reach, iterated, the position.

    Args:
        frames: uint8 [T, H, W, 3].
        picture: uint8 [H, W, 3], holding the object.
        mask: [H, W] 0..1, the object in the picture.
        growth: largest factor by which the object may grow.
    """
    soft = matte(np.concatenate([picture[None], frames]), picture, mask)
    y, x = np.mgrid[0 : mask.shape[0], 0 : mask.shape[1]].astype(np.float64)
    centre = np.array([(mask * x).sum(), (mask * y).sum()]) / mask.sum()
    reach = float(np.hypot(x - centre[0], y - centre[1])[mask > 0.3].max()) * growth + 1.5
    disc = np.hypot(np.minimum(x, x.shape[1] - x), np.minimum(y, y.shape[0] - y)) <= max(2.0, reach / growth * 0.75)
    crowd = np.fft.irfft2(np.fft.rfft2(soft) * np.fft.rfft2(disc.astype(np.float64)), mask.shape)  # wraps; corners only
    peak = crowd.reshape(len(soft), -1).argmax(1)
    place = np.stack([peak % mask.shape[1], peak // mask.shape[1]], 1).astype(np.float64)
    place[0] = centre
    for _ in range(6):
        far = np.hypot(x - place[:, 0, None, None], y - place[:, 1, None, None])
        held = soft * np.clip(reach + 1 - far, 0, 1)
        size = held.sum((1, 2))
        moments = np.stack([(held * x).sum((1, 2)), (held * y).sum((1, 2))], 1)
        place = np.where(size[:, None] > 1e-6, moments / np.maximum(size, 1e-6)[:, None], place)
    found = size[1:] > LOST * size[0]
    place = np.where(np.concatenate([[True], found])[:, None], place, place[0])
    return ObjectTrack(place[1:] + (place[0] - place[1]), soft[1:].sum((1, 2)), size[1:], found, soft[1:])


def track_angle(frames: Frames, track: ObjectTrack, reach: float) -> Array:
    """Clockwise turn of the object since frame 0, [T] radians, by correlation on a polar grid about its position.

    The object's outline and its skin both count. Of equal fits (a star has several) the nearest to the last angle wins.
    """
    turns, rings = 180, np.linspace(0.15, 1.1, 12) * reach
    theta = np.arange(turns) * 2 * np.pi / turns
    grid = np.stack([rings[:, None] * np.cos(theta), rings[:, None] * np.sin(theta)], -1)
    color = frames / 255.0
    mean = (color[0] * track.matte[0, ..., None]).sum((0, 1)) / max(track.matte[0].sum(), 1e-6)
    layers = np.concatenate([track.matte[..., None], 3 * (color - mean) * track.matte[..., None]], -1)
    polar = np.stack(
        [bilinear(f, p[0] + grid[..., 0], p[1] + grid[..., 1]) for f, p in zip(layers, track.position, strict=True)]
    )
    polar = (polar - polar.mean(2, keepdims=True)) * np.sqrt(rings)[:, None, None]
    length = np.sqrt((polar**2).sum((1, 2, 3)))
    spectra = np.fft.rfft(polar, axis=2)
    fits = (
        np.fft.irfft((spectra * spectra[0].conj()).sum((1, 3)), turns) / np.maximum(length * length[0], 1e-9)[:, None]
    )
    angle, last = np.zeros(len(frames)), 0.0
    for t in range(1, len(frames)):
        away = np.angle(np.exp(1j * (theta - last)))
        best = int((fits[t] - 0.12 * (away / np.pi) ** 2).argmax())
        near = fits[t, [best - 1, best, (best + 1) % turns]]
        last += float(away[best]) + _vertex(*near) * 2 * np.pi / turns
        angle[t] = last
    return angle


def _vertex(left: float, middle: float, right: float) -> float:
    """Offset, in samples, of the top of the parabola through three values; within +-0.5."""
    bend = left - 2 * middle + right
    return float(np.clip(0.5 * (left - right) / bend, -0.5, 0.5)) if -np.inf < bend < 0 else 0.0


def bilinear(image: Array, x: Array, y: Array) -> Array:
    """Values of image [H, W, C] at (x, y) px, edges repeated."""
    h, w = image.shape[:2]
    x, y = np.clip(x, 0, w - 1.001), np.clip(y, 0, h - 1.001)
    x0, y0 = x.astype(int), y.astype(int)
    fx, fy = (x - x0)[..., None], (y - y0)[..., None]
    top = image[y0, x0] * (1 - fx) + image[y0, x0 + 1] * fx
    low = image[y0 + 1, x0] * (1 - fx) + image[y0 + 1, x0 + 1] * fx
    return np.asarray(top * (1 - fy) + low * fy)


def overlap_correlation(a: Array, b: Array, least_overlap: float = 0.3) -> Array:
    """Normalised correlation of a [..., H, W] with b shifted back, for every whole shift, where the two overlap.

    Returns:
        [..., 2H, 2W], -1..1, at wrapped shifts: entry (dy, dx) says how well b(y + dy, x + dx) resembles a(y, x);
        -1 where they overlap by less than `least_overlap` of the picture.
    """
    h, w = a.shape[-2:]
    pad = (2 * h, 2 * w)
    a, b = a - a.mean((-2, -1), keepdims=True), b - b.mean((-2, -1), keepdims=True)
    one = np.fft.rfft2(np.ones((h, w)), pad)
    fa, fb, fa2, fb2 = (np.fft.rfft2(v, pad) for v in (a, b, a * a, b * b))

    def cross(p: NDArray[np.complex128], q: NDArray[np.complex128]) -> Array:
        return np.fft.irfft2(p.conj() * q, pad)

    n = np.round(cross(one, one)).clip(1)
    sa, sb = cross(fa, one), cross(one, fb)
    top = cross(fa, fb) - sa * sb / n
    below = (cross(fa2, one) - sa**2 / n).clip(0) * (cross(one, fb2) - sb**2 / n).clip(0)
    fit = top / np.sqrt(below + 1e-6)
    return np.asarray(np.where(n >= least_overlap * h * w, fit, -1.0))


def register(a: Array, b: Array, shift: Array, rounds: int = 6) -> Array:
    """Refine the shift (x, y), px, by which the content of a [H, W, 3] has moved in b, by Gauss-Newton."""
    h, w = a.shape[:2]
    gy, gx = (np.asarray(slope) for slope in np.gradient(a, axis=(0, 1)))
    for _ in range(rounds):
        whole = np.floor(shift).astype(int)
        f = shift - whole
        x0, x1 = max(1, -whole[0]), min(w - 1, w - 1 - whole[0])
        y0, y1 = max(1, -whole[1]), min(h - 1, h - 1 - whole[1])
        if x1 - x0 < 8 or y1 - y0 < 8:
            break
        part = b[y0 + whole[1] : y1 + whole[1] + 1, x0 + whole[0] : x1 + whole[0] + 1]
        part = np.asarray(part[:-1] * (1 - f[1]) + part[1:] * f[1])
        part = np.asarray(part[:, :-1] * (1 - f[0]) + part[:, 1:] * f[0])
        area = np.s_[y0:y1, x0:x1]
        slopes = np.stack([gx[area].ravel(), gy[area].ravel()], 1)
        error = (a[area] - part).ravel()
        error = error - error.mean()
        step = np.linalg.solve(slopes.T @ slopes + 1e-6 * np.eye(2), slopes.T @ error)
        shift = shift + np.clip(step, -0.5, 0.5)
        if np.abs(step).max() < 0.005:
            break
    return shift


def track_ground(frames: Frames) -> Array:
    """Displacement [T, 2] px of the picture's content since frame 0, chained from frame to frame.

    Each step is the whole shift of best correlation on the overlap of two neighbouring frames (small shifts are
    preferred where a periodic ground fits twice), refined to a fraction of a pixel. Both see a 3x3 mean of the frames,
    without which interpolation noise biases each step by up to 0.02 px.
    """
    color = np.moveaxis(box(np.moveaxis(frames / 255.0, -1, 1), 1), 1, -1)
    luma = color @ LUMA
    fit = overlap_correlation(luma[:-1], luma[1:])
    h, w = luma.shape[1:]
    dy, dx = np.fft.fftfreq(2 * h, 1 / (2 * h)), np.fft.fftfreq(2 * w, 1 / (2 * w))
    fit = fit - 0.15 * np.hypot(dy[:, None] / h, dx / w)
    best = fit.reshape(len(fit), -1).argmax(1)
    steps = np.zeros((len(frames), 2))
    for t, index in enumerate(best):
        coarse = np.array([dx[index % (2 * w)], dy[index // (2 * w)]])
        fine = register(color[t], color[t + 1], coarse)
        steps[t + 1] = fine if np.abs(fine - coarse).max() < 1.5 else coarse
    return np.asarray(np.cumsum(steps, 0))


def phase_correlation(frames: Frames) -> Array:
    """Camera path [T, 2] px: displacement of the content since frame 0 by phase correlation, chained.

    Luma under a Hann window; the cross-power spectrum is whitened, weighted towards low frequencies (a Gaussian of 0.12
    cycles a px), and the peak within a quarter of the picture refined by a parabola.
    """
    luma = frames @ LUMA / 255.0
    h, w = luma.shape[1:]
    window = np.hanning(h + 2)[1:-1, None] * np.hanning(w + 2)[1:-1]
    luma = (luma - (luma * window).sum((1, 2), keepdims=True) / window.sum()) * window
    spectrum = np.fft.fft2(luma)
    cross = spectrum[:-1].conj() * spectrum[1:]
    fy, fx = np.fft.fftfreq(h)[:, None], np.fft.fftfreq(w)
    cross = cross / (np.abs(cross) + 1e-9) * np.exp(-(fy**2 + fx**2) / (2 * 0.12**2))
    peaks = np.fft.ifft2(cross).real
    peaks[:, (np.abs(fy) > 0.25) | (np.abs(fx) > 0.25)] = -np.inf
    steps = np.zeros((len(frames), 2))
    for t, surface in enumerate(peaks):
        y, x = divmod(int(surface.argmax()), w)
        sub_x = _vertex(surface[y, x - 1], surface[y, x], surface[y, (x + 1) % w])
        sub_y = _vertex(surface[y - 1, x], surface[y, x], surface[(y + 1) % h, x])
        steps[t + 1] = fx[x] * w + sub_x, fy[y, 0] * h + sub_y
    return np.asarray(np.cumsum(steps, 0))


def shifted(mask: Array, shift: Array) -> Array:
    """mask [H, W] moved by (x, y) px, zero from outside."""
    h, w = mask.shape
    y, x = np.mgrid[0:h, 0:w].astype(np.float64)
    return bilinear(
        np.pad(mask, 1)[..., None], np.clip(x - shift[0] + 1, 0, w + 1), np.clip(y - shift[1] + 1, 0, h + 1)
    )[..., 0]


def gradient_energy(frames: Frames, weights: Array) -> float:
    """Mean squared luma gradient (per px, luma 0..1) of frames [T, H, W, 3] under weights [T, H, W]."""
    gy, gx = np.gradient(frames @ LUMA / 255.0, axis=(1, 2))
    return float(((gx**2 + gy**2) * weights).sum() / max(weights.sum(), 1e-9))


def color_distance(a: Array, b: Array) -> float:
    """Distance of two sets of colors [N, 3], 0..1: Wasserstein-1 of their histograms, mean over 13 directions.

    Of more than 2000 colors an even selection is used.
    """
    a, b = (v[:: max(1, len(v) // 2000)] for v in (a, b))
    axes = np.array([(i, j, k) for i in (0, 1, -1) for j in (0, 1, -1) for k in (0, 1, -1)], float)[1:]
    axes = np.array([v for v in axes if tuple(v) > tuple(-v)])
    axes /= np.linalg.norm(axes, axis=1, keepdims=True)
    q = (np.arange(64) + 0.5) / 64
    return float(np.abs(np.quantile(a @ axes.T, q, axis=0) - np.quantile(b @ axes.T, q, axis=0)).mean())
