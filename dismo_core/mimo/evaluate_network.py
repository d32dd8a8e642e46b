"""How well a network follows a body and keeps a reference, on drawn scenes whose truth is known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from statistics import fmean
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from .compositing.compose import compose
from .crops.boxes import bounding_box, union_box
from .crops.clips import plan_crops
from .crops.square import BLACK, WHITE, crop_square, pad_square, prepare_reference
from .drawn.drawn_scenes import DrawnScene, draw_scene
from .evaluate import psnr
from .generate import animate, edit
from .insertion.insert import insert_character
from .insertion.white import off_white
from .pipeline import TINY, MimoPipeline
from .templates.template import Template, TemplateFrames

FIRST_SEED = 1_000_000_000  # of the scenes; training draws from lower ones only
DRAWN, SHOWN = (
    24,
    slice(8, 16),
)  # frames of a scene; those of them that are made: a walk at its own pace, at a third of the work
WRONG = 6  # frames from one to the other that shows another pose
CANDIDATES = 16  # references among which the own one is to be found
_THERE = 128  # levels of coverage from which a pixel is the figure's
_BANDS = (0.0, 0.2, 0.5, 1.0)  # of a figure's height, from above: head, torso, legs
IOU, RETRIEVED, GAIN = 0.75, 0.8, 4.0  # to be reached

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Score:
    """One way to make the character, over all scenes.

    Args:
        iou: of its silhouette with the true one, mean over frames; None = it has none of its own.
        retrieved: share of scenes in which the reference with the nearest colors is the own one; None likewise.
        psnr: of the edited clip in the box around the figures, mean in dB; None likewise.
    """

    iou: float | None = None
    retrieved: float | None = None
    psnr: float | None = None


@dataclass(frozen=True)
class _Measured:
    """What a scene gives; silhouettes and colors of each way by its name."""

    silhouettes: dict[str, Mask]
    colors: dict[str, NDArray[np.float64]]
    reference: NDArray[np.float64]
    psnr: dict[str, float]


def evaluate_network(
    pipeline: MimoPipeline,
    count: int = 64,
    steps: int = TINY[0],
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> dict[str, Score]:
    """What `animate` and `edit` give beside what costs nothing, on scenes with a character of another shape than the template's person.

    | way | silhouette and colors | edited clip |
    | --- | --- | --- |
    | network | `animate` | `edit` |
    | reference copied | the reference picture in the body's place | the same, pasted with its alpha behind what stands in front |
    | reference on white | | the whole reference picture resized to the box |
    | mean figure | pixels that most true silhouettes cover | |
    | body, wrong frame | the template's own silhouette of 6 frames later, moved to the right place | |
    | body, right frame | the same in its frame: what a network would give that knows nothing of the reference's shape | |
    | truth | what each measure gives at best | the truth through the autoencoder at the network's size |

    Args:
        pipeline: of small size: at 64 px, as the tiny model is meant.
        count: of scenes; from 16 on, each reference is looked for among 16.
        steps: of denoising.
        progress: called with (scenes done, in all).
    """
    measured = []
    for number in range(count):
        scene = draw_scene(FIRST_SEED + number, camera="static", frames=DRAWN)
        measured.append(_measure(pipeline, scene, number, steps))
        progress(number + 1, count)
    mean = np.mean([one.silhouettes["truth"] for one in measured], 0) >= 0.5
    scores = {}
    for way in ("network", "reference copied", "reference on white", "mean figure", *_BODY, "truth"):
        own = [mean if way == "mean figure" else one.silhouettes.get(way) for one in measured]
        ious = [
            _iou(found, one.silhouettes["truth"]) for found, one in zip(own, measured, strict=True) if found is not None
        ]
        found = [_retrieved(measured, number, way) for number, one in enumerate(measured) if way in one.colors]
        edits = [one.psnr[way] for one in measured if way in one.psnr]
        scores[way] = Score(*(fmean(values) if values else None for values in (ious, found, edits)))
    return scores


_BODY = ("body, wrong frame", "body, right frame")


def goals(scores: dict[str, Score]) -> dict[str, bool]:
    """What is to be reached -> whether it is."""
    network, pasted = scores["network"], scores["reference copied"]
    assert (
        network.iou is not None
        and network.retrieved is not None
        and network.psnr is not None
        and pasted.psnr is not None
    )
    return {
        f"silhouette IoU {IOU:g}": network.iou >= IOU,
        f"the own reference found among {CANDIDATES} in {RETRIEVED:.0%}": network.retrieved >= RETRIEVED,
        f"edit {GAIN:g} dB above pasting the resized reference": network.psnr - pasted.psnr >= GAIN,
    }


def _measure(pipeline: MimoPipeline, scene: DrawnScene, seed: int, steps: int) -> _Measured:
    _, guidance, (width, height) = TINY
    options: dict[str, Any] = {"steps": steps, "guidance": guidance, "width": width, "height": height, "seed": seed}
    body, background = scene.sdc[SHOWN], scene.bk[SHOWN]
    template = TemplateFrames(
        fps=scene.fps, **{name: getattr(scene, name)[SHOWN] for name in ("bk", "sdc", "vid", "mask", "occ")}
    )
    reference = prepare_reference(scene.character[0], scene.alpha[0])
    made = animate(pipeline, reference, Template(sdc=body, fps=scene.fps), **options)
    box = union_box(body)

    def cropped(frames: NDArray[np.uint8], color: int) -> NDArray[np.uint8]:
        x0, x1, y0, y1 = box
        return np.stack([_sized(pad_square(frame[y0:y1, x0:x1], color)[0], width) for frame in frames])

    def covered(frames: NDArray[np.uint8]) -> Mask:
        return cropped(np.repeat(frames[..., None], 3, -1), BLACK)[..., 0] >= _THERE

    clips = plan_crops(body)
    seen = np.stack([_through(pipeline, square, width) for square in crop_square(scene.truth[SHOWN], clips, WHITE)])
    white = np.full_like(scene.bk[SHOWN], WHITE)
    on_white = TemplateFrames(fps=scene.fps, bk=white, sdc=body)
    shown = {
        "network": made,
        "reference copied": cropped(insert_character(scene.character[:1], scene.alpha[:1], on_white), WHITE),
        "truth": cropped(insert_character(scene.character[SHOWN], scene.alpha[SHOWN], on_white), WHITE),
    }
    wrong = scene.whole[SHOWN.start + WRONG : SHOWN.stop + WRONG]
    wrong = np.stack([_moved(one, to) for one, to in zip(wrong, scene.whole[SHOWN], strict=True)])
    silhouettes = {way: _silhouettes(frames) for way, frames in shown.items()} | {
        "truth": covered(scene.other[SHOWN]),
        "body, wrong frame": covered(wrong),
        "body, right frame": covered(scene.whole[SHOWN]),
    }
    edited = {
        "network": edit(pipeline, reference, template, **options),
        "reference copied": insert_character(scene.character[:1], scene.alpha[:1], template),
        "reference on white": _pasted(reference, scene, background),
        "truth": compose(seen, clips, template.bk, source=template.vid, occlusion=template.occ),
    }
    where = _boxes(scene.area[SHOWN])
    return _Measured(
        silhouettes,
        {way: _colors(frames, silhouettes[way]) for way, frames in shown.items()},
        _colors(reference[None], _silhouettes(reference[None])),
        {way: psnr(frames, scene.truth[SHOWN], where) for way, frames in edited.items()},
    )


def _through(pipeline: MimoPipeline, square: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """A picture encoded and decoded."""
    latent = pipeline.encode_background(square, width=side, height=side)
    return next(pipeline.decoded_frames(latent[:, :, None]))


def _moved(mask: NDArray[np.uint8], to: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A silhouette whose box lies below the middle of another's, sideways."""
    own, other = bounding_box(mask), bounding_box(to)
    if own is None or other is None:
        return mask
    return np.roll(mask, (other[0] + other[1] - own[0] - own[1]) // 2, 1)


def _silhouettes(frames: NDArray[np.uint8]) -> Mask:
    return np.stack([off_white(frame)[..., 3] >= _THERE for frame in frames])


def _iou(found: Mask, truth: Mask) -> float:
    both, either = (found & truth).sum((1, 2)), (found | truth).sum((1, 2))
    return float(np.mean(both / np.maximum(either, 1)))


def _colors(frames: NDArray[np.uint8], silhouettes: Mask) -> NDArray[np.float64]:
    """Mean red, green and blue, 0..1, of head, torso and legs: [9]; white where nothing is shown."""
    sums, counts = np.zeros((3, 3)), np.zeros((3, 1))
    for frame, there in zip(frames, silhouettes, strict=True):
        found = bounding_box(there.astype(np.uint8))
        if found is None:
            continue
        _, _, y0, y1 = found
        edges = [y0 + round(share * (y1 - y0)) for share in _BANDS]
        for band, (begin, end) in enumerate(zip(edges[:-1], edges[1:], strict=True)):
            pixels = frame[begin:end][there[begin:end]]
            sums[band] += pixels.sum(0) / 255
            counts[band] += len(pixels)
    return np.where(counts > 0, sums / np.maximum(counts, 1), 1.0).ravel()


def _retrieved(measured: list[_Measured], number: int, way: str) -> float:
    """1 where, among the scene's own reference and those of the next scenes, the own one is nearest."""
    others = [measured[(number + step) % len(measured)].reference for step in range(min(CANDIDATES, len(measured)))]
    distances = [float(np.linalg.norm(measured[number].colors[way] - other)) for other in others]
    return float(distances[0] < min(distances[1:]))


def _boxes(area: NDArray[np.uint8]) -> Mask:
    """The box of each frame's figures."""
    where = np.zeros(area.shape, bool)
    for frame, inside in zip(area, where, strict=True):
        if (found := bounding_box(frame)) is not None:
            x0, x1, y0, y1 = found
            inside[y0:y1, x0:x1] = True
    return where


def _pasted(reference: NDArray[np.uint8], scene: DrawnScene, background: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The reference picture, as it is, over the box of the template's person."""
    pasted = np.array(background)
    for frame, person in zip(pasted, scene.whole[SHOWN], strict=True):
        if (found := bounding_box(person)) is not None:
            x0, x1, y0, y1 = found
            picture = Image.fromarray(reference).resize((x1 - x0, y1 - y0), Image.Resampling.LANCZOS)
            frame[y0:y1, x0:x1] = np.array(picture)
    return pasted


def _sized(picture: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    return np.array(Image.fromarray(np.ascontiguousarray(picture)).resize((side, side), Image.Resampling.LANCZOS))
