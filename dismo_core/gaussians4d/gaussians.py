"""A set of 3D Gaussians as raw, trainable parameters (docs/methods/gaussians4d.md, 3)."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from ..errors import DisMoError

SH_0 = 0.28209479177387814  # spherical harmonic of degree 0
LEAST_OPACITY = 0.005  # of a row of LGM that is kept


class Activated(NamedTuple):
    """What `rasterize` draws. means, scales: [...,N,3]. quaternions: [...,N,4], unit. opacities: [...,N]. colors: [...,N,3]."""

    means: Tensor
    scales: Tensor
    quaternions: Tensor
    opacities: Tensor
    colors: Tensor

    def of_views(self, index: Tensor | slice) -> Activated:
        """Those of some of the views, where the first dimension is that of the views."""
        return Activated(*[value[index] for value in self])


@dataclass(frozen=True)
class Gaussians:
    """N Gaussians. Color is 0.5 + SH_0 * colors_dc.

    Args:
        means: [N,3].
        colors_dc: [N,3], coefficients of degree 0.
        opacity_logits: [N].
        log_scales: [N,3].
        quaternions: [N,4] (w,x,y,z), of any length but 0.
        share: [N] whole numbers or None; rows of one number are to keep one color and one opacity while they are fitted.
        sh_rest: [N,K] coefficients of higher degrees as a file held them, or None; kept for saving, not drawn.
    """

    means: Tensor
    colors_dc: Tensor
    opacity_logits: Tensor
    log_scales: Tensor
    quaternions: Tensor
    share: Tensor | None = None
    sh_rest: Tensor | None = None

    def __post_init__(self) -> None:
        n = self.means.shape[0]
        shapes = {
            "means": (n, 3),
            "colors_dc": (n, 3),
            "opacity_logits": (n,),
            "log_scales": (n, 3),
            "quaternions": (n, 4),
        }
        for name, shape in shapes.items():
            found = tuple(getattr(self, name).shape)
            if found != shape:
                raise DisMoError(f"{name} of {n} Gaussians must have the shape {list(shape)}, not {list(found)}.")

    def __len__(self) -> int:
        return len(self.means)

    @property
    def scales(self) -> Tensor:
        """Standard deviations along the axes [N,3]."""
        return self.log_scales.exp()

    @property
    def opacities(self) -> Tensor:
        """[N], 0..1."""
        return self.opacity_logits.sigmoid()

    @property
    def rotations(self) -> Tensor:
        """Unit quaternions [N,4] (w,x,y,z)."""
        return F.normalize(self.quaternions, dim=-1)

    @property
    def colors(self) -> Tensor:
        """RGB [N,3], at least 0."""
        return (0.5 + SH_0 * self.colors_dc).clamp_min(0)

    @property
    def covariances(self) -> Tensor:
        """[N,6]: xx, xy, xz, yy, yz, zz."""
        half = rotation_matrices(self.rotations) * self.scales[:, None]
        full = half @ half.mT
        rows, columns = torch.triu_indices(3, 3)
        return full[:, rows, columns]

    @classmethod
    def from_activated(cls, rows: Tensor) -> Gaussians:
        """Gaussians of LGM's rows, without those of an opacity below 0.005 (docs/methods/gaussians4d.md, 4.2).

        Args:
            rows: [N,14]: position, opacity, scale, rotation (w,x,y,z), RGB.
        """
        rows = rows[rows[:, 3] >= LEAST_OPACITY]
        return cls(
            means=rows[:, :3],
            colors_dc=(rows[:, 11:] - 0.5) / SH_0,
            opacity_logits=rows[:, 3].clamp(1e-6, 1 - 1e-6).logit(),
            log_scales=(rows[:, 4:7] + 1e-8).log(),
            quaternions=rows[:, 7:11],
        )

    def activated(self) -> Activated:
        """For `rasterize`."""
        return Activated(self.means, self.scales, self.rotations, self.opacities, self.colors)

    def select(self, index: Tensor) -> Gaussians:
        """Those of an index or a mask, in its order."""
        return replace(self, **{name: value[index] for name, value in self.tensors().items()})

    def to(self, device: torch.device | str) -> Gaussians:
        """On another device."""
        return replace(self, **{name: value.to(device) for name, value in self.tensors().items()})

    def detach(self) -> Gaussians:
        """Without a history of gradients."""
        return replace(self, **{name: value.detach() for name, value in self.tensors().items()})

    def tensors(self) -> dict[str, Tensor]:
        """Name -> tensor of what is there."""
        found = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in found.items() if value is not None}


def rotation_matrices(q: Tensor) -> Tensor:
    """[...,3,3] of unit quaternions [...,4] (w,x,y,z)."""
    w, x, y, z = q.unbind(-1)
    entries = (
        *(1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)),
        *(2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)),
        *(2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)),
    )
    matrices: Tensor = torch.stack(entries, dim=-1).unflatten(-1, (3, 3))
    return matrices
