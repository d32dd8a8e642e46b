"""Memory of CMD at the published sizes, counted without computing anything: `python -m benchmarks.content_motion_memory`.

The autoencoder at 64 px beside its weights; latent mode at 512 x 1024 px in bfloat16, each model with its weights, as one at a time is on
the device (`ContentMotionModel.using`), among them the VAE of Stable Diffusion, frame by frame.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from benchmarks.live_bytes import LiveBytes
from benchmarks.report import OUT, table, write_json
from dismo_core import content_motion as cm

LATENTS, MOTION = (64, 128), (16, 96)  # of 512 x 1024 px
STABLE_DIFFUSION: dict[str, Any] = dict(
    block_out_channels=(128, 256, 512, 512), layers_per_block=2, latent_channels=4,
    down_block_types=("DownEncoderBlock2D",) * 4, up_block_types=("UpDecoderBlock2D",) * 4,
)  # fmt: skip


def autoencoder_peak(
    frames: int, size: tuple[int, int] = (64, 64), dtype: torch.dtype = torch.float32, **geometry: Any
) -> int:
    """Most bytes held while a clip is taken apart and put together, without the weights; published width and depth."""
    with torch.device("meta"):
        model = cm.ContentMotionAutoencoder(**geometry).to(dtype)
        clip = torch.empty(1, model.channels, frames, *size, dtype=dtype)
    with LiveBytes() as count:
        model(clip)
    return count.peak


@torch.no_grad()
def latent_mode_peaks() -> dict[str, int]:
    """Name of a model -> most bytes held while it runs, weights included; 512 x 1024 px, 16 frames, bfloat16."""
    from diffusers import AutoencoderKL

    from dismo_core.content_motion.training.vae import latent_clips, pixel_clips

    half: dict[str, Any] = dict(dtype=torch.bfloat16, device="meta")
    vae = _bfloat16(lambda: AutoencoderKL(**STABLE_DIFFUSION))
    sizes: dict[str, Any] = dict(table="grid")
    autoencoder = _bfloat16(lambda: cm.ContentMotionAutoencoder(channels=4, mode="latent"))
    motion = _bfloat16(
        lambda: cm.MotionDiT.preset("XL/2", latent_size=MOTION, content_size=LATENTS, content_channels=4, **sizes)
    )
    content = _bfloat16(lambda: cm.ContentDiT.preset("L/2", image_size=LATENTS, channels=4, **sizes))
    frame, one = torch.empty(1, 4, *LATENTS, **half), torch.zeros(1, dtype=torch.int64, device="meta")
    pixels = torch.empty(1, 3, 2, 512, 1024, **half)  # one after the other
    runs: dict[str, tuple[Any, Callable[[], object]]] = {
        "VAE": (vae, lambda: pixel_clips(vae, latent_clips(vae, pixels))),
        "autoencoder": (autoencoder, lambda: autoencoder(torch.empty(1, 4, 16, *LATENTS, **half))),
        "motion model XL/2": (motion, lambda: motion(torch.empty(1, 8, *MOTION, **half), one, frame)),
        "content model L/2": (content, lambda: content.guided(frame, one, one, 4.0)),
    }
    found = {}
    for name, (model, run) in runs.items():
        with LiveBytes() as count:
            run()
        found[name] = sum(p.nbytes for p in model.parameters()) + count.peak
    return found


def _bfloat16(make: Callable[[], Any]) -> Any:
    with torch.device("meta"):
        return make().to(torch.bfloat16).eval().requires_grad_(False)


@torch.no_grad()
def main() -> None:
    """Count and write down."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=OUT / "content_motion_memory.json")
    options = parser.parse_args()
    found = {f"autoencoder, 64 px, {frames} frames, float32": autoencoder_peak(frames) for frames in (16, 32, 48)}
    found |= {f"{name}, 512x1024 px, bfloat16": peak for name, peak in latent_mode_peaks().items()}
    print(table("Bytes at once", ["", "GB"], [[name, f"{peak / 1e9:.3f}"] for name, peak in found.items()]))
    write_json(options.out, "content_motion_memory", {"bytes": found})


if __name__ == "__main__":
    main()
