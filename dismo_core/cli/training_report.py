"""What a training command shows: how far it is, the rows of its log, and how long the whole will take."""

from __future__ import annotations

import time
from collections.abc import Mapping

from .progress import Display, duration

SOUND = 10  # steps after which the speed is known


class TrainingReport:
    """Takes what `fit` says after every step, stage by stage.

    Args:
        shown: where it is shown.
        stages: name of each stage, in their order -> steps.
        costs: name -> how long a step takes, in any unit; None = all alike.
    """

    def __init__(self, shown: Display, stages: Mapping[str, int], costs: Mapping[str, float] | None = None) -> None:
        self.shown = shown
        self._stages = dict(stages)
        self._costs = dict.fromkeys(stages, 1.0) | dict(costs or {})
        self._first: tuple[str, int, float] | None = None  # stage, steps done and time of its first report
        self._estimated = False

    def __call__(self, stage: str, done: int, total: int, row: Mapping[str, float]) -> None:
        """A step is done.

        Args:
            stage: of the training.
            done: steps of the stage, those of earlier runs among them.
            total: steps of the stage.
            row: numbers of the log; empty where there are none.
        """
        self.shown.stage(f"Training, {stage}")
        self.shown.progress(done, total)
        if row:
            numbers = "  ".join(f"{k} {v:.4g}" for k, v in row.items() if k not in ("step", "lr"))
            self.shown.line(f"{stage:<12} {done:>6}/{total}  {numbers}")
        self._estimate(stage, done, total)

    def _estimate(self, stage: str, done: int, total: int) -> None:
        """Once, after some steps: how long it all takes. The first step, which may compile, does not count."""
        now = time.monotonic()
        if self._first is None or self._first[0] != stage:
            self._first = stage, done, now
        elif not self._estimated and (done - self._first[1] >= SOUND or now - self._first[2] > 60):
            self._estimated = True
            names = list(self._stages)
            after = names[names.index(stage) + 1 :]
            cost = (total - done) * self._costs[stage] + sum(self._stages[name] * self._costs[name] for name in after)
            step = (now - self._first[2]) / (done - self._first[1])
            self.shown.line(f"At this speed about {duration(step * cost / self._costs[stage])} to go, for everything.")
