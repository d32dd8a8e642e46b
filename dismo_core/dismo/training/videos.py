"""Extractor and generator trained on videos with the published objective (docs/methods/dismo.md, 5 and 6)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ...files import atomic_write, save_tensors
from ...training.distributed import World
from ...training.loop import ALONE, NumberedBatches, Schedule, TrainingRun, fit
from ...video.picture import to_uint8
from ...weights.geometry import KEY as GEOMETRY
from ..geometry import describe
from ..kinds import AUTOENCODER
from ..models.extractor import MotionExtractor, fingerprint
from ..models.generator import FrameGenerator
from .batches import clip_batches
from .samples import VideoSample

SHOWN = 4  # clips in the sheet of sample transfers
SHEET_STEPS = 8  # of the sampler


class VideoObjective(nn.Module):
    """The flow-matching loss of the generator, given what the extractor says of the clip.

    Args:
        extractor: the model whose embeddings are learned.
        generator: the model that reconstructs.
        shift: see `Preset`.
    """

    def __init__(self, extractor: MotionExtractor, generator: FrameGenerator, shift: float = 1.0) -> None:
        super().__init__()
        self.extractor = extractor
        self.generator = generator
        self.shift = shift

    def forward(
        self, clip: Tensor, source: Tensor, gap: Tensor, clean: Tensor, noise: Tensor, t: Tensor
    ) -> dict[str, Tensor]:
        """Losses of a batch.

        Args:
            clip: [B,8,H,W,3] in -1..1.
            source: [B,4,H,W,3].
            gap: [B,4], frame steps.
            clean: latents of the targets [B,4,h,w,c].
            noise: noise [B,4,h,w,c].
            t: [B,4] in 0..1, before the shift.

        Returns:
            loss; spread: standard deviation of the embeddings over batch and channels, mean over positions;
            spread_vector: over the channels of each.
        """
        motion = self.extractor.motion(self.extractor.encode(clip))
        conditions = self.generator.conditions(source.flatten(0, 1), motion.flatten(0, 1), gap.flatten())
        t = self.shift * t / (1 + (self.shift - 1) * t)
        loss = self.generator.flow_loss(clean.flatten(0, 1), conditions, t.flatten(), noise.flatten(0, 1)).mean()
        embeddings = motion.detach().float()
        return {
            "loss": loss,
            "spread": embeddings.std(dim=(0, 2)).mean(),
            "spread_vector": embeddings.std(dim=2).mean(),
        }

    def transfers(self, batch: VideoSample) -> Tensor:
        """See `transfer_sheet`; a method, because only methods of a sharded module may gather its weights."""
        return transfer_sheet(self.extractor, self.generator, batch)


def unit_range(frames: Tensor, device: torch.device) -> Tensor:
    """uint8 frames -> float32 in -1..1 on `device`."""
    return frames.to(device, non_blocking=True).float() / 127.5 - 1


def draws(seeds: Tensor, shape: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Flow times [B,4] and noise [B,*shape] of samples, each a function of its own seed alone.

    Args:
        seeds: int64 [B], see `VideoSample`.
        shape: of a sample's latents, [4,h,w,c].
    """
    times, noise = [], []
    for seed in seeds.tolist():
        rng = torch.Generator().manual_seed(seed)
        times.append(torch.sigmoid(torch.randn(shape[0], generator=rng)))
        noise.append(torch.randn(*shape, generator=rng))
    return torch.stack(times), torch.stack(noise)


def batch_losses(run: Callable[..., Any], generator: FrameGenerator, batch: VideoSample) -> dict[str, Tensor]:
    """Losses of a batch as it came from `clip_batches`; `run` is a `VideoObjective`, or that wrapped."""
    device = generator.token_merge.proj.weight.device
    clean = generator.encode(unit_range(batch.target.flatten(0, 1), device)).unflatten(0, batch.target.shape[:2])
    t, noise = draws(batch.seed, clean.shape[1:])
    out: dict[str, Tensor] = run(
        unit_range(batch.motion, device),
        unit_range(batch.source, device),
        batch.gap.to(device),
        clean,
        noise.to(device),
        t.to(device),
    )
    return out


@dataclass(frozen=True)
class VideoData:
    """Which samples a run takes.

    Args:
        shards: from `find_shards`.
        batch: clips of a process in a batch.
        size: side of the frames in px.
        seed: of the run.
        workers: see `clip_batches`.
        reference: see `clip_batches`.
        inside: see `clip_batches`.
    """

    shards: Sequence[str]
    batch: int
    size: int
    seed: int = 42
    workers: int = 0
    reference: bool = False
    inside: bool = False

    def batches(self, first: int, last: int, world: World) -> Iterator[VideoSample]:
        """Batches number `first` to `last` - 1 of this process."""
        together = self.batch * world.size
        return clip_batches(
            self.shards,
            self.batch,
            size=self.size,
            seed=self.seed,
            start=first * together,
            stop=last * together,
            rank=world.rank,
            world=world.size,
            workers=self.workers,
            reference=self.reference,
            inside=self.inside,
        )


