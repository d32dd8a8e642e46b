"""From a prepared clip to a 4D model: the whole fit, with checkpoints, previews and cancel (docs/methods/gaussians4d.md, 12)."""

from __future__ import annotations

import copy
import hashlib
import logging
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..errors import DisMoError
from ..runtime import Runtime
from ..training.checkpoint import latest_checkpoint, save_checkpoint
from .binding import Binding
from .cameras import FOV_Y, orbit_views, project_points
from .clip import Clip4D
from .field import HexPlaneDeformation
from .fit import DynamicFit
from .gaussians import Gaussians
from .inflate import inflate_mesh, inflate_silhouette
from .mesh import Mesh
from .model4d import Gaussians4D
from .priors import SINGLE_VIEW, Priors
from .rasterizer import rasterize
from .texture import dilate
from .zero123 import Zero123

log = logging.getLogger(__name__)
TIME_PLANES = 0.85  # of the frames
LEAST_AGREEMENT = 0.5  # IoU of the model's silhouette and the clip's


@dataclass(frozen=True)
class FitSettings:
    """A fit; without a network unless one is given to `fit_clip`.

    Args:
        steps: of the fit.
        size: px, at which frames are compared.
        frames_per_step: random frames that a step sees.
        frame: of the clip that the model at rest is made from.
        count: Gaussians.
        thickness: see `inflate_silhouette`.
        priors: see `Priors`.
        radius: distance of the camera.
        seed: of all random numbers.
        views: other views of each frame in a step, which a zero123 judges.
        weight: of that judge in the loss.
        invert_background: probability that another view stands on black.
        elevation: of the known view, degrees.
        least_weight: floor of the share of the fit that weights the known view.
        time_planes: of the field; 0 = 0.85 of the frames.
        optimize_gaussians: train the Gaussians at rest too.
    """

    steps: int = 300
    size: int = 64
    frames_per_step: int = 3
    frame: int = 0
    count: int = 1500
    thickness: float = 0.7
    priors: Priors = SINGLE_VIEW
    radius: float = 1.5
    seed: int = 0
    views: int = 4
    weight: float = 1.0
    invert_background: float = 0.0
    elevation: float = 0.0
    least_weight: float = 0.2
    time_planes: int = 0
    optimize_gaussians: bool = True

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> FitSettings:
        """Of the settings that `presets.settings_of` gives, under their published names."""
        v = values
        terms = (v["plane_tv_weight"], v["time_smoothness_weight"], v["l1_time_planes"])
        return cls(
            steps=v["iters"],
            size=v["ref_size"],
            frames_per_step=v["frames_per_step"],
            frame=v["frame"],
            count=v["count"],
            thickness=v["thickness"],
            priors=Priors(v["rigid"], v["smooth"], v["depth"], *terms),
            radius=v["radius"],
            seed=v["seed"],
            views=v["n_views"],
            weight=v["lambda_zero123"],
            invert_background=v["invert_bg_prob"],
            elevation=v["elevation"],
            least_weight=v["least_weight"],
            time_planes=v["planes_time"],
            optimize_gaussians=v["optimize_gaussians"],
        )


