"""The training loop: AdamW, warm-up and cosine, clipping, averaged weights, checkpoints, resume, log (docs/methods/dismo.md, 6.3)."""

from __future__ import annotations

import contextlib
import json
import logging
import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor, nn

from ..errors import DisMoError
from ..files import remove_unfinished
from ..weights.files import differences
from .average import Average
from .checkpoint import latest_checkpoint, save_checkpoint
from .distributed import World, is_sharded, shared_out
from .loggers import cut_rows, open_loggers
from .precision import product_dtype

log = logging.getLogger(__name__)
COOLDOWN = 0.2  # of the steps; as good as a cosine to zero (Hagele et al. 2024, arXiv:2405.18392, section 3)
ALONE = World()
T = TypeVar("T")


@dataclass(frozen=True)
class Schedule:
    """How long and how fast.

    Args:
        steps: optimizer steps in all.
        lr: peak learning rate.
        warmup: steps of linear warm-up.
        shape: of the rate after it: "cosine" to zero, "constant", or "trapezoid", constant and in the last fifth down to zero.
        clip: largest global gradient norm; inf = none.
        betas: of AdamW.
        weight_decay: of AdamW.
        average: decay of the exponential average of the weights, None = no average.
        ramped: whether that decay grows; see `Average`.
        accumulation: batches whose gradients are averaged for a step.
        save_every: in steps; a multiple of log_every.
        log_every: in steps.
        draw_every: in steps.
        keep: checkpoints that stay.
    """

    steps: int
    lr: float
    warmup: int = 100
    shape: str = "cosine"
    clip: float = 1.0
    betas: tuple[float, float] = (0.9, 0.99)
    weight_decay: float = 0.01
    average: float | None = 0.998
    ramped: bool = True
    accumulation: int = 1
    save_every: int = 200
    log_every: int = 20
    draw_every: int = 1000
    keep: int = 2

    def rate(self, step: int) -> float:
        """Factor on `lr` at `step`."""
        if step < self.warmup:
            return (step + 1) / self.warmup
        if self.shape == "constant":
            return 1.0
        if self.shape == "trapezoid":
            return min(1.0, (self.steps - step) / (COOLDOWN * self.steps))
        return 0.5 * (1 + math.cos(math.pi * (step - self.warmup) / max(1, self.steps - self.warmup)))


@dataclass(frozen=True)
class TrainingRun:
    """Where a run lies, how long it takes, and who watches it.

    Args:
        folder: takes `checkpoint_*.pt` and `log.jsonl`; a run that was stopped is resumed from its newest checkpoint.
        schedule: see `Schedule`.
        about: what must be the same when the run is resumed (numbers and strings).
        progress: called after every step of the main process with (steps done, steps in all, logged numbers), which are empty
            but at every `log_every`.
        on_log: called at every `save_every` with (steps done, the model, averaged weights in it); its numbers join the log.
        before_save: called before each checkpoint with (steps done, the model, averaged weights in it); where the model is sharded, in all
            processes.
        draw: called with the model at every `draw_every`, in all processes where the model is sharded; gives pictures uint8
            [H,W,3] for the loggers.
        boards: whether numbers and pictures also go where `open_loggers` sends them.
        wandb: see there.
        world: of the processes that train together; only the main one writes.
        wrapped: what the losses call, where that is the model as `World.wrap` gave it.
        autocast: dtype of the matrix products; None = that of the weights.
        scaled: whether the loss is scaled, so that gradients do not vanish in float16; a step whose gradients overflow is left out.
        optimizer: makes another one than AdamW of the trained weights; a parameter group with a "peak" has that instead of the
            schedule's rate.
        rates: called with a step's number and each parameter group of the optimizer; sets other rates and betas than the schedule's.
        saved: which names of the model's state dict go into checkpoints; the others must be the same again at the start.
        save_minutes: after so many minutes without a checkpoint there is one between those of `save_every`, too; None = not.
        save: writes a checkpoint, called by the main process with (folder, steps done, content, `keep` of the schedule).
        latest: reads the newest one of a folder back; None where there is none.
    """

    folder: Path
    schedule: Schedule
    about: Mapping[str, Any] = field(default_factory=dict)
    progress: Callable[[int, int, dict[str, float]], None] | None = None
    on_log: Callable[[int, nn.Module], dict[str, float]] | None = None
    before_save: Callable[[int, nn.Module], None] | None = None
    draw: Callable[[nn.Module], Mapping[str, Tensor]] | None = None
    boards: bool = False
    wandb: str | None = None
    world: World = ALONE
    wrapped: nn.Module | None = None
    autocast: torch.dtype | None = None
    scaled: bool = False
    optimizer: Callable[[list[nn.Parameter]], torch.optim.Optimizer] | None = None
    rates: Callable[[int, dict[str, Any]], None] | None = None
    saved: Callable[[str], bool] = lambda name: True
    save_minutes: float | None = None
    save: Callable[[Path, int, dict[str, Any], int], Any] = save_checkpoint
    latest: Callable[[Path], dict[str, Any] | None] = latest_checkpoint


