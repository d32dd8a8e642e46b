"""A table of prompts, overnight: what is done is skipped, a broken row stops nothing, and an index says what came of each."""

from __future__ import annotations

import csv
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..errors import DisMoError
from ..files import atomic_write
from ..runtime import Runtime
from ..video.read import read_video
from ..video.sheets import contact_sheet, save_picture
from ..video.write import write_video
from .model import MOST_FRAMES, DemoTextToVideo
from .prompt_table import Row, output_names
from .sampling import Conditioning, Scale

log = logging.getLogger(__name__)

CRF = 17
INDEX = "results.csv"
COLUMNS = (
    "file",
    "prompt",
    "motion_prompt",
    "negative_prompt",
    "seed",
    "number",
    "guidance",
    "motion_guidance",
    "frames",
    "state",
)


@dataclass(frozen=True)
class TableSettings:
    """What holds for every row that says nothing else.

    Args:
        repeat: clips of each row.
        batch: clips made together.
        seed: of the noise.
        steps: 0 = the model's.
        guidance: 0 = the model's.
        motion_guidance: None = as guidance.
        motion_strength: see `sample_ddim`.
        negative_prompt: None = the model's.
        negative_motion: None = the negative prompt.
        size: None = the model's.
        frames: 0 = the model's.
        fps: 0 = the model's.
        decoded_at_once: frames that are decoded together.
    """

    repeat: int = 1
    batch: int = 1
    seed: int = 42
    steps: int = 0
    guidance: float = 0.0
    motion_guidance: float | None = None
    motion_strength: Scale = 1.0
    negative_prompt: str | None = None
    negative_motion: str | None = None
    size: tuple[int, int] | None = None
    frames: int = 0
    fps: float = 0.0
    decoded_at_once: int = 16


@dataclass(frozen=True)
class Job:
    """A clip to make: a row with everything filled in, and its number among the clips of the prompt.

    Args:
        file: its name.
        row: what it is made of.
        number: with the row's seed it gives the noise.
    """

    file: str
    row: Row
    number: int

    @property
    def alike(self) -> tuple[Any, ...]:
        """Clips for which this is equal can be made together."""
        return self.row.frames, self.row.guidance, self.row.motion_guidance, self.row.negative_prompt


