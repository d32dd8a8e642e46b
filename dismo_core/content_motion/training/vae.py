"""Latent mode: clips through the autoencoder of Stable Diffusion, frame by frame, and back."""

from __future__ import annotations

import os
from typing import Any

import torch
from torch import Tensor

from ...errors import DisMoError, first_line
from ...imports import importing

SCALE = 0.18215
FACTOR = 8  # pixels for one latent


def load_vae(
    folder: str | os.PathLike[str], device: torch.device | str = "cpu", dtype: torch.dtype = torch.float32
) -> Any:
    """A diffusers AutoencoderKL, frozen, in evaluation mode.

    Args:
        folder: of the autoencoder, with its config.json; or of a whole pipeline, below which it is `vae`.
        device: where it runs.
        dtype: precision in which it runs.

    Raises:
        DisMoError: no such folder, or none of that class.
    """
    with importing("diffusers"):
        from diffusers import AutoencoderKL

    place = os.path.join(folder, "vae") if os.path.isdir(os.path.join(folder, "vae")) else os.fspath(folder)
    if not os.path.isfile(os.path.join(place, "config.json")):
        raise DisMoError(
            f"{folder} holds no autoencoder: there is no config.json in it or in its folder vae. Give a diffusers AutoencoderKL."
        )
    try:
        vae: Any = AutoencoderKL.from_pretrained(place, local_files_only=True, torch_dtype=dtype)
    except (OSError, ValueError, RuntimeError) as error:
        raise DisMoError(f"{place} is no diffusers AutoencoderKL that loads ({first_line(error)}).") from error
    return vae.to(device).eval().requires_grad_(False)


@torch.no_grad()
def latent_clips(vae: Any, clips: Tensor, scale: float = SCALE, frames: int = 1) -> Tensor:
    """Latents [B,4,L,H/8,W/8] of clips [B,3,L,H,W] in -1..1, the mean of each frame's distribution times `scale`.

    Args:
        vae: see `load_vae`.
        clips: of pixels.
        scale: of the latents.
        frames: encoded at a time.
    """
    flat = clips.transpose(1, 2).flatten(0, 1).to(vae.device, vae.dtype)
    latents = torch.cat([vae.encode(part).latent_dist.mode() for part in flat.split(frames)])
    stacked: Tensor = (scale * latents.float()).unflatten(0, (clips.shape[0], clips.shape[2]))
    return stacked.transpose(1, 2)


@torch.no_grad()
def pixel_clips(vae: Any, latents: Tensor, scale: float = SCALE, frames: int = 1) -> Tensor:
    """The way back: clips [B,3,L,H,W] of latents [B,4,L,h,w]; see `latent_clips`."""
    flat = (latents / scale).transpose(1, 2).flatten(0, 1).to(vae.device, vae.dtype)
    pixels = torch.cat([vae.decode(part).sample for part in flat.split(frames)]).float()
    stacked: Tensor = pixels.unflatten(0, (latents.shape[0], latents.shape[2]))
    return stacked.transpose(1, 2)
