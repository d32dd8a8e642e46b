"""How exact insertion is, on drawn scenes whose truth is known."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from statistics import fmean
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .crops.clips import frame_box, plan_crops
from .crops.silhouette import silhouette
from .drawn.drawn_scenes import DrawnScene, draw_scene
from .insertion.insert import insert_character
from .templates.background import fill_background
from .templates.template import NAMES, Frames, Template, TemplateFrames

FIRST_SEED = 100_000  # of the scenes; training and examples draw others
_THERE = 12  # levels of an area from which it counts
# Camera -> the least mean PSNR of the inserted character, dB; gains and levels as in `goals`.
STATIC_PSNR, GAIN, BACKGROUND_LEVELS, PAN_PSNR, FLICKER, STORED = 38.0, 15.0, 1, 32.0, 0.5, 1.0


@dataclass(frozen=True)
class Row:
    """One scene; PSNR in dB.

    Args:
        seed: of the scene.
        camera: how it moves.
        inserted: around the figures, with the background filled and what stands in front.
        on_video: the same on the clip instead of the background.
        unhidden: the same without what stands in front.
        stored: as inserted, through a template that was saved and loaded.
        codec: of the clip itself in that template, at the same places.
        background: where a frame covers the person and another shows the scene.
        levels: largest error there, of 255.
        flicker: mean change from frame to frame of the error of a still character, levels.
        cut_released: share of frames whose figure the published crop plan cuts.
        cut_repaired: the same for the repaired plan.
        pixels_released: generated a frame, in sizes of the frame.
        pixels_repaired: likewise.
    """

    seed: int
    camera: str
    inserted: float
    on_video: float
    unhidden: float
    stored: float
    codec: float
    background: float
    levels: int
    flicker: float
    cut_released: float
    cut_repaired: float
    pixels_released: float
    pixels_repaired: float


def evaluate_insertion(count: int = 24, progress: Callable[[int, int], None] = lambda done, total: None) -> list[Row]:
    """A row for each of `count` scenes: static, panning and shaking cameras in turn; person masks and occlusion are given."""
    rows = []
    for number in range(count):
        scene = draw_scene(FIRST_SEED + number)
        rows.append(_row(FIRST_SEED + number, scene))
        progress(number + 1, count)
    return rows


def summary(rows: list[Row]) -> dict[str, dict[str, float]]:
    """Camera -> name -> mean; levels are the largest."""
    found: dict[str, dict[str, float]] = {}
    names = [name for name in Row.__dataclass_fields__ if name not in ("seed", "camera", "levels")]
    for camera in dict.fromkeys(row.camera for row in rows):
        some = [row for row in rows if row.camera == camera]
        found[camera] = {name: fmean(getattr(row, name) for row in some) for name in names}
        found[camera]["levels"] = max(row.levels for row in some)
    return found


def goals(found: dict[str, dict[str, float]]) -> dict[str, bool]:
    """What is to be reached -> whether it is."""
    static, pan = found.get("static"), found.get("pan")
    reached: dict[str, bool] = {}
    if static:
        reached |= {
            f"static: {STATIC_PSNR:g} dB around the character": static["inserted"] >= STATIC_PSNR,
            f"static: {GAIN:g} dB above pasting on the video": static["inserted"] - static["on_video"] >= GAIN,
            f"static: {GAIN:g} dB above leaving the foreground out": static["inserted"] - static["unhidden"] >= GAIN,
            f"static: background within {BACKGROUND_LEVELS} level": static["levels"] <= BACKGROUND_LEVELS,
            f"static: flicker at most {FLICKER:g} level": static["flicker"] <= FLICKER,
        }
    if pan:
        reached[f"pan: background {PAN_PSNR:g} dB"] = pan["background"] >= PAN_PSNR
    reached[f"a stored template: within {STORED:g} dB of what the codec leaves"] = all(
        values["stored"] >= values["codec"] - STORED for values in found.values()
    )
    reached["no figure cut by the repaired plan"] = all(values["cut_repaired"] == 0 for values in found.values())
    return reached


def _row(seed: int, scene: DrawnScene) -> Row:
    align = "none" if scene.camera == "static" else "translation"
    background, unseen = fill_background(scene.vid, scene.whole, align=align, return_unseen=True)
    template = TemplateFrames(
        fps=scene.fps, bk=background, sdc=scene.sdc, vid=scene.vid, mask=scene.mask, occ=scene.occ
    )
    there = scene.area > _THERE
    known = (scene.whole > _THERE) & (unseen == 0)

    def made(**change: Any) -> float:
        found = insert_character(scene.character, scene.alpha, replace(template, **change))
        return psnr(found, scene.truth, there)

    stored = _stored(template)
    assert stored.vid is not None
    plans = [plan_crops(scene.sdc, as_released=released) for released in (True, False)]
    cuts, pixels = [], []
    for plan in plans:
        cuts.append(fmean(_is_cut(scene.sdc[index], clip.box) for clip in plan for index in clip.frames))
        size = scene.vid.shape[1] * scene.vid.shape[2] * len(scene.vid)
        pixels.append(sum(len(c.frames) * (c.box[1] - c.box[0]) * (c.box[3] - c.box[2]) for c in plan) / size)
    difference = np.abs(background.astype(int) - scene.bk)[known]
    return Row(
        seed,
        scene.camera,
        inserted=made(),
        on_video=made(bk=scene.vid),
        unhidden=made(occ=None),
        stored=psnr(insert_character(scene.character, scene.alpha, stored), scene.truth, there),
        codec=psnr(stored.vid, scene.vid, there),
        background=psnr(background, scene.bk, known),
        levels=int(difference.max()) if len(difference) else 0,
        flicker=_flicker(scene),
        cut_released=cuts[0],
        cut_repaired=cuts[1],
        pixels_released=pixels[0],
        pixels_repaired=pixels[1],
    )


def _stored(template: TemplateFrames) -> TemplateFrames:
    """A template as it comes back from its files."""
    frames: dict[str, Any] = {name: np.asarray(getattr(template, name)) for name in NAMES}
    with tempfile.TemporaryDirectory() as folder:
        Template(**frames, fps=template.fps).save(folder)
        return Template.load(folder).read(None)


def psnr(found: Frames, truth: NDArray[np.uint8], where: NDArray[np.bool_]) -> float:
    """In dB, over the pixels [F, H, W] that count; 100 where nothing differs."""
    error = float(((np.asarray(found, np.float64) - truth)[where] ** 2).mean()) if where.any() else 0.0
    return min(100.0, 10 * float(np.log10(255**2 / max(error, 1e-12))))


def _flicker(scene: DrawnScene) -> float:
    """A still character in a still scene, in which only the noise of a compressed mask changes."""
    rng = np.random.default_rng(0)
    count = 6
    mask = np.repeat(scene.mask[:1], count, 0).astype(int)
    edges = (mask > 0) & (mask < 255)
    noisy = np.where(edges, mask + rng.integers(-6, 7, mask.shape), mask).clip(0, 255).astype(np.uint8)
    still = {name: np.repeat(getattr(scene, name)[:1], count, 0) for name in ("vid", "bk", "sdc", "occ")}
    made = insert_character(scene.character[:1], scene.alpha[:1], TemplateFrames(fps=scene.fps, mask=noisy, **still))
    return float(np.abs(np.diff(made.astype(int), axis=0))[:, scene.area[0] > _THERE].mean())


def _is_cut(body: NDArray[np.uint8], box: tuple[int, int, int, int]) -> bool:
    """Whether part of a figure lies outside a crop; specks that the plan leaves out do not count."""
    if frame_box(body) is None:
        return False
    x0, x1, y0, y1 = box
    shown = silhouette(body)
    return bool(np.count_nonzero(shown) > np.count_nonzero(shown[y0:y1, x0:x1]))
