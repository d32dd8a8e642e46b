"""Memory and work of MIMO at full size, counted on the meta device: nothing is computed, no weights are needed.

Live bytes and weights in float16; work of one guided window and step, against the published arrangement, which lets both halves see
the reference, computes the unconditional one's self-attention once more without it, projects the reference's keys and values for every
frame, and attends to the picture's one token.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.live_bytes import LiveBytes
from benchmarks.report import OUT, table, write_json
from dismo_core import mimo
from dismo_core.mimo.denoise import SMALL
from dismo_core.mimo.lora import RANK, add_lora
from dismo_core.mimo.models.unet_attention import ReferenceTokens
from dismo_core.mimo.pipeline import POSES_AT_ONCE
from dismo_core.mimo.training.networks import Networks
from dismo_core.mimo.workspaces import workspaces

GIB = 2**30
RUNTIME = 0.8  # GiB that a CUDA context takes
SIZES = (512, 784)
FRAMES = 24
# (activations of a window in the smallest setting, all on the card), GiB, and share of the published work, at most
WANTED = {512: (1.6, 5.5, 0.88), 784: (3.0, 7.5, 0.82)}

LORA = 12  # GiB of a step of LoRA training at 512 px, at most


def peak(run: Callable[[], Any], fused: bool = True) -> float:
    """GiB that a computation holds at most beside what was there before. fused: see `LiveBytes`."""
    with LiveBytes(fused) as live:
        run()
    return live.peak / GIB


def work(run: Callable[[], Any]) -> float:
    """Floating-point operations of a computation, in 10^12."""
    counter = FlopCounterMode(display=False)
    with counter:
        run()
    return float(counter.get_total_flops() / 1e12)


def count(size: int) -> dict[str, float]:
    """All figures at a size."""
    with torch.device("meta"):
        networks = {
            "reference": mimo.ReferenceUNet().half().eval().requires_grad_(False),
            "denoiser": mimo.DenoisingUNet().half().eval().requires_grad_(False),
            "guider": mimo.PoseGuider().half().eval().requires_grad_(False),
        }
        vae = _vae()
        side = size // 8
        latent, context = _half(1, 4, side, side), _half(1, 1, 768)
        tokens = networks["reference"](latent, context)
        sample, pose = _half(1, 8, FRAMES, side, side), _half(1, 320, FRAMES, side, side)
    weights = {name: sum(x.nbytes for x in module.state_dict().values()) / GIB for name, module in networks.items()}
    denoiser = networks["denoiser"]

    def rows(halves: int, reference: Any, sees: Sequence[bool] | None, **options: Any) -> None:
        denoiser(
            sample.expand(halves, -1, -1, -1, -1),
            torch.zeros(halves, device="meta"),
            context.expand(halves, -1, -1),
            pose=pose.expand(halves, -1, -1, -1, -1),
            reference=reference,
            reference_rows=sees,
            **options,
        )

    kept = ReferenceTokens(tokens)
    with torch.no_grad():
        rows(1, kept, [True])  # keys and values are there from the second window on
        found = {
            "window, smallest": peak(lambda: rows(1, kept, [True], pieces=SMALL)),
            "window, halves in turn": peak(lambda: rows(1, kept, [True])),
            "window, both halves": peak(lambda: rows(2, kept, [False, True])),
            "reference UNet": peak(lambda: networks["reference"](latent, context)),
            "pose guider": peak(lambda: networks["guider"](_half(1, 3, POSES_AT_ONCE, size, size))),
            "VAE, a frame decoded": peak(lambda: vae.decode(latent)),
            "VAE, a frame encoded": peak(lambda: vae.encode(_half(1, 3, size, size))),
        }
        ours = work(lambda: rows(2, kept, [False, True]))
    with torch.enable_grad():  # in which the attention to one token is not left out
        published = work(lambda: rows(2, tokens, None))
    # each block's tokens projected for each frame of both halves instead of once
    shapes = [x.shape[1:] for x in tokens.values()]
    published += sum(4 * n * c**2 * (2 * FRAMES - 1) for n, c in shapes) / 1e12
    # the unconditional half's projections and attention, computed again without the reference
    published += sum(FRAMES * (8 * n * c**2 + 4 * n**2 * c) for n, c in shapes) / 1e12
    found |= {f"weights, {name}": value for name, value in weights.items()}
    keys = sum(2 * x.numel() * 2 for x in tokens.values()) / GIB
    on_card = max(
        weights["denoiser"] + found["window, smallest"] + keys,
        weights["reference"] + found["reference UNet"],
        weights["guider"] + found["pose guider"],
        sum(x.nbytes for x in vae.state_dict().values()) / GIB + found["VAE, a frame decoded"],
    )
    found |= {"on the card, smallest": on_card + RUNTIME, "TFLOP, ours": ours, "TFLOP, published": published}
    found["share of the published work"] = ours / published
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


def _half(*shape: int) -> torch.Tensor:
    return torch.zeros(shape, dtype=torch.float16, device="meta")


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
        values = [
            found[str(size)][name]
            for name in ("window, smallest", "on the card, smallest", "share of the published work")
        ]
        for value, limit, what in zip(values, WANTED[size], ("activations", "on the card", "work"), strict=True):
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
