"""Denoising in windows (docs/methods/mimo.md, 4)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..diffusion.previews import latent_preview
from ..errors import DisMoError
from ..runtime import Runtime
from .job_store import Denoising
from .models.denoising_unet import DenoisingUNet
from .models.unet import Pieces
from .models.unet_attention import ReferenceTokens
from .schedule import DDIM

# Red, green and blue, -1..1, of the latent channels of Stable Diffusion 1.5; a least-squares fit that previews commonly use.
FACTORS = ((0.3512, 0.2297, 0.3227), (0.3250, 0.4974, 0.2350), (-0.2829, 0.1762, 0.2721), (-0.2120, -0.2616, -0.7177))
SMALL = Pieces(frames=2, pixels=512)  # of a window, at a time, where memory is short


@dataclass(frozen=True)
class Conditions:
    """What the denoising UNet is told of the whole video.

    Args:
        context: [1, 1, D], embedding of the reference picture.
        reference: its tokens.
        scene: [1, 4, F, h, w], latents of the backgrounds, or [1, 8, F, h, w], those of what stands in front behind them; may lie on
            the host.
        pose: [1, C0, F, h, w], features of the body pictures; may lie on the host.
    """

    context: Tensor
    reference: ReferenceTokens
    scene: Tensor
    pose: Tensor


def denoise(
    unet: DenoisingUNet,
    latents: Tensor,
    conditions: Conditions,
    windows: Sequence[Sequence[int]],
    *,
    steps: int,
    guidance: float,
    small: bool,
    runtime: Runtime,
    begin: Denoising | None = None,
    keep: Callable[[Denoising], None] | None = None,
) -> Tensor:
    """Latents from noise; nothing in the loop waits for the device, unless its state is kept.

    All windows of a step see the latents of its beginning; their predictions are summed and divided by their number for each
    frame, then guided.

    Args:
        unet: on the device.
        latents: noise [1, 4, F, h, w].
        conditions: see there.
        windows: frame numbers of each.
        steps: of the schedule.
        guidance: see `MimoPipeline.sample_latents`.
        small: whether halves run in turn and layers in pieces: less memory, the same numbers.
        runtime: progress counts windows.
        begin: where to go on; None = at the noise.
        keep: called after every window; the last time when all is done and found finite.

    Raises:
        DisMoError: NaN, with the step at which they came.
    """
    schedule = DDIM(steps)
    halves = (False, True) if guidance > 1 else (True,)  # whether it sees the reference
    runs = [(half,) for half in halves] if small else [halves]
    members = [list(window) for window in windows]
    on_device = [torch.tensor(frames, device=latents.device) for frames in members]
    sees = {run: torch.tensor(run, device=latents.device).to(latents.dtype)[:, None, None] for run in runs}
    counts = torch.zeros(latents.shape[2])
    for frames in members:
        counts[frames] += 1
    counts = counts.to(latents)[:, None, None]
    middle = slice(latents.shape[2] // 2, latents.shape[2] // 2 + 1)
    finite = {}
    done = 0 if begin is None else begin.windows
    if begin is not None:
        latents = begin.latents
    for step, timestep in list(enumerate(schedule.timesteps))[done // len(windows) :]:
        begun = done % len(windows)
        predicted = begin.predicted if begun and begin else latents.new_zeros((len(halves), *latents.shape[1:]))
        for number, (frames, places) in list(enumerate(zip(members, on_device, strict=True)))[begun:]:
            runtime.check_cancel()
            sample = torch.cat((latents[:, :, places], conditions.scene[:, :, frames].to(latents)), 1)
            pose = conditions.pose[:, :, frames].to(latents)
            row = 0
            for run in runs:
                size = (len(run), -1, -1, -1, -1)
                predicted[row : row + len(run), :, places] += unet(
                    sample.expand(size),
                    timestep,
                    conditions.context * sees[run],
                    pose=pose.expand(size),
                    reference=conditions.reference,
                    reference_rows=run,
                    pieces=SMALL if small else None,
                )
                row += len(run)
            done += 1
            if number < len(windows) - 1:
                if keep is not None:
                    keep(Denoising(done, latents, predicted))
                runtime.progress(done, steps * len(windows), None)
        predicted /= counts
        velocity = predicted[:1] + guidance * (predicted[1:] - predicted[:1]) if len(halves) == 2 else predicted
        clean = schedule.clean(velocity[:, :, middle], timestep, latents[:, :, middle])
        latents = schedule.step(velocity, timestep, latents)
        finite[step] = latents.isfinite().all()
        if keep is not None and step < steps - 1:
            keep(Denoising(done, latents, predicted))
        runtime.progress(done, steps * len(windows), latent_preview(clean.transpose(1, 2), FACTORS))
    if bad := [step for step, good in finite.items() if not good]:
        raise DisMoError(
            f"There are NaN or infinite values after denoising step {bad[0] + 1} of {steps}, in {latents.dtype}. "
            "The precision is too low for these weights (try bf16 or fp32), or they are damaged."
        )
    if keep is not None and finite:
        keep(Denoising(done, latents, predicted))
    return latents