def train_videos(
    folder: Path,
    extractor: MotionExtractor,
    generator: FrameGenerator,
    data: VideoData,
    schedule: Schedule,
    *,
    shift: float = 1.0,
    world: World = ALONE,
    compile: bool = False,
    autocast: torch.dtype | None = None,
    wandb: str | None = None,
    progress: Callable[[int, int, dict[str, float]], None] | None = None,
) -> tuple[MotionExtractor, FrameGenerator]:
    """Train, or resume in `folder`; see `fit` for what it leaves there.

    Args:
        extractor: from `build`.
        generator: from `build`.
        data: the samples.
        schedule: how long and how fast.
        shift: see `Preset`.
        world: from `joined`.
        compile: use torch.compile.
        autocast: dtype of the matrix products, None = float32.
        wandb: Weights & Biases project.
        progress: see `fit`.

    Returns:
        Both models in evaluation mode, with averaged weights where the schedule averages; sharded where the world is.

    Raises:
        DisMoError: as `fit` and `clip_batches`.
    """
    objective = VideoObjective(extractor, generator, shift).to(world.device)
    wrapped = world.wrap(objective)
    if world.sharded and world.size > 1:
        from torch.distributed.fsdp import register_fsdp_forward_method

        register_fsdp_forward_method(objective, "transfers")
    run = torch.compile(wrapped, dynamic=False) if compile else wrapped
    about: dict[str, int | float | str] = {
        "clips in a step": data.batch * schedule.accumulation * world.size,
        "size": data.size,
        "seed": data.seed,
        "shift": shift,
        "trained tensors": sum(p.requires_grad for p in objective.parameters()),  # another start trains others
    }
    if data.inside:
        about["crops"] = "inside"
    batches = NumberedBatches(lambda first: data.batches(first, schedule.steps * schedule.accumulation, world))

    def losses(number: int) -> dict[str, Tensor]:
        return batch_losses(run, generator, batches(number))

    def draw(model: nn.Module) -> Mapping[str, Tensor]:
        assert isinstance(model, VideoObjective) and batches.first is not None
        with torch.autocast(world.device.type, dtype=autocast) if autocast is not None else nullcontext():
            return {"transfers": model.transfers(batches.first)}

    training = TrainingRun(
        folder,
        schedule,
        about,
        progress,
        draw=draw,
        boards=True,
        wandb=wandb,
        world=world,
        wrapped=wrapped,
        autocast=autocast,
    )
    result: Any = fit(objective, losses, training)
    return result.extractor.eval(), result.generator.eval()


@torch.no_grad()
def transfer_sheet(extractor: MotionExtractor, generator: FrameGenerator, batch: VideoSample) -> Tensor:
    """Three rows of five frames for each clip: the clip; its first frame moved by its own motion; the first frame of the
    clip before it in the batch moved by the same.

    Returns:
        uint8 [rows * H, 5 * W, 3] on the CPU.
    """
    device = generator.token_merge.proj.weight.device
    clips = unit_range(batch.motion[:SHOWN], device)
    motion = extractor.motion(extractor.encode(clips)).repeat(2, 1, 1)
    frames = [torch.cat((clips[:, 0], clips[:, 0].roll(1, 0)))]
    shape = generator.encode(frames[0]).shape
    noise = torch.randn(shape[1:], generator=torch.Generator().manual_seed(0)).to(device).expand(shape)
    gap = torch.ones(len(motion), device=device)
    for k in range(motion.shape[1]):
        made = generator.sample(noise, frames[-1], motion[:, k].float(), gap, SHEET_STEPS)
        frames.append(made.float().clamp(-1, 1))
    own, other = torch.stack(frames, dim=1).chunk(2)
    rows = torch.stack((clips[:, : len(frames)], own, other), dim=1).flatten(0, 1)  # [3 B, 5, H, W, 3]
    sheet = rows.transpose(1, 2).flatten(2, 3).flatten(0, 1)
    return to_uint8(sheet)


def export(extractor: MotionExtractor, generator: FrameGenerator, folder: Path, world: World = ALONE) -> list[Path]:
    """Write both as float32 safetensors under the released names, the generator's with its autoencoder; replaces existing ones.

    All processes call this, the main one writes. The files say what geometry the models have, so the loaders read them.
    """
    tensors = world.whole(extractor.state_dict())
    parts = world.whole(generator.state_dict()) | {
        AUTOENCODER + name: value for name, value in generator.autoencoder.state_dict().items()
    }
    if not world.main:
        return []
    card = {"format": "pt", "extractor": fingerprint(tensors)}
    written = []
    for name, model, content in (("motion_extractor", extractor, tensors), ("frame_generator", generator, parts)):
        path = folder / f"{name}.safetensors"
        content = {k: v.detach().float().cpu().contiguous() for k, v in content.items()}
        with atomic_write(path, overwrite=True) as temporary:
            save_tensors(content, temporary, card | {GEOMETRY: describe(model)})
        written.append(path)
    return written
