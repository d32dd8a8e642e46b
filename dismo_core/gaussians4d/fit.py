"""Fitting Gaussians and their field to a clip (docs/methods/gaussians4d.md, 6 and 12.3)."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..errors import DisMoError
from .cameras import FOV_Y, orbit_views
from .field import HexPlaneDeformation
from .gaussians import Activated, Gaussians
from .guidance import Zero123Guidance
from .model4d import Gaussians4D
from .priors import Neighbourhood, Priors
from .rasterizer import rasterize
from .schedules import NovelViews, draw_views, novel_view_size, position_lr, progress_of

log = logging.getLogger(__name__)
# Learning rates of the parameters; that of the means follows its schedule
RATES = {"colors_dc": 1e-2, "opacity_logits": 5e-2, "log_scales": 5e-3, "quaternions": 5e-3}
RATE_GRID, RATE_DECODER = 6.4e-3, 6.4e-4
WEIGHT_RGB, WEIGHT_MASK = 10000.0, 1000.0
AUTO_CHUNK = 8  # pictures that are made, judged and forgotten together
TRAINED = ("means", *RATES)
SHARED = ("colors_dc", "opacity_logits")


class DynamicFit:
    """A fit, one step at a time.

    Each step draws the known view of the frames and compares it with them; with a guidance it also draws views from other sides,
    which the guidance judges. Pictures are made, judged and forgotten `chunk` at a time: their gradients meet in the
    Gaussians of the frames, and go through the field once.

    Args:
        gaussians: at rest; copied. With `share`, rows of one number keep one color and one opacity.
        field: their motion; trained in place.
        frames: [T,3,S,S], 0..1, on white.
        masks: [T,1,S,S], 0..1.
        guidance: judge of the other views, or None.
        embedding: [T,768], of each frame, for the guidance.
        condition: [T,4,h,w], likewise.
        iters: steps of the whole fit.
        views: other views of each frame in a step.
        radius: distance of the known view's camera.
        elevation: of the known view, degrees.
        fov_y: degrees.
        invert_background: probability that another view stands on black.
        optimize_gaussians: train the Gaussians at rest too.
        frames_per_step: how many random frames a step sees; 0 = all.
        least_weight: floor of the share of the fit that weights the known view.
        guidance_weight: of the guidance in the loss.
        priors: further terms.
        chunk: pictures at once; "auto" = 8, halved where the memory does not suffice.
        generator: of the guidance's noise.
        check_cancel: raises to stop; called before each chunk. A fit that was stopped within a step goes on from a `state` of before.
    """

    def __init__(
        self,
        gaussians: Gaussians,
        field: HexPlaneDeformation,
        frames: Tensor,
        masks: Tensor,
        guidance: Zero123Guidance | None = None,
        embedding: Tensor | None = None,
        condition: Tensor | None = None,
        iters: int = 500,
        views: int = 4,
        radius: float = 1.5,
        elevation: float = 0.0,
        fov_y: float = FOV_Y,
        invert_background: float = 0.0,
        *,
        optimize_gaussians: bool = True,
        frames_per_step: int = 0,
        least_weight: float = 0.0,
        guidance_weight: float = 1.0,
        priors: Priors | None = None,
        chunk: int | str = "auto",
        generator: torch.Generator | None = None,
        check_cancel: Callable[[], None] = lambda: None,
    ) -> None:
        count = len(frames)
        if frames.ndim != 4 or frames.shape[1] != 3 or frames.shape[2] != frames.shape[3] or count < 2:
            raise DisMoError(f"The frames of a fit must be [T,3,S,S] with T from 2 on, not {list(frames.shape)}.")
        if masks.shape != (count, 1, *frames.shape[2:]):
            raise DisMoError(
                f"The masks must be {[count, 1, *frames.shape[2:]]}, as the frames, not {list(masks.shape)}."
            )
        if guidance is not None and (embedding is None or condition is None):
            raise DisMoError(
                "A guidance needs embedding and condition, one row for each frame. `Zero123.conditions` makes them."
            )
        if iters < 1:
            raise DisMoError(f"A fit has at least one step, not {iters}.")
        self.frames, self.masks = frames, masks
        self.guidance, self.embedding, self.condition = guidance, embedding, condition
        self.iters, self.views, self.radius, self.elevation, self.fov_y = iters, views, radius, elevation, fov_y
        self.invert_background, self.optimize_gaussians = invert_background, optimize_gaussians
        self.frames_per_step = min(frames_per_step, count) or count
        self.least_weight, self.guidance_weight = least_weight, guidance_weight
        self.priors, self.generator, self.check_cancel = priors or Priors(), generator, check_cancel
        self.chunk = AUTO_CHUNK if chunk == "auto" else max(1, int(chunk))
        self.steps_done = 0
        self.field = field.train().requires_grad_(True)
        field.deformation_net.grid.aabb.requires_grad_(False)
        self._rest = gaussians.detach()
        self._share = _share_rows(gaussians)
        self._raw = {
            name: torch.nn.Parameter(
                self._own(name, getattr(self._rest, name)).clone(), requires_grad=optimize_gaussians
            )
            for name in TRAINED
        }
        self._near = Neighbourhood(self._rest.means)
        grids, decoder = field.groups()
        groups: list[dict[str, Any]] = [
            {"params": grids, "lr": RATE_GRID},
            {"params": decoder, "lr": RATE_DECODER},
            *({"params": [self._raw[name]], "lr": rate} for name, rate in RATES.items()),
            {"params": [self._raw["means"]], "lr": 0.0},
        ]
        self.optimizer = torch.optim.Adam([g for g in groups if g["params"][0].requires_grad], lr=0.0, eps=1e-15)

    def parameters(self) -> dict[str, Any]:
        """Names of `Gaussians` -> tensors of all rows, and "field" -> a dict of its parameters."""
        found: dict[str, Any] = {name: self._all(name, value.detach()) for name, value in self._raw.items()}
        found["field"] = {name: p.detach() for name, p in self.field.named_parameters() if p.requires_grad}
        return found

    def model(self, fps: float = 7.0) -> Gaussians4D:
        """What is fitted so far."""
        return Gaussians4D(self._gaussians().detach(), self.field, len(self.frames), fps, self.radius, self.fov_y)

    def step(self, rng: np.random.RandomState, noise: Tensor | None = None) -> float:
        """One step of the fit; returns its loss.

        Args:
            rng: whose next numbers choose frames and views.
            noise: of the guidance, [views*T,4,h,w]; None draws it.

        Raises:
            DisMoError: the loss is no number.
        """
        loss = self._backward(rng, noise)
        self.steps_done += 1
        if self.optimize_gaussians:
            self.optimizer.param_groups[-1]["lr"] = position_lr(self.steps_done)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        return loss

    def gradients(self, rng: np.random.RandomState, noise: Tensor | None = None) -> tuple[float, dict[str, Any]]:
        """Loss and gradients of the next step, as names of `parameters`; nothing is changed. Shared rows have their sum."""
        loss = self._backward(rng, noise)
        found: dict[str, Any] = {n: self._all(n, p.grad.clone()) for n, p in self._raw.items() if p.grad is not None}
        found["field"] = {n: p.grad.clone() for n, p in self.field.named_parameters() if p.grad is not None}
        self.optimizer.zero_grad(set_to_none=True)
        return loss, found

    def state(self) -> dict[str, Any]:
        """All that a resumed fit needs, but the random numbers."""
        raw = {name: value.detach().clone() for name, value in self._raw.items()}
        return {
            "step": self.steps_done,
            "raw": raw,
            "field": self.field.state_dict(),
            "optimizer": self.optimizer.state_dict(),
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """Take up a fit where `state` was taken.

        Raises:
            DisMoError: it belongs to other Gaussians or another field.
        """
        try:
            with torch.no_grad():
                for name, value in self._raw.items():
                    value.copy_(state["raw"][name])
            self.field.load_state_dict(state["field"])
            self.optimizer.load_state_dict(state["optimizer"])
            self.steps_done = int(state["step"])
        except (KeyError, RuntimeError, ValueError) as error:
            raise DisMoError(
                f"The checkpoint does not fit this clip and model ({str(error).splitlines()[0]}). Begin in another folder."
            ) from error

    # --- one step ---

    def _backward(self, rng: np.random.RandomState, noise: Tensor | None) -> float:
        """Gradients of the next step into `.grad`."""
        count = len(self.frames)
        chosen = np.arange(count)
        if self.frames_per_step < count:
            chosen = np.sort(rng.choice(count, self.frames_per_step, replace=False))
        drawn = None
        if self.guidance is not None and self.condition is not None:
            views = draw_views(rng, len(chosen), self.views, self.elevation, 0.0, self.invert_background)
            drawn = NovelViews(chosen[views.frame], views.elevation, views.azimuth, views.radius, views.background)
            if noise is None:
                shape = (len(drawn.frame), *self.condition.shape[1:])
                noise = torch.randn(shape, generator=self.generator, dtype=torch.float32).to(self.condition)
        window = int(rng.randint(0, count - 2)) if self.priors.smooth and count > 2 else -1
        while True:
            try:
                total = self._attempt(chosen, drawn, window, noise)
                break
            except torch.OutOfMemoryError:
                self.optimizer.zero_grad(set_to_none=True)
                if self.chunk == 1:
                    raise
                log.warning("Out of memory with %d pictures at once; from here on %d.", self.chunk, self.chunk // 2)
                self.chunk //= 2
        loss = float(total.sum())
        if not np.isfinite(loss):
            names = ("picture", "mask", "guidance", "priors")
            bad = [name for name, value in zip(names, total.tolist(), strict=True) if not np.isfinite(value)]
            self.optimizer.zero_grad(set_to_none=True)
            raise DisMoError(
                f"The loss of step {self.steps_done + 1} is not a number; it is the term: {', '.join(bad)}. Check the clip for "
                "damaged frames, or begin from other Gaussians."
            )
        return loss

    def _attempt(
        self, chosen: np.ndarray[Any, Any], drawn: NovelViews | None, window: int, noise: Tensor | None
    ) -> Tensor:
        step = self.steps_done + 1
        device = self.frames.device
        rest = self._gaussians()
        model = Gaussians4D(rest, self.field, len(self.frames), radius=self.radius, fov_y=self.fov_y)
        numbers = torch.as_tensor(chosen, dtype=torch.float32, device=device)
        moved = model.at_frames(numbers)
        graph = Activated._make(value.unflatten(0, (len(chosen), -1)) for value in moved.activated())
        leaves = Activated._make(value.detach().requires_grad_(value.requires_grad) for value in graph)
        totals = torch.zeros(4, device=device)
        totals[:2] = self._known_view(leaves, chosen, max(progress_of(step, self.iters), self.least_weight))
        if drawn is not None:
            totals[2] = self._other_views(leaves, chosen, drawn, step, noise)
        extra = self._priors(rest, graph[0], model, window)
        pairs = [(value, leaf.grad) for value, leaf in zip(graph, leaves, strict=True) if leaf.grad is not None]
        roots, gradients = [value for value, _ in pairs], [gradient for _, gradient in pairs]
        if extra is not None:
            totals[3] = extra.detach()
            roots.append(extra)
            gradients.append(torch.ones_like(extra))
        torch.autograd.backward(roots, gradients)
        return totals

    def _chunks(self, count: int) -> Iterator[slice]:
        for begin in range(0, count, self.chunk):
            self.check_cancel()
            yield slice(begin, min(begin + self.chunk, count))

    def _known_view(self, leaves: Activated, chosen: np.ndarray[Any, Any], weight: float) -> Tensor:
        size, count = self.frames.shape[-1], len(chosen)
        view = orbit_views([self.elevation], [0.0], [self.radius]).to(self.frames)
        index = torch.as_tensor(chosen, device=self.frames.device)
        terms = torch.zeros(2, device=self.frames.device)
        for part in self._chunks(count):
            frames, masks = self.frames[index[part]], self.masks[index[part]]
            raster = rasterize(*leaves.of_views(part), view.expand(len(frames), 4, 4), size, size, self.fov_y)
            rgb = WEIGHT_RGB * weight * (raster.image.clamp(0, 1) - frames).square().mean((1, 2, 3)).sum() / count
            mask = WEIGHT_MASK * weight * (raster.alpha - masks).square().mean((1, 2, 3)).sum() / count
            (rgb + mask).backward()
            terms += torch.stack((rgb.detach(), mask.detach()))
        return terms

    def _other_views(
        self, leaves: Activated, chosen: np.ndarray[Any, Any], drawn: NovelViews, step: int, noise: Tensor | None
    ) -> Tensor:
        assert self.guidance is not None and self.embedding is not None and self.condition is not None
        device, size = self.frames.device, novel_view_size(step, self.iters)
        place = {int(frame): k for k, frame in enumerate(chosen)}
        rows = torch.tensor([place[int(frame)] for frame in drawn.frame], device=device)
        frame = torch.as_tensor(drawn.frame, device=device)
        elevation, azimuth, radius = (
            torch.as_tensor(v, dtype=torch.float32, device=device)
            for v in (drawn.elevation, drawn.azimuth, drawn.radius)
        )
        views = orbit_views(
            (self.elevation + drawn.elevation).tolist(), drawn.azimuth.tolist(), (self.radius + drawn.radius).tolist()
        ).to(self.frames)
        behind = torch.as_tensor(drawn.background, dtype=torch.float32, device=device)[:, None].expand(-1, 3)
        scale = self.guidance_weight / len(rows)
        total = torch.zeros((), device=device)
        for part in self._chunks(len(rows)):
            raster = rasterize(*leaves.of_views(rows[part]), views[part], size, size, self.fov_y, behind[part])
            loss = scale * self.guidance.loss(
                raster.image.clamp(0, 1),
                elevation[part],
                azimuth[part],
                radius[part],
                self.embedding[frame[part]],
                self.condition[frame[part]],
                progress_of(step, self.iters),
                None if noise is None else noise[part],
                self.generator,
            )
            loss.backward()
            total += loss.detach()
        return total

    def _priors(self, rest: Gaussians, means: Tensor, model: Gaussians4D, window: int) -> Tensor | None:
        """The sum of the further terms, None where there are none. means: of the frames that were drawn, [F,N,3]."""
        p, terms = self.priors, []
        if p.rigid:
            terms.append(p.rigid * self._near.rigid(means))
        if window >= 0:
            three = window + torch.arange(3.0, device=means.device)
            row = model.at_frames(three).means.view(3, -1, 3)
            terms.append(p.smooth * (row[0] - 2 * row[1] + row[2]).square().mean())
        if p.depth:
            terms.append(p.depth * (means - rest.means)[..., 2].square().mean())
        if p.plane or p.time or p.l1:
            weights = means.new_tensor([p.plane, p.time, p.l1])
            terms.append((weights * self.field.regularization_terms()).sum())
        return torch.stack(terms).sum() if terms else None

    # --- rows that share ---

    def _gaussians(self) -> Gaussians:
        raw = {name: self._all(name, value) for name, value in self._raw.items()}
        return Gaussians(**raw, share=self._rest.share, sh_rest=self._rest.sh_rest)

    def _own(self, name: str, value: Tensor) -> Tensor:
        """One row for each set of rows that share."""
        if self._share is None or name not in SHARED:
            return value
        first, _ = self._share
        return value[first]

    def _all(self, name: str, value: Tensor) -> Tensor:
        if self._share is None or name not in SHARED:
            return value
        _, number = self._share
        return value[number]


def _share_rows(gaussians: Gaussians) -> tuple[Tensor, Tensor] | None:
    """(a row of each set, the set of each row) of rows that share, or None."""
    if gaussians.share is None:
        return None
    sets, number = gaussians.share.unique(return_inverse=True)
    first = torch.zeros(len(sets), dtype=torch.long, device=number.device)
    first.scatter_(0, number.flip(0), torch.arange(len(number) - 1, -1, -1, device=number.device))
    return first, number
