"""Floating-point operations of MIMO at full size, counted on the meta device; and how often each part runs in a sampling, counted.

Work of one guided window and step, against the published arrangement of the same numbers: it lets both halves see the reference,
computes the unconditional one's self-attention once more without it, projects the reference's keys and values for every frame, and
attends to the picture's one token. That ours gives the same numbers is what `mimo_parity.py` shows.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.report import OUT, table, write_json
from benchmarks.suite import verdict
from dismo_core import mimo
from dismo_core.mimo.models.unet_attention import ReferenceTokens

GIB = 2**30
SIZES = (512, 784)
FRAMES = 24


class Window:
    """A window at full size in float16 on the meta device.

    Args:
        size: of the frames, px.
    """

    def __init__(self, size: int) -> None:
        with torch.device("meta"):
            self.networks = {
                "reference": mimo.ReferenceUNet().half().eval().requires_grad_(False),
                "denoiser": mimo.DenoisingUNet().half().eval().requires_grad_(False),
                "guider": mimo.PoseGuider().half().eval().requires_grad_(False),
            }
        side = size // 8
        self.latent, self.context = half(1, 4, side, side), half(1, 1, 768)
        self.tokens: dict[str, torch.Tensor] = self.networks["reference"](self.latent, self.context)
        self.kept = ReferenceTokens(self.tokens)
        self.sample, self.pose = half(1, 8, FRAMES, side, side), half(1, 320, FRAMES, side, side)

    def run(self, halves: int, reference: Any, sees: Sequence[bool] | None, **options: Any) -> None:
        """One pass of the denoiser over as many halves of the guidance."""
        self.networks["denoiser"](
            self.sample.expand(halves, -1, -1, -1, -1),
            torch.zeros(halves, device="meta"),
            self.context.expand(halves, -1, -1),
            pose=self.pose.expand(halves, -1, -1, -1, -1),
            reference=reference,
            reference_rows=sees,
            **options,
        )


def half(*shape: int) -> torch.Tensor:
    """Zeros of float16 on the meta device."""
    return torch.zeros(shape, dtype=torch.float16, device="meta")


def flops(size: int) -> dict[str, float]:
    """10^12 operations of a guided window and step: ours, published, and their ratio."""
    window = Window(size)
    with torch.no_grad():
        window.run(1, window.kept, [True])  # keys and values are there from the second window on
        ours = _counted(lambda: window.run(2, window.kept, [False, True]))
    with torch.enable_grad():  # in which the attention to one token is not left out
        published = _counted(lambda: window.run(2, window.tokens, None))
    # each block's tokens projected for each frame of both halves instead of once
    shapes = [x.shape[1:] for x in window.tokens.values()]
    published += sum(4 * n * c**2 * (2 * FRAMES - 1) for n, c in shapes) / 1e12
    # the unconditional half's projections and attention, computed again without the reference
    published += sum(FRAMES * (8 * n * c**2 + 4 * n**2 * c) for n, c in shapes) / 1e12
    return {"ours": ours, "published": published, "share": ours / published}


def _counted(run: Callable[[], Any]) -> float:
    counter = FlopCounterMode(display=False)
    with counter:
        run()
    return float(counter.get_total_flops() / 1e12)


def calls(frames: int = 30, steps: int = 3) -> dict[str, int]:
    """Pictures that each part of the tiny model is given in a guided sampling of several windows and steps.

    Args:
        frames: of the video.
        steps: of denoising.

    Returns:
        "reference UNet" and "image encoder", wanted 1; "pose guider", wanted `frames`; "VAE, encoding", wanted `frames` and the
        reference; "windows and steps" of the denoising UNet.
    """
    pipeline, counted = mimo.load_mimo("tiny"), Counter[str]()

    def count(name: str, method: Callable[..., Any], axis: int) -> Callable[..., Any]:
        def run(given: torch.Tensor, *more: Any, **options: Any) -> Any:
            counted[name] += given.shape[axis]
            return method(given, *more, **options)

        return run

    modules = {name: part.module for name, part in pipeline.plan.parts.items()}
    vae = modules["vae"]
    vae.encode = count("VAE, encoding", vae.encode, 0)
    for part, name, axis in (
        ("reference unet", "reference UNet", 0),
        ("image encoder", "image encoder", 0),
        ("pose guider", "pose guider", 2),
    ):
        modules[part].forward = count(name, modules[part].forward, axis)
    windows = len(mimo.context_windows(frames))
    pictures = [np.full((64, 64, 3), 8 * (number % 24), np.uint8) for number in range(frames)]
    pipeline.sample_latents(pictures[-1], pictures, pictures, width=64, height=64, steps=steps, guidance=2.0)
    return dict(counted) | {"windows and steps": windows * steps}


def main(arguments: Sequence[str] | None = None) -> None:
    """Count, print the tables, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=OUT / "mimo_flops.json")
    options = parser.parse_args(arguments)
    found = {str(size): flops(size) for size in SIZES}
    rows = [(name, *(f"{found[str(size)][name]:.3g}" for size in SIZES)) for name in found[str(SIZES[0])]]
    print(table("MIMO, a guided window of 24 frames and a step, TFLOP", ("", *(f"{s}x{s}" for s in SIZES)), rows))
    counted = calls()
    rows = [(name, str(number)) for name, number in counted.items()]
    print(table("Pictures that each part is given: 30 frames, 3 steps", ("", ""), rows))
    result = {"sizes": found, "calls": counted}
    write_json(options.out, "mimo_flops", result)
    print(verdict("mimo_flops", result))


if __name__ == "__main__":
    main()
