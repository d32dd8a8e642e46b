"""Files of MIMO: their kinds, how they are checked, and what the pack bundles."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from ..weights import registry
from ..weights.files import WeightFile
from ..weights.kinds import Kind, Place

if TYPE_CHECKING:
    from torch import Tensor

    from .templates.template import Template

_FOLDER = Path(__file__).parents[1] / "assets" / "mimo"
EXAMPLE_TEMPLATE = _FOLDER / "gym.zip"
EXAMPLE_CHARACTER = _FOLDER / "gym_character.webp"

_PLACE = Place("a node of MIMO, once there is one", "--weights of `dismo mimo`, as part of a folder", "load_mimo")
DENOISING = Kind(
    "a denoising UNet or motion modules of MIMO",
    _PLACE,
    (".motion_modules.0.temporal_transformer.norm.weight",),
)
GUIDER = Kind("a pose guider of MIMO", _PLACE, ("blocks.5.weight",))
REFERENCE = Kind(
    "a UNet with Stable Diffusion's names, such as MIMO's reference UNet",
    _PLACE,
    ("down_blocks.0.attentions.0.transformer_blocks.0.norm1.weight",),
)


def example_template() -> Template:
    """The bundled template: a drawn figure that walks behind a post and a bush."""
    from .templates.template import Template

    return Template.load(EXAMPLE_TEMPLATE)


def _denoising(file: WeightFile) -> Iterator[tuple[str, dict[str, Tensor]]]:
    import torch

    from .models.denoising_unet import DenoisingUNet

    with torch.device("meta"):
        whole = dict(DenoisingUNet().state_dict())
    yield "MIMO's denoising UNet", whole
    yield "motion modules of AnimateDiff v2", {name: x for name, x in whole.items() if ".motion_modules." in name}
    yield (
        "MIMO's denoising UNet without tables of positions",
        {n: x for n, x in whole.items() if "pos_encoder" not in n},
    )


def _guider(file: WeightFile) -> Iterator[tuple[str, dict[str, Tensor]]]:
    import torch

    from .models.pose_guider import PoseGuider

    with torch.device("meta"):
        yield "MIMO's pose guider", dict(PoseGuider().state_dict())


def _reference(file: WeightFile) -> Iterator[tuple[str, dict[str, Tensor]]]:
    import torch

    from .models.denoising_unet import DenoisingUNet
    from .models.reference_unet import ReferenceUNet

    with torch.device("meta"):
        yield "MIMO's reference UNet", dict(ReferenceUNet().state_dict())
        stable = dict(DenoisingUNet(in_channels=4).state_dict())
    yield "UNet of Stable Diffusion 1.5", {name: x for name, x in stable.items() if ".motion_modules." not in name}


registry.register(
    kinds=(DENOISING, GUIDER, REFERENCE),
    models={DENOISING: _denoising, GUIDER: _guider, REFERENCE: _reference},
)