def jobs_of(rows: Sequence[Row], settings: TableSettings, model: DemoTextToVideo) -> list[Job]:
    """Every clip of a table.

    Raises:
        DisMoError: less than one clip a row, in a batch, or one frame at once.
    """
    for name in ("repeat", "batch", "decoded_at_once"):
        if getattr(settings, name) < 1:
            raise DisMoError(f"{name} must be at least 1, not {getattr(settings, name)}.")
    model.check_size(settings.size)
    filled = [_filled(row, settings, model) for row in rows]
    names = output_names([row.prompt for row in filled], settings.repeat)
    jobs = []
    for place, name in enumerate(names):
        row = filled[place // settings.repeat]
        stem = Path(name).stem
        file = f"{stem}.png" if row.frames == 1 else name
        jobs.append(Job(file, row, int(stem.rpartition("-")[2])))
    return jobs


def _filled(row: Row, settings: TableSettings, model: DemoTextToVideo) -> Row:
    frames = settings.frames if row.frames is None else row.frames
    filled = replace(
        row,
        motion_prompt=row.motion_prompt or row.prompt,
        negative_prompt=row.negative_prompt
        or (model.defaults.negative_prompt if settings.negative_prompt is None else settings.negative_prompt),
        seed=settings.seed if row.seed is None else row.seed,
        guidance=(settings.guidance if row.guidance is None else row.guidance) or model.defaults.guidance,
        motion_guidance=settings.motion_guidance if row.motion_guidance is None else row.motion_guidance,
        frames=frames or model.defaults.frames,
    )
    if not row.problem and not 1 <= (filled.frames or 0) <= MOST_FRAMES:
        filled = replace(filled, problem=f"a clip has 1 to {MOST_FRAMES} frames, not {filled.frames}")
    return filled


def make_clips(
    model: DemoTextToVideo, jobs: Sequence[Job], settings: TableSettings, runtime: Runtime
) -> Iterator[tuple[Job, Tensor | DisMoError]]:
    """The clips of jobs that can be made, uint8 [F, H, W, 3], in their order; instead of a clip the error that kept it from being made.

    Args:
        model: makes them.
        jobs: without problems.
        settings: of the table.
        runtime: see `DemoTextToVideo.sample`.
    """
    for group in _groups([job for job in jobs if not job.row.problem], settings.batch):
        try:
            clips: list[Tensor | DisMoError] = list(_clips(model, group, settings, runtime))
        except DisMoError as error:
            clips = [error] * len(group)
        yield from zip(group, clips, strict=True)


def _groups(jobs: Sequence[Job], size: int) -> Iterator[list[Job]]:
    group: list[Job] = []
    for job in jobs:
        if group and (len(group) == size or group[0].alike != job.alike):
            yield group
            group = []
        group.append(job)
    if group:
        yield group


def _clips(model: DemoTextToVideo, group: Sequence[Job], settings: TableSettings, runtime: Runtime) -> Tensor:
    first = group[0].row
    runtime.stage("reading the prompts")
    positive = Conditioning.joined([model.encode(job.row.prompt, job.row.motion_prompt) for job in group])
    noise = torch.cat(
        [model.noise(job.row.seed or 0, 1, first.frames or 0, settings.size, first=job.number) for job in group]
    )
    latents = model.sample_latents(
        positive,
        model.negative(first.negative_prompt, settings.negative_motion),
        noise,
        steps=settings.steps,
        guidance=first.guidance or 0.0,
        motion_guidance=first.motion_guidance,
        motion_strength=settings.motion_strength,
        runtime=runtime,
    )
    return model.decode(latents, runtime, settings.decoded_at_once)


def run_table(
    model: DemoTextToVideo,
    rows: Sequence[Row],
    settings: TableSettings,
    folder: Path,
    *,
    resume: bool = False,
    share: slice = slice(None),
    runtime: Runtime | None = None,
    made: Callable[[Path], None] = lambda path: None,
) -> list[str]:
    """Make the clips of a table that are not there yet.

    Args:
        model: makes them.
        rows: of `read_table`.
        settings: what holds where a row says nothing.
        folder: takes the clips.
        resume: skip clips that are there; otherwise they are an error.
        share: of the clips, for one of several processes.
        runtime: see `DemoTextToVideo.sample`.
        made: called with each file.

    Returns:
        What went wrong, a sentence a row.

    Raises:
        DisMoError: a clip that is there, without `resume`; a folder that cannot be written.
    """
    runtime = runtime or Runtime.on(model.device)
    # Of its own share only: another process may have written some of its clips by now.
    jobs = jobs_of(rows, settings, model)[share]
    there = [job for job in jobs if (folder / job.file).exists()]
    if there and not resume:
        raise DisMoError(
            f"{folder / there[0].file} exists already. Go on with that run, or choose another folder.",
            hint="resume table",
        )
    problems = dict.fromkeys(job.row.problem for job in jobs if job.row.problem)
    wanted = [job for job in jobs if job not in there]
    if there and resume:
        log.info("%d of %d clips are there already.", len(there), len(jobs))
    for job, clip in make_clips(model, wanted, settings, runtime):
        path = folder / job.file
        if isinstance(clip, DisMoError):
            problems[f"{job.file}: {clip}"] = None
            continue
        if len(clip) == 1:
            save_picture(clip[0], path)
        else:
            write_video(path, clip, settings.fps or model.defaults.fps, crf=CRF)
        made(path)
    return list(problems)


def finish_table(jobs: Sequence[Job], folder: Path) -> None:
    """Write what came of each clip, and a contact sheet of each prompt of which all clips are there: a row for each clip."""
    folder.mkdir(parents=True, exist_ok=True)
    with (
        atomic_write(folder / INDEX, overwrite=True) as temporary,
        temporary.open("w", newline="", encoding="utf-8") as out,
    ):
        writer = csv.writer(out)
        writer.writerow(COLUMNS)
        for job in jobs:
            row = job.row
            state = row.problem or ("done" if (folder / job.file).exists() else "missing")
            motion = "" if row.motion_guidance is None else row.motion_guidance
            writer.writerow([
                job.file, row.prompt, row.motion_prompt, row.negative_prompt, row.seed, job.number, row.guidance, motion, row.frames, state,
            ])  # fmt: skip
    sheets: dict[str, list[Path]] = {}
    for job in jobs:
        if job.row.frames != 1:
            sheets.setdefault(job.file.rpartition("-")[0], []).append(folder / job.file)
    for stem, paths in sheets.items():
        if all(path.exists() for path in paths):
            save_picture(
                contact_sheet([read_video(path).frames for path in paths], 8), folder / f"{stem}.jpg", overwrite=True
            )
