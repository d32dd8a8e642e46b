"""Files of CMD that a user can choose: models in `models/dismo/content_motion`, motions in the input and output folder."""

from __future__ import annotations

import os
from pathlib import Path

import folder_paths

from ...dismo_core import DisMoError
from ..shared import files
from ..shared.files import OUTPUT_MARK, inside

MODELS = "dismo_content_motion"
FOLDER = "content_motion"  # within each of ComfyUI's dismo folders
TINY = "tiny"
ENDINGS = (".safetensors", ".sft", ".pt", ".pth")
MOTION = ".safetensors"


def register_folder() -> None:
    """Make the folder for models known to ComfyUI."""
    files.register_below(MODELS, ENDINGS, FOLDER)


def models() -> list[str]:
    """The bundled name, then folders that hold an autoencoder, then single files, which are an autoencoder alone."""
    names = [Path(name) for name in folder_paths.get_filename_list(MODELS)]
    folders = sorted({name.parent.as_posix() for name in names if name.stem == "autoencoder" and len(name.parts) > 1})
    return [TINY, *folders, *sorted(name.as_posix() for name in names if name.parent.as_posix() not in folders)]


def model_path(choice: str) -> str:
    """What to hand to `dismo_core`: the bundled name as it is, else the path of the folder or file.

    Raises:
        DisMoError: it is not there.
    """
    if choice == TINY:
        return choice
    for place in folder_paths.get_folder_paths(MODELS):
        path = inside(place, choice)
        if path.exists():
            return str(path)
    places = " or ".join(folder_paths.get_folder_paths(MODELS))
    raise DisMoError(f"There is no {choice} in {places}. Put it there, then press R, or choose another one.")


def model_fingerprint(choice: str | None) -> str:
    """Changes when a file behind the choice does, so that ComfyUI loads it again; None where it comes from another node."""
    if choice is None or choice == TINY:
        return choice or ""
    path = Path(model_path(choice))
    found = sorted(path.iterdir()) if path.is_dir() else [path]
    return ",".join(f"{file.name}@{file.stat().st_mtime}" for file in found if file.suffix in ENDINGS)


def motions() -> list[str]:
    """Files of the input folder, then of the output folder, with `/` on every system so that a shared graph finds them."""
    return [
        file.relative_to(folder).as_posix() + mark
        for mark, folder in _places().items()
        for file in sorted(folder.rglob(f"*{MOTION}"))
    ]


def motion_path(choice: str) -> Path:
    """The file behind a choice.

    Raises:
        DisMoError: not there, or outside these folders.
    """
    mark = OUTPUT_MARK if choice.endswith(OUTPUT_MARK) else ""
    folder = _places()[mark]
    path = inside(folder, choice.removesuffix(mark))
    if path.suffix != MOTION or not path.is_file():
        raise DisMoError(
            f"There is no motion file {choice!r} in {folder}. Save one with CMD Save Motion, then press R."
        )
    return path


def next_file(prefix: str) -> tuple[Path, str]:
    """A new numbered file in the output folder, and its name below that.

    Raises:
        DisMoError: the prefix leads out of the folder.
    """
    base = _places()[OUTPUT_MARK]
    inside(base, prefix)
    folder, name, counter, subfolder, _ = folder_paths.get_save_image_path(prefix, str(base))
    file = f"{name}_{counter:05}_{MOTION}"
    return Path(folder) / file, (Path(subfolder) / file).as_posix()


def _places() -> dict[str, Path]:
    folders = {"": folder_paths.get_input_directory(), OUTPUT_MARK: folder_paths.get_output_directory()}
    return {mark: Path(os.path.abspath(folder)) for mark, folder in folders.items()}
