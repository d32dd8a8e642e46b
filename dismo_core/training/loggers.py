"""Where a run's numbers and pictures go, besides its log.jsonl: TensorBoard, Weights & Biases."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from torch import Tensor

from ..errors import DisMoError
from ..files import atomic_write

log = logging.getLogger(__name__)


class Logger(Protocol):
    """Takes numbers and pictures."""

    def numbers(self, step: int, row: Mapping[str, float]) -> None:
        """Scalars of a step."""

    def picture(self, step: int, name: str, picture: Tensor) -> None:
        """A picture, uint8 [H,W,3]."""

    def close(self) -> None:
        """Write what is held back."""


class TensorBoard:
    """Event files that `tensorboard --logdir FOLDER` shows."""

    def __init__(self, folder: Path, step: int = 0) -> None:
        from torch.utils.tensorboard import SummaryWriter

        # what an earlier process logged beyond the step that is gone on from is hidden
        self._writer: Any = SummaryWriter(str(folder), purge_step=step)

    def numbers(self, step: int, row: Mapping[str, float]) -> None:
        """See `Logger`."""
        for name, value in row.items():
            self._writer.add_scalar(name, value, step)

    def picture(self, step: int, name: str, picture: Tensor) -> None:
        """See `Logger`."""
        self._writer.add_image(name, picture, step, dataformats="HWC")

    def close(self) -> None:
        """See `Logger`."""
        self._writer.close()


class WeightsAndBiases:
    """A run of a Weights & Biases project; the folder's name is the run's, so a resumed run continues there."""

    def __init__(self, folder: Path, project: str, about: Mapping[str, Any]) -> None:
        try:
            import wandb
        except ImportError as error:
            raise DisMoError("Weights & Biases is not installed. Run: pip install wandb") from error
        self._library: Any = wandb
        name = folder.resolve().name
        self._run: Any = wandb.init(
            project=project, name=name, id=name, resume="allow", dir=str(folder), config=dict(about)
        )

    def numbers(self, step: int, row: Mapping[str, float]) -> None:
        """See `Logger`."""
        self._run.log(dict(row), step=step)

    def picture(self, step: int, name: str, picture: Tensor) -> None:
        """See `Logger`."""
        self._run.log({name: self._library.Image(picture.numpy())}, step=step)

    def close(self) -> None:
        """See `Logger`."""
        self._run.finish()


def open_loggers(folder: Path, step: int, wandb: str | None, about: Mapping[str, Any]) -> list[Logger]:
    """TensorBoard where it is installed, and the Weights & Biases project called `wandb` where one is asked for.

    Args:
        folder: of the run.
        step: it begins or resumes after.
        about: what the run was started with.
    """
    loggers: list[Logger] = []
    try:
        loggers.append(TensorBoard(folder / "tensorboard", step))
    except ImportError:
        log.info("TensorBoard is not installed (pip install tensorboard); the numbers are in log.jsonl alone.")
    if wandb is not None:
        loggers.append(WeightsAndBiases(folder, wandb, about))
    return loggers


def cut_rows(path: Path, step: int) -> None:
    """Drop the rows of a log.jsonl after `step`, and a last one that was not written whole: they will come again."""
    if not path.is_file():
        return
    kept = []
    for line in path.read_text().splitlines(keepends=True):
        if line.endswith("\n") and json.loads(line)["step"] <= step:
            kept.append(line)
    with atomic_write(path, overwrite=True) as temporary:
        temporary.write_text("".join(kept))
