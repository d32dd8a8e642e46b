"""DisMo's transfer as the evaluations call it: clip and picture in, video out; and transfers that should not work."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch

from ...runtime import Runtime
from ...synthetic.held_out.scenes import Frames
from ..extract import extract_motion
from ..rollout import FrameGeneratorModel
from ..weights import load_frame_generator, load_motion_extractor

if TYPE_CHECKING:
    from ..models.extractor import MotionExtractor
    from ..motion import Motion

FPS = 8.0


class Pipeline:
    """Motion extractor and frame generator, each loaded from its file.

    Args:
        extractor: `tiny`, or the path of a weights file.
        generator: likewise.
        device: where they run.
        steps: denoising steps; 0 = the model's own.
        seed: of the sampling noise.

    Raises:
        DisMoError: a file is missing, or is none of such weights.
    """

    def __init__(
        self, extractor: str = "tiny", generator: str = "tiny", device: str = "cpu", steps: int = 0, seed: int = 0
    ) -> None:
        self.extractor = load_motion_extractor(extractor).to(device).eval()
        self.model = FrameGeneratorModel(load_frame_generator(generator).to(device).eval())
        self.runtime = Runtime.on(device)
        self.steps, self.seed = steps, seed
        self._motions: dict[tuple[str, int], Motion] = {}

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of the frames it makes, px."""
        return self.model.defaults.size

    def motion(self, clip: Frames, extractor: MotionExtractor | None = None) -> Motion:
        """Motion of a clip [T, H, W, 3], under the name of the trained extractor whichever made it; kept for reuse."""
        key = ("trained" if extractor is None else "other", hash(clip.tobytes()))
        if key not in self._motions:
            frames = torch.from_numpy(np.ascontiguousarray(clip))
            made = extract_motion(extractor or self.extractor, frames, fps=FPS, frames=len(clip))
            self._motions[key] = replace(made, extractor=self.model.extractor_id)
        return self._motions[key]

    def make(self, motion: Motion, picture: Frames) -> Frames:
        """Video uint8 [T, H, W, 3] of `picture` uint8 [H, W, 3] moving so."""
        image = torch.from_numpy(picture.astype(np.float32) / 255)
        video = self.model.transfer(
            motion,
            image,
            prompt="",
            negative_prompt="",
            steps=self.steps,
            guidance=0,
            strength=1.0,
            seed=self.seed,
            runtime=self.runtime,
        )
        return np.asarray(video.cpu().numpy())

    def transfer(self, clip: Frames, picture: Frames) -> Frames:
        """The motion of `clip` on `picture`."""
        return self.make(self.motion(clip), picture)

    def ablations(self) -> dict[str, Callable[[Frames, Frames], Frames]]:
        """Transfers that should not work, by name."""
        stranger = untrained(self.extractor)
        return {
            "motion zeroed": lambda clip, picture: self.make(zeroed(self.motion(clip)), picture),
            "motion shuffled": lambda clip, picture: self.make(shuffled(self.motion(clip)), picture),
            "untrained extractor": lambda clip, picture: self.make(self.motion(clip, stranger), picture),
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
