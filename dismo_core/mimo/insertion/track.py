"""Where a person stands and how tall it is, frame by frame, in fractions of pixels."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...errors import DisMoError
from ..crops.silhouette import dilate, erode, silhouette
from ..templates.fragments import largest_fragment

Floats = NDArray[np.float64]
MAX_SMOOTH = 60  # frames
_EMPTY = 0.06  # of white; below it a mask is noise of its compression
_SOLID = 0.98
_AGREE = 3.0  # px, between body and mask; further apart, something hides the person
_SAME = 0.25  # px, beside their usual difference


@dataclass(frozen=True)
class Track:
    """Of F frames.

    Args:
        x: [F], px from the left: the mean of the silhouette's pixels.
        top: [F], px from above.
        foot: [F], px from above: the lowest edge.
        there: bool [F], whether the person is in the frame.
    """

    x: Floats
    top: Floats
    foot: Floats
    there: NDArray[np.bool_]

    @property
    def height(self) -> Floats:
        """[F], px."""
        tall: Floats = self.foot - self.top
        return tall


def track_masks(masks: Iterable[NDArray[np.uint8]]) -> Track:
    """The track of masks [H, W], 255 = person; soft edges count as parts of a pixel."""
    return _track([_measured(mask / np.float32(255)) for mask in masks])


def track_person(
    bodies: Iterable[NDArray[np.uint8]] | None,
    masks: Iterable[NDArray[np.uint8]] | None,
) -> Track:
    """The track of a template's person.

    The body render shows what stands behind something, too; the edges of the mask are finer. So head and foot are the mask's where both
    agree, and elsewhere the render's, moved by what they differ where they agree.

    Args:
        bodies: [H, W, 3], body on black; None = there are none.
        masks: [H, W], 255 = person; None = there are none.

    Raises:
        DisMoError: the person is in no frame.
    """
    seen = None if masks is None else track_masks(masks)
    if bodies is None:
        assert seen is not None
        track = seen
    else:
        whole = track_masks(map(_coverage, bodies))
        track = whole if seen is None else _finer(whole, seen)
    if not track.there.any():
        raise DisMoError(
            f"None of the {len(track.there)} frames of the template shows the person. Check mask.mp4 and sdc.mp4: "
            "the person is white, the body brighter than black."
        )
    return track


def smoothed(track: Track, frames: int) -> Track:
    """A track with less jitter: each value from a parabola through those of `frames` frames around it.

    Savitzky and Golay 1964; frames without the person are passed over and get values from those around them.

    Args:
        track: of a person.
        frames: 0 to 60; below 4 nothing changes but such gaps.

    Raises:
        DisMoError: a number out of range.
    """
    if not 0 <= frames <= MAX_SMOOTH:
        raise DisMoError(f"smooth must be 0 to {MAX_SMOOTH} frames, not {frames}.")
    places = np.flatnonzero(track.there)
    values = {}
    for name in ("x", "top", "foot"):
        known = getattr(track, name)[places]
        if frames >= 4:
            known = _parabolas(places, known, frames)
        values[name] = np.interp(np.arange(len(track.there)), places, known)
    return Track(**values, there=track.there)


def _coverage(body: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A body on black as a mask: at its edges, how bright it is beside the brightest within 2 px."""
    outline = largest_fragment(silhouette(body))
    bright = body.max(-1)
    share = bright / np.maximum(dilate(bright, 2, 2), 1).astype(np.float32)
    inner = erode(np.where(outline, 255, 0).astype(np.uint8), 2, 2) > 0
    return np.where(inner, 255, np.where(outline, 255 * share, 0)).astype(np.uint8)


def _finer(whole: Track, seen: Track) -> Track:
    """The track of a body, with the finer edges of a mask."""
    edges = {}
    for name in ("top", "foot"):
        fine, coarse = getattr(seen, name), getattr(whole, name)
        agree = seen.there & whole.there & (np.abs(fine - coarse) < _AGREE)
        usual = float(np.median((fine - coarse)[agree])) if agree.any() else 0.0
        edges[name] = np.where(agree & (np.abs(fine - coarse - usual) < _SAME), fine, coarse + usual)
    return Track(whole.x, edges["top"], edges["foot"], whole.there)


def _parabolas(places: NDArray[np.intp], values: Floats, frames: int) -> Floats:
    """The value at each place of a parabola fitted to the values within `frames` / 2 of it."""
    out: Floats = values.copy()
    for number, place in enumerate(places):
        near = np.abs(places - place) <= frames / 2
        if near.sum() > 3:
            at = (places[near] - place).astype(float)
            basis = np.stack((np.ones_like(at), at, at * at), 1)
            out[number] = np.linalg.lstsq(basis, values[near], rcond=None)[0][0]
    return out


def _measured(mask: NDArray[np.floating]) -> tuple[float, float, float] | None:
    """(x, top, foot) of a mask 0..1; None without a person."""
    mask = np.where(mask < _EMPTY, 0, mask)
    rows = mask.max(1)
    solid = np.flatnonzero(rows >= _SOLID * rows.max())
    if rows.max() <= 0.5 or not len(solid):
        return None
    first, last = solid[0], solid[-1]
    above, below = rows[:first], rows[last + 1 :]
    # only the ramp that joins the person, not a speck far away
    top = first - _ramp(above[::-1])
    foot = last + 1 + _ramp(below)
    columns = mask.sum(0)
    x = float((columns * (np.arange(len(columns)) + 0.5)).sum() / columns.sum())
    return x, float(top), float(foot)


def _ramp(values: NDArray[np.floating]) -> float:
    """Sum of the values up to the first 0."""
    ends = np.flatnonzero(values <= 0)
    return float(values[: ends[0] if len(ends) else len(values)].sum())


def _track(rows: list[tuple[float, float, float] | None]) -> Track:
    there = np.array([row is not None for row in rows], bool)
    values = np.array([row or (0.0, 0.0, 0.0) for row in rows], float).reshape(-1, 3)
    return Track(values[:, 0], values[:, 1], values[:, 2], there)
