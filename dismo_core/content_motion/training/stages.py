"""The three stages: what each one trains, on what, and what it leaves behind."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ...evaluation.fvd import I3D
from ...training.distributed import World
from ...training.loop import ALONE, NumberedBatches, Schedule, TrainingRun, fit
from ...training.muon import Muon
from ...training.share import Share
from ...weights.kinds import Kind
from ..checkpoints import save_model
from ..kinds import AUTOENCODER, CONTENT_MODEL, MOTION_MODEL, STEMS
from ..lpips import LPIPS
from ..model import ContentMotionModel
from ..models.autoencoder import ContentMotionAutoencoder
from ..models.content_dit import ContentDiT
from ..models.motion_dit import MotionDiT
from .batches import Batch, ClipSource
from .latents import CachedLatents, Encoded, Encoder, cache_latents, content_or_middle
from .objectives import AutoencoderObjective, DiffusionObjective, clip_seeds, drawn_noise
from .recolor import in_other_colors
from .run_files import PublishedCheckpoints
from .stand_ins import stand_in_of_batch
from .watch import Watch

Model = ContentMotionAutoencoder | MotionDiT | ContentDiT
INNER = re.compile(r"(^|\.)(layers|blocks)\.")  # names of what is between the first and the last layers
SHOWN = 16  # clips that are looked at, at a checkpoint


def _same(clips: Tensor) -> Tensor:
    return clips


@dataclass(frozen=True)
class StageRun:
    """Where a stage is trained, on what, and how long.

    Args:
        folder: of the run.
        source: of the clips.
        share: of each batch; the one of the source.
        schedule: how long and how fast.
        seed: of noise and order.
        options: that are kept in the checkpoints, under their published names.
        world: of the processes.
        autocast: dtype of the matrix products; None = float32.
        scaled: whether the loss is scaled, for float16.
        wandb: Weights & Biases project.
        save_minutes: see `TrainingRun`.
        progress: likewise.
        caching: called with (clips encoded, in all) while they are encoded once for all.
        muon: None = all is trained by AdamW. Otherwise the layers of the transformers are trained by Muon, and the first and last
            layers by Adam, at this share of its rate.
        i3d: for FVD at the checkpoints.
        to_latents: clips [B,3,L,H,W] of pixels to what the autoencoder takes; of latent mode.
        to_pixels: the way back.
    """

    folder: Path
    source: ClipSource
    share: Share
    schedule: Schedule
    seed: int = 0
    options: Mapping[str, Any] = field(default_factory=dict)
    world: World = ALONE
    autocast: torch.dtype | None = None
    scaled: bool = False
    wandb: str | None = None
    save_minutes: float | None = None
    progress: Callable[[int, int, dict[str, float]], None] | None = None
    caching: Callable[[int, int], None] = lambda done, total: None
    muon: float | None = None
    i3d: I3D | None = None
    to_latents: Callable[[Tensor], Tensor] = _same
    to_pixels: Callable[[Tensor], Tensor] = _same

    def prepared(self, clips: Tensor) -> Tensor:
        """What an autoencoder takes of clips, on the device."""
        return self.to_latents(clips.to(self.world.device))

    def preview_batch(self) -> Batch:
        """The first clips of the source, the same in every run."""
        found: list[Batch] = []
        for _, item in self.source.items(0, range(len(self.source))):
            found.append(item)
            if len(found) == SHOWN:
                break
        return Batch(torch.cat([item.clips for item in found]), torch.cat([item.labels for item in found]))

    def watch(self, real: Tensor, make: Callable[[], Tensor], alike: bool) -> Watch:
        """Of clips of pixels; `make` gives what the autoencoder gives."""
        return Watch(real, lambda: self.to_pixels(make()).clamp(-1, 1), self.folder, alike, self.i3d)

    def training(self, stage: Kind, model: Model, wrapped: nn.Module, watch: Watch) -> TrainingRun:
        """The run for the loop."""
        files = PublishedCheckpoints(stage, self.schedule.save_every, self.options, model.geometry)
        about: dict[str, Any] = {name: str(value) for name, value in model.geometry.items()}
        about |= {"global_seed": self.seed, "global_batch_size": self.share.batch, "lr": self.schedule.lr}
        inner = {id(p) for name, p in model.named_parameters() if INNER.search(name)}

        def muon(share: float, weights: list[nn.Parameter]) -> torch.optim.Optimizer:
            within, outer = ([p for p in weights if (id(p) in inner) is part] for part in (True, False))
            groups: list[dict[str, Any]] = [
                {"params": within},
                {"params": outer, "peak": share * self.schedule.lr},
            ]
            return Muon(groups, self.schedule.lr, outer, betas=self.schedule.betas)

        return TrainingRun(
            self.folder, self.schedule, about, self.progress, on_log=watch.numbers, draw=watch.draw, boards=True, wandb=self.wandb,
            world=self.world, wrapped=wrapped, autocast=self.autocast, scaled=self.scaled, save_minutes=self.save_minutes,
            save=files.save, latest=files.latest, optimizer=None if self.muon is None else partial(muon, self.muon),
        )  # fmt: skip

    def finish(self, stage: Kind, model: Model) -> Path:
        """Write the weights, averaged where the schedule averages, as safetensors that `load_content_motion` finds."""
        path = self.folder / f"{STEMS[stage]}.safetensors"
        if self.world.main:
            save_model(model.eval(), path, overwrite=True)
        return path


def train_autoencoder(
    run: StageRun,
    autoencoder: ContentMotionAutoencoder,
    perceptual: LPIPS | None = None,
    decibels: bool = False,
    recolored: float = 0.0,
    stand_ins: float = 0.0,
    smooth: float = 0.0,
) -> Path:
    """Train the autoencoder; returns its finished weights.

    Args:
        run: where, on what, how long; an earlier run in its folder is resumed.
        autoencoder: that is trained, in place.
        perceptual: see `AutoencoderObjective`.
        decibels: likewise.
        recolored: share of the batches in which clips take their motion from themselves in other colors, see `in_other_colors`.
        stand_ins: share of the batches in which another picture stands for the content frame, see `stand_in_of_batch`.
        smooth: see `AutoencoderObjective`.

    Raises:
        DisMoError: see `fit`; a clip that cannot be used.
    """
    device = run.world.device
    autoencoder.to(device).train()
    objective = AutoencoderObjective(autoencoder, perceptual, decibels, smooth).to(device)
    wrapped = run.world.wrap(objective)
    batches = _numbered(run.source.batches, run.schedule)

    def losses(number: int) -> dict[str, Tensor]:
        clips, _, others = batches(number)
        if others is None:
            seeds = clip_seeds(run.share.places(number), run.seed)
            clips, others = in_other_colors(clips, number, recolored, seeds) or (clips, None)
        count = len(clips) * (1 if others is None else 2)
        frame = torch.randint(clips.shape[2], (count,), device="cpu").to(device)
        stand_in = stand_in_of_batch(number, stand_ins, run.seed)
        found: dict[str, Tensor] = wrapped(
            run.prepared(clips), None if others is None else run.prepared(others), frame, stand_in
        )
        return found

    shown = run.preview_batch().clips
    watch = run.watch(shown, lambda: autoencoder(run.prepared(shown)), alike=True)
    fit(autoencoder, losses, run.training(AUTOENCODER, autoencoder, wrapped, watch))
    return run.finish(AUTOENCODER, autoencoder)


def train_motion_model(
    run: StageRun,
    model: MotionDiT,
    autoencoder: ContentMotionAutoencoder,
    cache: int | None = None,
    steps: int = 50,
    stand_ins: float = 0.0,
) -> Path:
    """Train the motion model on a frozen autoencoder; returns its finished weights.

    Args:
        run: see `train_autoencoder`.
        model: that is trained, in place.
        autoencoder: takes the clips apart.
        cache: starts of each clip that are encoded once for all; None = clips are encoded at each step.
        steps: of the sampling at checkpoints.
        stand_ins: share of the clips whose motion is learned for their middle frame, and not for their content frame.

    Raises:
        DisMoError: see `train_autoencoder`; a model that does not fit the autoencoder.
    """
    whole = ContentMotionModel(autoencoder.to(run.world.device).eval(), model.to(run.world.device))
    shown = run.preview_batch()
    content = Encoder(autoencoder, run.prepared)(shown).content

    def make() -> Tensor:
        return whole.decode(content, whole.predict_motion(content, run.seed, steps))

    watch = run.watch(shown.clips, make, alike=False)
    encoder = Encoder(autoencoder, run.prepared, with_middle=stand_ins > 0)

    def parts(encoded: Encoded) -> tuple[Tensor, Tensor]:
        return model.standardised(encoded.motion), content_or_middle(encoded, stand_ins)

    return _train_diffusion(run, MOTION_MODEL, model, encoder, parts, "content", watch, cache)


def train_content_model(
    run: StageRun,
    model: ContentDiT,
    autoencoder: ContentMotionAutoencoder,
    motion_model: MotionDiT | None = None,
    cache: int | None = None,
    steps: int = 50,
) -> Path:
    """Train the content model on the content frames of a frozen autoencoder; returns its finished weights.

    Args:
        run: see `train_autoencoder`.
        model: that is trained, in place.
        autoencoder: takes the clips apart.
        motion_model: moves what is drawn at checkpoints; None = content frames are shown as they are.
        cache: see `train_motion_model`.
        steps: likewise.

    Raises:
        DisMoError: see `train_motion_model`.
    """
    if motion_model is not None:
        motion_model.to(run.world.device).eval()
    whole = ContentMotionModel(autoencoder.to(run.world.device).eval(), motion_model, model.to(run.world.device))
    shown = run.preview_batch()

    def make() -> Tensor:
        if motion_model is not None:
            return whole.generate(shown.labels, seed=run.seed, steps=steps)
        content = whole.sample_content(shown.labels, seed=run.seed, steps=steps)
        return content[:, :, None].expand(-1, -1, shown.clips.shape[2], -1, -1)

    watch = run.watch(shown.clips, make, alike=False)
    encoder = Encoder(autoencoder, run.prepared)
    return _train_diffusion(run, CONTENT_MODEL, model, encoder, lambda e: (e.content, e.labels), "labels", watch, cache)


def _train_diffusion(
    run: StageRun,
    stage: Kind,
    model: MotionDiT | ContentDiT,
    encoder: Encoder,
    parts: Callable[[Encoded], tuple[Tensor, Tensor]],
    condition: str,
    watch: Watch,
    cache: int | None,
) -> Path:
    encoder.autoencoder.requires_grad_(False)
    model.train()
    objective = DiffusionObjective(model, condition)
    wrapped = run.world.wrap(objective)
    steps = objective.diffusion.steps

    def encoded(first: int, last: int) -> Iterator[Encoded]:
        return (encoder(batch) for batch in run.source.batches(first, last))

    if cache is not None:
        names = ("data_path", "n_frames", "image_size", "fold", "split", "global_seed")
        about = {name: str(run.options.get(name)) for name in names}
        path = cache_latents(run.source, encoder, cache, run.folder.parent, about, run.world, run.caching)
        encoded = CachedLatents(path, run.share, run.seed).batches
    batches = _numbered(encoded, run.schedule)

    def losses(number: int) -> dict[str, Tensor]:
        x0, given = (part.to(run.world.device) for part in parts(batches(number)))
        t, noise = drawn_noise(run.share.places(number), run.seed, x0.shape[1:], steps)
        found: dict[str, Tensor] = wrapped(x0, t.to(x0.device), noise.to(x0.device), given)
        return found

    fit(model, losses, run.training(stage, model, wrapped, watch))
    return run.finish(stage, model)


def _numbered(open_at: Callable[[int, int], Iterator[Any]], schedule: Schedule) -> NumberedBatches[Any]:
    last = schedule.steps * schedule.accumulation
    return NumberedBatches(lambda first: open_at(first, last))
