"""CogVideoX-5B-I2V that follows extracted motion (docs/methods/dismo.md, 7)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from ...cogvideox import checks
from ...cogvideox.objective import denoising_loss
from ...cogvideox.positions import Positions, require_positions
from ...cogvideox.sampling import Guidance, Progress, sample_video
from ...diffusion.finite import require_finite
from ...errors import DisMoError
from ...settings import SamplingSettings
from ...video.picture import fit_picture, to_uint8
from ..models.inputs import check_frames, check_video, resize_frames
from ..motion import LOOK_AHEAD, Motion
from . import motion_checks
from .module import AdapterModule

NEGATIVE_PROMPT = "worst quality, inconsistent motion, blurry, jittery, distorted"  # the authors'


class CogVideoXMotionAdapter(AdapterModule):
    """The motion adapter and the base model that it is attached to: motion to conditions, sampling, training loss.

    Arguments and attributes: see `AdapterModule`.
    """

    def encode_motion(
        self,
        motion_videos: Tensor | Sequence[Tensor] | None = None,
        motions: Tensor | Sequence[Motion | Tensor] | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> Tensor:
        """One condition per latent frame; exactly one of the two arguments.

        Args:
            motion_videos: [B,T,H,W,3] or a list of [T,H,W,3], -1..1; resized to the extractor's size, whatever their aspect.
            motions: motions of this adapter's extractor, or their embeddings [B,T-4,d_motion], float32.
            progress: of the extraction, (windows done, windows in all) per video.

        Returns:
            [B,K,d_cond], K = (T-1)/4 + 1, in the adapter's dtype.

        Raises:
            DisMoError: neither or both, wrong shape, range, length or extractor, or no weights loaded.
        """
        if (motion_videos is None) == (motions is None):
            raise DisMoError(
                f"Give exactly one of motion_videos and motions, not {'none' if motions is None else 'both'}: the adapter "
                "needs a motion to follow."
            )
        if self.init_gru_state.is_meta:
            raise DisMoError("The adapter has no weights yet. Call load_adapter with its file first.")
        if motions is not None:
            embeddings = [self._embeddings(motion) for motion in _listed(motions, rank=2)]
        else:
            embeddings = [self._extract(video, progress) for video in _listed(motion_videos, rank=4)]
        frames = [len(e) + LOOK_AHEAD for e in embeddings]
        if len(set(frames)) > 1:
            raise DisMoError(
                f"The motions have different lengths ({frames} frames). Extract the same number of frames."
            )
        checks.require_length(frames[0], self.base.transformer.config["sample_frames"])
        conditions: Tensor = self(torch.stack(embeddings).to(self.init_gru_state))
        return conditions.to(self.dtype)

    def _embeddings(self, motion: Motion | Tensor) -> Tensor:
        if isinstance(motion, Motion):
            motion.require_extractor(self.extractor_id)
            motion = motion.embeddings
        motion_checks.require_embeddings(motion, self.motion_extractor.d_motion)
        return motion

    @torch.no_grad()
    def _extract(self, video: Tensor, progress: Callable[[int, int], None] | None = None) -> Tensor:
        """[T,H,W,3] -> [T-4,d_motion]."""
        extractor = self.motion_extractor
        check_video(video[None], "motion video")
        with self._using("motion_extractor"):
            # where the video lies: a clip at its own size can be larger than the extractor
            x = resize_frames(video.float(), extractor.size).to(extractor.query_tokens.device)
            return extractor.forward_sliding(x[None], progress=progress)[0]

    @torch.inference_mode(False)
    @torch.no_grad()
    def sample(
        self,
        motion_videos: Tensor | Sequence[Tensor] | None = None,
        motions: Tensor | Sequence[Motion | Tensor] | None = None,
        images: Tensor | Sequence[Tensor] | None = None,
        prompts: str | Sequence[str] | None = None,
        num_frames: int = motion_checks.TRAINED_FRAMES,
        n_steps: int = 50,
        text_guidance_scale: float = 6.0,
        generator: torch.Generator | Sequence[torch.Generator] | None = None,
        negative_prompt: str | None = None,
        positions: Positions = "auto",
        strength: float = 1.0,
        progress: Progress | None = None,
        start_percent: float = 0.0,
        end_percent: float = 1.0,
        curve: Sequence[float] = (),
    ) -> Tensor:
        """Videos that begin with the pictures and move as the motions do.

        Args:
            motion_videos: what to follow, see `encode_motion`; of `num_frames` frames.
            motions: what to follow, see `encode_motion`; of `num_frames` frames.
            images: [B,H,W,3] or a list of [H,W,3], -1..1; cropped and resized to the base's size.
            prompts: one per sample. None = no text, and a guidance of 1.
            num_frames: 9, 17, ..., 49; trained at 25.
            n_steps: of the solver; divisors of 1000 are exact.
            text_guidance_scale: at most 1 = none.
            generator: one for all samples in turn, or one each; the numbers depend on its device.
            negative_prompt: None = the authors' default.
            positions: additive table of the base, see `PositionTables`.
            strength: factor on the adapter's update; 1 = as trained, 0 = the bare base.
            progress: called after each step with (steps done, steps of all samples, clean latents as guessed so far [1,K,C,h,w]).
            start_percent: share of the steps before the adapter begins to act, 0..1.
            end_percent: share of them after which it acts no more, 0..1.
            curve: factor on its update at each of the `num_frames` frames, 0..2; a latent frame has the mean of its frames.

        Returns:
            uint8 [B,T,H,W,3] on the CPU.

        Raises:
            DisMoError: input that does not fit, or NaN in the result.
        """
        if images is None:
            raise DisMoError("There is no picture to begin with. Give images, [batch, height, width, 3] in -1..1.")
        pictures = _listed(images, rank=3)
        if prompts is None:
            prompts, text_guidance_scale = [""] * len(pictures), 1.0
        settings = SamplingSettings(
            negative_prompt=NEGATIVE_PROMPT if negative_prompt is None else negative_prompt,
            steps=n_steps,
            guidance=text_guidance_scale,
            strength=strength,
            start_percent=start_percent,
            end_percent=end_percent,
            curve=tuple(curve),
        )
        prompts = [prompts] if isinstance(prompts, str) else list(prompts)
        self._check_sampling(pictures, num_frames, settings, positions)
        conditions = self.encode_motion(motion_videos, motions)
        return to_uint8(
            self._sample(conditions, pictures, prompts, num_frames, settings, generator, positions, progress)
        )

    @torch.inference_mode(False)
    @torch.no_grad()
    def sample_one(
        self,
        motion: Motion,
        picture: Tensor,
        settings: SamplingSettings,
        *,
        generator: torch.Generator | None = None,
        positions: Positions = "auto",
        progress: Progress | None = None,
        stage: Callable[[str], None] = lambda label: None,
    ) -> Tensor:
        """One video of `motion.frames` frames; see `sample`.

        Args:
            picture: [H,W,3], -1..1.
            settings: with steps and guidance; its seed is the caller's to put into `generator`. An empty prompt means no
                text and a guidance of 1, an empty negative prompt the authors' own.
            stage: called with what begins, see `Runtime`.

        Returns:
            float32 [T,H,W,3], -1..1, on the CPU.

        Raises:
            DisMoError: as `sample`.
        """
        settings = replace(
            settings,
            prompt=settings.prompt if settings.prompt.strip() else "",
            negative_prompt=settings.negative_prompt.strip() or NEGATIVE_PROMPT,
            guidance=settings.guidance if settings.prompt.strip() else 1.0,
        )
        self._check_sampling([picture], motion.frames, settings, positions)
        conditions = self.encode_motion(motions=[motion])
        return self._sample(
            conditions, [picture], [settings.prompt], motion.frames, settings, generator, positions, progress, stage
        )[0]

    def _check_sampling(
        self, pictures: Sequence[Tensor], frames: int, settings: SamplingSettings, positions: Positions
    ) -> None:
        """What can be refused before any work is done."""
        checks.require_length(frames, self.base.transformer.config["sample_frames"])
        checks.require_steps(settings.steps)
        checks.require_factors(settings.guidance, settings.strength)
        settings.strengths(frames)
        require_positions(positions)
        for picture in pictures:
            check_frames(picture[None], "images")

    def _sample(
        self,
        conditions: Tensor,
        pictures: Sequence[Tensor],
        prompts: Sequence[str],
        frames: int,
        settings: SamplingSettings,
        generator: torch.Generator | Sequence[torch.Generator] | None,
        positions: Positions,
        progress: Progress | None,
        stage: Callable[[str], None] = lambda label: None,
    ) -> Tensor:
        """Conditions [B,K,d_cond], B pictures and prompts -> [B,T,H,W,3], -1..1. Everything is checked but the counts."""
        require_finite(conditions, "encoding the motion")
        motion_checks.require_motion_length((conditions.shape[1] - 1) * 4 + 1, frames)
        motion_checks.warn_of_length(frames)
        checks.require_same_count(motions=len(conditions), images=len(pictures), prompts=len(prompts))
        generators = checks.one_generator_each(generator, len(pictures))

        device = self.device
        guided = settings.guidance > 1
        negatives = [settings.negative_prompt] if guided else []
        stage("encoding the text")
        texts = self.encode_prompts([*prompts, *negatives], device, self._using).split(1)
        low_memory = frozenset() if self.plan is None else self.plan.choice.low_memory
        tiled = self.base.vae.use_tiling
        if "vae" in low_memory:
            self.base.vae.enable_tiling()
        by_frame = latent_means(settings.curve, conditions.shape[1]) if settings.curve else None
        one_by_one = self.sequential_guidance or "transformer" in low_memory
        self._positions.mode = positions
        videos = []
        try:
            for i, picture in enumerate(pictures):
                self.set_conditions(conditions[i : i + 1], settings.strength, by_frame)
                guidance = Guidance(texts[i], texts[-1] if guided else None, settings.guidance, one_by_one)
                first = fit_picture(picture, self.size).to(device, self.dtype)

                def step(done: int, steps: int, latents: Tensor, before: int = i * settings.steps) -> None:
                    if progress is not None:
                        progress(before + done, len(pictures) * steps, latents)

                videos.append(
                    sample_video(
                        self.base,
                        first,
                        frames,
                        guidance,
                        settings.steps,
                        generators[i],
                        step,
                        self._using,
                        stage,
                        before_step=lambda number: self.set_acting(settings.acts(number, settings.steps)),
                    )
                )
        finally:
            self.set_acting(True)
            self.base.vae.use_tiling = tiled  # tiles change the pixels: they are not for later videos with more memory
            self.set_conditions(None)
            self._positions.forget()
        return torch.stack(videos)

    def training_loss(
        self,
        videos: Tensor | Sequence[Tensor],
        prompts: str | Sequence[str] | None = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Loss of each video, [B]: the base is to denoise it, given its first frame and its own motion (docs/methods/dismo.md, 7.8).

        The conditions stay set afterwards, because gradient checkpointing needs them in the backward pass.

        Args:
            videos: [B,T,H,W,3] or a list of [T,H,W,3], -1..1, of the base's size; T = 25 as the released adapter.
            prompts: one per video; None = no captions.
            generator: draws noise and times.

        Raises:
            DisMoError: wrong shape, range, size, length or count.
        """
        clips = _listed(videos, rank=4)
        for clip in clips:
            check_video(clip[None])
            checks.require_size(clip, self.size)
        prompts = [""] * len(clips) if prompts is None else [prompts] if isinstance(prompts, str) else list(prompts)
        checks.require_same_count(videos=len(clips), prompts=len(prompts))
        with torch.no_grad():
            text = self.encode_prompts(prompts, self.device, self._using)
        self._positions.mode = "auto"
        self.set_conditions(self.encode_motion(motion_videos=clips))
        batch = torch.stack([clip.to(self.device, self.dtype) for clip in clips])
        return denoising_loss(self.base, batch, text, generator)


def latent_means(curve: Sequence[float], latent_frames: int) -> Tensor:
    """One value each frame -> [latent_frames]: the first is that of the first frame, each other the mean of its frames."""
    first, others = curve[:1], torch.tensor(curve[1:], dtype=torch.float32)
    return torch.cat((torch.tensor(first), others.view(latent_frames - 1, -1).mean(dim=1)))


def _listed(samples: Any, rank: int) -> list[Any]:
    """The samples of a batch or list; a lone tensor of a sample's rank, or a lone motion, is one sample."""
    alone = isinstance(samples, Motion) or (isinstance(samples, Tensor) and samples.ndim == rank)
    return [samples] if alone else list(samples)
