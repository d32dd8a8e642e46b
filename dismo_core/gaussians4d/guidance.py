"""Score distillation from zero123: how much a rendered view looks like the input from another side (docs/methods/gaussians4d.md, 6.2).

After "DreamFusion" (Poole et al., ICLR 2023), equation 3, with the model of "Zero-1-to-3" (Liu et al., ICCV 2023).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..errors import DisMoError
from .cameras import check_kind, zero123_camera
from .schedules import timestep_at

SIDE = 256  # px, what the network was trained on
LATENT_SCALE = 0.18215


def zero123_alphas_cumprod(steps: int = 1000) -> Tensor:
    """Products of the noise schedule of Stable Diffusion 1, float32 [steps]."""
    betas = torch.linspace(0.00085**0.5, 0.012**0.5, steps) ** 2
    return (1 - betas).cumprod(0)


class Zero123Guidance:
    """A zero123 as a judge of views.

    Args:
        unet: diffusers' UNet2DConditionModel or alike, 8 channels in (noisy, condition), context 768 wide.
        vae: diffusers' AutoencoderKL or alike.
        camera_projection: 772 -> 768, image embedding and four camera numbers to one token.
        alphas_cumprod: [1000].
        kind: "stable" or "xl": the meaning of the fourth camera number.
        scale: of classifier-free guidance.
        base_elevation: of the input view, degrees; the release always says 0.
    """

    def __init__(
        self,
        unet: Any,
        vae: Any,
        camera_projection: nn.Module,
        alphas_cumprod: Tensor,
        kind: str = "stable",
        scale: float = 5.0,
        base_elevation: float = 0.0,
    ) -> None:
        check_kind(kind)
        self.unet, self.vae, self.camera_projection = unet, vae, camera_projection
        self.alphas_cumprod, self.kind, self.scale, self.base_elevation = alphas_cumprod, kind, scale, base_elevation

    def loss(
        self,
        images: Tensor,
        elevation: Tensor,
        azimuth: Tensor,
        radius: Tensor,
        embedding: Tensor,
        condition: Tensor,
        progress: float,
        noise: Tensor | None = None,
        generator: torch.Generator | None = None,
        chunk: int = 8,
    ) -> Tensor:
        """Half the squared score difference, summed; its gradient is that of score distillation.

        Gradients with respect to the images are worked out at once, chunk by chunk: memory is that of one chunk.

        Args:
            images: [B,3,H,W], 0..1.
            elevation: [B], offsets from the input view in degrees.
            azimuth: likewise.
            radius: [B], offset of the distance.
            embedding: [B,768], of the input view by CLIP.
            condition: [B,4,h,w], latent of the input view, not scaled.
            progress: share of the fit, 0..1; it says how much noise is used.
            noise: [B,4,h,w]; None draws it.
            generator: for that.
            chunk: samples that go through the networks at once.

        Raises:
            DisMoError: a batch of another size.
        """
        count = len(images)
        given = {
            "elevation": elevation,
            "azimuth": azimuth,
            "radius": radius,
            "embedding": embedding,
            "condition": condition,
        }
        for name, value in given.items():
            if len(value) != count:
                raise DisMoError(f"There are {count} images, but {name} is for {len(value)}. Give one for each image.")
        if noise is None:
            noise = torch.randn(condition.shape, generator=generator, dtype=torch.float32).to(condition)
        cameras = zero123_camera(elevation, azimuth, radius, self.kind, self.base_elevation).to(embedding)
        with torch.no_grad():
            tokens = self.camera_projection(torch.cat((embedding, cameras), dim=-1))[:, None]
        step = timestep_at(progress)
        given_loss: Tensor = _Distilled.apply(  # type: ignore[no-untyped-call]
            images, self, tokens, condition, noise, step, generator, max(1, chunk)
        )
        return given_loss

    def latents(self, images: Tensor, generator: torch.Generator | None) -> Tensor:
        """Scaled latents of images [B,3,H,W], 0..1; a draw from the posterior."""
        resized = F.interpolate(images, (SIDE, SIDE), mode="bilinear", align_corners=False)
        posterior = self.vae.encode(2 * resized - 1).latent_dist
        sample: Tensor = posterior.sample() if generator is None else posterior.sample(generator)
        scale: float = getattr(getattr(self.vae, "config", None), "scaling_factor", LATENT_SCALE)
        return sample * scale

    @torch.no_grad()
    def score_difference(self, latents: Tensor, tokens: Tensor, condition: Tensor, noise: Tensor, step: int) -> Tensor:
        """Weighted difference of guided and true noise, like `latents`."""
        kept = self.alphas_cumprod[step].to(latents)
        noisy = kept.sqrt() * latents + (1 - kept).sqrt() * noise
        both = torch.cat((noisy, noisy))
        beside = torch.cat((condition, torch.zeros_like(condition)))
        token = torch.cat((tokens, torch.zeros_like(tokens)))
        time = torch.tensor(step, device=latents.device)
        out = self.unet(torch.cat((both, beside), dim=1), time, encoder_hidden_states=token).sample
        conditional, free = out.chunk(2)
        guided = free + self.scale * (conditional - free)
        difference: Tensor = ((1 - kept) * (guided - noise)).nan_to_num(0.0)
        return difference


class _Distilled(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, images: Tensor, guidance: Zero123Guidance, tokens: Tensor, condition: Tensor, noise: Tensor, step: int,
        generator: torch.Generator | None, chunk: int,
    ) -> Tensor:  # fmt: skip
        total = images.new_zeros(())
        gradient = torch.zeros_like(images)
        for begin in range(0, len(images), chunk):
            part = slice(begin, begin + chunk)
            with torch.enable_grad():
                leaf = images[part].detach().requires_grad_()
                latents = guidance.latents(leaf.to(tokens.dtype), generator)
            difference = guidance.score_difference(latents.detach(), tokens[part], condition[part], noise[part], step)
            total += 0.5 * difference.float().square().sum()
            if ctx.needs_input_grad[0]:
                (gradient[part],) = torch.autograd.grad(latents, leaf, difference)
        ctx.save_for_backward(gradient)
        return total

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        return (gradients[0] * ctx.saved_tensors[0], *[None] * 7)
