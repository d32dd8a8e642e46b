"""The networks together: from a reference picture, body pictures and backgrounds to frames (docs/methods/mimo.md, 4)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..diffusion.windows import context_windows
from ..errors import DisMoError
from ..memory.plan import MemoryPlan
from ..runtime import Runtime
from .denoise import Conditions, denoise
from .models.denoising_unet import DenoisingUNet
from .models.pose_guider import PoseGuider
from .models.reference_unet import ReferenceUNet
from .models.unet_attention import ReferenceTokens
from .network_inputs import check_size, picture_for_clip, picture_for_pose, picture_for_vae
from .workspaces import parts, workspaces

Pictures = Sequence[NDArray[np.uint8]] | NDArray[np.uint8]
POSES_AT_ONCE = 8  # frames
Defaults = tuple[int, float, tuple[int, int]]
# What weights are meant for: steps, guidance, (width, height).
RELEASED: Defaults = (25, 3.5, (784, 784))
TINY: Defaults = (20, 2.0, (64, 64))


class MimoPipeline:
    """MIMO's parts, each brought to the device while it runs.

    Args:
        reference_unet: see there.
        denoising_unet: see there.
        pose_guider: see there.
        vae: diffusers AutoencoderKL.
        image_encoder: transformers CLIPVisionModelWithProjection.
        device: where they run.
        memory: see `MemoryPlan`.
        defaults: steps, guidance and (width, height) that the weights are meant for.

    Attributes:
        plan: moves the parts.
    """

    def __init__(
        self,
        reference_unet: ReferenceUNet,
        denoising_unet: DenoisingUNet,
        pose_guider: PoseGuider,
        vae: Any,
        image_encoder: Any,
        *,
        device: str | torch.device = "cpu",
        memory: str = "auto",
        defaults: Defaults = RELEASED,
    ) -> None:
        self.denoising_unet = denoising_unet
        self.vae, self.image_encoder = vae, image_encoder
        self.steps, self.guidance, self.size = defaults
        modules = {
            "image encoder": image_encoder,
            "vae": vae,
            "pose guider": pose_guider,
            "reference unet": reference_unet,
            "denoising unet": denoising_unet,
        }
        self.plan = MemoryPlan(parts(modules, *self.size, self.dtype.itemsize), device, memory)

    @property
    def dtype(self) -> torch.dtype:
        """The precision of the denoising UNet, which latents have, too."""
        return self.denoising_unet.conv_in.weight.dtype

    @torch.no_grad()
    def encode_picture(self, picture: NDArray[np.uint8]) -> Tensor:
        """CLIP's embedding of a picture uint8 [h, w, 3]: [1, 1, D]."""
        size = int(self.image_encoder.config.image_size)
        with self.plan.using("image encoder") as encoder:
            embedding: Tensor = encoder(self._on_device(picture_for_clip(picture, size))).image_embeds
        return embedding[:, None]

    @torch.no_grad()
    def encode_background(
        self,
        frame: NDArray[np.uint8],
        *,
        width: int,
        height: int,
    ) -> Tensor:
        """The scaled mean latent of a picture uint8 [h, w, 3], resized to width x height px: [1, 4, height / 8, width / 8]."""
        check_size(width, height)
        with self.plan.using("vae") as vae:
            mean = vae.encode(self._on_device(picture_for_vae(frame, width, height))).latent_dist.mean
        latent: Tensor = mean * vae.config.scaling_factor
        return latent

    @torch.no_grad()
    def sample_latents(
        self,
        picture: NDArray[np.uint8],
        poses: Pictures,
        backgrounds: Pictures | None,
        *,
        width: int,
        height: int,
        steps: int = 25,
        guidance: float = 3.5,
        window: int = 24,
        overlap: int = 4,
        closed_loop: bool = True,
        clip_lengths: Sequence[int] | None = None,
        noise: Tensor | None = None,
        generator: torch.Generator | None = None,
        runtime: Runtime | None = None,
    ) -> Tensor:
        """Latents of the character doing what the poses do.

        Args:
            picture: reference, uint8 [h, w, 3].
            poses: F body pictures, uint8 [h, w, 3] of any size.
            backgrounds: F pictures likewise; None = white.
            width: of the frames, px, a multiple of 8.
            height: likewise.
            steps: denoising steps.
            guidance: u + guidance (c - u); up to 1, the picture alone.
            window: frames denoised together; at most the positions of the motion modules.
            overlap: frames that windows share.
            closed_loop: whether windows wrap round at the end.
            clip_lengths: frames of each of several clips, across which no window goes; None = windows over all frames.
            noise: [1, 4, F, height / 8, width / 8]; None = drawn on the CPU in the model's precision.
            generator: of the noise, on the CPU.
            runtime: progress counts windows; cancelling is looked at before each.

        Returns:
            [1, 4, F, height / 8, width / 8].

        Raises:
            DisMoError: sizes, counts or windows that cannot be, NaN.
        """
        runtime = runtime or Runtime.on(self.plan.device)
        windows = self._windows(poses, backgrounds, window, overlap, closed_loop, clip_lengths)
        check_size(width, height)
        shape = (1, 4, len(poses), height // 8, width // 8)
        if noise is None:
            noise = torch.randn(shape, generator=generator, dtype=self.dtype)
        if noise.shape != shape:
            raise DisMoError(f"The noise must be {list(shape)}, not {list(noise.shape)}.")
        for name, needed in workspaces(width, height, min(window, len(poses)), self.dtype.itemsize).items():
            self.plan.parts[name] = needed.of(self.plan.parts[name])
        self.plan.release()  # what was settled for another size
        self.plan.make_room(runtime)
        self.plan.load()
        conditions = self._conditions(picture, poses, backgrounds, width, height, runtime)
        runtime.stage("denoising")
        with self.plan.using("denoising unet") as unet:
            return denoise(
                unet,
                noise.to(self.plan.device, self.dtype),
                conditions,
                windows,
                steps=steps,
                guidance=guidance,
                small="denoising unet" in self.plan.choice.low_memory,
                runtime=runtime,
            )

    @torch.no_grad()
    def decode(self, latents: Tensor) -> Tensor:
        """Latents [1, 4, F, h, w] -> float32 [F, H, W, 3] in 0..1 on the CPU; frame by frame."""
        return torch.stack([self._decoded(latents[:, :, index]) for index in range(latents.shape[2])])

    @torch.no_grad()
    def decoded_frames(self, latents: Tensor, runtime: Runtime | None = None) -> Iterator[NDArray[np.uint8]]:
        """The same as bytes, truncated, one frame after the other: uint8 [H, W, 3]."""
        for index in range(latents.shape[2]):
            if runtime is not None:
                runtime.check_cancel()
            pixels = (self._decoded(latents[:, :, index]) * 255).to(torch.uint8).numpy()
            if runtime is not None:
                runtime.progress(index + 1, latents.shape[2], None)
            yield pixels

    def sample(
        self,
        picture: NDArray[np.uint8],
        poses: Pictures,
        backgrounds: Pictures | None,
        **options: Any,
    ) -> NDArray[np.uint8]:
        """Frames uint8 [F, H, W, 3]; arguments as `sample_latents`."""
        latents = self.sample_latents(picture, poses, backgrounds, **options)
        return np.stack(list(self.decoded_frames(latents, options.get("runtime"))))

    def _decoded(self, latent: Tensor) -> Tensor:
        with self.plan.using("vae") as vae:
            pixels: Tensor = vae.decode(latent / vae.config.scaling_factor).sample
        return (pixels[0].permute(1, 2, 0).float() / 2 + 0.5).clamp(0, 1).cpu()

    def _on_device(self, x: Tensor) -> Tensor:
        return x.to(self.plan.device, self.dtype)

    def _windows(
        self,
        poses: Pictures,
        backgrounds: Pictures | None,
        window: int,
        overlap: int,
        closed_loop: bool,
        clip_lengths: Sequence[int] | None,
    ) -> list[list[int]]:
        frames, most = len(poses), self.denoising_unet.max_frames
        if backgrounds is not None and len(backgrounds) != frames:
            raise DisMoError(
                f"There are {frames} body pictures and {len(backgrounds)} backgrounds. Give as many of both."
            )
        if window > most:
            raise DisMoError(
                f"A window of {window} frames is longer than the {most} positions of the motion modules. Use at most {most}."
            )
        lengths = [frames] if clip_lengths is None else list(clip_lengths)
        if sum(lengths) != frames:
            raise DisMoError(f"The clips have {sum(lengths)} frames together, and there are {frames} body pictures.")
        windows, begin = [], 0
        for length in lengths:
            windows += [[begin + k for k in one] for one in context_windows(length, window, overlap, closed_loop)]
            begin += length
        return windows

    def _conditions(
        self,
        picture: NDArray[np.uint8],
        poses: Pictures,
        backgrounds: Pictures | None,
        width: int,
        height: int,
        runtime: Runtime,
    ) -> Conditions:
        """What the denoising UNet is told, each part computed once; what is long waits on the host."""
        runtime.stage("reading the reference picture")
        context = self.encode_picture(picture)
        reference = self.encode_background(picture, width=width, height=height)
        runtime.stage("encoding the backgrounds")
        if backgrounds is None:
            white = self.encode_background(np.full((height, width, 3), 255, np.uint8), width=width, height=height)
            scene = white[:, :, None].cpu().expand(-1, -1, len(poses), -1, -1)
        else:
            latents = []
            for index, frame in enumerate(backgrounds):
                runtime.check_cancel()
                latents.append(self.encode_background(frame, width=width, height=height).cpu())
                runtime.progress(index + 1, len(backgrounds), None)
            scene = torch.stack(latents, 2)
        runtime.stage("encoding the poses")
        features = []
        with self.plan.using("pose guider") as guider:
            for begin in range(0, len(poses), POSES_AT_ONCE):
                runtime.check_cancel()
                bodies = [picture_for_pose(pose, width, height) for pose in poses[begin : begin + POSES_AT_ONCE]]
                features.append(guider(self._on_device(torch.stack(bodies, 1)[None])).cpu())
        with self.plan.using("reference unet") as unet:
            tokens = ReferenceTokens(unet(reference, context))
        return Conditions(context, tokens, scene, torch.cat(features, 2))
