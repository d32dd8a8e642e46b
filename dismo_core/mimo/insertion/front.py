"""What stands in front of an inserted character, also where its edges are soft."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from ...video.fill import push_pull
from ..crops.boxes import bounding_box
from ..crops.silhouette import dilate, silhouette
from ..templates.template import TemplateFrames

Floats = NDArray[np.float32]
SOLID = 0.98  # weight of what hides everything behind it
CLEAR = 0.4  # weight from which its color can be told from what is behind it
_NEAR = 3  # px around the person, where the clip may show some of it
_AROUND = 16  # px of the picture that a color is taken from
_LOOKED_AT = 5  # frames
_SAME = 3.0  # levels of 255


class Front:
    """Puts a character behind what stands in front in a template.

    A clip v shows v = o c + (1 - o) b: in front the color c with the weight o, behind it b. A character of weight a and color k in
    place of b makes v + (1 - o) a (k - b). b and c are not known one by one at soft edges. The color is carried there from where it is
    known (`push_pull`), and b follows, or is the template's background where that was made without what stands in front.

    Args:
        template: with background, clip and occlusion.
    """

    def __init__(self, template: TemplateFrames) -> None:
        assert template.occ is not None and template.vid is not None
        self._template, self._occ, self._vid = template, template.occ, template.vid
        self.in_background = self._is_in_background()

    def over(self, made: Floats, alpha: Floats, index: int) -> Floats:
        """The frame with what stands in front.

        Args:
            made: [H, W, 3], 0..255, the character over the background.
            alpha: [H, W, 1], 0..1, of the character.
            index: of the frame.
        """
        weight: Floats = self._occ[index].astype(np.float32) / np.float32(255)
        if not weight.any():
            return made
        video = self._vid[index].astype(np.float32)
        background = self._template.bk[index].astype(np.float32)
        person, solid = self._person(index), weight >= SOLID
        o: Floats = weight[..., None]
        # what the clip would show without the person, and what is behind the front
        empty = np.where(((weight > 0) & ~person)[..., None], video, background)
        behind = background.copy()
        box = bounding_box((weight > 0) & ~solid)
        if box is not None:
            x0, x1, y0, y1 = box
            part = (slice(max(0, y0 - _AROUND), y1 + _AROUND), slice(max(0, x0 - _AROUND), x1 + _AROUND))
            soft = ((weight > 0) & ~solid)[part][..., None]
            if self.in_background:
                color = _color(empty[part], _carried(empty[part], (weight[part] == 0)), o[part], weight[part])
                shown = (empty[part] - o[part] * color) / np.maximum(1 - o[part], 1 - SOLID)
                behind[part] = np.where(soft, shown.clip(0, 255), behind[part])
            else:
                known: Floats = np.where(person[part], np.float32(0), weight[part])
                color = _color(video[part], background[part], o[part], known)
                filled = o[part] * color + (1 - o[part]) * background[part]
                empty[part] = np.where(soft & person[part][..., None], filled, empty[part])
        changed = made - background + alpha * (background - behind)
        out: Floats = np.where(solid[..., None], video, empty + (1 - o) * changed)
        return out

    def _person(self, index: int) -> NDArray[np.bool_]:
        """Where the clip may show the person, also through soft edges: bool [H, W]."""
        template = self._template
        there = None if template.sdc is None else silhouette(template.sdc[index])
        if template.mask is not None:
            mask = np.where(template.mask[index] > 12, 255, 0).astype(np.uint8)
            there = mask if there is None else np.maximum(there, mask)
        assert there is not None
        return dilate(there, _NEAR, _NEAR) > 0

    def _is_in_background(self) -> bool:
        """Whether the background shows what stands in front, as it does where only the person was removed."""
        differences = []
        for index in np.linspace(0, len(self._template) - 1, _LOOKED_AT).round().astype(int):
            weight = self._occ[index] / np.float32(255)
            there = (weight > 0.5) & ~self._person(index)
            both = (self._vid[index][there], self._template.bk[index][there])
            differences.append(np.abs(both[0].astype(np.float32) - both[1]).ravel())
        found = np.concatenate(differences)
        return not len(found) or float(np.median(found)) < _SAME


def _color(shown: Floats, behind: Floats, o: Floats, known: Floats) -> Floats:
    """The color in front, [h, w, 3]: told from what is shown where the weight is high, carried to the other pixels.

    Args:
        shown: [h, w, 3].
        behind: [h, w, 3], about.
        o: [h, w, 1], weight of what stands in front.
        known: [h, w], the same, 0 where `shown` has something else in it.
    """
    told = ((shown - (1 - o) * behind) / np.maximum(o, CLEAR)).clip(0, 255)
    return _carried(told, ((known - CLEAR) / (1 - CLEAR)).clip(0, 1) ** 2)


def _carried(image: Floats, known: NDArray[np.generic]) -> Floats:
    """A picture [h, w, 3] filled from where it is known."""
    filled = push_pull(torch.from_numpy(image).permute(2, 0, 1), torch.from_numpy(known.astype(np.float32)))
    return filled.permute(1, 2, 0).numpy()
