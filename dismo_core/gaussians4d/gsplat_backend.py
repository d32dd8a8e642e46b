"""The fast way on CUDA, where gsplat (Apache-2.0) is installed and works; nobody needs it."""

from __future__ import annotations

import functools
import logging

import torch
from torch import Tensor

from ..errors import DisMoError, first_line
from .cameras import FOV_Y, focal_length
from .gaussians import Activated

log = logging.getLogger(__name__)
BLUR, NEAR = 0.3, 0.2  # blur of the covariance, px^2; nearest depth
BACKENDS = ("auto", "torch", "gsplat")


def choose_backend(backend: str, device: torch.device, screen: Tensor | None = None) -> str:
    """ "torch" or "gsplat".

    Args:
        backend: one of `BACKENDS`.
        device: of the Gaussians.
        screen: see `rasterize`; only the torch backend gives that gradient.

    Raises:
        DisMoError: no such backend, or gsplat by name where it does not work.
    """
    if backend not in BACKENDS:
        raise DisMoError(f"The backend of the rasterizer is one of {', '.join(BACKENDS)}, not {backend!r}.")
    if backend == "torch" or (backend == "auto" and (device.type != "cuda" or screen is not None)):
        return "torch"
    reason = "it runs on CUDA only" if device.type != "cuda" else _why_not()
    if not reason:
        return "gsplat"
    if backend == "gsplat":
        raise DisMoError(
            f"The backend gsplat cannot be used here: {reason}. Choose the backend torch, which gives the same."
        )
    return "torch"


@functools.cache
def _why_not() -> str:
    """Why gsplat does not work; empty where it does. It compiles at its first use, so it is tried once."""
    try:
        import gsplat  # noqa: F401
    except ImportError:
        return "it is not installed"
    try:
        one = torch.ones(1, 4, device="cuda")
        view = torch.eye(4, device="cuda")
        view[2, 3] = 3
        ball = Activated(0 * one[:, :3], 0.1 * one[:, :3], one, one[:, 0], one[:, :3])
        rasterize_gsplat(ball, view[None], 16, 16, FOV_Y, (1, 1, 1))
    except Exception as error:  # whatever a compiler, a driver or a wheel for another torch does
        log.warning("gsplat is installed but does not work (%s); the slower torch backend is used.", first_line(error))
        return f"it does not work ({first_line(error)})"
    return ""


def rasterize_gsplat(
    gaussians: Activated,
    views: Tensor,
    height: int,
    width: int,
    fov_y: float,
    background: tuple[float, float, float] | Tensor,
) -> tuple[Tensor, Tensor, Tensor]:
    """Image, alpha and depth, as `rasterize`."""
    import gsplat

    means = gaussians.means
    focal = focal_length(height, fov_y)
    intrinsics = means.new_tensor([[focal, 0, width / 2], [0, focal, height / 2], [0, 0, 1]])
    behind = torch.as_tensor(background, dtype=means.dtype, device=means.device).expand(len(views), 3)
    views = views.to(means)

    def draw(g: Activated, part: slice) -> tuple[Tensor, Tensor]:
        view, color = views[part], behind[part]
        out, alpha, _ = gsplat.rasterization(
            g.means, g.quaternions, g.scales, g.opacities, g.colors, view, intrinsics.expand(len(view), 3, 3), width, height,
            near_plane=NEAR, eps2d=BLUR, backgrounds=torch.cat((color, color[:, :1] * 0), 1), render_mode="RGB+D",
        )  # fmt: skip
        return out, alpha

    alone = (2, 2, 2, 1, 2)  # dimensions of one set for all views
    if all(value.ndim == d for value, d in zip(gaussians, alone, strict=True)):
        out, alpha = draw(gaussians, slice(None))
    else:
        each = [v.expand(len(views), *v.shape) if v.ndim == d else v for v, d in zip(gaussians, alone, strict=True)]
        every = Activated._make(each)
        drawn = [draw(every.of_views(torch.tensor(k)), slice(k, k + 1)) for k in range(len(views))]
        out, alpha = torch.cat([o for o, _ in drawn]), torch.cat([a for _, a in drawn])
    out = out.movedim(-1, 1)
    return out[:, :3], alpha.movedim(-1, 1), out[:, 3:]
