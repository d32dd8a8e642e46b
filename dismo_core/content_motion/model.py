"""The models of CMD together: clips reconstructed, motion predicted for a picture, clips generated (docs/methods/content_motion.md, 8)."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ..diffusion.finite import require_finite
from ..errors import DisMoError
from ..memory.plan import MemoryPlan, Part
from ..runtime import Runtime
from ..video.picture import to_uint8
from .diffusion import GaussianDiffusion
from .models.autoencoder import ContentMotionAutoencoder
from .models.content_dit import ContentDiT
from .models.motion_dit import MotionDiT

if TYPE_CHECKING:
    from PIL.Image import Image

ACTIVATIONS = 1 << 30  # bytes; more than any of the published sizes needs for one sample
Seeds = int | Sequence[int]  # of a batch: sample i takes seed + i, so that it is the same drawn alone


class ContentMotionModel:
    """An autoencoder and the diffusion models that were trained on it; one or both of these may be absent.

    Args:
        autoencoder: takes clips apart and puts them together.
        motion_model: draws motion latents for a content frame.
        content_model: draws content frames; any picture can stand in for one.
        device: where one of them at a time is, while it is used (see `using`); None = all stay where they are.

    Raises:
        DisMoError: models that do not fit the autoencoder, or each other.
    """

    def __init__(
        self,
        autoencoder: ContentMotionAutoencoder,
        motion_model: MotionDiT | None = None,
        content_model: ContentDiT | None = None,
        device: str | torch.device | None = None,
    ) -> None:
        self.autoencoder, self.motion_model, self.content_model = autoencoder, motion_model, content_model
        found = {"autoencoder": autoencoder, "motion_model": motion_model, "content_model": content_model}
        parts = {name: Part(part, workspace=ACTIVATIONS) for name, part in found.items() if part is not None}
        self.plan = None if device is None else MemoryPlan(parts, device, "model offload")
        self.diffusion = GaussianDiffusion()
        if motion_model is not None:
            _require_fit(autoencoder, motion_model)
        if content_model is not None:
            if content_model.channels != autoencoder.channels:
                raise DisMoError(
                    f"The content model makes {content_model.channels} channels, the autoencoder takes {autoencoder.channels}. They do "
                    "not belong together."
                )
            if motion_model is not None and content_model.image_size != motion_model.content_size:
                raise DisMoError(
                    f"The content model makes frames of {content_model.image_size}, the motion model takes {motion_model.content_size} "
                    "(height, width). They do not belong together."
                )

    @property
    def size(self) -> tuple[int, int] | None:
        """(H, W) of the content frames that the diffusion models were trained on; None = the autoencoder alone, which takes any."""
        if self.motion_model is not None:
            return self.motion_model.content_size
        return None if self.content_model is None else self.content_model.image_size

    @property
    def frames(self) -> int | None:
        """Frames that the motion model was trained on; None where there is none."""
        return None if self.motion_model is None else self.motion_model.latent_size[0]

    @contextlib.contextmanager
    def using(self, part: str, runtime: Runtime | None = None) -> Iterator[Any]:
        """A part, ready to run on the device; a model that was given a device must not be used otherwise.

        Args:
            part: "autoencoder", "motion_model" or "content_model".
            runtime: is asked for room first.
        """
        if self.plan is None:
            yield getattr(self, part)
            return
        if runtime is not None:
            self.plan.make_room(runtime)
        with self.plan.using(part) as module:
            yield module

    @torch.no_grad()
    def reconstruct(self, clip: Tensor) -> Tensor:
        """Clips [B,C,L,H,W] taken apart and put together again; of any length and any size that the patch divides."""
        with self.using("autoencoder") as autoencoder:
            return self.decode(*autoencoder.encode(clip.to(autoencoder.pre_xt.weight)))

    @torch.no_grad()
    def decode(self, content: Tensor, motion: Tensor) -> Tensor:
        """Clips float32 [B,C,L,H,W] on the model's device; see `ContentMotionAutoencoder.decode`."""
        with self.using("autoencoder") as autoencoder:
            weight = autoencoder.pre_xt.weight
            frames: Tensor = autoencoder.decode(content.to(weight), motion.to(weight)).float()
        return require_finite(frames, "decoding")

    def predict_motion(
        self,
        content: Tensor,
        seed: Seeds = 0,
        steps: int = 50,
        sampler: str = "ancestral",
        eta: float = 0.0,
        frames: int | None = None,
        runtime: Runtime | None = None,
    ) -> Tensor:
        """Motion latents [B,D,L,W'+H'] for content frames, real or painted.

        Args:
            content: [B,C,H,W], -1..1 in pixel mode.
            seed: of the batch, or one for each.
            steps: 2 to 1000; the paper takes 100 with "ddim", the release 50 with "ancestral".
            sampler: "ancestral" or "ddim".
            eta: of "ddim", 0..1.
            frames: must be those of the training; None = them.
            runtime: progress and cancel.

        Raises:
            DisMoError: no motion model, another size or length, or settings that there are not.
        """
        model = self.motion_model
        if model is None:
            raise DisMoError(
                "This CMD model has no motion model, which draws motion. Load one that has, or encode a clip."
            )
        if frames not in (None, model.latent_size[0]):
            raise DisMoError(
                f"The motion model draws {model.latent_size[0]} frames, as it was trained, not {frames}. Retime, loop or concatenate the "
                "motion afterwards."
            )
        if content.ndim != 4 or tuple(content.shape[1:]) != (model.content_channels, *model.content_size):
            raise DisMoError(
                f"The content frames must be {['B', model.content_channels, *model.content_size]}, not {list(content.shape)}. "
                "Resize them to the size of the training."
            )
        generators = _generators(seed, len(content))
        noise = _noise(generators, (model.channels, *model.latent_size))
        with self.using("motion_model", runtime):
            weight = model.final_layer.linear.weight
            motion = self.diffusion.sample(
                model,
                noise.to(weight.device),
                steps,
                sampler,
                eta,
                generator=generators,
                runtime=runtime,
                content=content.to(weight),
            )
        return require_finite(model.latents(motion), "sampling the motion")

    def sample_content(
        self,
        labels: Sequence[int] | Tensor,
        cfg: float = 4.0,
        seed: Seeds = 0,
        steps: int = 50,
        sampler: str = "ancestral",
        eta: float = 0.0,
        runtime: Runtime | None = None,
    ) -> Tensor:
        """Content frames [B,C,H,W] of classes.

        Args:
            labels: one for each frame, 0..classes-1, or the number of classes for none.
            cfg: u + cfg (c - u); 1 = no guidance. The paper's w is cfg - 1.
            seed: of the batch, or one for each.
            steps: 2 to 1000; 50 in paper and release.
            sampler: "ancestral" as in the release, "ddim" as in the paper.
            eta: of "ddim", 0..1.
            runtime: progress, with a preview in pixel mode, and cancel.

        Raises:
            DisMoError: no content model, no such class, or settings that there are not.
        """
        model = self.content_model
        if model is None:
            raise DisMoError(
                "This CMD model has no content model. Any picture can be the content frame: give one, or load a model that has it."
            )
        labels = model.check_labels(torch.as_tensor(labels, dtype=torch.int64).flatten())
        generators = _generators(seed, len(labels))
        noise = _noise(generators, (model.channels, *model.image_size))
        pixels = self.autoencoder.mode == "pixel"
        with self.using("content_model", runtime):
            device = model.final_layer.linear.weight.device
            content = self.diffusion.sample(
                model.guided,
                noise.to(device),
                steps,
                sampler,
                eta,
                clip=pixels,
                generator=generators,
                runtime=runtime,
                preview=_preview if pixels and runtime is not None else None,
                labels=labels.to(device),
                cfg=cfg,
            )
        return require_finite(content, "sampling the content frame")

    def generate(
        self,
        labels: Sequence[int] | Tensor,
        cfg: float = 4.0,
        seed: Seeds = 0,
        steps: int = 50,
        sampler: str = "ancestral",
        eta: float = 0.0,
        runtime: Runtime | None = None,
    ) -> Tensor:
        """Clips [B,C,L,H,W] of classes: content frames, then motion for them, decoded. See `sample_content`, `predict_motion`."""
        content = self.sample_content(labels, cfg, seed, steps, sampler, eta, runtime)
        return self.decode(content, self.predict_motion(content, seed, steps, sampler, eta, runtime=runtime))


