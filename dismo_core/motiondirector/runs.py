"""A training from clips to files: what was taken as a contact sheet, latents, adapters, previews and curves, all in one folder."""

from __future__ import annotations

import hashlib
import json
import logging
import re
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ..errors import DisMoError
from ..runtime import Runtime
from ..video.sheets import contact_sheet, save_picture
from ..video.write import write_video
from .adapter_file import read_adapter
from .cache import FOLDER, CachedClip, cache_clips, read_cache, with_inversion
from .clips import Clip, Size, readable_clips
from .config import Preview, RunConfig
from .dual_path import DualPathLoRA
from .sampling import VideoSettings, sample_videos
from .training import Report, check_training, compared, train_adapters

if TYPE_CHECKING:
    from ..text_to_video.base import TextToVideoBase

log = logging.getLogger(__name__)

SHEET_ROWS = 16  # clips that the contact sheet shows


@dataclass(frozen=True)
class FinishedRun:
    """What a run leaves.

    Args:
        adapters: part -> file.
        curves: picture of the losses.
        sampled: picture of the frames that were taken; None where they came from a cache.
        previews: files of previews, in order.
    """

    adapters: dict[str, Path]
    curves: Path
    sampled: Path | None
    previews: tuple[Path, ...]


def run_training(
    base: TextToVideoBase,
    config: RunConfig,
    folder: Path,
    *,
    skip_bad: bool = False,
    keep_inversion: bool = False,
    runtime: Runtime | None = None,
    report: Report | None = None,
    shown: Callable[[Tensor], None] | None = None,
) -> FinishedRun:
    """Do what a config says; a run that was stopped is resumed, a finished one is not trained again.

    Args:
        base: see `load_text_to_video`.
        config: see there; its `base` and `output` are not looked at.
        folder: of this run.
        skip_bad: see `readable_clips`.
        keep_inversion: also keep the noise of each clip in the cache, for a noise prior later.
        runtime: stages, progress, cancel.
        report: see `train_adapters`.
        shown: called with pictures uint8 [H,W,3] of what is taken, and of previews.

    Raises:
        DisMoError: what cannot be done and why; what is finished in the folder stays.
    """
    runtime = runtime or Runtime.on(base.device)
    sheet = folder / "sampled.png"
    if config.cache is not None:
        cached, taken = read_cache(config.cache), None
    else:
        runtime.stage("reading the clips")
        clips = readable_clips(config.clips(), skip_bad=skip_bad)
        picture = sampled_sheet(clips, config.size)
        save_picture(picture, sheet, overwrite=True)
        if shown is not None:
            shown(picture)
        log.info("%s shows what was taken of %d clips.", sheet, len(clips))
        runtime.stage("encoding the clips")
        cached = cache_clips(
            base,
            clips,
            config.size,
            folder / FOLDER,
            seed=config.training.seed,
            mirrored=config.training.flip > 0,
            progress=lambda done, total: runtime.progress(done, total, None),
        )
        taken = sheet
    check_training(cached, config.training)
    if keep_inversion or config.preview.noise_prior > 0:
        runtime.stage("inverting the clips")
        cached = [with_inversion(base, clip, runtime=runtime) for clip in cached]
    previews = _Previews(base, config, cached, folder, shown)
    runtime.stage("training")
    about = {
        "prompt": " | ".join(dict.fromkeys(clip.caption for clip in cached)),
        "fps": f"{config.fps:g}",
        "frames": str(max(clip.latents.shape[2] for clip in cached)),
        "width": str(cached[0].latents.shape[-1] * base.scale),
        "height": str(cached[0].latents.shape[-2] * base.scale),
        "beta": f"{config.training.beta:g}",
    }
    adapters = train_adapters(
        base,
        cached,
        config.training,
        folder,
        metadata=about,
        runtime=runtime,
        report=report,
        preview=previews if config.preview.every else None,
    )
    base.plan.release()
    curves = folder / "curves.png"
    save_picture(loss_curves(folder / "log.jsonl"), curves, overwrite=True)
    return FinishedRun(adapters, curves, taken, tuple(previews.written))


def finished_preview(
    base: TextToVideoBase, config: RunConfig, folder: Path, finished: FinishedRun, runtime: Runtime | None = None
) -> Path:
    """The file of a preview of the finished adapters; made where there is none yet.

    Args:
        base: see `run_training`.
        config: of the run.
        folder: of the run.
        finished: what the run has left.
        runtime: stages and progress.
    """
    runtime = runtime or Runtime.on(base.device)
    clips = read_cache(config.cache or folder)
    prompt = (config.preview.prompts or (clips[0].caption,))[0]
    path = preview_path(folder, config.training.steps, prompt)
    if not path.is_file():
        runtime.stage("making a preview")
        lora = DualPathLoRA.from_adapters(
            base.unet, [read_adapter(file, base.unet) for file in finished.adapters.values()]
        )
        try:
            with torch.no_grad():
                _Previews(base, config, clips[:1], folder, None).make(config.training.steps, lora)
        finally:
            lora.remove()
            base.plan.release()
    return path


