"""DEMO as a whole: two texts in, a clip out; a clip in, its noise out. Its plan moves the parts."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from ..diffusion.frame_vae import frame_posteriors
from ..diffusion.noise_prior import start_noise
from ..diffusion.previews import latent_preview
from ..errors import DisMoError
from ..memory.plan import MemoryPlan, Part
from ..runtime import Runtime
from ..text_to_video.clip_tokens import end_of_text, tokenize
from ..video.picture import fit_image
from .autoencoder import decode_frames
from .models.towers import TextTower
from .models.unet import UNet
from .noise_levels import LEVELS, alphas_cumprod
from .sampling import Conditioning, Scale, invert_ddim, sample_ddim, sampling_times
from .tower_texts import TowerTexts

log = logging.getLogger(__name__)

NEGATIVE = (  # as published
    "Distorted, discontinuous, Ugly, blurry, low resolution, motionless, static, disfigured, disconnected limbs, Ugly faces, "
    "incomplete arms"
)
MOST_FRAMES = 64
CELL = 8  # px of a frame to one latent, per side
PREVIEW = (
    (0.35, 0.23, 0.32),
    (0.33, 0.5, 0.24),
    (-0.28, 0.18, 0.27),
    (-0.21, -0.26, -0.72),
)  # red, green, blue of a latent channel


@dataclass(frozen=True)
class Defaults:
    """What a model was made for.

    Args:
        steps: of a sampling.
        guidance: scale of both texts.
        negative_prompt: what is led away from.
        size: (height, width), px.
        frames: of a clip.
        fps: of a video of it.
        preview: red, green and blue, -1..1, of each latent channel.
    """

    steps: int = 50
    guidance: float = 9.0
    negative_prompt: str = NEGATIVE
    size: tuple[int, int] = (256, 256)
    frames: int = 16
    fps: float = 8.0
    preview: Sequence[tuple[float, float, float]] = PREVIEW


DEFAULTS = Defaults()


@dataclass
class DemoTextToVideo:
    """The parts of DEMO, in evaluation mode, without gradients.

    Args:
        unet: with its motion modules.
        motion_encoder: reads how it moves.
        content_encoder: reads what is seen; None where others read it.
        autoencoder: diffusers' AutoencoderKL; it sees single frames.
        name: what it was loaded from, for messages.
        device: where it runs.
        memory: how it lies in memory, see `MemoryPlan`.
        defaults: what it was made for.
    """

    unet: UNet
    motion_encoder: TextTower
    content_encoder: TextTower | None
    autoencoder: Any
    name: str
    device: torch.device
    memory: str = "auto"
    defaults: Defaults = DEFAULTS
    plan: MemoryPlan = field(init=False)

    def __post_init__(self) -> None:
        self.plan = MemoryPlan(self._parts(), self.device, self.memory)
        self._motion = TowerTexts(self.motion_encoder)
        self._content = None if self.content_encoder is None else TowerTexts(self.content_encoder)

    @property
    def dtype(self) -> torch.dtype:
        """The precision that it computes in."""
        dtype: torch.dtype = self.autoencoder.dtype
        return dtype

    def encode(self, prompt: str, motion_prompt: str | None = None) -> Conditioning:
        """Two texts for the two halves.

        Args:
            prompt: what is seen.
            motion_prompt: how it moves; None or empty = the prompt.
        """
        return Conditioning(self.encode_content([prompt]), self.encode_motion([motion_prompt or prompt]))

    def encode_content(self, prompts: Sequence[str]) -> Tensor:
        """States of the content's text, [N, 77, width].

        Raises:
            DisMoError: the model has no content encoder.
        """
        if self._content is None:
            raise DisMoError(
                "This model was loaded without a content encoder. Fetch open_clip_pytorch_model.bin of its base, or have the prompts read "
                "by the CLIP of SD 2.x."
            )
        return self._content(prompts, self.device, lambda _: self.plan.using("content_encoder"))

    def encode_motion(self, prompts: Sequence[str]) -> Tensor:
        """States of the motion's text, [N, 77, width]."""
        return self._motion(prompts, self.device, lambda _: self.plan.using("motion_encoder"))

    def sample(
        self,
        prompts: str | Sequence[str],
        motion_prompts: str | Sequence[str] | None = None,
        negative_prompt: str | None = None,
        negative_motion: str | None = None,
        *,
        steps: int = 0,
        guidance: Scale = 0.0,
        motion_guidance: Scale | None = None,
        motion_strength: Scale = 1.0,
        seed: int = 0,
        size: tuple[int, int] | None = None,
        frames: int = 0,
        runtime: Runtime | None = None,
    ) -> Tensor:
        """Clips, one of each prompt; sample i of a seed has the same noise in any batch.

        Args:
            prompts: what is seen, one or several.
            motion_prompts: how it moves, one for all or one each; None = the prompts.
            negative_prompt: what is led away from; None = the model's.
            negative_motion: likewise of the motion; None = the negative prompt.
            steps: of the sampling; 0 = the model's.
            guidance: see `sample_ddim`; 0 = the model's.
            motion_guidance: see `sample_ddim`.
            motion_strength: see `sample_ddim`.
            seed: of the noise.
            size: (height, width), px, multiples of 64 at the published size; None = the model's.
            frames: 1 to 64; 0 = the model's.
            runtime: stages, progress with a preview, cancel.

        Returns:
            uint8 [B, F, H, W, 3] on the CPU.

        Raises:
            DisMoError: a setting that cannot be, or NaN.
        """
        runtime = runtime or Runtime.on(self.device)
        contents = [prompts] if isinstance(prompts, str) else list(prompts)
        motions = [motion_prompts] if isinstance(motion_prompts, str) else list(motion_prompts or contents)
        if len(motions) == 1:
            motions *= len(contents)
        if len(motions) != len(contents):
            raise DisMoError(
                f"There are {len(contents)} prompts and {len(motions)} motion prompts. Give one, or one each."
            )
        noise = self.noise(seed, len(contents), frames, size)
        runtime.stage("reading the prompts")
        positive = Conditioning.joined([self.encode(*pair) for pair in zip(contents, motions, strict=True)])
        latents = self.sample_latents(
            positive, self.negative(negative_prompt, negative_motion), noise, steps=steps, guidance=guidance,
            motion_guidance=motion_guidance, motion_strength=motion_strength, runtime=runtime,
        )  # fmt: skip
        return self.decode(latents, runtime)

    def negative(self, prompt: str | None = None, motion: str | None = None) -> Conditioning:
        """What is led away from; None = the model's negative prompt, and of the motion as of the content."""
        text = self.defaults.negative_prompt if prompt is None else prompt
        return Conditioning(self.encode_content([text]), self.encode_motion([text if motion is None else motion]))

    def noise(
        self, seed: int, count: int, frames: int = 0, size: tuple[int, int] | None = None, first: int = 0
    ) -> Tensor:
        """Noise of samples `first` to `first + count - 1` of a seed, float32 [count, C, F, h, w] on the CPU.

        Raises:
            DisMoError: a size or length that the model cannot make.
        """
        height, width = self.check_size(size)
        frames = frames or self.defaults.frames
        if not 1 <= frames <= MOST_FRAMES:
            raise DisMoError(f"A clip has 1 to {MOST_FRAMES} frames, not {frames}.")
        if count < 1:
            raise DisMoError(f"At least one clip is made, not {count}.")
        shape = (1, self.unet.geometry["in_channels"], frames, height // CELL, width // CELL)
        # far apart, so that sample 1 of a seed is not sample 0 of the next
        seeds = [(seed * 1_000_003 + number) % 2**63 for number in range(first, first + count)]
        return torch.cat([start_noise(shape, each, dtype=torch.float32) for each in seeds])

    def check_size(self, size: tuple[int, int] | None) -> tuple[int, int]:
        """(height, width), where the network can make it.

        Raises:
            DisMoError: what it can make nearby.
        """
        size, multiple = size or self.defaults.size, CELL * self.unet.least
        for name, side in zip(("height", "width"), size, strict=True):
            if side < multiple or side % multiple:
                near = max(multiple, round(side / multiple) * multiple)
                raise DisMoError(f"The {name} must be a multiple of {multiple}, not {side}. Near is {near}.")
        return size

    def sample_latents(
        self,
        positive: Conditioning,
        negative: Conditioning,
        noise: Tensor,
        *,
        steps: int = 0,
        guidance: Scale = 0.0,
        motion_guidance: Scale | None = None,
        motion_strength: Scale = 1.0,
        share: float = 1.0,
        runtime: Runtime | None = None,
    ) -> Tensor:
        """Scaled latents, float32 [B, C, F, h, w] on the CPU; see `sample_ddim`.

        Args:
            positive: what is asked for.
            negative: what is led away from.
            noise: see `noise`, or of `invert`.
            steps: 0 = the model's.
            guidance: 0 = the model's.
            motion_guidance: see `sample_ddim`.
            motion_strength: see `sample_ddim`.
            share: see `sample_ddim`.
            runtime: see `sample`.
        """
        runtime = runtime or Runtime.on(self.device)
        steps = steps or self.defaults.steps
        sampling_times(steps)  # for its error, before the weights are brought
        size = (noise.shape[-2] * CELL, noise.shape[-1] * CELL)
        runtime.stage("denoising")
        self.plan.make_room(runtime)
        with self.plan.using("unet") as unet:
            return sample_ddim(
                unet,
                noise.to(self.device, torch.float32),
                positive.to(self.device, self.dtype),
                negative.to(self.device, self.dtype),
                steps=steps,
                guidance=guidance or self.defaults.guidance,
                motion_guidance=motion_guidance,
                motion_strength=motion_strength,
                share=share,
                betas=self.unet.betas,
                together="unet" not in self.plan.choice.low_memory,
                progress=runtime.progress,
                preview=lambda x: latent_preview(x.transpose(1, 2), self.defaults.preview, size),
                check_cancel=runtime.check_cancel,
            ).cpu()

    def decode(self, latents: Tensor, runtime: Runtime | None = None, frames_at_once: int = 16) -> Tensor:
        """uint8 [B, F, H, W, 3] on the CPU, of scaled latents; where memory is short, at most 4 frames are decoded at once."""
        runtime = runtime or Runtime.on(self.device)
        runtime.stage("decoding the video")
        self.plan.make_room(runtime)
        with self.plan.using("autoencoder") as autoencoder:
            at_once = min(4, frames_at_once) if "autoencoder" in self.plan.choice.low_memory else frames_at_once
            return decode_frames(autoencoder, latents.to(self.device), at_once)

    def fit(self, frames: Tensor, size: tuple[int, int] | None = None) -> Tensor:
        """Frames of a clip, uint8 [F, H, W, 3], as the model reads them: float32 [F, 3, height, width], -1..1.

        Raises:
            DisMoError: none, more than 64, or a size that the model cannot make.
        """
        size = self.check_size(size)
        if not 1 <= len(frames) <= MOST_FRAMES:
            raise DisMoError(
                f"A clip of 1 to {MOST_FRAMES} frames can be inverted, not of {len(frames)}. Cut it, or take fewer frames."
            )
        fitted = [fit_image(frame.float() / 255, size, "crop") for frame in frames]
        return torch.stack(fitted).movedim(-1, 1) * 2 - 1

    def invert(
        self,
        fitted: Tensor,
        conditioning: Conditioning,
        *,
        steps: int = 50,
        share: float = 1.0,
        runtime: Runtime | None = None,
    ) -> Tensor:
        """The noise of a clip, from which `sample_latents` with as many steps and the same share goes on.

        It ends one step below the noisiest one: there the sampling begins.

        Args:
            fitted: see `fit`.
            conditioning: what the clip shows and how it moves.
            steps: of the inversion.
            share: of the way to noise; the smaller, the more of the clip stays.
            runtime: stages, progress, cancel.

        Returns:
            float32 [1, C, F, h, w] on the CPU.
        """
        runtime = runtime or Runtime.on(self.device)
        total = len(sampling_times(steps))
        if not 0 < share <= 1:
            raise DisMoError(
                f"The share of the inversion is above 0 and up to 1, not {share:g}. 1 is all the way to noise."
            )
        runtime.stage("encoding the clip")
        self.plan.make_room(runtime)
        with self.plan.using("autoencoder") as autoencoder:
            latents = frame_posteriors(autoencoder, fitted[None])[0].float()
        runtime.stage("inverting the clip")
        with self.plan.using("unet") as unet:
            taken = max(1, round(share * total)) - 1
            return invert_ddim(
                unet,
                latents.to(self.device),
                conditioning.to(self.device, self.dtype),
                steps=steps,
                taken=taken,
                betas=self.unet.betas,
                progress=runtime.progress,
                check_cancel=runtime.check_cancel,
            ).cpu()

    @torch.no_grad()
    def motion_maps(
        self,
        conditioning: Conditioning,
        motion_prompt: str,
        latents: Tensor,
        *,
        level: int = LEVELS // 2,
        seed: int = 0,
        runtime: Runtime | None = None,
    ) -> list[Tensor]:
        """How much each place looks at the end of the motion's text, in every M, [B, h, w, F].

        Args:
            conditioning: of the clip.
            motion_prompt: its motion's text.
            latents: of the clip, scaled, [B, C, F, h, w].
            level: noise level at which the network is asked.
            seed: of the noise that is added.
            runtime: cancel.
        """
        runtime = runtime or Runtime.on(self.device)
        kept = float(alphas_cumprod(self.unet.betas)[level])
        noise = start_noise(latents.shape, seed, dtype=torch.float32)
        noisy = kept**0.5 * latents.cpu() + (1 - kept) ** 0.5 * noise
        at = end_of_text(tokenize([motion_prompt])).expand(len(latents)).to(self.device)
        given = conditioning.to(self.device, self.dtype)
        self.plan.make_room(runtime)
        with self.plan.using("unet") as unet:
            _, maps = unet(
                noisy.to(self.device, self.dtype),
                torch.tensor([level], device=self.device),
                given.content,
                given.motion,
                eot_index=at,
            )
        return [one.float().cpu() for one in maps]

    def _parts(self) -> dict[str, Part]:
        (height, width), frames = self.defaults.size, self.defaults.frames
        cells = frames * height * width // CELL**2
        one_pass = 24 * cells * int(self.unet.geometry["width"]) * self.dtype.itemsize
        # the widest point of the autoencoder is its last stage, in which a frame has the resolution of pixels
        frame = 6 * height * width * int(self.autoencoder.config["block_out_channels"][0]) * self.dtype.itemsize
        parts = {
            "unet": Part(self.unet, self.unet, 3 * one_pass, one_pass, repeated=True),
            "autoencoder": Part(self.autoencoder, None, 16 * frame, 4 * frame),
            "motion_encoder": Part(self.motion_encoder, None, 1 << 26),
        }
        if self.content_encoder is not None:
            parts["content_encoder"] = Part(self.content_encoder, None, 1 << 26)
        return parts