class NumberedBatches(Generic[T]):
    """Batches by their number: opened at the first that is asked for, read on from there.

    Args:
        open_at: number of a batch -> it and those after it.

    Attributes:
        first: the first batch that was read; sample pictures are made of it.
    """

    def __init__(self, open_at: Callable[[int], Iterator[T]]) -> None:
        self._open_at = open_at
        self._batches: Iterator[T] | None = None
        self.first: T | None = None

    def __call__(self, number: int) -> T:
        """Batch `number`; after the first call, the next one."""
        if self._batches is None:
            self._batches = self._open_at(number)
        batch = next(self._batches)
        self.first = batch if self.first is None else self.first
        return batch


Losses = Callable[[int], "dict[str, Tensor] | Iterator[dict[str, Tensor]]"]
MOST_SKIPPED = 25  # steps in a row whose gradients overflow, each of which halves the loss scale


def fit(model: nn.Module, losses: Losses, run: TrainingRun) -> nn.Module:
    """Train `model` in place; everything is a function of the step number, so a resumed run equals an unbroken one.

    That is why a checkpoint needs no state of random generators and no position in the data: its step gives both.

    Args:
        model: parameters with requires_grad are trained.
        losses: number of a batch -> named scalars; "loss" is the one that is minimised. Or several such mappings one after the
            other, whose losses are summed: each is differentiated before the next is asked for, so that one graph exists at a time.
            Batches of step s have the numbers s * accumulation to (s + 1) * accumulation - 1.
        run: see `TrainingRun`.

    Returns:
        The model, with averaged weights where there is an average.

    Raises:
        DisMoError: the loss is not finite, the folder holds another run, or the last checkpoint cannot be written (those
            before it are tried again at the next `save_every`). Checkpoints that are there stay.
    """
    folder, schedule, world = run.folder, run.schedule, run.world
    params = [p for p in model.parameters() if p.requires_grad]
    device = world.device if world.offload else params[0].device
    make = run.optimizer or (lambda weights: adamw(weights, schedule))
    optimizer = make(params)
    scaler = torch.amp.GradScaler(device.type, enabled=run.scaled)
    average = None if schedule.average is None else Average(model, schedule.average, schedule.ramped)
    start = _resume(run, model, average, optimizer, scaler)
    world.require_same(start, "the step to resume from")
    if world.main:
        folder.mkdir(parents=True, exist_ok=True)
        remove_unfinished(folder, "checkpoint_*", ".pt")
        cut_rows(folder / "log.jsonl", start)

    def averaged() -> contextlib.AbstractContextManager[None]:
        return contextlib.nullcontext() if average is None else average.applied()

    def state(step: int) -> dict[str, Any]:
        parts: dict[str, Any] = {"step": step, "about": dict(run.about), "optimizer": optimizer.state_dict()}
        if run.scaled:
            parts["scaler"] = scaler.state_dict()
        parts["model"] = {k: v for k, v in model.state_dict().items() if run.saved(k)}
        if average is not None:
            parts["averaged"] = average.state_dict()
        whole: dict[str, Any] = world.whole(parts)
        return whole

    if run.autocast is torch.bfloat16 and product_dtype(device) is None and world.main:
        log.warning(
            "This CPU has no fast bfloat16: a step can take a hundred times as long as in float32 (--precision fp32)."
        )
    sums: dict[str, float] = {}
    counts: dict[str, int] = {}  # not every step has every loss
    skipped = 0
    began = saved = time.monotonic()
    with contextlib.ExitStack() as stack:
        out = stack.enter_context((folder / "log.jsonl").open("a")) if world.main else None
        others = open_loggers(folder, start, run.wandb, run.about) if run.boards and world.main else ()
        for logger in others:
            stack.enter_context(contextlib.closing(logger))
        for step in range(start, schedule.steps):
            for group in optimizer.param_groups:
                group["lr"] = group.get("peak", schedule.lr) * schedule.rate(step)
                if run.rates is not None:
                    run.rates(step, group)
            optimizer.zero_grad(set_to_none=True)
            values: dict[str, Tensor] = {}
            for k in range(schedule.accumulation):
                number = step * schedule.accumulation + k
                torch.manual_seed(number)  # whatever is drawn from the common generator is a function of the batch
                with _exchange(run.wrapped, k == schedule.accumulation - 1):
                    parts = _one_by_one(losses, number)
                    while True:
                        with torch.autocast(device.type, dtype=run.autocast, enabled=run.autocast is not None):
                            batch = next(parts, None)
                        if batch is None:
                            break
                        scaler.scale(batch["loss"] / schedule.accumulation).backward()
                        for name, value in batch.items():
                            part = value.detach() / schedule.accumulation
                            values[name] = values[name] + part if name in values else part
            scaler.unscale_(optimizer)
            norm: Any = torch.nn.utils.clip_grad_norm_(params, schedule.clip)
            values["grad_norm"] = norm.full_tensor() if is_sharded(norm) else norm
            # One wait for the device a step: whether to go on must be known before the weights change.
            numbers = dict(zip(values, torch.stack([v.float() for v in values.values()]).tolist(), strict=True))
            finite = math.isfinite(numbers["grad_norm"])
            skipped = 0 if finite else skipped + 1
            if not finite and (not run.scaled or not math.isfinite(numbers["loss"]) or skipped > MOST_SKIPPED):
                raise DisMoError(
                    f"The loss or its gradient is not finite at step {step} (loss {numbers['loss']}, computed in "
                    f"{run.autocast or params[0].dtype}). The last checkpoint in {folder} is good; resume from it with a lower learning "
                    f"rate than {schedule.lr}."
                )
            scaler.step(optimizer)
            scaler.update()
            if not finite:
                del numbers["grad_norm"]
            if average is not None:
                average.update()
            for name, value_now in numbers.items():
                sums[name] = sums.get(name, 0.0) + value_now
                counts[name] = counts.get(name, 0) + 1
            done = step + 1
            row: dict[str, float] = {}
            if done % schedule.log_every == 0:
                row = world.mean({name: total / counts[name] for name, total in sums.items()})
                row |= {"step": done, "lr": optimizer.param_groups[0]["lr"], "seconds": time.monotonic() - began}
                sums, counts = {}, {}
                if out is not None:
                    if done % schedule.save_every == 0 and run.on_log is not None:
                        with averaged():
                            row |= run.on_log(done, model)
                    out.write(json.dumps({k: float(f"{v:.6g}") for k, v in row.items()}) + "\n")
                    out.flush()
                    for logger in others:
                        logger.numbers(done, row)
            if run.progress is not None and world.main:
                run.progress(done, schedule.steps, row)
            if run.draw is not None and (others or world.sharded) and done % schedule.draw_every == 0:
                with averaged():
                    pictures = run.draw(model)
                for name, picture in pictures.items():
                    for logger in others:
                        logger.picture(done, name, picture)
            late = run.save_minutes is not None and time.monotonic() - saved > 60 * run.save_minutes
            if run.save_minutes is not None:
                late = world.mean({"late": float(late)})["late"] > 0  # all processes must do alike
            if done % schedule.save_every == 0 or done == schedule.steps or late:
                content = state(done)
                saved = time.monotonic()
                try:
                    if run.before_save is not None and (world.main or world.sharded):
                        with averaged():
                            run.before_save(done, model)
                    if world.main:
                        run.save(folder, done, content, schedule.keep)
                except DisMoError as error:
                    if done == schedule.steps:
                        raise
                    log.error(
                        "No checkpoint at step %d: %s Training continues; older checkpoints are intact.", done, error
                    )
    if average is not None:
        average.apply()
    return model


