"""Files of MIMO: their kinds, how they are checked, and what the pack bundles."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import DisMoError
from ..weights import registry
from ..weights.files import WeightFile
from ..weights.kinds import Kind, Place
from ..weights.load import CHECKSUMS, intact
from ..weights.manifest import HubFolder

if TYPE_CHECKING:
    from torch import Tensor, nn

    from .templates.template import Template

_FOLDER = Path(__file__).parents[1] / "assets" / "mimo"
EXAMPLE_TEMPLATE = _FOLDER / "gym.zip"
EXAMPLE_CHARACTER = _FOLDER / "gym_character.webp"

TINY = _FOLDER / "tiny"  # laid out as the release's folder
_TINY_FILES = {
    "denoising_unet": "denoising_unet.safetensors",
    "reference_unet": "reference_unet.safetensors",
    "pose_guider": "pose_guider.safetensors",
    "vae": "sd-vae-ft-mse/diffusion_pytorch_model.safetensors",
    "image_encoder": "image_encoder/model.safetensors",
}

_BASE_LICENCE = "CreativeML OpenRAIL-M: read it where it is published"
RELEASED_FOLDERS = (
    HubFolder(
        "menyifang/MIMO",
        ("denoising_unet.pth", "reference_unet.pth", "pose_guider.pth", "motion_module.pth"),
        0,  # not known here
        "the networks; their licence was not seen by us, read it where they are published",
    ),
    HubFolder(
        "stable-diffusion-v1-5/stable-diffusion-v1-5",
        ("unet/config.json", "unet/diffusion_pytorch_model.safetensors"),
        3_440_000_000,
        f"what they build on; {_BASE_LICENCE}",
    ),
    HubFolder(
        "stabilityai/sd-vae-ft-mse",
        ("config.json", "diffusion_pytorch_model.safetensors"),
        335_000_000,
        "the VAE; MIT",
    ),
    HubFolder(
        "lambdalabs/sd-image-variations-diffusers",
        ("image_encoder/*",),
        1_220_000_000,
        f"the image encoder; {_BASE_LICENCE}",
    ),
)

_PLACE = Place("Load MIMO Model, as part of a folder", "--weights of `dismo mimo`, as part of a folder", "load_mimo")
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


def tiny_folder() -> Path:
    """The folder of the bundled tiny weights, every file of it as it was made.

    Raises:
        DisMoError: they are not bundled, or damaged.
    """
    files = tiny_files()
    if not files:
        raise DisMoError(
            f"The tiny weights of MIMO are not bundled with this version (no {TINY}). Name the folder of other weights, or train them: "
            "docs/mimo.md says how."
        )
    for path in files.values():
        intact(path)
    return TINY


def tiny_files() -> dict[str, Path]:
    """Name -> weight file of the bundled tiny model, each with a checksums.json beside it; none where it is not bundled."""
    if not (TINY / CHECKSUMS).is_file():
        return {}
    return {f"mimo_tiny_{name}": TINY / file for name, file in _TINY_FILES.items()}


def _denoising(file: WeightFile) -> Iterator[tuple[str, dict[str, Tensor]]]:
    import torch

    from .models.denoising_unet import WITH_OCCLUSION, DenoisingUNet
    from .models.sizes import unet_sizes

    sizes = unet_sizes(file.tensors)
    with torch.device("meta"):
        whole = dict(DenoisingUNet().state_dict())
    yield "MIMO's denoising UNet", whole
    yield from _of_its_size("MIMO's denoising UNet", lambda: DenoisingUNet(**sizes, groups=1))
    yield from _of_its_size(
        "MIMO's denoising UNet for occlusions", lambda: DenoisingUNet(**sizes, groups=1, in_channels=WITH_OCCLUSION)
    )
    yield "motion modules of AnimateDiff v2", {name: x for name, x in whole.items() if ".motion_modules." in name}
    yield (
        "MIMO's denoising UNet without tables of positions",
        {n: x for n, x in whole.items() if "pos_encoder" not in n},
    )


def _guider(file: WeightFile) -> Iterator[tuple[str, dict[str, Tensor]]]:
    import torch

    from .models.pose_guider import PoseGuider
    from .models.sizes import guider_sizes

    with torch.device("meta"):
        yield "MIMO's pose guider", dict(PoseGuider().state_dict())
    yield from _of_its_size("MIMO's pose guider", lambda: PoseGuider(**guider_sizes(file.tensors)))


def _reference(file: WeightFile) -> Iterator[tuple[str, dict[str, Tensor]]]:
    import torch

    from .models.denoising_unet import DenoisingUNet
    from .models.reference_unet import ReferenceUNet
    from .models.sizes import unet_sizes

    with torch.device("meta"):
        yield "MIMO's reference UNet", dict(ReferenceUNet().state_dict())
        stable = dict(DenoisingUNet(in_channels=4).state_dict())
    yield from _of_its_size("MIMO's reference UNet", lambda: ReferenceUNet(**unet_sizes(file.tensors), groups=1))
    yield "UNet of Stable Diffusion 1.5", {name: x for name, x in stable.items() if ".motion_modules." not in name}


def _of_its_size(name: str, make: Callable[[], nn.Module]) -> Iterator[tuple[str, dict[str, Tensor]]]:
    """A network of the size that its tensors tell; nothing where they tell one that cannot be."""
    import torch

    try:
        with torch.device("meta"):
            yield f"{name}, of another size", dict(make().state_dict())
    except (ValueError, TypeError, RuntimeError, ZeroDivisionError):
        return


registry.register(
    kinds=(DENOISING, GUIDER, REFERENCE),
    models={DENOISING: _denoising, GUIDER: _guider, REFERENCE: _reference},
    bundled=tiny_files(),
    collections={"MIMO": RELEASED_FOLDERS},
)
