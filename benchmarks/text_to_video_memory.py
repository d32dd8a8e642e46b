"""Memory of MotionDirector at full size, counted on the meta device: nothing is computed, no weights are needed.

Live bytes of a training step (both paths, activations computed twice, adapters of rank 32 with gradients and moments in float32) and of a
guided sampling step, whole, or in pieces as the plan has it where memory is short: the halves of the guidance in turn, the widest layers
frame by frame. The UNet's weights are in bfloat16; VAE and text encoder are away while it runs. Also what helps when memory runs out:
half the frames, half the area, a quarter of the rank.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from torch.nn import functional as F

from benchmarks.live_bytes import LiveBytes
from benchmarks.report import OUT, table, write_json
from dismo_core.motiondirector.checkpointing import checkpoint_blocks
from dismo_core.motiondirector.dual_path import DualPathLoRA
from dismo_core.motiondirector.losses import StepDraws, path_losses
from dismo_core.text_to_video.base import default_unet
from dismo_core.text_to_video.pieces import feed_forward_by_frames

GB = 1e9
RUNTIME = 0.8  # GB that a CUDA context takes
TRAINING = {(256, 256, 16): 7.5, (384, 384, 8): 7.5, (384, 384, 16): 10.0}  # (width, height, frames) -> GB at most
SAMPLING = {(384, 384, 16): 7.0, (576, 320, 24): 7.0}
OFFLOADED = 5.0  # GB at most where the plan brings one part at a time, which takes the pieces too
PIECES = " in pieces"
HELPS = {"half the frames": (384, 384, 8, 32), "half the area": (272, 272, 16, 32), "rank 8": (384, 384, 16, 8)}


class _Meta:
    """What a scheduler does to shapes."""

    class config:  # noqa: N801, as diffusers has it
        prediction_type = "epsilon"

    def add_noise(self, latents: torch.Tensor, noise: torch.Tensor, steps: torch.Tensor) -> torch.Tensor:
        return latents + noise


class _Fused(torch.autograd.Function):
    """Attention as fused kernels have it: of all pairs of tokens nothing is kept, forward and backward."""

    @staticmethod
    def forward(ctx: Any, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
        out = torch.empty_like(query)
        ctx.save_for_backward(query, key, value, out, query.new_empty(query.shape[:-1], dtype=torch.float32))
        return out

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> Any:
        return tuple(torch.empty_like(x) for x in ctx.saved_tensors[:3])


def _attention(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, **options: Any) -> torch.Tensor:
    found: torch.Tensor = _Fused.apply(query, key, value)
    return found


def training(width: int, height: int, frames: int, rank: int = 32) -> float:
    """GB of a training step."""
    unet: Any = default_unet().to(torch.bfloat16).requires_grad_(False).eval()
    lora = DualPathLoRA(unet, rank=rank, appearances=1).to_empty(device="meta")
    checkpoint_blocks(unet, lora.remembered)
    latents, text = _meta(1, 4, frames, height // 8, width // 8).float(), _meta(1, 77, 1024)
    draws = StepDraws(torch.zeros(1, dtype=torch.int64, device="meta"), torch.zeros_like(latents))
    with mock.patch.object(F, "scaled_dot_product_attention", _attention), LiveBytes() as live:
        for _, loss in path_losses(unet, lora, _Meta(), latents, text, draws):
            loss.backward()
    adapters = sum(p.nbytes for p in lora.parameters())
    return (_weights(unet) + 3 * adapters + live.peak) / GB + RUNTIME  # adapters, two moments; gradients are live


def sampling(width: int, height: int, frames: int, pieces: bool = False) -> float:
    """GB of a guided step with both adapters attached."""
    unet: Any = default_unet().to(torch.bfloat16).requires_grad_(False).eval()
    lora = DualPathLoRA(unet, rank=32, appearances=1).to_empty(device="meta")
    halves = 1 if pieces else 2
    x, text = _meta(halves, 4, frames, height // 8, width // 8), _meta(halves, 77, 1024)
    by_frames = feed_forward_by_frames(unet) if pieces else nullcontext()
    with torch.no_grad(), by_frames, LiveBytes() as live:
        unet(x, torch.zeros(1, device="meta"), encoder_hidden_states=text)
    return (_weights(unet) + sum(p.nbytes for p in lora.parameters()) + live.peak) / GB + RUNTIME


def _weights(unet: Any) -> int:
    return sum(p.nbytes for name, p in unet.named_parameters() if "low_rank_updates" not in name)


def _meta(*shape: int) -> torch.Tensor:
    return torch.zeros(shape, dtype=torch.bfloat16, device="meta")


def main(arguments: Sequence[str] | None = None) -> None:
    """Count, print the table, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=OUT / "text_to_video_memory.json")
    options = parser.parse_args(arguments)
    rows, found = [], {}
    for what, measure, sizes in (("training", training, TRAINING), ("sampling", sampling, SAMPLING)):
        for (width, height, frames), most in sizes.items():
            name = f"{what} {width}x{height}, {frames} frames"
            found[name] = measure(width, height, frames)
            rows.append((name, f"{found[name]:.2f}", f"{most:g}", "reached" if found[name] <= most else "MISSED"))
    for width, height, frames in SAMPLING:
        name = f"sampling {width}x{height}, {frames} frames,{PIECES}"
        found[name] = sampling(width, height, frames, pieces=True)
        most = OFFLOADED
        rows.append((name, f"{found[name]:.2f}", f"{most:g}", "reached" if found[name] <= most else "MISSED"))
    whole = found["training 384x384, 16 frames"]
    for name, case in HELPS.items():
        found[name] = training(*case)
        rows.append((f"training 384x384, 16 frames: {name}", f"{found[name]:.2f}", "", f"-{whole - found[name]:.2f}"))
    print(table("MotionDirector, bfloat16, rank 32; GB of device memory, counted", ("", "GB", "at most", ""), rows))
    write_json(options.out, "text_to_video_memory", {"gigabytes": found})


if __name__ == "__main__":
    main()
