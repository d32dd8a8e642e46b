"""The published zero123 as a judge of views: its weights, and what it is told of the frames (docs/methods/gaussians4d.md, 6.2)."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..errors import DisMoError, first_line
from ..imports import importing
from ..memory.plan import MemoryPlan, Part
from ..weights.files import differences, read_weights
from .guidance import SIDE, Zero123Guidance, zero123_alphas_cumprod

PARTS = ("unet", "vae", "image_encoder", "clip_camera_projection")
JUDGE, TOWER = "judge", "image_encoder"  # parts of the plan
TOGETHER, FEW = 8, 2  # pictures that are judged at once; where memory is short
WORKSPACE = 3_500_000_000  # bytes that eight take, counted by benchmarks/gaussians4d.py
CAMERA_NUMBERS, TOKEN = 4, 768
FILES = ("diffusion_pytorch_model.safetensors", "diffusion_pytorch_model.bin", "model.safetensors")


@dataclass
class Zero123:
    """A zero123 with the encoder of its conditions.

    Args:
        guidance: for `DynamicFit`.
        image_encoder: CLIP ViT-L/14 with projection, transformers' CLIPVisionModelWithProjection or alike.
        processor: transformers' CLIPImageProcessor or alike.
        plan: where the weights lie.
    """

    guidance: Zero123Guidance
    image_encoder: Any
    processor: Any
    plan: MemoryPlan

    def judging(self) -> AbstractContextManager[Any]:
        """While it judges, its U-Net and its VAE lie on the device; the image tower need not."""
        return self.plan.using(JUDGE)

    @property
    def chunk(self) -> int:
        """How many pictures to judge at once, by the memory that is free."""
        return FEW if JUDGE in self.plan.choice.low_memory else TOGETHER

    @torch.no_grad()
    def conditions(self, frames: Tensor, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
        """What the judge is told of each frame, worked out once before a fit.

        Args:
            frames: [T,3,S,S], 0..1, on white.
            generator: of the draw from the latent's posterior.

        Returns:
            Embeddings [T,768] and latents [T,4,h,w], not scaled.
        """
        resized = F.interpolate(frames, (SIDE, SIDE), mode="bilinear", align_corners=False)
        embeddings, latents = [], []
        with self.plan.using(TOWER):
            weight = next(self.image_encoder.parameters())
            for frame in resized:
                pixels = (frame.clamp(0, 1) * 255).byte().movedim(0, -1).cpu().numpy()
                given = self.processor(images=pixels, return_tensors="pt")["pixel_values"]
                embeddings.append(self.image_encoder(given.to(weight)).image_embeds[0])
        with self.judging():
            weight = next(self.guidance.vae.parameters())
            for frame in resized:
                posterior = self.guidance.vae.encode((2 * frame[None] - 1).to(weight)).latent_dist
                latents.append(posterior.sample(generator)[0])
        return torch.stack(embeddings), torch.stack(latents)


def load_zero123(
    folder: str | os.PathLike[str],
    kind: str = "stable",
    *,
    device: str | torch.device = "cpu",
    dtype: torch.dtype | None = None,
    memory: str = "auto",
    base_elevation: float = 0.0,
) -> Zero123:
    """A zero123 from its folder, as `ashawkey/stable-zero123-diffusers` has it; no code of the folder is run.

    Args:
        folder: with unet, vae, image_encoder and clip_camera_projection.
        kind: "stable" or "xl".
        device: where it runs.
        dtype: in which; None = float32 on a CPU, else float16, as published.
        memory: see `MemoryPlan`.
        base_elevation: of the known view, degrees.

    Raises:
        DisMoError: no such folder, a part that is missing, damaged, or of another model.
    """
    path, where = Path(folder), torch.device(device)
    dtype = dtype or (torch.float32 if where.type == "cpu" else torch.float16)
    if not path.is_dir():
        raise DisMoError(f"There is no folder {path}. Give the folder of a zero123 in diffusers' format.")
    if missing := [part for part in PARTS if not (path / part).is_dir()]:
        raise DisMoError(f"{path} has no part {', '.join(missing)}: it is not a whole zero123 in diffusers' format.")
    with importing("diffusers"):
        from diffusers import AutoencoderKL, UNet2DConditionModel
    with importing("transformers"):
        from transformers import CLIPImageProcessor, CLIPVisionModelWithProjection

    def part(make: Callable[..., Any], name: str) -> Any:
        try:
            module = make(str(path / name), torch_dtype=dtype, local_files_only=True)
        except (OSError, ValueError, RuntimeError, KeyError) as error:
            raise DisMoError(
                f"The part {name} of {path} cannot be loaded: {first_line(error)}. Fetch it again."
            ) from error
        return module.eval().requires_grad_(False)

    unet = part(UNet2DConditionModel.from_pretrained, "unet")
    if unet.config.in_channels != 8:
        raise DisMoError(
            f"The U-Net in {path} takes {unet.config.in_channels} channels, that of a zero123 takes 8. It is another model."
        )
    vae, tower = part(AutoencoderKL.from_pretrained, "vae"), part(CLIPVisionModelWithProjection.from_pretrained, TOWER)
    projection = _projection(path / "clip_camera_projection").to(dtype)
    judge = Part(nn.ModuleList((unet, vae, projection)), None, WORKSPACE, WORKSPACE * FEW // TOGETHER)
    parts = {JUDGE: judge, TOWER: Part(tower, None, 1 << 27)}
    guidance = Zero123Guidance(
        unet, vae, projection, zero123_alphas_cumprod().to(where), kind, base_elevation=base_elevation
    )
    # the values of every CLIP of OpenAI, which are that class's defaults
    return Zero123(guidance, tower, CLIPImageProcessor(), MemoryPlan(parts, where, memory))


def _projection(folder: Path) -> nn.Linear:
    """772 -> 768, whose entries are called proj.weight and proj.bias."""
    file = next((folder / name for name in FILES if (folder / name).is_file()), None)
    if file is None:
        raise DisMoError(f"{folder} holds none of {', '.join(FILES)}. Fetch it again.")
    tensors = read_weights(file).tensors if file.suffix == ".safetensors" else _read_bin(file)
    projection = nn.Linear(TOKEN + CAMERA_NUMBERS, TOKEN).requires_grad_(False)
    found = {name.removeprefix("proj."): value for name, value in tensors.items()}
    if problem := differences(projection.state_dict(), found):
        raise DisMoError(f"{file} is not the camera projection of a zero123. {problem}.")
    projection.load_state_dict(found)
    return projection


def _read_bin(file: Path) -> dict[str, Tensor]:
    try:
        tensors: dict[str, Tensor] = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # what the weights-only unpickler raises on damage, and on code
        raise DisMoError(
            f"{file} is damaged or holds more than weights ({first_line(error)}). Fetch it as safetensors."
        ) from error
    return tensors
