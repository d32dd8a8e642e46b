"""Figures of the published code, the weights they were made with, and the stand-ins for its large networks."""

from __future__ import annotations

import zlib
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import filling
import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F

from dismo_core.gaussians4d import Gaussians, HexPlaneDeformation, Zero123Guidance
from dismo_core.gaussians4d.guidance import zero123_alphas_cumprod

FILE = Path(__file__).parents[1] / "goldens" / "gaussians4d.safetensors"


@cache
def goldens() -> dict[str, Tensor]:
    return load_file(FILE)


def golden(name: str) -> Tensor:
    return goldens()[name].clone()


def close(found: Tensor, name: str, atol: float = 2e-5, rtol: float = 0.0) -> None:
    expected = golden(name)
    torch.testing.assert_close(found.detach().to(expected.dtype), expected, atol=atol, rtol=rtol)


def relative(found: Tensor, name: str) -> float:
    expected = golden(name).reshape(found.shape)
    return float((found - expected).norm() / expected.norm())


def value_of(name: str, shape: tuple[int, ...]) -> Tensor:
    """The entry of a state dict; those of the planes lie about 0.6."""
    value = filling.filled(name, shape)
    return 0.6 + 0.25 * value * float(np.sqrt(np.prod(shape[1:]))) if ".grids." in name else value


def filled(module: nn.Module, prefix: str = "") -> nn.Module:
    state = module.state_dict()
    module.load_state_dict(
        {k: v if k.endswith("aabb") else value_of(prefix + k, tuple(v.shape)) for k, v in state.items()}
    )
    return module.requires_grad_(False)


def rnd(name: str, *shape: int) -> Tensor:
    draw = np.random.RandomState(zlib.crc32(("in." + name).encode())).standard_normal(shape)
    return torch.from_numpy(draw.astype(np.float32))


def field_a() -> HexPlaneDeformation:
    return filled(HexPlaneDeformation((5, 6, 7, 4), 8, 16, 1, deform_opacity=True))


def field_b() -> HexPlaneDeformation:
    return filled(HexPlaneDeformation((6, 5, 4, 3), 8, 16, 2, multires=(1, 2), deform_opacity=True))


def gaussians(prefix: str) -> Gaussians:
    names = ("xyz", "dc", "op", "ls", "q")
    xyz, dc, op, ls, q = (golden(f"{prefix}.{name}") for name in names)
    return Gaussians(xyz, dc, op[:, 0], ls, q)


def raw(g: Gaussians) -> dict[str, Tensor]:
    return {"xyz": g.means, "dc": g.colors_dc, "op": g.opacity_logits[:, None], "ls": g.log_scales, "q": g.quaternions}


class StubVAE:
    config = SimpleNamespace(scaling_factor=0.18215)

    def encode(self, x: Tensor) -> SimpleNamespace:
        p = F.avg_pool2d(x, 8)
        latent = torch.cat((p, p[:, :1] * p[:, 1:2] - 0.3 * p[:, 2:3]), dim=1)
        return SimpleNamespace(latent_dist=SimpleNamespace(sample=lambda: latent))


def stub_unet(x: Tensor, t: Tensor, encoder_hidden_states: Tensor) -> SimpleNamespace:
    c = encoder_hidden_states[:, 0, ::96].mean(-1).view(-1, 1, 1, 1)
    out = torch.tanh(0.7 * x[:, :4] - 0.4 * x[:, 4:].flip(1) + c + 0.2 * torch.sin(t / 150))
    return SimpleNamespace(sample=out + 0.1 * x[:, :4].roll(1, -1))


def stub_guidance(kind: str = "stable", unet=stub_unet) -> Zero123Guidance:
    projection = filled(nn.Linear(772, 768), "clip_camera_projection.proj.")
    return Zero123Guidance(unet, StubVAE(), projection, zero123_alphas_cumprod(), kind)
