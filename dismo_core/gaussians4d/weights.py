"""Files of 4D: what can be fetched, the kinds of weights, and how they are checked. None is bundled: the default needs no network."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import DisMoError
from ..weights import registry
from ..weights.files import WeightFile
from ..weights.kinds import Kind, Place
from ..weights.manifest import HubFolder, default_folder

if TYPE_CHECKING:
    from torch import Tensor

log = logging.getLogger(__name__)
_PARTS = ("unet", "vae", "image_encoder", "clip_camera_projection")
_ZERO123 = tuple(f"{part}/{file}" for part in _PARTS for file in ("config.json", "*.safetensors", "*.bin"))
STABLE_ZERO123 = HubFolder(
    repo="ashawkey/stable-zero123-diffusers",
    patterns=_ZERO123,
    size=0,
    licence="Stability AI's non-commercial licence: no commercial use",
)
ZERO123_XL = HubFolder(
    repo="ashawkey/zero123-xl-diffusers", patterns=_ZERO123, size=0, licence="as its model card says; not checked here"
)
LGM_FILE = "model_fp16_fixrot.safetensors"  # the other one there has a fault in its rotations
LGM = HubFolder(repo="ashawkey/LGM", patterns=(LGM_FILE,), size=830_000_000, licence="MIT")
IMAGEDREAM = HubFolder(
    repo="ashawkey/imagedream-ipmv-diffusers",
    patterns=tuple(
        f"{part}/{file}"
        for part in ("unet", "vae", "text_encoder", "image_encoder", "tokenizer", "scheduler", "feature_extractor")
        for file in ("*.json", "*.txt", "*.safetensors", "*.bin")
    ),
    size=0,
    licence="as its model card says; not checked here",
)
COLLECTIONS = {
    "stable-zero123": (STABLE_ZERO123,),
    "zero123-xl": (ZERO123_XL,),
    "lgm-big": (LGM, IMAGEDREAM),
}
ZERO123 = ("stable-zero123", "zero123-xl")

LGM_KIND = Kind(
    "an LGM, which makes Gaussians of four pictures",
    Place("Load 4D Static Model", "--lgm of `dismo 4d static`", "load_static_lgm"),
    ("unet.down_blocks.0.nets.0.norm1.weight",),
)
FIELD_KIND = Kind(
    "a deformation field of DreamGaussian4D",
    "It lies beside the _4d_model.ply of the same name, and is read with it.",
    ("deformation_net.grid.aabb",),
)


def find_folders(
    name: str,
    places: Iterable[Path] | None = None,
    *,
    download: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> list[Path]:
    """The folders of a name in `COLLECTIONS`, one for each of its repositories.

    Args:
        name: of them.
        places: searched for folders that are called as the repositories, also below one that is called `name`; a download goes into
            the first. None = the default folder.
        download: fetch what is missing; otherwise the network is never touched.
        progress: of a download, called as (bytes done, bytes in all).

    Raises:
        DisMoError: no such name, or a folder that is not there.
    """
    from ..weights.hub import fetch_folder

    if name not in COLLECTIONS:
        raise DisMoError(f"There are no weights called {name!r}. Choose one of {', '.join(COLLECTIONS)}.")
    searched = list(places or (default_folder(),))
    found = []
    for part in COLLECTIONS[name]:
        log.warning("%s: %s", part.name, part.licence)  # a warning, so that scripts without logging show it, too
        own = [place / middle / part.name for place in searched for middle in (name, "")]
        folder = next((path for path in own if path.is_dir()), None)
        if folder is None and download:
            folder = own[0]
            fetch_folder(part, folder, progress)
        if folder is None:
            raise DisMoError(
                f"{part} is not in {searched[0]}. Put it there yourself from https://huggingface.co/{part.repo}, or let it be fetched.",
                hint="download",
                name=name,
            )
        found.append(folder)
    return found


def _lgms(file: WeightFile) -> Iterator[tuple[str, dict[str, Tensor]]]:
    import torch

    from .lgm import LGM as Network

    with torch.device("meta"):
        for name in ("big", "small", "tiny"):
            yield f"LGM, {name}", dict(getattr(Network, name)().state_dict())


registry.register(
    kinds=(LGM_KIND, FIELD_KIND),
    models={LGM_KIND: _lgms},
    collections=COLLECTIONS,
)