def preview_path(folder: Path, step: int, prompt: str) -> Path:
    """Where the preview of a prompt after so many steps lies in a run's folder."""
    return folder / "samples" / f"{step}_{file_name(prompt)}.mp4"


def run_key(base: TextToVideoBase, config: RunConfig) -> str:
    """Eight letters and digits that are the same for runs of which one can be the other, resumed.

    Args:
        base: see `run_training`.
        config: of the run; it reads its clips.
    """
    clips = [(clip.name, clip.caption) for clip in config.clips()]
    parts = (base.name, str(base.dtype), asdict(config.size), clips, compared(config.training))
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:8]


def sampled_sheet(clips: Sequence[Clip], size: Size) -> Tensor:
    """What is taken of the first clips, a row each, uint8 [H,W,3]."""
    rows = []
    for clip in clips[:SHEET_ROWS]:
        frames = ((size.fitted(clip.read()) + 1) * 127.5).round().to(torch.uint8).movedim(1, -1)
        rows.append(frames)
    return contact_sheet(rows, columns=min(9, max(len(row) for row in rows)))


def loss_curves(path: Path) -> Tensor:
    """Losses and sizes of the updates over the steps of a `log.jsonl`, uint8 [H,W,3].

    Raises:
        DisMoError: there are no numbers in it.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    rows = [json.loads(line) for line in path.read_text("utf-8").splitlines()] if path.is_file() else []
    if not rows:
        raise DisMoError(f"{path} holds no numbers of a training.")
    figure = Figure(figsize=(9, 3.6), dpi=110, layout="constrained")
    canvas: Any = FigureCanvasAgg(figure)
    for axes, title, ending in zip(
        figure.subplots(1, 2), ("loss", "size of the update against the weights"), ("", "_update"), strict=True
    ):
        for part in ("appearance", "motion"):
            points = [(row["step"], row[part + ending]) for row in rows if part + ending in row]
            if points:
                steps, values = zip(*points, strict=True)
                axes.plot(steps, values, label=part, marker="" if len(points) > 1 else "o", linewidth=1)
        axes.set(title=title, xlabel="step")
        if axes.lines:
            axes.legend()
    canvas.draw()
    return (
        torch.frombuffer(bytearray(canvas.buffer_rgba()), dtype=torch.uint8)
        .view(*canvas.get_width_height()[::-1], 4)[..., :3]
        .clone()
    )


class _Previews:
    """Videos at intervals of a training, into `samples/`."""

    def __init__(
        self,
        base: TextToVideoBase,
        config: RunConfig,
        clips: Sequence[CachedClip],
        folder: Path,
        shown: Callable[[Tensor], None] | None,
    ) -> None:
        self.base, self.config, self.clips, self.folder, self.shown = base, config, clips, folder, shown
        self.written: list[Path] = []

    def __call__(self, done: int, lora: DualPathLoRA) -> None:
        shown: Preview = self.config.preview
        if done % shown.every == 0:
            self.make(done, lora)

    def make(self, done: int, lora: DualPathLoRA) -> None:
        """A video of each prompt, with the adapters as they are after so many steps."""
        shown = self.config.preview
        lora.set_scales(
            appearance=shown.appearance_scale if lora.appearances else None, motion=1.0 if lora.has_motion else None
        )
        clip = self.clips[(done - 1) % len(self.clips)]
        for prompt in shown.prompts or (clip.caption,):
            settings = VideoSettings(
                prompt=prompt,
                width=shown.width or clip.latents.shape[-1] * self.base.scale,
                height=shown.height or clip.latents.shape[-2] * self.base.scale,
                frames=shown.frames,
                steps=shown.steps,
                guidance=shown.guidance,
                seed=self.config.training.seed,
                noise_prior=shown.noise_prior,
            )
            video = sample_videos(self.base, settings, lora, inversion=clip.inversion)[0]
            path = preview_path(self.folder, done, prompt)
            write_video(path, video, self.config.fps, overwrite=True)
            self.written.append(path)
            if self.shown is not None:
                self.shown(contact_sheet([video], columns=min(5, len(video))))


def file_name(prompt: str) -> str:
    """A prompt as the published scripts write it in names: no commas and dots, underscores for spaces; and no longer than a name can be."""
    plain = re.sub(r"[,.]", "", prompt).replace(" ", "_")
    return re.sub(r'[<>:"/\\|?*\x00-\x1f]', "", plain)[:120] or "video"