def new_field(frames: int, seed: int, time_planes: int = 0) -> HexPlaneDeformation:
    """A field for a clip of T frames, the same for equal seeds; the global random state is left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return HexPlaneDeformation((32, 32, 32, time_planes or max(2, round(TIME_PLANES * frames))))


def fit_clip(
    clip: Clip4D,
    settings: FitSettings | None = None,
    *,
    gaussians: Gaussians | None = None,
    surface: Mesh | None = None,
    resume: Gaussians4D | None = None,
    zero123: Zero123 | None = None,
    runtime: Runtime | None = None,
    folder: Path | None = None,
    save_every: int = 50,
    preview_every: int = 20,
) -> Gaussians4D:
    """Fit a 4D model to a clip. What the clip does not show is inferred from its outline.

    Args:
        clip: prepared.
        settings: of the fit.
        gaussians: at rest, in the pose of `settings.frame`; None inflates the outline of that frame.
        surface: a mesh where those Gaussians are, or None; it moves with them and gets a frame of the clip as its texture.
        resume: a model of this clip to go on from, in the place of Gaussians and surface.
        zero123: judge of the other views, on the runtime's device, or None.
        runtime: device, progress (with a preview), cancel.
        folder: of checkpoints; a fit that was broken off goes on from the last one, to the same result.
        save_every: steps between two checkpoints.
        preview_every: steps between two previews.

    Raises:
        DisMoError: Gaussians that are not where the clip shows the subject, a checkpoint of another fit, a loss that is no number.
    """
    settings, runtime = settings or FitSettings(), runtime or Runtime.cpu()
    count = len(clip.rgba)
    if not 0 <= settings.frame < count:
        raise DisMoError(f"frame must be 0 to {count - 1}, the frames of the clip, not {settings.frame}.")
    if resume is not None and resume.frames != count:
        raise DisMoError(
            f"The model to go on from has {resume.frames} frames, the clip {count}. Give the model that was fitted to this clip."
        )
    still = clip.rgba[settings.frame]
    if resume is not None:
        gaussians, surface = resume.gaussians, resume.surface
    elif gaussians is None:
        shape = {"radius": settings.radius, "thickness": settings.thickness}
        gaussians = inflate_silhouette(still, settings.count, **shape)
        surface = inflate_mesh(still, **shape)
    frames, masks = (value.to(runtime.device) for value in clip.frames(settings.size))
    check_agreement(gaussians, masks[settings.frame].cpu(), settings.radius, settings.elevation)
    start = gaussians
    guidance = embedding = condition = generator = None
    if zero123 is not None:
        generator = torch.Generator().manual_seed(settings.seed)
        guidance = zero123.guidance
        zero123.plan.make_room(runtime)
        embedding, condition = zero123.conditions(clip.frames()[0].to(runtime.device), generator)
    field = new_field(count, settings.seed, settings.time_planes) if resume is None else copy.deepcopy(resume.field)
    fit = DynamicFit(
        gaussians.to(runtime.device),
        field.to(runtime.device),
        frames,
        masks,
        guidance,
        embedding,
        condition,
        iters=settings.steps,
        views=settings.views,
        radius=settings.radius,
        elevation=settings.elevation,
        invert_background=settings.invert_background,
        optimize_gaussians=settings.optimize_gaussians,
        frames_per_step=settings.frames_per_step,
        least_weight=settings.least_weight,
        guidance_weight=settings.weight,
        priors=settings.priors,
        chunk="auto" if zero123 is None else zero123.chunk,
        generator=generator,
        check_cancel=runtime.check_cancel,
    )
    about = _fingerprint(clip, settings, start)
    with nullcontext() if zero123 is None else zero123.judging():
        run_fit(fit, settings.seed, runtime, folder, save_every, preview_every, about)
    four = replace(fit.model(clip.fps), gaussians=fit.model().gaussians.to("cpu"), field=fit.field.to("cpu"))
    four.field.eval().requires_grad_(False)
    if surface is None:
        return four
    vertices = Binding(torch.from_numpy(surface.vertices), start).move(four.gaussians).numpy()
    return replace(four, surface=_painted(four, replace(surface, vertices=vertices), clip, settings.frame))


def run_fit(
    fit: DynamicFit,
    seed: int,
    runtime: Runtime,
    folder: Path | None = None,
    save_every: int = 50,
    preview_every: int = 20,
    about: str = "",
) -> None:
    """All steps that are left of a fit.

    Args:
        fit: new; taken up where the newest checkpoint of `folder` stands.
        seed: of the frames and views that are drawn.
        runtime: progress and cancel.
        folder: of checkpoints, or None.
        save_every: steps.
        preview_every: steps.
        about: what the fit is of; a checkpoint of another is refused.
    """
    rng = np.random.RandomState(seed)
    if folder is not None and (state := latest_checkpoint(folder)) is not None:
        if state.get("about") != about:
            raise DisMoError(
                f"The checkpoints in {folder} are of another clip or of other settings. Choose another folder, or remove it."
            )
        fit.load_state(state)
        rng.set_state(("MT19937", state["rng"].numpy().astype(np.uint32), *state["rng_place"]))
        if fit.generator is not None:
            fit.generator.set_state(state["noise"])
        log.info("Resumed at step %d of %d.", fit.steps_done, fit.iters)
    while fit.steps_done < fit.iters:
        fit.step(rng)
        done = fit.steps_done
        if folder is not None and (done % save_every == 0 or done == fit.iters):
            stream: Any = rng.get_state(legacy=True)
            keys = torch.from_numpy(stream[1].astype(np.int64))
            kept: dict[str, Any] = {"rng": keys, "rng_place": list(stream[2:]), "about": about}
            if fit.generator is not None:
                kept["noise"] = fit.generator.get_state()
            save_checkpoint(folder, done, fit.state() | kept)
        shown = done % preview_every == 0 or done == fit.iters
        runtime.progress(done, fit.iters, _preview(fit) if shown else None)
        runtime.check_cancel()


def check_agreement(
    gaussians: Gaussians, mask: Tensor, radius: float, elevation: float = 0.0, fov_y: float = FOV_Y
) -> None:
    """Raise where Gaussians are not what the mask [1,S,S] shows, as seen from `radius`."""
    size = mask.shape[-1]
    view = orbit_views([elevation], [0.0], [radius])
    with torch.no_grad():
        alpha = rasterize(*gaussians.activated(), view, size, size, fov_y).alpha[0]
    seen, wanted = alpha > 0.5, mask > 0.5
    agreement = float((seen & wanted).sum() / (seen | wanted).sum().clamp_min(1))
    if agreement < LEAST_AGREEMENT:
        shares = [100 * float(value.float().mean()) for value in (seen, wanted)]
        raise DisMoError(
            f"From a distance of {radius:g} the Gaussians cover {shares[0]:.0f} % of the picture, the subject of the clip "
            f"{shares[1]:.0f} %; both agree by {agreement:.2f} only (intersection over union; at least {LEAST_AGREEMENT}). Models of the "
            "ball need radius 2, those of LGM 1.5; or they are of another picture or frame."
        )


def _fingerprint(clip: Clip4D, settings: FitSettings, gaussians: Gaussians) -> str:
    digest = hashlib.sha256(clip.rgba.numpy().tobytes())
    digest.update(gaussians.means.numpy().tobytes())
    digest.update(repr(settings).encode())
    return digest.hexdigest()


@torch.no_grad()
def _preview(fit: DynamicFit) -> Any:
    """A picture of the first frame, known view and from the side."""
    from PIL import Image

    model = fit.model()
    size = fit.frames.shape[-1]
    views = orbit_views([0.0, 0.0], [0.0, 60.0], [fit.radius] * 2).to(fit.frames)
    time = fit.steps_done % len(fit.frames)
    image = rasterize(*model.at(time).activated(), views, size, size, fit.fov_y).image.clamp(0, 1)
    pixels = (torch.cat(list(image), dim=-1).movedim(0, -1) * 255).byte().cpu().numpy()
    return Image.fromarray(pixels)


@torch.no_grad()
def _painted(four: Gaussians4D, mesh: Mesh, clip: Clip4D, frame: int) -> Mesh:
    """The mesh with a frame of the clip as its texture, laid on as the known view sees it in that frame."""
    pose = Binding(torch.from_numpy(mesh.vertices), four.gaussians).move(four.at(frame))
    view = orbit_views([0.0], [0.0], [four.radius])[0]
    uv = project_points(pose, view, 1, 1, four.fov_y).clamp(0, 1)
    picture = clip.rgba[frame].float() / 255
    opaque = picture[..., 3] > 0.95
    texture = dilate(picture[..., :3] * opaque[..., None], opaque, max(8, len(picture) // 8))
    empty = (texture == 0).all(-1, keepdim=True)
    average = picture[opaque][:, :3].mean(0)
    return replace(mesh, uv=uv.numpy(), texture=torch.where(empty & ~opaque[..., None], average, texture).numpy())
