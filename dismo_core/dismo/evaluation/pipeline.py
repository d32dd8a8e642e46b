"""DisMo's transfer as the evaluations call it: clip and picture in, video out; and transfers that should not work."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch

from ...runtime import Runtime
from ...settings import SamplingSettings
from ...synthetic.held_out.scenes import Frames, Scene
from ..extract import extract_motion
from ..layered.model import LayeredModel
from ..rollout import FrameGeneratorModel
from ..weights import is_layered, load_frame_generator, load_layered_model, load_motion_extractor

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..models.extractor import MotionExtractor
    from ..motion import Motion

FPS = 8.0


class Pipeline:
    """Motion extractor and video model, each loaded from its file.

    Args:
        extractor: `tiny`, or the path of a weights file.
        model: `layered`, `tiny` (the frame generator), or the path of a weights file of either.
        device: where they run.
        steps: denoising steps of a frame generator; 0 = the model's own.
        seed: of the sampling noise.

    Raises:
        DisMoError: a file is missing, or is none of such weights.
    """

    def __init__(
        self, extractor: str = "tiny", model: str = "layered", device: str = "cpu", steps: int = 0, seed: int = 0
    ) -> None:
        self.extractor = load_motion_extractor(extractor).to(device).eval()
        self.model: LayeredModel | FrameGeneratorModel
        if model == "layered" or is_layered(model):
            self.model = load_layered_model(model, device)
        else:
            self.model = FrameGeneratorModel(load_frame_generator(model).to(device).eval())
        self.runtime = Runtime.on(device)
        self.steps, self.seed = steps, seed
        self._motions: dict[tuple[str, int], Motion] = {}

    @property
    def layered(self) -> LayeredModel | None:
        """The model, if it is a layered one: these take masks and pictures of any size."""
        return self.model if isinstance(self.model, LayeredModel) else None

    def motion(self, clip: Frames, extractor: MotionExtractor | None = None) -> Motion:
        """Motion of a clip [T, H, W, 3], under the name of the trained extractor whichever made it; kept for reuse."""
        key = ("trained" if extractor is None else "other", hash(clip.tobytes()))
        if key not in self._motions:
            frames = torch.from_numpy(np.ascontiguousarray(clip))
            made = extract_motion(extractor or self.extractor, frames, fps=FPS, frames=len(clip))
            self._motions[key] = replace(made, extractor=self.model.extractor_id)
        return self._motions[key]

    def make(self, motion: Motion, picture: Frames, mask: NDArray[np.float64] | None = None) -> Frames:
        """Video uint8 [T, H, W, 3] of `picture` uint8 [H, W, 3] moving so; `mask` [H, W], 0..1, for a layered model."""
        image = torch.from_numpy(picture.astype(np.float32) / 255)
        settings = SamplingSettings(steps=self.steps, seed=self.seed)
        video = self.model.transfer(
            motion,
            image,
            settings,
            mask=None if mask is None or self.layered is None else torch.from_numpy(mask).float(),
            runtime=self.runtime,
        )
        return np.asarray(video.cpu().numpy())

    def transfer(self, clip: Frames, picture: Frames) -> Frames:
        """The motion of `clip` on `picture`."""
        return self.make(self.motion(clip), picture)

    def with_mask(self, scene: Scene, column: str) -> Frames:
        """The motion of a scene's driver on its target picture, what is thing being known."""
        return self._on_target(self.motion(scene.driver), scene, column)

    def _on_target(self, motion: Motion, scene: Scene, column: str) -> Frames:
        target = scene.targets[column]
        return self.make(motion, target.picture, None if scene.family == "pan" else target.masks[0])

    def ablations(self) -> dict[str, Callable[[Scene, str], Frames]]:
        """Transfers that should not work, by name."""
        stranger = untrained(self.extractor)
        return {
            "motion zeroed": lambda scene, column: self._on_target(zeroed(self.motion(scene.driver)), scene, column),
            "motion shuffled": lambda scene, column: self._on_target(
                shuffled(self.motion(scene.driver)), scene, column
            ),
            "untrained extractor": lambda scene, column: self._on_target(
                self.motion(scene.driver, stranger), scene, column
            ),
        }


def zeroed(motion: Motion) -> Motion:
    """A motion of zeros."""
    return replace(motion, embeddings=motion.embeddings * 0)


def shuffled(motion: Motion) -> Motion:
    """The same embeddings in another order, seeded by their values."""
    seed = int(motion.embeddings.abs().sum().item() * 1e3) % 2**31
    order = torch.randperm(len(motion.embeddings), generator=torch.Generator().manual_seed(seed))
    return replace(motion, embeddings=motion.embeddings[order])


def untrained(extractor: MotionExtractor, seed: int = 0) -> MotionExtractor:
    """A copy with every weight matrix drawn again from a normal distribution of its own mean and deviation.

    The library's own start has zeros in every output layer and answers every clip alike; this is the harder control.
    """
    other = copy.deepcopy(extractor)
    chance = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, weight in other.named_parameters():
            if weight.ndim >= 2 and "freqs" not in name:
                drawn = torch.randn(weight.shape, generator=chance).to(weight)
                weight.copy_(weight.mean() + drawn * weight.std())
    return other
