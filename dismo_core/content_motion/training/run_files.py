"""Folders of runs and their checkpoints, by the published names and layouts (docs/methods/content_motion.md, 7.1 and 7.3)."""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

from ...errors import DisMoError
from ...files import atomic_write, remove_unfinished
from ...training.average import COUNT, PREFIX
from ...training.checkpoint import newest_readable, write_state
from ...weights.files import sha256, unpickled
from ...weights.geometry import KEY
from ...weights.kinds import Kind
from ..checkpoints import AVERAGE, ENTRIES
from ..kinds import AUTOENCODER, CONTENT_MODEL, MOTION_MODEL

# Of each stage: the name of its run folders, and of its folder below ./ckpts/<data set>/<mode>.
RUNS = {AUTOENCODER: "ProjectedAutoencoder", MOTION_MODEL: "MotionDiffusion", CONTENT_MODEL: "ContentDiffusion"}
PLACES = {AUTOENCODER: "autoencoder", MOTION_MODEL: "motion-diffusion", CONTENT_MODEL: "content-diffusion"}
LAST = "last.pt"
_NAME = re.compile(r"\d{7}\.pt")


@dataclass(frozen=True)
class PublishedCheckpoints:
    """Checkpoints that the published classes load, with what a run needs to go on beside.

    Args:
        stage: of the training.
        every: steps between those that stay; of others, made in between, the newest stays.
        options: under their published names.
        geometry: of the model.
    """

    stage: Kind
    every: int
    options: Mapping[str, Any] = field(default_factory=dict)
    geometry: Mapping[str, Any] = field(default_factory=dict)

    def save(self, folder: Path, step: int, state: dict[str, Any], keep: int) -> Path:
        """Write `checkpoints/<step>.pt` and `last.pt` beside it; see `TrainingRun.save`."""
        place = folder / "checkpoints"
        path = place / f"{step:07d}.pt"
        weights: dict[str, Tensor] = state["model"]
        options = {**self.options, KEY: json.dumps(dict(self.geometry))}
        content: dict[str, Any] = {ENTRIES[self.stage]: weights}
        if "averaged" in state:
            averaged = state["averaged"]
            content[AVERAGE] = weights | {
                name.removeprefix(PREFIX): value for name, value in averaged.items() if name != COUNT
            }
            content["updates"] = averaged[COUNT]
        elif self.stage is not AUTOENCODER:
            content[AVERAGE] = weights
        content |= {"opt": state["optimizer"], "args": argparse.Namespace(**options)}
        content |= {name: state[name] for name in ("step", "about", "scaler") if name in state}
        write_state(path, content)
        _stand_for(path, place / LAST)
        for other in _numbered(place):
            if int(other.stem) < step and int(other.stem) % self.every:
                other.unlink()
        return path

    def latest(self, folder: Path) -> dict[str, Any] | None:
        """The newest one that reads; see `TrainingRun.latest`."""
        place = folder / "checkpoints"
        remove_unfinished(place, "*", ".pt")
        return newest_readable(_numbered(place), self._read)

    def _read(self, path: Path) -> dict[str, Any]:
        content = unpickled(path, [argparse.Namespace])
        missing = [name for name in (ENTRIES[self.stage], "opt", "step", "about") if name not in content]
        if missing:
            raise DisMoError(
                f"{path} cannot be resumed: it lacks {', '.join(missing)}, as a published checkpoint does."
            )
        state = {"model": content[ENTRIES[self.stage]], "optimizer": content["opt"]}
        state |= {name: content[name] for name in ("step", "about", "scaler") if name in content}
        if "updates" in content:
            averaged = {PREFIX + name: value for name, value in content[AVERAGE].items()}
            state["averaged"] = averaged | {COUNT: content["updates"]}
        return state


def new_folder(results: Path, stage: Kind) -> Path:
    """The next run folder of a stage: `NNN-name`, NNN the number of entries that are there."""
    number = len(list(results.iterdir())) if results.is_dir() else 0
    while (folder := results / f"{number:03d}-{RUNS[stage]}").exists():
        number += 1
    return folder


def newest_run(results: Path, stage: Kind) -> Path | None:
    """The run folder of a stage whose last checkpoint is the newest; None where there is none."""
    runs = [folder for folder in results.glob(f"*-{RUNS[stage]}") if (folder / "checkpoints" / LAST).is_file()]
    return max(runs, key=lambda folder: (folder / "checkpoints" / LAST).stat().st_mtime_ns, default=None)


def find_trained(
    stage: Kind, given: str | os.PathLike[str] | None, results: Path, dataset: str, mode: str
) -> tuple[Path, str]:
    """The checkpoint of an earlier stage, and where it was found, with the beginning of its sha256.

    Args:
        stage: that was trained before.
        given: its file; None = the newest in `results`, or what lies in the published place.
        results: folder of the runs.
        dataset: published name of the data set.
        mode: "pixel" or "latent".

    Raises:
        DisMoError: it is in none of the places, which are named.
    """
    published = Path("ckpts") / dataset / mode / PLACES[stage] / LAST
    if given is not None:
        path, where = Path(given), "as given"
        if not path.is_file():
            raise DisMoError(f"There is no file {path} with {stage.what}. Check its path.")
    elif (run := newest_run(results, stage)) is not None:
        path, where = run / "checkpoints" / LAST, f"the newest in {results}"
    elif published.is_file():
        path, where = published, "the published place"
    else:
        raise DisMoError(
            f"There is {stage.what.replace('a ', 'no ', 1)} to go on from. Looked at: a file that is given (none is), "
            f"{results / ('*-' + RUNS[stage])}/checkpoints/{LAST}, {published}. Train it first."
        )
    return path, f"{path} ({where}, sha256 {sha256(path)[:16]})"


def _numbered(folder: Path) -> list[Path]:
    """Checkpoints, oldest first."""
    return sorted(path for path in folder.glob("*.pt") if _NAME.fullmatch(path.name))


def _stand_for(path: Path, name: Path) -> None:
    """Let `name` be another name of the file, or a copy where the disk knows no links; at no moment is it half there."""
    with atomic_write(name, overwrite=True) as temporary:
        temporary.unlink()
        try:
            os.link(path, temporary)
        except OSError:
            shutil.copyfile(path, temporary)
