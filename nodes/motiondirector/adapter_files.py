"""Adapter files a user can choose: the pack's own, `models/dismo/motiondirector`, and `models/loras`; and where new ones go."""

from __future__ import annotations

import os
from pathlib import Path

import folder_paths

from ..shared import files
from ..shared.files import PACK, inside

FOLDER = "motiondirector"  # within the pack's
LIBRARY = "dismo_motiondirector"
LORAS = "loras"
EXTENSIONS = (".safetensors", ".pt")
BUNDLED_MARK = " [bundled]"
LORA_MARK = " [loras]"


def register_folder() -> None:
    """Make the folder for adapters known to ComfyUI."""
    files.register_below(LIBRARY, EXTENSIONS, FOLDER)


def choices() -> list[str]:
    """Those of the pack, then those in the library, then those in `models/loras`."""
    from ...dismo_core.motiondirector.bundled import bundled_adapters

    return [
        *(f"{name}{BUNDLED_MARK}" for name in bundled_adapters()),
        *(name.replace(os.sep, "/") for name in folder_paths.get_filename_list(LIBRARY)),
        *(f"{name}{LORA_MARK}" for name in folder_paths.get_filename_list(LORAS)),
    ]


def resolve(choice: str) -> Path:
    """The file behind a choice.

    Raises:
        DisMoError: not there.
    """
    from ...dismo_core.motiondirector.bundled import bundled_adapter

    if choice.endswith(BUNDLED_MARK):
        return bundled_adapter(choice.removesuffix(BUNDLED_MARK))
    if choice.endswith(LORA_MARK):
        return Path(files.full_path(LORAS, choice.removesuffix(LORA_MARK)))
    return Path(files.full_path(LIBRARY, choice))


def fingerprint(choice: str) -> str:
    """Changes when the file behind `choice` does, so that ComfyUI loads it again."""
    return f"{choice}@{resolve(choice).stat().st_mtime}"


def next_file(prefix: str, suffix: str) -> Path:
    """A new numbered file in the first of ComfyUI's `dismo` folders.

    Args:
        prefix: folders and beginning of the name; `motiondirector/` is where adapters are looked for.
        suffix: of the file.

    Raises:
        DisMoError: the prefix leads out of the folder.
    """
    root = folder_paths.get_folder_paths(PACK)[0]
    inside(root, prefix)
    folder, name, _, _, _ = folder_paths.get_save_image_path(prefix, os.path.abspath(root))
    number = 1  # not ComfyUI's counter, which counts files of one suffix
    while any((path := Path(folder) / f"{name}_{number:05}_{end}").exists() for end in EXTENSIONS):
        number += 1
    return path.with_suffix(suffix)


def run_folder(name: str, key: str, resume: bool) -> Path:
    """The folder of a training, in ComfyUI's output folder.

    Args:
        name: given by the user.
        key: of what is trained, and how.
        resume: whether a run that is there is resumed; false = a new one beside it.

    Raises:
        DisMoError: the name leads out of the folder.
    """
    first = place = inside(os.path.join(folder_paths.get_output_directory(), FOLDER), f"{name}_{key}")
    number = 1
    while not resume and place.exists():
        number += 1
        place = first.with_name(f"{first.name}_{number}")
    return place
