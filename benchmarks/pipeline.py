"""The project's own transfer as the benchmarks call it: clip and picture in, video out, by the public API alone."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

import dismo_core as dismo
from benchmarks.scenes import Frames

if TYPE_CHECKING:
    from dismo_core import Motion, MotionExtractor

FPS = 8.0


class Pipeline:
    """Motion extractor and frame generator, each loaded from its file.

    Args:
        extractor, generator: `tiny`, or the path of a weights file.
        device: where they run.
        steps: denoising steps; 0 = the model's own.
        seed: of the sampling noise.
    """

    def __init__(
        self, extractor: str = "tiny", generator: str = "tiny", device: str = "cpu", steps: int = 0, seed: int = 0
    ) -> None:
        try:
            self.extractor = dismo.load_motion_extractor(extractor).to(device).eval()
            self.model = dismo.FrameGeneratorModel(dismo.load_frame_generator(generator).to(device).eval())
        except (ImportError, AttributeError) as error:
            raise SystemExit(f"This checkout has no transfer to measure yet ({error}).") from error
        except dismo.DisMoError as error:
            raise SystemExit(str(error)) from error
        self.runtime = dismo.Runtime.on(device)
        self.steps, self.seed = steps, seed
        self._motions: dict[tuple[str, int], Motion] = {}

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of the frames it makes, px."""
        return self.model.defaults.size

    def motion(self, clip: Frames, extractor: MotionExtractor | None = None) -> Motion:
        """Motion of a clip [T, H, W, 3], under the name of the trained extractor whichever made it; kept for reuse."""
        import torch

        key = ("trained" if extractor is None else "other", hash(clip.tobytes()))
        if key not in self._motions:
            frames = torch.from_numpy(np.ascontiguousarray(clip))
            made = dismo.extract_motion(extractor or self.extractor, frames, fps=FPS, frames=len(clip))
            self._motions[key] = replace(made, extractor=self.model.extractor_id)
        return self._motions[key]

    def make(self, motion: Motion, picture: Frames) -> Frames:
        """Video uint8 [T, H, W, 3] of `picture` uint8 [H, W, 3] moving so."""
        import torch

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
    import torch

    seed = int(motion.embeddings.abs().sum().item() * 1e3) % 2**31
    order = torch.randperm(len(motion.embeddings), generator=torch.Generator().manual_seed(seed))
    return replace(motion, embeddings=motion.embeddings[order])


def untrained(extractor: MotionExtractor, seed: int = 0) -> MotionExtractor:
    """A copy with every weight matrix drawn anew from a normal distribution of its own mean and deviation.

    The library's own start has zeros in every output layer and answers every clip alike; this is the harder control.
    """
    import torch

    other = copy.deepcopy(extractor)
    chance = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, weight in other.named_parameters():
            if weight.ndim >= 2 and "freqs" not in name:
                drawn = torch.randn(weight.shape, generator=chance).to(weight)
                weight.copy_(weight.mean() + drawn * weight.std())
    return other
