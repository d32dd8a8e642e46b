"""The tables of 4D: the bundled clip with controls, and a drawn object whose other sides are known (docs/methods/gaussians4d.md, 12.5)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import torch

from ..runtime import Runtime
from .clip import Clip4D
from .drawn_object import DrawnObject
from .fit_clip import FitSettings, fit_clip, new_field
from .measures import Measures, measure, overlap, pictures, psnr, ssim
from .model4d import Gaussians4D
from .posed import PosedGaussians, inflated
from .priors import Priors
from .views import Shot, render

SIZE = 64  # px, at which everything is compared
SIDES = (30, 60, 90)  # degrees
FLAT = 0.02  # of the depth, that a billboard keeps
OBJECT_STEPS = 150


@dataclass(frozen=True)
class NovelView:
    """Against the truth from one side: PSNR in dB, SSIM and intersection over union, means over frames."""

    psnr: float
    ssim: float
    iou: float


def billboard(posed: PosedGaussians) -> PosedGaussians:
    """The same picture, flat: a control."""
    means = posed.gaussians.means.clone()
    means[:, 2] *= FLAT
    log_scales = posed.gaussians.log_scales.clone()
    log_scales[:, 2] += torch.tensor(FLAT).log()
    return replace(posed, gaussians=replace(posed.gaussians, means=means, log_scales=log_scales), surface=None)


def still(posed: PosedGaussians, clip: Clip4D) -> Gaussians4D:
    """The Gaussians at rest, at every frame: a control."""
    return Gaussians4D(posed.gaussians, new_field(len(clip.rgba), 0), len(clip.rgba), clip.fps, posed.radius)


def clip_rows(
    clip: Clip4D, seeds: int = 3, steps: int = 300, runtime: Runtime | None = None
) -> Iterator[tuple[str, Measures]]:
    """(name, figures) of a clip: the default fit with several seeds, then the controls.

    Args:
        clip: prepared.
        seeds: how many.
        steps: of each fit.
        runtime: device, progress and cancel.
    """
    posed = inflated(clip)
    settings = FitSettings(steps=steps)

    def fitted(begun: PosedGaussians, settings: FitSettings) -> Measures:
        return measure(fit_clip(clip, settings, gaussians=begun.gaussians, runtime=runtime), clip, SIZE)

    for seed in range(seeds):
        yield f"seed {seed}", fitted(posed, replace(settings, seed=seed))
    yield "still field", measure(still(posed, clip), clip, SIZE)
    yield "billboard", fitted(billboard(posed), settings)
    yield "no priors", fitted(posed, replace(settings, priors=Priors()))


@torch.no_grad()
def interpolated(clip: Clip4D, steps: int = 300, runtime: Runtime | None = None) -> float:
    """dB of the frames between, of a model that was fitted to every second frame."""
    half = replace(clip, rgba=clip.rgba[::2], fps=clip.fps / 2)
    with torch.enable_grad():
        four = fit_clip(half, FitSettings(steps=steps), runtime=runtime)
    between = range(1, 2 * len(half.rgba) - 2, 2)
    wanted = clip.frames(SIZE)[0][list(between)]
    shots = [Shot(frame / 2, 0.0) for frame in between]
    found = torch.stack([rgb for rgb, _, _ in render(four, shots, SIZE, SIZE)]).movedim(-1, 1)
    return float(psnr(found, wanted).mean())


def novel_views(four: Gaussians4D, thing: DrawnObject) -> dict[int, NovelView]:
    """Figures of a model from the sides that its clip does not show."""
    found = {}
    for azimuth in (0, *SIDES):
        rgb, alpha = pictures(four, azimuth, SIZE)
        truth, mask = thing.truth(azimuth, SIZE)
        values = psnr(rgb, truth), ssim(rgb, truth), overlap(alpha, mask)
        found[azimuth] = NovelView(*(float(value.mean()) for value in values))
    return found


def object_rows(
    steps: int = OBJECT_STEPS, runtime: Runtime | None = None
) -> Iterator[tuple[str, dict[int, NovelView]]]:
    """(name, figures by azimuth) of the drawn object: the default fit and two controls.

    Args:
        steps: of each fit.
        runtime: device, progress and cancel.
    """
    thing = DrawnObject()
    clip = thing.clip()
    posed = inflated(clip)
    settings = FitSettings(steps=steps)
    starts: tuple[tuple[str, Callable[[], Gaussians4D]], ...] = (
        ("inflated", lambda: fit_clip(clip, settings, gaussians=posed.gaussians, runtime=runtime)),
        ("billboard", lambda: fit_clip(clip, settings, gaussians=billboard(posed).gaussians, runtime=runtime)),
        ("still field", lambda: still(posed, clip)),
    )
    for name, make in starts:
        yield name, novel_views(make(), thing)


def goals(clip: dict[str, Measures], thing: dict[str, dict[int, NovelView]]) -> dict[str, bool]:
    """What the figures should reach, and whether they do."""
    fits = [row for name, row in clip.items() if name.startswith("seed")]
    ours, flat = thing["inflated"], thing["billboard"]
    return {
        "known view at least 30 dB": min(row.psnr for row in fits) >= 30,
        "its worst frame at least 27 dB": min(row.worst for row in fits) >= 27,
        "masks agree by at least 0.96": min(row.iou for row in fits) >= 0.96,
        "at least 12 dB over a still picture": min(row.gain for row in fits) >= 12,
        "area at 90 degrees at least half of that at 0": min(row.side_area for row in fits) >= 0.5,
        "no more unrest from any side than in the known view": max(max(r.jitter.values()) for r in fits) <= 1,
        "a still field fails": clip["still field"].psnr < 30,
        "object: masks agree by 0.68 at 60 degrees": ours[60].iou >= 0.68,
        "object: masks agree by 0.6 at 90 degrees": ours[90].iou >= 0.6,
        "object: at 60 degrees 0.05 above the billboard": ours[60].iou >= flat[60].iou + 0.05,
        "object: at 90 degrees 0.3 above the billboard": ours[90].iou >= flat[90].iou + 0.3,
    }
