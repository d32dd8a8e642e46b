"""Toy weights of MIMO where the released ones go; of no use as a model."""

from __future__ import annotations

from pathlib import Path


def make_toy(models: Path) -> None:
    """Write them below `models`, a ComfyUI models folder."""
    import torch

    from dismo_core import mimo
    from dismo_core.mimo.training.examples import Encoders
    from dismo_core.mimo.training.export import export_whole
    from dismo_core.mimo.training.networks import Networks
    from dismo_core.mimo.training.tiny_parts import CONTEXT, new_image_encoder, new_vae

    torch.manual_seed(0)
    sizes = dict(channels=(32, 32, 32, 32), cross_attention_dim=CONTEXT, heads=4, layers=1, groups=8)
    networks = Networks(
        mimo.ReferenceUNet(**sizes), mimo.DenoisingUNet(**sizes), mimo.PoseGuider(32, channels=(4, 8, 8, 16))
    )
    export_whole(networks, Encoders(new_vae(), new_image_encoder(), 64), models / "dismo" / "mimo" / "MIMO")
