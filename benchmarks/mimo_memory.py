"""Memory of MIMO at full size, counted on the meta device: live bytes and weights in float16; nothing is computed."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import torch

from benchmarks.live_bytes import LiveBytes
from benchmarks.mimo_flops import FRAMES, GIB, SIZES, Window, half
from benchmarks.report import OUT, table, write_json
from dismo_core import mimo
from dismo_core.mimo.denoise import SMALL
from dismo_core.mimo.lora import RANK, add_lora
from dismo_core.mimo.pipeline import POSES_AT_ONCE
from dismo_core.mimo.training.networks import Networks
from dismo_core.mimo.workspaces import workspaces

RUNTIME = 0.8  # GiB that a CUDA context takes
# (activations of a window in the smallest setting, all on the card), GiB, at most
WANTED = {512: (1.6, 5.5), 784: (3.0, 7.5)}
LORA = 12  # GiB of a step of LoRA training at 512 px, at most


def peak(run: Callable[[], Any], fused: bool = True) -> float:
    """GiB that a computation holds at most beside what was there before. fused: see `LiveBytes`."""
    with LiveBytes(fused) as live:
        run()
    return live.peak / GIB


def count(size: int) -> dict[str, float]:
    """All figures at a size."""
    window = Window(size)
    with torch.device("meta"):
        vae = _vae()
    weights = {
        name: sum(x.nbytes for x in module.state_dict().values()) / GIB for name, module in window.networks.items()
    }
    with torch.no_grad():
        window.run(1, window.kept, [True])  # keys and values are there from the second window on
        found = {
            "window, smallest": peak(lambda: window.run(1, window.kept, [True], pieces=SMALL)),
            "window, halves in turn": peak(lambda: window.run(1, window.kept, [True])),
            "window, both halves": peak(lambda: window.run(2, window.kept, [False, True])),
            "reference UNet": peak(lambda: window.networks["reference"](window.latent, window.context)),
            "pose guider": peak(lambda: window.networks["guider"](half(1, 3, POSES_AT_ONCE, size, size))),
            "VAE, a frame decoded": peak(lambda: vae.decode(window.latent)),
            "VAE, a frame encoded": peak(lambda: vae.encode(half(1, 3, size, size))),
        }
    found |= {f"weights, {name}": value for name, value in weights.items()}
    keys = sum(2 * x.numel() * 2 for x in window.tokens.values()) / GIB
    on_card = max(
        weights["denoiser"] + found["window, smallest"] + keys,
        weights["reference"] + found["reference UNet"],
        weights["guider"] + found["pose guider"],
        sum(x.nbytes for x in vae.state_dict().values()) / GIB + found["VAE, a frame decoded"],
    )
    found["on the card, smallest"] = on_card + RUNTIME
    estimate = workspaces(size, size, FRAMES)["denoising unet"]
    found |= {"plan: window, smallest": estimate.small / GIB, "plan: window, both halves": estimate.whole / GIB}
    return found


def count_lora(size: int) -> dict[str, float]:
    """GiB of a step of LoRA training on one picture: bf16 weights, float32 updates with AdamW's two moments, gradient checkpointing."""
    with torch.device("meta"):
        networks = Networks(
            *(part.bfloat16() for part in (mimo.ReferenceUNet(), mimo.DenoisingUNet(), mimo.PoseGuider()))
        )
        add_lora(networks, RANK)
        networks.save_activations(True)
        side = size // 8
        shown = {
            "latents": torch.zeros(1, 4, 1, side, side),
            "background": torch.zeros(1, 4, 1, side, side),
            "reference_latent": torch.zeros(1, 4, side, side),
            "context": torch.zeros(1, 1, 768),
            "poses": torch.zeros(1, 3, 1, size, size),
            "noise": torch.zeros(1, 4, 1, side, side),
        }
        shown = {name: x.bfloat16() for name, x in shown.items()}

    def step() -> None:
        parts = (networks.reference_unet, networks.denoising_unet, networks.pose_guider)
        loss = mimo.training_loss(*parts, **shown, timesteps=torch.tensor([500]), drop=[False])
        loss.backward()

    frozen = sum(x.nbytes for x in networks.parameters() if not x.requires_grad) / GIB
    updates = sum(x.nbytes for x in networks.parameters() if x.requires_grad) / GIB
    work_space = peak(step, fused=False)
    return {
        "frozen weights": frozen,
        "updates and AdamW": 3 * updates,
        "work and gradients": work_space,
        "in all": frozen + 3 * updates + work_space + RUNTIME,
    }


def _vae() -> Any:
    from diffusers import AutoencoderKL

    return AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        block_out_channels=(128, 256, 512, 512),
        layers_per_block=2,
        latent_channels=4,
    ).half()


def main(arguments: Sequence[str] | None = None) -> None:
    """Count, print the table, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=OUT / "mimo_memory.json")
    options = parser.parse_args(arguments)
    found = {str(size): count(size) for size in SIZES}
    rows = [(name, *(f"{found[str(size)][name]:.2f}" for size in SIZES)) for name in found[str(SIZES[0])]]
    print(table("MIMO, float16, a window of 24 frames; GiB unless said", ("", *(f"{s}x{s}" for s in SIZES)), rows))
    for size in SIZES:
        values = [found[str(size)][name] for name in ("window, smallest", "on the card, smallest")]
        for value, limit, what in zip(values, WANTED[size], ("activations", "on the card"), strict=True):
            print(f"{size}: {what} {value:.2f}, wanted at most {limit}: {'reached' if value <= limit else 'MISSED'}")
    lora = count_lora(512)
    print(
        table(
            "LoRA of one character, one picture of 512 px, GiB", ("", "GiB"), [(k, f"{v:.2f}") for k, v in lora.items()]
        )
    )
    print(f"LoRA: {lora['in all']:.2f}, wanted at most {LORA}: {'reached' if lora['in all'] <= LORA else 'MISSED'}")
    write_json(options.out, "mimo_memory", {"sizes": found, "lora": lora})


if __name__ == "__main__":
    main()
