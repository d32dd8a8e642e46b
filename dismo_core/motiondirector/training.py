"""Training of the adapters on cached clips (docs/methods/motiondirector.md, 6); the loop is that of `dismo_core/training/loop.py`."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from ..errors import DisMoError
from ..files import remove_unfinished
from ..runtime import Runtime
from ..text_to_video.base import TRAINING
from ..training.checkpoint import checkpoints
from ..training.loop import Schedule, TrainingRun, fit
from ..training.optimizers import make_adamw
from .adapter_file import find_adapter, read_adapter
from .cache import CachedClip
from .checkpointing import checkpoint_blocks
from .dual_path import DualPathLoRA
from .layers import FOLDERS
from .losses import StepDraws, draw_step, path_losses, together_loss
from .sampling import out_of_memory_explained

if TYPE_CHECKING:
    from ..text_to_video.base import TextToVideoBase

Report = Callable[[int, int, dict[str, float]], None]
NOT_COMPARED = ("steps", "save_every", "keep", "checkpointing")  # may differ when a run is resumed
SEEDS = 1_000_003  # apart: no two seeds of people share a step's draws


@dataclass(frozen=True)
class TrainingSettings:
    """How adapters are trained.

    Args:
        steps: of the optimizer, in all.
        learning_rate: constant, of both paths.
        rank: of the adapters; that of `warm_start` where there is one.
        motion: whether a motion adapter is trained.
        appearance: whether appearance adapters are; false = the motion takes the clip's appearance along.
        together: train motion and appearance by one loss on whole clips, as an ordinary LoRA, to compare with.
        single_appearance: one appearance adapter for all clips, not one each.
        flip: share of the appearance steps that see a mirrored frame; the cache must hold them.
        skip: share of the steps without the appearance path, where both are trained.
        beta: see `motion_loss`.
        offset_noise: deviation of the noise's offset; 0 = none.
        zero_terminal_snr: train on a schedule whose last level is pure noise (Lin et al. 2023, arXiv:2305.08891, section 3.1).
        dropout: of the adapters.
        dropout_until_step: step from which nothing is dropped any more; None = never.
        weight_decay: of AdamW.
        betas: of AdamW.
        epsilon: of AdamW.
        convolutions: also change the UNet's convolutions over frames; the published method leaves them out.
        optimizer: "adamw" or "adamw8bit" (needs bitsandbytes).
        clip: largest gradient norm; inf = none.
        accumulation: clips to a step.
        checkpointing: keep no activations inside the UNet's blocks: less memory, a third slower.
        save_every: steps between checkpoints.
        keep: checkpoints for resuming that stay.
        seed: of the start and of all draws.
        warm_start: folder of a run, or a file, whose adapters training begins with; empty = none.
    """

    steps: int = 300
    learning_rate: float = 5e-4
    rank: int = 32
    motion: bool = True
    appearance: bool = True
    together: bool = False
    single_appearance: bool = False
    flip: float = 0.0
    skip: float = 0.2
    beta: float = 1.0
    offset_noise: float = 0.0
    zero_terminal_snr: bool = False
    dropout: float = 0.1
    dropout_until_step: int | None = None
    convolutions: bool = False
    weight_decay: float = 1e-2
    betas: tuple[float, float] = (0.9, 0.999)
    epsilon: float = 1e-8
    optimizer: str = "adamw"
    clip: float = math.inf
    accumulation: int = 1
    checkpointing: bool = True
    save_every: int = 50
    keep: int = 2
    seed: int = 0
    warm_start: str = ""


def train_adapters(
    base: TextToVideoBase,
    clips: Sequence[CachedClip],
    settings: TrainingSettings,
    folder: Path,
    *,
    metadata: dict[str, str] | None = None,
    runtime: Runtime | None = None,
    report: Report | None = None,
    preview: Callable[[int, DualPathLoRA], None] | None = None,
) -> dict[str, Path]:
    """Train, or go on with the run in the folder; a finished run is not trained again. The base is left as it was.

    Args:
        base: whose UNet the adapters are for.
        clips: of one base; motions need two frames or more.
        settings: see there.
        folder: takes checkpoints, `log.jsonl`, and the adapters in the published layout of folders.
        metadata: texts for the adapters' files.
        runtime: its progress is called after each step; what it raises passes through.
        report: called after each step with (steps done, in all, logged numbers).
        preview: called after each step with (steps done, the adapters); what it changes in scales is restored.

    Returns:
        Part -> file of the finished adapter.

    Raises:
        DisMoError: settings or clips that cannot be, another run in the folder, a loss that is not finite, or no room on the disk.
    """
    runtime = runtime or Runtime.on(base.device)
    check_training(clips, settings)
    torch.manual_seed(settings.seed)
    count = 0 if not settings.appearance else 1 if settings.single_appearance else len({clip.name for clip in clips})
    start = _warm_start(settings, base.unet)
    rank = next((file.rank for file in start.values()), settings.rank)
    lora = DualPathLoRA(
        base.unet, rank=rank, appearances=count, motion=settings.motion, dropout=settings.dropout, convolutions=settings.convolutions
    )  # fmt: skip
    undo: Callable[[], None] | None = None
    # Cloned: a prompt that was encoded within inference mode cannot be trained with.
    embeddings = {clip.caption: base.encode_prompts([clip.caption]).cpu().clone() for clip in clips}
    base.plan.release()
    try:
        for part, file in start.items():
            lora.load_tensors(part, _spread(file.tensors, file.count, count if part == "appearance" else 1))
        if settings.checkpointing:
            undo = checkpoint_blocks(base.unet, lora.remembered)
        step = _Steps(base, lora, clips, embeddings, settings)
        described = {"rank": rank, "base": base.name, "learning_rate": settings.learning_rate, "seed": settings.seed}
        texts = {**{key: str(value) for key, value in described.items()}, **(metadata or {})}

        def saved(done: int, model: nn.Module) -> dict[str, float]:
            _save(lora, folder / f"checkpoint-{done}", done, texts)
            return update_sizes(lora)

        def progress(done: int, total: int, row: dict[str, float]) -> None:
            runtime.progress(done, total, None)
            if report is not None:
                report(done, total, row)
            if preview is not None:
                scales = lora.scales
                base.unet.eval()
                with torch.no_grad():
                    preview(done, lora)
                lora.set_scales(
                    appearance=scales["appearance"] or None, motion=scales["motion"][0] if settings.motion else None
                )

        run = TrainingRun(
            folder,
            _schedule(settings),
            about=_about(base, clips, settings, rank),
            progress=progress,
            on_log=saved,
            scaled=base.dtype is torch.float16,
            optimizer=lambda weights: make_adamw(
                weights,
                settings.optimizer,
                lr=settings.learning_rate,
                betas=settings.betas,
                eps=settings.epsilon,
                weight_decay=settings.weight_decay,
            ),
        )
        for place in folder.glob("**/lora"):
            remove_unfinished(place, "*", ".safetensors")
        with _training_memory(base, clips, runtime), out_of_memory_explained(), base.plan.using("unet"):
            fit(lora, step, run)
        return _finished(folder, settings) or _save(lora, folder, settings.steps, texts)
    finally:
        if undo is not None:
            undo()
        lora.remove()
        base.unet.eval()


def check_training(clips: Sequence[CachedClip], settings: TrainingSettings) -> None:
    """Raise where training could not begin; asked before long work."""
    if not (settings.motion or settings.appearance):
        raise DisMoError("Neither motion nor appearance is to be trained. Choose at least one.")
    if settings.convolutions and not settings.motion:
        raise DisMoError("Convolutions over frames belong to the motion, and no motion is trained. Leave them out.")
    if settings.together and not (settings.motion and settings.appearance):
        raise DisMoError("An ordinary LoRA has both parts: train motion and appearance, or do not train them together.")
    if not clips:
        raise DisMoError("There is no clip to learn from.")
    for name in ("steps", "save_every", "accumulation", "rank"):
        if getattr(settings, name) < 1:
            raise DisMoError(f"{name} must be at least 1, not {getattr(settings, name)}.")
    for name in ("flip", "skip"):
        if not 0 <= getattr(settings, name) <= 1:
            raise DisMoError(f"{name} is a share of 0 to 1, not {getattr(settings, name):g}.")
    if not settings.learning_rate > 0:
        raise DisMoError(f"learning_rate must be above 0, not {settings.learning_rate:g}. 5e-4 is usual.")
    if settings.motion and (still := [clip.name for clip in clips if clip.latents.shape[2] < 2]):
        raise DisMoError(
            f"{still[0]} has a single frame: there is no motion to learn. Give clips, or train the appearance alone."
        )
    if settings.flip and settings.motion:
        raise DisMoError(
            "Mirrored frames are for pictures: a mirrored clip moves the other way. Set flip to 0, or train no motion."
        )


def update_sizes(lora: DualPathLoRA) -> dict[str, float]:
    """How large each part's update is against the weights it is added to: root of the summed squares of U D, over that of W.

    Near 0 an adapter does nothing, whatever its loss says.
    """
    sizes = {}
    for part in FOLDERS:
        names = lora.layers(part)
        if not names:
            continue
        linears: list[Any] = [lora.unet.get_submodule(name) for name in names]
        weights = sum(float(linear.weight.detach().float().square().sum()) for linear in linears)
        halves = lora.parameters_of(part)
        updates = sum(
            float(((up.T @ up) * (down @ down.T)).sum().detach())
            for up, down in zip(halves[::2], halves[1::2], strict=True)
        )
        sizes[f"{part}_update"] = math.sqrt(max(updates, 0.0) / max(weights, 1e-30))
    return sizes


class _Steps:
    """The losses of a batch, by its number; everything drawn is a function of it."""

    def __init__(
        self,
        base: TextToVideoBase,
        lora: DualPathLoRA,
        clips: Sequence[CachedClip],
        embeddings: dict[str, Tensor],
        settings: TrainingSettings,
    ) -> None:
        self.base, self.lora, self.clips, self.settings = base, lora, clips, settings
        self.embeddings = embeddings
        names = list(dict.fromkeys(clip.name for clip in clips))
        self.adapter = {name: 0 if settings.single_appearance else i for i, name in enumerate(names)}
        self.scheduler: Any = base.scheduler
        if settings.zero_terminal_snr:
            self.scheduler = type(base.scheduler).from_config(base.scheduler.config, rescale_betas_zero_snr=True)
        self.levels = int(base.scheduler.config["num_train_timesteps"])

    def __call__(self, number: int) -> Iterator[dict[str, Tensor]]:
        settings, clip = self.settings, self.clips[number % len(self.clips)]
        until = settings.dropout_until_step
        self.base.unet.train(until is None or number // settings.accumulation < until)
        device, index = self.base.device, self.adapter[clip.name]
        self.lora.bring(index)
        generator = torch.Generator().manual_seed((settings.seed * SEEDS + number) % 2**64)
        latents = clip.latents.to(device)
        draws = draw_step(
            latents, generator, steps=self.levels, skip=settings.skip, offset_strength=settings.offset_noise
        )  # fmt: skip
        draws = self._mirrored(clip, draws, generator, device)
        text = self.embeddings[clip.caption].to(device, self.base.dtype)
        given = (self.base.unet, self.lora, self.scheduler, latents, text, draws, index)
        for part, loss in together_loss(*given) if settings.together else path_losses(*given, settings.beta):
            yield {"loss": loss, part: loss}

    def _mirrored(
        self, clip: CachedClip, draws: StepDraws, generator: torch.Generator, device: torch.device
    ) -> StepDraws:
        if not self.settings.flip or float(torch.rand((), generator=generator)) >= self.settings.flip:
            return draws
        if clip.mirrored is None:
            raise DisMoError(
                f"The latents of {clip.name} were cached without mirrored frames. Remove the cache, to encode again."
            )
        mean, deviation = (part[:, :, draws.frame : draws.frame + 1] for part in clip.mirrored)
        posterior, noise = (torch.randn(mean.shape, generator=generator) for _ in range(2))
        return replace(draws, mirror_latents=(mean + deviation * posterior).to(device), mirror_noise=noise.to(device))


def _schedule(settings: TrainingSettings) -> Schedule:
    return Schedule(
        settings.steps,
        settings.learning_rate,
        warmup=0,
        shape="constant",
        clip=settings.clip,
        average=None,
        accumulation=settings.accumulation,
        save_every=settings.save_every,
        log_every=1,
        keep=settings.keep,
    )


def compared(settings: TrainingSettings) -> dict[str, str]:
    """The settings that must be the same when a run is resumed."""
    return {name: str(value) for name, value in asdict(settings).items() if name not in NOT_COMPARED}


def _about(base: TextToVideoBase, clips: Sequence[CachedClip], settings: TrainingSettings, rank: int) -> dict[str, Any]:
    """What must be the same when a run is resumed, as numbers and texts."""
    data = "; ".join(f"{clip.name}: {clip.caption} {list(clip.latents.shape[2:])}" for clip in clips)
    return compared(settings) | {"rank": str(rank), "base": base.name, "clips": data, "dtype": str(base.dtype)}


def _finished(folder: Path, settings: TrainingSettings) -> dict[str, Path] | None:
    """The adapters of these steps in a run that went on beyond them; None where it did not.

    Raises:
        DisMoError: it did, and kept none of these steps.
    """
    reached = max((int(path.stem.rpartition("_")[2]) for path in checkpoints(folder)), default=0)
    if reached <= settings.steps:
        return None
    name = f"{settings.steps}_unet.safetensors"
    paths = {
        part: next((place / FOLDERS[part] / "lora" / name for place in (folder, folder / f"checkpoint-{settings.steps}")
                    if (place / FOLDERS[part] / "lora" / name).is_file()), None)
        for part, wanted in (("appearance", settings.appearance), ("motion", settings.motion))
        if wanted
    }  # fmt: skip
    if None in paths.values():
        raise DisMoError(
            f"{folder} was trained for {reached} steps already, and no adapter of step {settings.steps} was kept. Choose {reached} steps "
            "or more, or another folder."
        )
    return {part: path for part, path in paths.items() if path is not None}


def _save(lora: DualPathLoRA, folder: Path, step: int, metadata: dict[str, str]) -> dict[str, Path]:
    paths = {}
    for part in FOLDERS:
        if lora.layers(part):
            path = folder / FOLDERS[part] / "lora" / f"{step}_unet.safetensors"
            lora.save(part, path, {**metadata, "step": str(step)})
            paths[part] = path
    return paths


def _warm_start(settings: TrainingSettings, unet: nn.Module) -> dict[str, Any]:
    """Part -> file of the adapters that training begins with."""
    found = {}
    if settings.warm_start:
        place = Path(settings.warm_start)
        for part, wanted in (("appearance", settings.appearance), ("motion", settings.motion)):
            with contextlib.suppress(DisMoError) if place.is_dir() else contextlib.nullcontext():
                if wanted:
                    found[part] = find_adapter(place, part)
        if not found:
            raise DisMoError(f"{place} holds no adapter to begin with. Give the folder of a run, or a file.")
    if len(set(found.values())) < len(found):  # one file cannot be both
        part = read_adapter(next(iter(found.values())), unet).part
        found = {part: found[part]}
    return {part: read_adapter(path, unet, part) for part, path in found.items()}


def _spread(tensors: list[Tensor], have: int, wanted: int) -> list[Tensor]:
    """A list of `have` adapters as one of `wanted`: one is copied for all."""
    if have == wanted:
        return tensors
    if have != 1:
        raise DisMoError(
            f"The file to begin with holds {have} appearance adapters, and there are {wanted} clips. Give one of its adapters, or as many "
            "clips."
        )
    return [half for i in range(0, len(tensors), 2) for _ in range(wanted) for half in tensors[i : i + 2]]


@contextlib.contextmanager
def _training_memory(base: TextToVideoBase, clips: Sequence[CachedClip], runtime: Runtime) -> Iterator[None]:
    """One part at a time on the device: VAE and text encoder are not there while the UNet trains."""
    held = base.plan.memory
    if held != "full" and base.device.type != "cpu":
        base.plan.memory = "model offload"
    largest = max((clip.latents.shape for clip in clips), key=lambda shape: shape.numel())
    frames, height, width = largest[2:]
    base.plan_for(width * base.scale, height * base.scale, frames, numbers=TRAINING)
    try:
        base.plan.make_room(runtime)
        yield
    finally:
        base.plan.release()
        base.plan.memory = held
