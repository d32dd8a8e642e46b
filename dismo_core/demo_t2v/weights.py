"""Files of DEMO and of the base below it: where they are published, what each is for, their kinds (docs/methods/demo_t2v.md, 1)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import DisMoError
from ..weights import registry
from ..weights.files import PICKLED, WeightFile, flat_tensors, unpickled
from ..weights.geometry import KEY
from ..weights.kinds import Kind, Place
from ..weights.manifest import HubFolder
from .bundled import tiny_files

if TYPE_CHECKING:
    from torch import Tensor

LICENCE = "CC BY-NC 4.0: non-commercial use only, of the weights and by its terms of what is made with them"
WEIGHTS = HubFolder("Ryan-PR/DEMO", ("demo.pth", "motion_encoder.pth"), 4_100_000_000, LICENCE)
BASE = HubFolder(
    "ali-vilab/modelscope-damo-text-to-video-synthesis",
    ("open_clip_pytorch_model.bin", "VQGAN_autoencoder.pth", "text2video_pytorch_model.pth"),
    14_800_000_000,
    LICENCE,
)
# Stem of a published file -> what it is for.
PURPOSES = {
    "demo": "the UNet with its motion modules",
    "motion_encoder": "reads the motion prompt",
    "open_clip_pytorch_model": "reads the content prompt; its image tower is for training alone",
    "VQGAN_autoencoder": "latents to frames; any SD 1.x VAE does instead",
    "text2video_pytorch_model": "the base without motion modules, for training alone",
}
MOTION_MARK = "middle_block.3.transformer_blocks.0.norm1.weight"  # without M that place is the last residual block's
UNET_ENTRY = "unet_state_dict"  # of a published checkpoint
_PLACE = Place("Load DEMO", "--weights of `dismo demo-t2v generate`", "load_demo")
UNET = Kind("a UNet of DEMO", _PLACE, (MOTION_MARK,))
BASE_UNET = Kind(
    "ModelScope's text-to-video UNet",
    Place("no node, it is the start of DEMO's training", "Pretrain of `dismo demo-t2v train`", "from_modelscope"),
    ("input_blocks.1.0.temopral_conv.conv1.0.weight",),
)
TOWER = Kind("a tower of OpenCLIP", _PLACE, ("transformer.resblocks.0.ln_1.weight",))


def published_unet(path: Path) -> WeightFile | None:
    """The UNet in a published checkpoint of DEMO, with its geometry where that is told; None for anything else.

    Raises:
        DisMoError: damaged, or a pickle that would have to run code.
    """
    if path.suffix not in PICKLED:
        return None
    try:
        content = unpickled(path)
    except DisMoError:
        return None  # whoever reads it next says what is wrong with it
    if not isinstance(content, dict) or UNET_ENTRY not in content:
        return None
    told = content.get(KEY)
    return WeightFile(path, flat_tensors(content[UNET_ENTRY], path), {KEY: told} if isinstance(told, str) else {})


def _unets(file: WeightFile) -> Iterator[tuple[str, dict[str, Tensor]]]:
    import torch

    from .models.unet import UNet

    with torch.device("meta"):
        yield "UNet of DEMO", dict(UNet().state_dict())


def _bases(file: WeightFile) -> Iterator[tuple[str, dict[str, Tensor]]]:
    from .base_names import from_modelscope

    ((_, whole),) = _unets(file)
    names = from_modelscope({name: name for name in file.tensors})
    yield "UNet of ModelScope", {old: whole[new] for new, old in names.items() if new in whole}


def _towers(file: WeightFile) -> Iterator[tuple[str, dict[str, Tensor]]]:
    import torch

    from .models.towers import ImageTower, TextTower

    with torch.device("meta"):
        text = dict(TextTower().state_dict())
        image = {f"visual.{name}": value for name, value in ImageTower().state_dict().items()}
    yield "text tower of OpenCLIP ViT-H/14", text
    yield "OpenCLIP ViT-H/14, both towers", text | image


registry.register(
    kinds=(UNET, BASE_UNET, TOWER),
    models={UNET: _unets, BASE_UNET: _bases, TOWER: _towers},
    collections={"demo": (WEIGHTS,), "modelscopet2v": (BASE,)},
    bundled={f"demo_t2v_tiny_{stem}": path for stem, path in tiny_files().items()},
    checkpoints=published_unet,
)
