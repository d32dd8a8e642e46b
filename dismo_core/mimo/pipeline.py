"""The networks together: from a reference picture, body pictures and backgrounds to frames (docs/methods/mimo.md, 4)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..diffusion.windows import context_windows
from ..errors import DisMoError
from ..memory.plan import MemoryPlan
from ..runtime import Runtime
from .crops.square import BLACK, WHITE
from .denoise import Conditions, denoise
from .job_store import JobStore, content_key
from .models.denoising_unet import WITH_OCCLUSION, DenoisingUNet
from .models.pose_guider import PoseGuider
from .models.reference_unet import ReferenceUNet
from .models.unet_attention import ReferenceTokens
from .network_inputs import check_size, picture_for_clip, picture_for_pose, picture_for_vae
from .vae_bands import decode_in_bands, encode_in_bands
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

    @property
    def takes_occlusions(self) -> bool:
        """Whether the networks are told what stands in front, as in the paper; the released ones are not."""
        return self.denoising_unet.conv_in.in_channels == WITH_OCCLUSION

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
            pixels = self._on_device(picture_for_vae(frame, width, height))
            mean = encode_in_bands(vae, pixels) if self._in_bands else vae.encode(pixels).latent_dist.mean
        latent: Tensor = mean * vae.config.scaling_factor
        return latent

    @torch.no_grad()
    def sample_latents(
        self,
        picture: NDArray[np.uint8],
        poses: Pictures,
        backgrounds: Pictures | None,
        occlusions: Pictures | None = None,
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
        store: JobStore | None = None,
        runtime: Runtime | None = None,
    ) -> Tensor:
        """Latents of the character doing what the poses do.

        Args:
            picture: reference, uint8 [h, w, 3].
            poses: F body pictures, uint8 [h, w, 3] of any size.
            backgrounds: F pictures likewise; None = white.
            occlusions: F pictures likewise of what stands in front, on black, for networks of 12 channels; None = nothing does.
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
            store: keeps what is finished, and gives what was; None = nothing is kept.
            runtime: progress counts windows; cancelling is looked at before each.

        Returns:
            [1, 4, F, height / 8, width / 8].

        Raises:
            DisMoError: sizes, counts or windows that cannot be, NaN.
        """
        runtime = runtime or Runtime.on(self.plan.device)
        windows = self._windows(poses, backgrounds, window, overlap, closed_loop, clip_lengths)
        if occlusions is not None and len(occlusions) != len(poses):
            raise DisMoError(
                f"There are {len(poses)} body pictures and {len(occlusions)} of what stands in front. Give as many of both."
            )
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
        key, begin = "", None
        if store is not None:
            chosen = (width, height, steps, guidance, windows, self.dtype)
            networks = [self.plan.parts[name].module for name in ("reference unet", "denoising unet", "pose guider")]
            key = content_key(
                picture, poses, backgrounds, occlusions, noise, chosen, networks, self.vae, self.image_encoder
            )
            begin = store.denoising(key, self.plan.device)
            if begin is not None and begin.windows == steps * len(windows):
                return begin.latents
        self.plan.load()
        conditions = self._conditions(picture, poses, backgrounds, occlusions, width, height, runtime)
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
                begin=begin,
                keep=None if store is None else partial(store.keep_denoising, key),
            )

    @torch.no_grad()
    def decode(self, latents: Tensor) -> Tensor:
        """Latents [1, 4, F, h, w] -> float32 [F, H, W, 3] in 0..1 on the CPU; frame by frame."""
        return torch.stack([self._decoded(latents[:, :, index]) for index in range(latents.shape[2])])

    @torch.no_grad()
    def decoded_frames(
        self,
        latents: Tensor,
        runtime: Runtime | None = None,
        store: JobStore | None = None,
    ) -> Iterator[NDArray[np.uint8]]:
        """The same as bytes, truncated, one frame after the other: uint8 [H, W, 3]; `store` as in `sample_latents`."""
        for index in range(latents.shape[2]):
            if runtime is not None:
                runtime.check_cancel()
            make = partial(self._bytes, latents[:, :, index])
            pixels = make() if store is None else store.frame(content_key(latents[:, :, index], self.vae), make)
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
        return np.stack(list(self.decoded_frames(latents, options.get("runtime"), options.get("store"))))

    def _bytes(self, latent: Tensor) -> NDArray[np.uint8]:
        pixels: NDArray[np.uint8] = (self._decoded(latent) * 255).to(torch.uint8).numpy()
        return pixels

    def _decoded(self, latent: Tensor) -> Tensor:
        with self.plan.using("vae") as vae:
            latent = latent / vae.config.scaling_factor
            pixels: Tensor = decode_in_bands(vae, latent) if self._in_bands else vae.decode(latent).sample
        return (pixels[0].permute(1, 2, 0).float() / 2 + 0.5).clamp(0, 1).cpu()

    @property
    def _in_bands(self) -> bool:
        return "vae" in self.plan.choice.low_memory

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
        occlusions: Pictures | None,
        width: int,
        height: int,
        runtime: Runtime,
    ) -> Conditions:
        """What the denoising UNet is told, each part computed once; what is long waits on the host."""
        runtime.stage("reading the reference picture")
        context = self.encode_picture(picture)
        reference = self.encode_background(picture, width=width, height=height)
        runtime.stage("encoding the backgrounds")
        scene = self._encoded(backgrounds, WHITE, len(poses), width, height, runtime)
        if self.takes_occlusions:
            runtime.stage("encoding what stands in front")
            scene = torch.cat((scene, self._encoded(occlusions, BLACK, len(poses), width, height, runtime)), 1)
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

    def _encoded(
        self,
        frames: Pictures | None,
        color: int,
        count: int,
        width: int,
        height: int,
        runtime: Runtime,
    ) -> Tensor:
        """Latents [1, 4, F, h, w] on the host; where there are no frames, of one color."""
        if frames is None:
            flat = self.encode_background(np.full((height, width, 3), color, np.uint8), width=width, height=height)
            return flat[:, :, None].cpu().expand(-1, -1, count, -1, -1)
        latents = []
        for index, frame in enumerate(frames):
            runtime.check_cancel()
            latents.append(self.encode_background(frame, width=width, height=height).cpu())
            runtime.progress(index + 1, len(frames), None)
        return torch.stack(latents, 2)
