"""The deformation field: six feature planes over space and time, and four small heads (docs/methods/gaussians4d.md, 5).

After "HexPlane" (Cao and Johnson, CVPR 2023) and "4D Gaussian Splatting" (Wu et al., CVPR 2024). Names of the parameters are
those of the released files.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..errors import DisMoError
from ..weights.files import differences, read_weights

PAIRS = list(itertools.combinations(range(4), 2))  # xy xz xt yz yt zt
OVER_TIME = [pair[1] == 3 for pair in PAIRS]
_UNUSED = ("timenet.", "time_poc", "pos_poc", "rotation_scaling_poc", "opacity_poc")


class _Planes(nn.Module):
    """Product of six planes, each looked up bilinearly; scales side by side."""

    def __init__(self, resolution: Sequence[int], channels: int, bound: float, multires: Sequence[int]) -> None:
        super().__init__()
        self.aabb = nn.Parameter(torch.tensor([[bound] * 3, [-bound] * 3]), requires_grad=False)  # maximum first
        self.grids = nn.ModuleList()
        for factor in multires:
            sizes = [*(factor * size for size in resolution[:3]), resolution[3]]
            planes = [torch.empty(1, channels, sizes[second], sizes[first]) for first, second in PAIRS]
            for plane, timed in zip(planes, OVER_TIME, strict=True):
                nn.init.ones_(plane) if timed else nn.init.uniform_(plane, 0.1, 0.5)
            self.grids.append(nn.ParameterList(planes))

    def forward(self, points: Tensor, tau: Tensor) -> Tensor:
        high, low = self.aabb
        place = torch.cat(
            ((points - high) * (2 / (low - high)) - 1, tau[:, None]), dim=-1
        )  # x is mirrored, as published
        found = []
        for planes in self.grids:
            assert isinstance(planes, nn.ParameterList)
            product: Tensor | None = None
            for (first, second), plane in zip(PAIRS, planes, strict=True):
                at = place[None, None][..., (first, second)]
                sampled = F.grid_sample(plane, at, mode="bilinear", padding_mode="border", align_corners=True)
                product = sampled if product is None else product * sampled
            assert product is not None
            found.append(product[0, :, 0].mT)
        return torch.cat(found, dim=-1)


class _Residual(nn.Module):
    """r + Linear(r) with r = relu(x)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.main_stream = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        r = F.relu(x)
        out: Tensor = r + self.main_stream(r)
        return out


class _Head(nn.Module):
    """Starts at zero: a new field moves nothing."""

    def __init__(self, width: int, outputs: int) -> None:
        super().__init__()
        last = nn.Linear(width, outputs)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        self.feature_out = nn.Sequential(_Residual(width), last)

    def forward(self, x: Tensor) -> Tensor:
        offsets: Tensor = self.feature_out(x)
        return offsets


class _Net(nn.Module):
    def __init__(self, grid: _Planes, features: int, width: int, depth: int) -> None:
        super().__init__()
        self.grid = grid
        first = nn.Linear(features, width)
        nn.init.xavier_uniform_(first.weight)
        layers: list[nn.Module] = [first]
        for _ in range(depth - 1):
            layers += [nn.ReLU(), nn.Linear(width, width)]
        self.feature_out = nn.Sequential(*layers)
        self.pos_deform = _Head(width, 3)
        self.scales_deform = _Head(width, 3)
        self.rotations_deform = _Head(width, 4)
        self.opacity_deform = _Head(width, 1)


class HexPlaneDeformation(nn.Module):
    """What is added to the raw parameters of Gaussians at a time.

    Args:
        resolution: of the planes along x, y, z and time.
        channels: of a plane.
        width: of the decoder.
        depth: linear layers of its trunk.
        bound: half the side of the box that the planes cover.
        multires: factors of the three spatial sizes, one set of planes each.
        deform_opacity: whether `forward` gives the fourth head's output, too.
    """

    def __init__(
        self,
        resolution: Sequence[int] = (32, 32, 32, 12),
        channels: int = 32,
        width: int = 64,
        depth: int = 1,
        bound: float = 1.6,
        multires: Sequence[int] = (1,),
        deform_opacity: bool = False,
    ) -> None:
        super().__init__()
        if len(resolution) != 4 or min(resolution) < 2:
            raise DisMoError(
                f"The resolution of a field is four numbers of at least 2 (x, y, z, time), not {resolution}."
            )
        self.geometry: dict[str, Any] = {
            **{"resolution": list(resolution), "channels": channels, "width": width, "depth": depth},
            **{"bound": bound, "multires": list(multires), "deform_opacity": deform_opacity},
        }
        self.deform_opacity = deform_opacity
        self.deformation_net = _Net(
            _Planes(resolution, channels, bound, multires), channels * len(multires), width, depth
        )

    def features(self, points: Tensor, tau: Tensor) -> Tensor:
        """[N,C] of points [N,3] at time codes [N] (-1 at the first frame)."""
        features: Tensor = self.deformation_net.grid(points, tau)
        return features

    def forward(self, points: Tensor, tau: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
        """Offsets of position [N,3], log scale [N,3], quaternion [N,4], opacity logit [N,1] or None."""
        net = self.deformation_net
        h = net.feature_out(self.features(points, tau))
        opacity = net.opacity_deform(h) if self.deform_opacity else None
        return net.pos_deform(h), net.scales_deform(h), net.rotations_deform(h), opacity

    def regularization_terms(self) -> Tensor:
        """[3]: squared second difference of the spatial planes and of those over time, along rows; distance of the latter from 1."""
        terms: list[list[Tensor]] = [[], [], []]
        for planes in self.deformation_net.grid.grids:
            assert isinstance(planes, nn.ParameterList)
            for timed, plane in zip(OVER_TIME, planes, strict=True):
                second = plane[..., 2:, :] - 2 * plane[..., 1:-1, :] + plane[..., :-2, :]
                terms[1 if timed else 0].append(second.square().mean())
                if timed:
                    terms[2].append((1 - plane).abs().mean())
        return torch.stack([torch.stack(term).sum() for term in terms])

    def groups(self) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
        """Trainable parameters of the planes, and those of the decoder; they have two learning rates."""
        named = [(name, p) for name, p in self.named_parameters() if p.requires_grad]
        return [p for name, p in named if "grid" in name], [p for name, p in named if "grid" not in name]

    def load_released(self, source: str | os.PathLike[str] | Mapping[str, Tensor]) -> None:
        """Take the weights of a released `_deformation.pth`; its 8 entries that nothing reads are passed over.

        Raises:
            DisMoError: a field of another resolution or time, or a damaged file.
        """
        given = source if isinstance(source, Mapping) else read_weights(source).tensors
        tensors = {name: value for name, value in given.items() if not name.startswith(_UNUSED)}
        if problem := differences(self.state_dict(), tensors):
            raise DisMoError(
                f"The field in {'the mapping' if isinstance(source, Mapping) else source} is not one of the resolution "
                f"{self.geometry['resolution']}. {problem}. Give the resolution that it was trained with."
            )
        self.load_state_dict(tensors)
