"""The training loop: AdamW, warm-up and cosine, clipping, an average of the weights, checkpoints, resume, a log (specs/dismo.md, 5.3)."""

from __future__ import annotations

import json
import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import DisMoError
from .checkpoint import latest_checkpoint, save_checkpoint

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Schedule:
    """How long and how fast.

    Args:
        steps: optimizer steps in all. lr: peak learning rate. warmup: steps of linear warm-up; cosine to zero after it.
        horizon: step at which the cosine reaches zero, where that is not `steps` (a stage whose rate is to stay high).
        clip: largest global gradient norm. average: decay of the exponential average of the weights.
        save_every, log_every: in steps.
    """

    steps: int
    lr: float
    warmup: int = 100
    clip: float = 1.0
    average: float = 0.998
    save_every: int = 200
    log_every: int = 20
    horizon: int | None = None

    def rate(self, step: int) -> float:
        """Factor on `lr` at `step`."""
        if step < self.warmup:
            return (step + 1) / self.warmup
        return 0.5 * (1 + math.cos(math.pi * (step - self.warmup) / max(1, (self.horizon or self.steps) - self.warmup)))


def fit(
    model: nn.Module,
    losses: Callable[[int], dict[str, Tensor]],
    schedule: Schedule,
    folder: Path,
    *,
    on_log: Callable[[int, nn.Module], dict[str, float]] | None = None,
    progress: Callable[[int, int, dict[str, float]], None] | None = None,
) -> nn.Module:
    """Train `model` in place; everything is a function of the step number, so a resumed run equals an unbroken one.

    Args:
        model: parameters with requires_grad are trained.
        losses: step -> named scalars; "loss" is the one that is minimised.
        schedule: see `Schedule`.
        folder: takes `checkpoint_*.pt` and `log.jsonl`; a checkpoint in it is gone on from.
        on_log: called at every `save_every` with the averaged model; its numbers join the log.
        progress: called with (steps done, steps in all, logged numbers).

    Returns:
        A copy of the model with averaged weights.

    Raises:
        DisMoError: the loss is not finite; the last checkpoint stays.
    """
    params = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(params, lr=schedule.lr, betas=(0.9, 0.99), weight_decay=0.01)
    averaged = torch.optim.swa_utils.AveragedModel(
        model, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(schedule.average)
    )
    start = 0
    state = latest_checkpoint(folder)
    if state is not None:
        model.load_state_dict(state["model"])
        averaged.load_state_dict(state["averaged"])
        optimizer.load_state_dict(state["optimizer"])
        start = int(state["step"])
        log.info("Resumed at step %d.", start)
    folder.mkdir(parents=True, exist_ok=True)
    sums: dict[str, float] = {}
    began = time.monotonic()
    with (folder / "log.jsonl").open("a") as out:
        for step in range(start, schedule.steps):
            torch.manual_seed(step)  # noise and times are functions of the step
            for group in optimizer.param_groups:
                group["lr"] = schedule.lr * schedule.rate(step)
            values = losses(step)
            optimizer.zero_grad(set_to_none=True)
            values["loss"].backward()
            norm = torch.nn.utils.clip_grad_norm_(params, schedule.clip)
            if not math.isfinite(float(norm)):
                raise DisMoError(
                    f"The loss or its gradient is not finite at step {step} (loss {float(values['loss'].detach())}). The last "
                    f"checkpoint in {folder} is good; go on from it with a lower learning rate than {schedule.lr}."
                )
            optimizer.step()
            averaged.update_parameters(model)
            for name, value in {**values, "grad_norm": norm}.items():
                sums[name] = sums.get(name, 0.0) + float(value.detach())
            done = step + 1
            if done % schedule.log_every == 0:
                row: dict[str, float] = {name: total / schedule.log_every for name, total in sums.items()}
                row |= {"step": done, "lr": optimizer.param_groups[0]["lr"], "seconds": time.monotonic() - began}
                sums = {}
                if done % schedule.save_every == 0 and on_log is not None:
                    row |= on_log(done, averaged.module)
                out.write(json.dumps({k: round(v, 6) for k, v in row.items()}) + "\n")
                out.flush()
                if progress is not None:
                    progress(done, schedule.steps, row)
            if done % schedule.save_every == 0 or done == schedule.steps:
                save_checkpoint(folder, done, _state(model, averaged, optimizer, done))
    result: nn.Module = averaged.module
    return result


def _state(model: nn.Module, averaged: nn.Module, optimizer: torch.optim.Optimizer, step: int) -> dict[str, Any]:
    return {
        "model": model.state_dict(),
        "averaged": averaged.state_dict(),
        "optimizer": optimizer.state_dict(),
        "step": step,
    }
