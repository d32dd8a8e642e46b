"""Gaussians of one picture from a ball, which a zero123 judges from other sides (docs/methods/gaussians4d.md, 4.3).

After "DreamGaussian" (Tang et al., ICLR 2024), section 3.1.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..errors import DisMoError
from ..runtime import Runtime
from .ball import densify_with_origin, init_ball
from .cameras import FOV_Y, orbit_views
from .clip import Clip4D
from .fit import AUTO_CHUNK, RATES, TRAINED, WEIGHT_MASK, WEIGHT_RGB
from .gaussians import Gaussians
from .guidance import Zero123Guidance
from .posed import PosedGaussians
from .rasterizer import rasterize
from .schedules import NovelViews, draw_views, novel_view_size, position_lr, progress_of
from .zero123 import Zero123

KNOWN = 256  # px, at which the known view is compared
RATE_OF_PLACES = 10.0  # times that of the later fit
EVERY, LAST, RESET = (
    100,
    3000,
    700,
)  # steps between two thinnings, the last of them, between two resets of the opacities
FAINT = 0.01  # opacity after a reset
PREVIEW_EVERY = 20


@dataclass(frozen=True)
class BallSettings:
    """A fit from a ball; the defaults are those of dg.yaml.

    Args:
        steps: of the fit.
        count: Gaussians at the beginning.
        views: other views in a step.
        radius: distance of the camera.
        jitter: of that distance in other views.
        invert_background: probability that another view stands on black.
        threshold: mean length of the gradient in the picture from which a Gaussian is cloned or split.
        densify_from: step of the first thinning.
        seed: of all random numbers.
    """

    steps: int = 500
    count: int = 5000
    views: int = 1
    radius: float = 2.0
    jitter: float = 0.5
    invert_background: float = 0.5
    threshold: float = 0.5
    densify_from: int = 100
    seed: int = 0


CONFIGS = {"dg": BallSettings(), "dghd": BallSettings(views=16, invert_background=0.0, threshold=0.05, densify_from=0)}


class BallFit:
    """A fit, one step at a time.

    Args:
        picture: [3,S,S], 0..1, on white.
        mask: [1,S,S].
        guidance: judge of the other views.
        embedding: [1,768] of the picture.
        condition: [1,4,h,w] of it.
        settings: of the fit.
        generator: of the judge's noise.
        chunk: pictures that are judged at once.
        check_cancel: raises to stop; called before each chunk. A fit that was stopped within a step is of no more use.
    """

    def __init__(
        self,
        picture: Tensor,
        mask: Tensor,
        guidance: Zero123Guidance,
        embedding: Tensor,
        condition: Tensor,
        settings: BallSettings,
        generator: torch.Generator | None = None,
        chunk: int = AUTO_CHUNK,
        check_cancel: Callable[[], None] = lambda: None,
    ) -> None:
        self.chunk, self.check_cancel = chunk, check_cancel
        self.picture, self.mask, self.guidance = picture, mask, guidance
        self.embedding, self.condition, self.settings, self.generator = embedding, condition, settings, generator
        self.rng = np.random.RandomState(settings.seed)
        self.normal = torch.Generator().manual_seed(settings.seed)
        self.steps_done = 0
        rest = init_ball(settings.count, self.rng).to(picture.device)
        self._raw = {name: torch.nn.Parameter(getattr(rest, name).clone()) for name in TRAINED}
        groups = [{"params": [value], "lr": RATES.get(name, 0.0), "name": name} for name, value in self._raw.items()]
        self.optimizer = torch.optim.Adam(groups, lr=0.0, eps=1e-15)
        self._forget()

    @property
    def gaussians(self) -> Gaussians:
        """What is fitted so far; their parameters."""
        return Gaussians(**self._raw)

    def step(self, noise: Tensor | None = None) -> float:
        """One step; returns its loss.

        Args:
            noise: of the judge, [views,4,h,w]; None draws it.

        Raises:
            DisMoError: the loss is no number.
        """
        s, number = self.settings, self.steps_done + 1
        for group in self.optimizer.param_groups:
            if group["name"] == "means":
                group["lr"] = RATE_OF_PLACES * position_lr(number)
        loss = self._known_view(progress_of(number, s.steps)) + self._other_views(number, noise)
        if not np.isfinite(loss):
            raise DisMoError(f"The loss of step {number} is not a number. Take another picture or seed.")
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.steps_done = number
        if s.densify_from <= number <= LAST and number % EVERY == 0:
            self._thin()
        if number % RESET == 0:
            with torch.no_grad():
                self._raw["opacity_logits"].clamp_(max=float(torch.tensor(FAINT).logit()))
        return loss

    def _known_view(self, weight: float) -> float:
        size = self.picture.shape[-1]
        view = orbit_views([0.0], [0.0], [self.settings.radius]).to(self.picture)
        raster = rasterize(*self.gaussians.activated(), view, size, size)
        loss = WEIGHT_RGB * weight * (raster.image[0].clamp(0, 1) - self.picture).square().mean()
        loss = loss + WEIGHT_MASK * weight * (raster.alpha[0] - self.mask).square().mean()
        loss.backward()
        return float(loss.detach())

    def _other_views(self, number: int, noise: Tensor | None) -> float:
        s, device = self.settings, self.picture.device
        drawn = draw_views(self.rng, 1, s.views, 0.0, s.jitter, s.invert_background)
        if noise is None:
            shape = (s.views, *self.condition.shape[1:])
            noise = torch.randn(shape, generator=self.generator, dtype=torch.float32).to(self.condition)
        total = 0.0
        for begin in range(0, s.views, self.chunk):
            self.check_cancel()
            part = slice(begin, min(begin + self.chunk, s.views))
            total += self._judged(drawn, part, novel_view_size(number, s.steps), number, noise[part].to(device))
        return total

    def _judged(self, drawn: NovelViews, part: slice, size: int, number: int, noise: Tensor) -> float:
        s, device, count = self.settings, self.picture.device, part.stop - part.start
        views = orbit_views(
            drawn.elevation[part].tolist(), drawn.azimuth[part].tolist(), (s.radius + drawn.radius[part]).tolist()
        ).to(self.picture)
        behind = torch.as_tensor(drawn.background[part], dtype=torch.float32, device=device)[:, None].expand(-1, 3)
        screen = torch.zeros(count, len(self._raw["means"]), 2, device=device, requires_grad=True)
        raster = rasterize(*self.gaussians.activated(), views, size, size, background=behind, screen=screen)
        elevation, azimuth, radius = (
            torch.as_tensor(v[part], dtype=torch.float32, device=device)
            for v in (drawn.elevation, drawn.azimuth, drawn.radius)
        )
        loss = (
            self.guidance.loss(
                raster.image.clamp(0, 1),
                elevation,
                azimuth,
                radius,
                self.embedding.expand(count, -1),
                self.condition.expand(count, -1, -1, -1),
                progress_of(number, s.steps),
                noise,
                self.generator,
            )
            / s.views
        )
        loss.backward()
        if part.stop == s.views and screen.grad is not None:
            length = screen.grad[-1].norm(dim=-1)  # of the last view that was drawn, as published
            self._pull += length
            self._seen += length > 0
        return float(loss.detach())

    def _forget(self) -> None:
        count, device = len(self._raw["means"]), self.picture.device
        self._pull, self._seen = torch.zeros(count, device=device), torch.zeros(count, device=device)

    @torch.no_grad()
    def _thin(self) -> None:
        """Clone, split and remove; what stays keeps its moments."""
        s = self.settings
        pull = self._pull / self._seen.clamp_min(1)
        normal = torch.randn(2 * len(pull), 3, generator=self.normal).to(pull.device)
        made, origin = densify_with_origin(self.gaussians.detach(), pull, s.threshold, normal=normal)
        if not len(made):
            raise DisMoError(
                f"No Gaussian was left at step {self.steps_done}: the picture is too faint. Take another one."
            )
        kept = origin >= 0
        for group in self.optimizer.param_groups:
            (old,) = group["params"]
            new = torch.nn.Parameter(getattr(made, group["name"]).clone())
            state: dict[str, Any] = self.optimizer.state.pop(old, {})
            for key in ("exp_avg", "exp_avg_sq"):
                if key in state:
                    moments = torch.zeros_like(new)
                    moments[kept] = state[key][origin[kept]]
                    state[key] = moments
            group["params"], self._raw[group["name"]] = [new], new
            self.optimizer.state[new] = state
        self._forget()


def gaussians_from_ball(
    clip: Clip4D,
    zero123: Zero123,
    settings: BallSettings | None = None,
    *,
    frame: int = 0,
    runtime: Runtime | None = None,
) -> PosedGaussians:
    """Fit Gaussians to a frame of a clip.

    Args:
        clip: prepared.
        zero123: the judge, on the runtime's device.
        settings: of the fit.
        frame: of the clip.
        runtime: progress with previews, cancel.

    Raises:
        DisMoError: no such frame, or a fit that fails.
    """
    settings, runtime = settings or BallSettings(), runtime or Runtime.cpu()
    if not 0 <= frame < len(clip.rgba):
        raise DisMoError(f"frame must be 0 to {len(clip.rgba) - 1}, the frames of the clip, not {frame}.")
    generator = torch.Generator().manual_seed(settings.seed)
    rgb, mask = (value[frame : frame + 1].to(runtime.device) for value in clip.frames(KNOWN))
    zero123.plan.make_room(runtime)
    embedding, condition = zero123.conditions(rgb, generator)
    fit = BallFit(
        rgb[0],
        mask[0],
        zero123.guidance,
        embedding,
        condition,
        settings,
        generator,
        zero123.chunk,
        runtime.check_cancel,
    )
    with zero123.judging():
        while fit.steps_done < settings.steps:
            fit.step()
            shown = fit.steps_done % PREVIEW_EVERY == 0 or fit.steps_done == settings.steps
            runtime.progress(fit.steps_done, settings.steps, _preview(fit) if shown else None)
            runtime.check_cancel()
    return PosedGaussians(fit.gaussians.detach().to("cpu"), settings.radius, FOV_Y, frame)


@torch.no_grad()
def _preview(fit: BallFit) -> Any:
    from PIL import Image

    views = orbit_views([0.0, 0.0], [0.0, 90.0], [fit.settings.radius] * 2).to(fit.picture)
    image = rasterize(*fit.gaussians.activated(), views, 128, 128).image.clamp(0, 1)
    return Image.fromarray((torch.cat(list(image), dim=-1).movedim(0, -1) * 255).byte().cpu().numpy())
