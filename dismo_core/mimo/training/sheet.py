"""Sample sheets: what the networks make of some examples, beside the truth."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import nn

from ...files import atomic_write
from ..pipeline import MimoPipeline
from .examples import Encoders, Example
from .networks import Networks

STEPS = 20  # of sampling


class SampleSheet:
    """Made at every checkpoint, from the same noise.

    Args:
        encoders: see there.
        examples: of which each gives two rows: reference and truth, body and sample.
        guidance: of sampling.
        autocast: dtype of the matrix products, as in training; None = that of the weights.
    """

    def __init__(
        self,
        encoders: Encoders,
        examples: Sequence[Example],
        guidance: float = 2.0,
        autocast: torch.dtype | None = None,
    ) -> None:
        self.encoders, self.examples, self.guidance, self.autocast = encoders, examples, guidance, autocast

    def into(self, folder: Path) -> Callable[[int, nn.Module], dict[str, float]]:
        """For `TrainingRun.on_log`: writes `samples.png` there and gives `sample_psnr`, in dB against the truth."""

        def on_log(step: int, model: nn.Module) -> dict[str, float]:
            picture, psnr = self.drawn(cast(Networks, model))
            with atomic_write(folder / "samples.png", overwrite=True) as temporary:
                Image.fromarray(picture).save(temporary, "PNG")
            return {"sample_psnr": psnr}

        return on_log

    def drawn(self, networks: Networks) -> tuple[NDArray[np.uint8], float]:
        """The sheet uint8 [H, W, 3], and the mean PSNR of its samples, dB."""
        size = self.encoders.size
        parts = (networks.reference_unet, networks.denoising_unet, networks.pose_guider)
        pipeline = MimoPipeline(
            *parts, self.encoders.vae, self.encoders.image_encoder, device=self.encoders.device, memory="full"
        )
        rows, scores = [], []
        products = torch.autocast(self.encoders.device.type, self.autocast, enabled=self.autocast is not None)
        for number, example in enumerate(self.examples):
            with products:
                made = pipeline.sample(
                    example.reference, example.bodies, example.backgrounds, occlusions=example.fronts, width=size,
                    height=size, steps=STEPS, guidance=self.guidance, generator=torch.Generator().manual_seed(number),
                )  # fmt: skip
            truth = np.stack([_sized(target, size) for target in example.targets])
            error = np.square(made.astype(np.float64) - truth).mean((1, 2, 3))
            scores.append(float(np.mean(10 * np.log10(255**2 / np.maximum(error, 1e-3)))))
            bodies = [_sized(body, size) for body in example.bodies]
            reference = _sized(example.reference, size)
            rows += [np.hstack([reference, *truth]), np.hstack([bodies[0], *made])]
        return np.vstack(rows), float(np.mean(scores))


def _sized(picture: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    return np.array(Image.fromarray(np.ascontiguousarray(picture)).resize((size, size), Image.Resampling.LANCZOS))
