"""CogVideoX files a user can choose: adapters, base models as diffusers folders or as ComfyUI's single files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import comfy.utils
import folder_paths

from ..shared import files
from ..shared.files import PACK
from . import model_files

if TYPE_CHECKING:
    import torch

    from ...dismo_core.cogvideox.base import CogVideoXBase
    from ..shared.files import Progress

BASE = "CogVideoX-5b-I2V"  # the hub's one, in a folder of this name
FROM_BASE = "from base"
FOLDERS = ("diffusers", PACK, "CogVideo")  # the last is where CogVideoXWrapper puts diffusers folders


def register_folder() -> None:
    """Make `models/CogVideo` known to ComfyUI."""
    files.register("CogVideo")


def adapters() -> list[str]:
    """The released adapter, then the files in `models/dismo`."""
    return [model_files.ADAPTER, *model_files.own_files()]


def bases() -> list[str]:
    """The hub's base, then diffusers folders of other CogVideoX models, then single files of transformers."""
    folders = [name for name in _base_folders() if name != BASE]
    return [BASE, *folders, *_transformer_files()]


def text_encoders() -> list[str]:
    """The base folder's own, then the files in `models/text_encoders`."""
    return [FROM_BASE, *folder_paths.get_filename_list("text_encoders")]


def vaes() -> list[str]:
    """The base folder's own, then the files in `models/vae`."""
    return [FROM_BASE, *folder_paths.get_filename_list("vae")]


def fingerprint(adapter: str | None, base: str | None, text_encoder: str | None, vae: str | None) -> str:
    """Changes when a file behind a choice does, so that ComfyUI loads it again; None is what comes from another node."""
    return ", ".join(
        (
            model_files.fingerprint(adapter),
            _base_fingerprint(base),
            files.fingerprint(text_encoder, "text_encoders"),
            files.fingerprint(vae, "vae"),
        )
    )


def _base_fingerprint(base: str | None) -> str:
    if (
        not base or base == BASE
    ):  # the latter, by its index files and checksums, is the same before a download and after it
        return base or ""
    folder = _base_folders().get(base)
    if folder is None:
        return files.fingerprint(base, "diffusion_models")
    parts = [*folder.glob("*.json"), *folder.glob("*/*.json"), *folder.glob("*/*.safetensors")]
    return f"{base}@{sum(part.stat().st_mtime_ns for part in parts)}"


def find_base(
    base: str, text_encoder: str, vae: str, download: bool, progress: Progress
) -> Callable[[torch.dtype], CogVideoXBase]:
    """What loads the chosen base model onto the CPU, in a precision; all its files are there then.

    Raises:
        DisMoError: not there and not to be fetched, or a choice that is not on the list.
    """
    from ...dismo_core import DisMoError
    from ...dismo_core.cogvideox import base as loaders

    t5 = None if text_encoder == FROM_BASE else files.full_path("text_encoders", text_encoder)
    own_vae = None if vae == FROM_BASE else files.full_path("vae", vae)
    tokenizer = _tokenizer()
    if base not in _transformer_files():
        without = [part for part, file in (("text_encoder", t5), ("vae", own_vae)) if file]
        folder = _base_folder(base, without, download, progress)
        return lambda dtype: loaders.load_base(folder, dtype, text_encoder=t5, vae=own_vae, tokenizer=tokenizer)
    if t5 is None or own_vae is None:
        raise DisMoError(
            f"{base} holds a transformer only. In the loader's advanced inputs choose a text_encoder (T5-XXL, from "
            "models/text_encoders) and a vae (CogVideoX, from models/vae), too."
        )
    if tokenizer is None:
        raise DisMoError(
            f"{base} comes without a tokenizer, and this version of ComfyUI has none of T5 where it is looked for. Choose a "
            "base in a diffusers folder, which has its own."
        )
    transformer = files.full_path("diffusion_models", base)
    return lambda dtype: loaders.load_base_files(transformer, own_vae, t5, tokenizer, dtype)


def _tokenizer() -> Path | None:
    """ComfyUI's own, of T5; None where this version keeps it elsewhere."""
    folder = Path(comfy.utils.__file__).parent / "text_encoders" / "t5_tokenizer"
    return folder if folder.is_dir() else None


def _base_folder(base: str, without: list[str], download: bool, progress: Progress) -> Path:
    """The folder of a base; that of the hub is checked, and fetched where that is allowed, but for parts in `without`."""
    from ...dismo_core import DisMoError
    from ...dismo_core.cogvideox import weights
    from ...dismo_core.weights.hub import require_base

    folders = _base_folders()
    if base == BASE:
        return require_base(weights.BASE, _places(), without=without, download=download, progress=progress)
    if base not in folders:
        raise DisMoError(
            f"There is no CogVideoX base {base!r}. Choose one of: {', '.join(bases())}; or put the diffusers folder into "
            f"{_places()[0]}."
        )
    return folders[base]


def _places() -> list[Path]:
    """Folders that diffusers folders lie in; downloads go into the first."""
    return [Path(place) for name in FOLDERS for place in folder_paths.get_folder_paths(name)]


def _base_folders() -> dict[str, Path]:
    """Name -> diffusers folder of a CogVideoX model."""
    folders = [folder for name in FOLDERS for folder in files.diffusers_folders(name)]
    return {folder.name: folder for folder in reversed(folders) if _is_cogvideox(folder)}


def _is_cogvideox(folder: Path) -> bool:
    return "CogVideoX" in (folder / "model_index.json").read_text(encoding="utf-8", errors="replace")


def _transformer_files() -> list[str]:
    return [name for name in folder_paths.get_filename_list("diffusion_models") if "cogvideo" in name.lower()]