def adamw(weights: list[nn.Parameter], schedule: Schedule) -> torch.optim.Optimizer:
    """The optimizer of a run, where it names no other."""
    return torch.optim.AdamW(
        weights,
        lr=schedule.lr,
        betas=schedule.betas,
        weight_decay=schedule.weight_decay,
        fused=True if weights[0].device.type == "cuda" else None,
    )


def _one_by_one(losses: Losses, number: int) -> Iterator[dict[str, Tensor]]:
    found = losses(number)
    if isinstance(found, dict):
        yield found
    else:
        yield from found


def _resume(
    run: TrainingRun,
    model: nn.Module,
    average: Average | None,
    optimizer: torch.optim.Optimizer,
    scaler: torch.amp.GradScaler,
) -> int:
    """Fill model, average and optimizer from the newest checkpoint; returns its step, or 0 where there is none."""
    folder, about = run.folder, run.about
    state = run.latest(folder)
    if state is None:
        return 0
    before: dict[str, Any] = state.get("about", {})
    changed = [
        f"{name} was {before.get(name)} and is now {about.get(name)}"
        for name in sorted(before.keys() | about.keys())
        if before.get(name) != about.get(name)
    ]
    if changed:
        raise DisMoError(
            f"{folder} holds another run: {'; '.join(changed)}. Resume with the same values, or choose another folder."
        )
    current = model.state_dict()
    wanted = {k: v for k, v in current.items() if run.saved(k)}
    if problem := differences(wanted, state["model"]):
        raise DisMoError(f"The checkpoint in {folder} is of another model. {problem}. Choose another folder.")
    model.load_state_dict(current | {k: shared_out(v, current[k]) for k, v in state["model"].items()})
    if average is not None:
        if "averaged" not in state:
            raise DisMoError(
                f"The checkpoint in {folder} holds no averaged weights. Resume without an average, or begin in another folder."
            )
        likes = average.state_dict()
        average.load_state_dict({k: shared_out(v, likes[k]) for k, v in state["averaged"].items() if k in likes})
    weights = [p for group in optimizer.param_groups for p in group["params"]]
    moments: dict[int, dict[str, Tensor]] = state["optimizer"]["state"]
    parts = {k: {n: shared_out(v, weights[k]) for n, v in moment.items()} for k, moment in moments.items()}
    optimizer.load_state_dict(state["optimizer"] | {"state": parts})
    if run.scaled:
        scaler.load_state_dict(state["scaler"])
    log.info("Resumed at step %d.", state["step"])
    return int(state["step"])


@contextlib.contextmanager
def _exchange(wrapped: nn.Module | None, last: bool) -> Iterator[None]:
    """Gradients are exchanged between processes in the last batch of a step only."""
    if isinstance(wrapped, nn.parallel.DistributedDataParallel) and not last:
        with wrapped.no_sync():
            yield
    else:
        yield