def _generators(seed: Seeds, count: int) -> list[torch.Generator]:
    seeds = [seed + i for i in range(count)] if isinstance(seed, int) else list(seed)
    if len(seeds) != count:
        raise DisMoError(f"{count} samples need as many seeds, not {len(seeds)}.")
    return [torch.Generator().manual_seed(each % 2**64) for each in seeds]


def _noise(generators: Sequence[torch.Generator], shape: tuple[int, ...]) -> Tensor:
    return torch.stack([torch.randn(shape, generator=generator) for generator in generators])


def _preview(content: Tensor) -> Image:
    from PIL import Image

    return Image.fromarray(to_uint8(content[0]).permute(1, 2, 0).numpy())


def _require_fit(autoencoder: ContentMotionAutoencoder, motion_model: MotionDiT) -> None:
    height, width = motion_model.content_size
    positions = (height + width) // autoencoder.patch_size
    wanted = (autoencoder.motion_channels, positions, autoencoder.channels)
    found = (motion_model.channels, motion_model.latent_size[1], motion_model.content_channels)
    if wanted != found:
        raise DisMoError(
            f"The motion model draws latents of {found[0]} channels and {found[1]} positions for content frames of {found[2]} channels; "
            f"the autoencoder needs {wanted[0]}, {wanted[1]} and {wanted[2]}. They do not belong together."
        )
