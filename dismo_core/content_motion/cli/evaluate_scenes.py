"""Exchange of motions on the drawn scenes of another generator: the driver's motion on the content of a clip that moves alike."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ...errors import DisMoError
from ...evaluation.score import displacement_cosine, score
from ...synthetic.held_out.scenes import SIZE, draw_scenes
from ...video.picture import to_uint8
from ..clips import clip_tensor
from ..evaluation import at_rest, exchanged, psnr

if TYPE_CHECKING:
    from ...runtime import Runtime
    from ..model import ContentMotionModel

COLUMN = "same"  # target clips that begin where the driver does
COSINE = displacement_cosine.__name__
UNMEASURED = ("own motion", "mean frame", "middle frame")  # by where things are: tracking takes longer than all else


@torch.no_grad()
def scene_scores(model: ContentMotionModel, count: int, runtime: Runtime | None = None) -> dict[str, Any]:
    """PSNR against the target's true clip, and the displacement cosine of scenes in which something changes its place.

    The content is that of the target's true clip, of all 25 frames; controls are the target's own motion, none, and that of another
    scene.

    Args:
        model: its autoencoder is measured, at 64 px.
        count: scenes, from 2.
        runtime: progress and cancel.

    Raises:
        DisMoError: fewer than 2 scenes, or a model of another size.
    """
    if count < 2:
        raise DisMoError(f"Motions are exchanged between at least 2 scenes, not {count}. Take more: --clips.")
    if model.size not in (None, (SIZE, SIZE)):
        raise DisMoError(f"The scenes are {SIZE} px, the model is made for {model.size}. Leave --material out.")
    rows: dict[str, list[float]] = {}
    cosines: dict[str, list[float]] = {}
    scenes = list(draw_scenes(count))
    for number, scene in enumerate(scenes):
        if runtime is not None:
            runtime.check_cancel()
        truth = _clip(scene.targets[COLUMN].truth)
        made = exchanged(model, truth, _clip(scene.driver), _clip(scenes[number - 1].driver))
        for name, clip in (made | at_rest(truth)).items():
            rows.setdefault(name, []).append(float(psnr(clip, truth)))
            if name in UNMEASURED:
                continue
            video = to_uint8(clip[0].permute(1, 2, 3, 0)).numpy()
            if COSINE in (found := score(scene, COLUMN, video)):
                cosines.setdefault(name, []).append(found[COSINE])
        if runtime is not None:
            runtime.progress(number + 1, count, None)
    return {
        "scenes": count,
        "psnr, mean": {name: sum(values) / len(values) for name, values in rows.items()},
        "displacement cosine, mean": {name: sum(values) / len(values) for name, values in cosines.items()},
    }


def _clip(frames: Any) -> Tensor:
    return clip_tensor(torch.from_numpy(frames.copy()), (SIZE, SIZE))[None]
