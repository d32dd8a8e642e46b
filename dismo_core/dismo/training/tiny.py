"""The recipe of dismo-tiny: labelled warm-up of the extractor, then the published objective with the labels annealed away."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ...training.loop import Schedule, TrainingRun, fit
from ...training.precision import fast_products
from ...weights.files import sha256
from ..models.dino import PATCH, FrameEncoder, fit_frames
from ..models.extractor import MotionExtractor
from ..models.generator import FrameGenerator
from ..weights import load_frame_generator, load_motion_extractor
from .drawn_clips import LABELS, ClipBatch, ClipGenerator
from .export import EXTRACTOR_FILE, GENERATOR_FILE
from .objective import MotionObjective, fit_readout, label_fit
from .refine import Refining, refine_step
from .remap import remap
from .start import start_extractor, start_generator

log = logging.getLogger(__name__)
STRIDES = 4  # of the long clips of the last stage
STEP_COSTS = {"warmup": 1.1, "joint": 2.4, "refine": 2.5}  # stage -> seconds of a step on two cores of a Xeon with AMX
Report = Callable[[str, int, int, dict[str, float]], None]  # after every step; see `TrainingRun.progress`


@dataclass(frozen=True)
class TinyRecipe:
    """Numbers of the run; the model card says in which steps the bundled weights came about.

    Args:
        warmup_steps: optimizer steps of the warm-up.
        joint_steps: optimizer steps of the joint stage.
        clips: clips in a batch.
        pairs: source-target pairs that the generator gets of each clip.
        plain_steps: steps of the warm-up with plain scenes only. Left out where the run starts from finished weights,
            which know plain scenes.
        ramp_steps: steps of the warm-up after these, in which everything comes in bit by bit.
        turning: share of the warm-up's trajectories that are growth or rotation, which are learned last.
        label_weight: of the labelled loss at the start of the joint stage; falls linearly to 0 over `anneal_steps`.
        own_from: step of the joint stage from which on half of the clips have the generator's own predictions as sources.
        refine_steps: of a third stage, the generator alone; see `Refining`.
        seed: of everything.
        compile: use torch.compile, about twice as fast after a minute of compiling; needs a C++ compiler.
    """

    warmup_steps: int = 6000
    joint_steps: int = 2100
    clips: int = 16
    pairs: int = 2
    plain_steps: int = 300
    ramp_steps: int = 1200
    turning: float = 0.35
    label_weight: float = 3.0
    anneal_steps: int = 1400
    own_from: int = 800
    refine_steps: int = 3000
    seed: int = 0
    compile: bool = True

    def label_weight_at(self, step: int) -> float:
        """Weight of the labelled loss at a step of the joint stage; 0 throughout where `anneal_steps` is 0."""
        return self.label_weight * max(0.0, 1 - step / self.anneal_steps) if self.anneal_steps else 0.0


def train_tiny(
    folder: Path, recipe: TinyRecipe, report: Report, start: Path | None = None, device: str = "cpu"
) -> tuple[MotionExtractor, FrameGenerator]:
    """Run or resume the three stages; each has its checkpoints and `log.jsonl` in a folder of its own.

    Args:
        folder: of the run.
        recipe: its numbers.
        report: called as (stage, steps done, steps in all, logged numbers).
        start: a folder with finished weights (`dismo_tiny_*.safetensors`) to begin with instead of from nothing.
        device: of models and clips; what is drawn is the same on each.

    Returns:
        The extractor and the generator, averaged weights.
    """
    torch.manual_seed(recipe.seed)
    drawn = ClipGenerator(seed=recipe.seed, device=device)
    extractor, generator = MotionExtractor.tiny(), FrameGenerator.tiny()
    if start is None:
        pictures = drawn.pictures(0, 96).cpu()
        start_extractor(extractor, encoder_patches(extractor.frame_encoder, pictures))
        start_generator(generator, encoder_patches(generator.source_encoder, pictures))
    else:
        extractor.load_state_dict(load_motion_extractor(start / EXTRACTOR_FILE).state_dict())
        generator.load_state_dict(load_frame_generator(start / GENERATOR_FILE).state_dict())
    extractor.to(device)
    generator.to(device)

    about: dict[str, Any] = {name: getattr(recipe, name) for name in ("seed", "clips", "pairs", "turning")}
    about["start"] = "nothing" if start is None else f"{extractor.extractor_id} {sha256(start / GENERATOR_FILE)[:16]}"

    def stage(
        name: str, model: nn.Module, losses: Callable[[int], dict[str, Tensor]], schedule: Schedule, probe: bool = True
    ) -> None:
        run = TrainingRun(
            folder / name,
            schedule,
            about,
            progress=lambda done, total, row: report(name, done, total, row),
            on_log=watch if probe else None,
        )
        fit(model, losses, run)

    def compiled(model: nn.Module) -> Any:
        return torch.compile(model) if recipe.compile else model

    check = drawn.batch(10_000_000, 192, pairs=1)

    def watch(done: int, model: nn.Module) -> dict[str, float]:
        probed: Any = model.extractor
        with torch.no_grad():
            motion = probed.motion(probed.encode(check.motion))
        return {"probe_r2": label_fit(motion.flatten(0, 1).cpu(), check.label.flatten(0, 1).cpu())}

    def read() -> tuple[Tensor, Tensor]:
        found = []
        for index in range(10_000_001, 10_000_049):
            known = drawn.batch(index, recipe.clips, pairs=1, turning=recipe.turning)
            with torch.no_grad():
                motion = extractor.motion(extractor.encode(known.motion))
            found.append((motion.flatten(0, 1).cpu(), known.label.flatten(0, 1).cpu()))
        embeddings, labels = zip(*found, strict=True)
        return torch.cat(embeddings), torch.cat(labels)

    # 1. Extractor alone, with labels; from plain scenes to everything.
    labelled = LabelledWarmup(extractor).to(device)
    goes_on = start is not None and bool(recipe.warmup_steps or recipe.anneal_steps)  # else no label is looked at
    if goes_on:
        before, labels = read()
        fit_readout(labelled.readout, before, labels)
    run = compiled(labelled)

    def warmup_losses(step: int) -> dict[str, Tensor]:
        difficulty = 1.0 if start is not None else min(1.0, max(0.0, (step - recipe.plain_steps) / recipe.ramp_steps))
        clips = drawn.batch(step, recipe.clips, difficulty, pairs=1, turning=recipe.turning)
        with fast_products(device):
            out: dict[str, Tensor] = run(clips.motion, clips.label)
        return out

    # What was learned before stays: above 5e-4, 1,400 of 2,700 steps gained nothing that a probe could see.
    warmup_rate, joint_rate = (2e-3, 1e-3) if start is None else (5e-4, 5e-4)
    stage("warmup", labelled, warmup_losses, Schedule(recipe.warmup_steps, lr=warmup_rate))
    if goes_on and recipe.warmup_steps:
        remap(generator, before, read()[0])

    # 2. Both, with the published objective; the labels fade to nothing.
    joint = MotionObjective(extractor, generator).to(device)
    joint.readout.load_state_dict(labelled.readout.state_dict())
    run_joint = compiled(joint)

    def joint_losses(step: int) -> dict[str, Tensor]:
        clips = drawn.batch(1_000_000 + step, recipe.clips, pairs=recipe.pairs)
        weight = recipe.label_weight_at(step)
        return joint_step(run_joint, generator, clips, weight, own=recipe.clips // 2 if step >= recipe.own_from else 0)

    stage("joint", joint, joint_losses, Schedule(recipe.joint_steps, lr=joint_rate))

    # 3. The generator alone: the motion stands, and carrying pixels along it takes a small model longest.
    refining = Refining(extractor, generator)
    run_refining = compiled(refining)

    def refine_losses(step: int) -> dict[str, Tensor]:
        long_clips = drawn.long_clips(2_000_000 + step, max(1, recipe.clips * recipe.pairs // STRIDES), STRIDES)
        with fast_products(device):
            return refine_step(run_refining, generator, long_clips)

    stage("refine", refining, refine_losses, Schedule(recipe.refine_steps, lr=6e-4), probe=False)
    return extractor.eval(), generator.eval()


def joint_step(
    run: Any, generator: FrameGenerator, clips: ClipBatch, label_weight: float, own: int
) -> dict[str, Tensor]:
    """One evaluation of the joint objective; draws the noise and the flow times."""
    clean = generator.encode(clips.target.flatten(0, 1))
    t = torch.sigmoid(torch.randn(len(clean), device=clean.device))
    noise = torch.randn_like(clean)
    with fast_products(clean.device):
        out: dict[str, Tensor] = run(
            clips.motion,
            clips.first,
            clips.source,
            clips.start,
            own,
            clips.gap,
            clips.label,
            clean,
            noise,
            t,
            torch.tensor(label_weight, device=clean.device),
        )
    return out


class LabelledWarmup(nn.Module):
    """The extractor with a linear readout of what moved how far."""

    def __init__(self, extractor: MotionExtractor) -> None:
        super().__init__()
        self.extractor = extractor
        self.readout = nn.Linear(extractor.d_motion, LABELS)

    def forward(self, clip: Tensor, label: Tensor) -> dict[str, Tensor]:
        """clip [B,8,H,W,3], label [B,4,20] -> loss and R^2."""
        motion = self.extractor.motion(self.extractor.encode(clip))
        loss = F.mse_loss(self.readout(motion), label)
        return {"loss": loss, "r2": 1 - loss / label.var()}


def encoder_patches(encoder: FrameEncoder, frames: Tensor) -> Tensor:
    """The normalised patches [N, 3, 14, 14] that `encoder` sees of frames [B,H,W,3] in -1..1."""
    x = ((fit_frames(frames, encoder.image_size) + 1) / 2 - encoder.mean) / encoder.std
    return x.unfold(2, PATCH, PATCH).unfold(3, PATCH, PATCH).permute(0, 2, 3, 1, 4, 5).flatten(0, 2)


def read_log(folder: Path) -> list[dict[str, float]]:
    """The rows of a stage's log."""
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
