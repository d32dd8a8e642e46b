"""LGM and the multi-view network against the published code."""

import torch
from gaussians4d.goldens4d import close, filled, golden, rnd

from dismo_core.gaussians4d import LGM, MultiViewUNet


@torch.no_grad()
def test_lgm():
    model = filled(LGM((32, 64), (False, True), True, (64, 32), (True, False)))
    close(model(golden("lgm.images").float())[:, ::2], "lgm.gaussians", 2e-4)


@torch.no_grad()
def test_multi_view_network():
    model = filled(
        MultiViewUNet(
            model_channels=32, attention_resolutions=(2, 1), num_res_blocks=1, channel_mult=(1, 2),
            num_head_channels=16, context_dim=24, ip_dim=4,
        )
    )  # fmt: skip
    x, t, context, latents = (golden(f"multiview.{name}") for name in ("x", "t", "context", "latents"))
    cameras = golden("camera.multiview").repeat(2, 1)
    close(model(x, t, context, cameras, 5, 0.3 * rnd("mv.ip", 10, 5, 1280), latents), "multiview.out", 3e-4)
