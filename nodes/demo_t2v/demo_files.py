"""Files of DEMO that a user can choose: in `models/dismo/demo`, and ComfyUI's own text encoders and VAEs."""

from __future__ import annotations

import os
from pathlib import Path

import folder_paths

from ..shared import files
from ..shared.files import Progress

MODELS = "dismo_demo"
FOLDER = "demo"  # within each of ComfyUI's dismo folders
ENDINGS = (".safetensors", ".sft", ".pth", ".pt", ".bin")
TINY, PUBLISHED = "tiny", "demo"
AUTO, NONE = "auto", "none"
TABLES = ".csv"


def register_folder() -> None:
    """Make the folder for its weights known to ComfyUI."""
    files.register_below(MODELS, ENDINGS, FOLDER)


def models() -> list[str]:
    """The bundled name, the published one, then the files in `models/dismo/demo`."""
    return [TINY, PUBLISHED, *_own()]


def encoders() -> list[str]:
    """auto, then the files in `models/dismo/demo`."""
    return [AUTO, *_own()]


def autoencoders() -> list[str]:
    """auto, then ComfyUI's VAEs and the files in `models/dismo/demo`."""
    return [AUTO, *folder_paths.get_filename_list("vae"), *_own()]


def tables() -> list[str]:
    """none, then the CSV files of the input folder."""
    folder = Path(folder_paths.get_input_directory())
    return [NONE, *sorted(file.name for file in folder.glob(f"*{TABLES}"))]


def table_path(choice: str) -> Path:
    """The file behind a choice; a name that leads elsewhere is taken as the bare file name."""
    return Path(folder_paths.get_input_directory()) / Path(choice).name


def find_parts(
    model: str, motion_encoder: str, autoencoder: str, download: bool, progress: Progress
) -> str | dict[str, Path]:
    """What to hand to `load_demo`: the bundled name, or part -> file.

    Raises:
        DisMoError: which files are not there.
    """
    from ...dismo_core.demo_t2v.bundled import tiny_paths
    from ...dismo_core.demo_t2v.loading import find_files
    from ...dismo_core.demo_t2v.weights import BASE, WEIGHTS
    from ...dismo_core.weights.hub import fetch_folder

    if (model, motion_encoder, autoencoder) == (TINY, AUTO, AUTO):
        return TINY
    given: dict[str, Path] = tiny_paths() if model == TINY else {}
    if model not in (TINY, PUBLISHED):
        given["unet"] = Path(files.full_path(MODELS, model))
    if motion_encoder != AUTO:
        given["motion_encoder"] = Path(files.full_path(MODELS, motion_encoder))
    if autoencoder != AUTO:
        folder = "vae" if folder_paths.get_full_path("vae", autoencoder) else MODELS
        given["autoencoder"] = Path(files.full_path(folder, autoencoder))
    own = [Path(place) for place in folder_paths.get_folder_paths(MODELS)]
    places = [place / below for place in own for below in ("", WEIGHTS.name, BASE.name)]
    if download:
        for folder in (WEIGHTS, BASE):
            fetch_folder(folder, own[0] / folder.name, progress)
    others = [Path(place) for name in ("text_encoders", "vae") for place in folder_paths.get_folder_paths(name)]
    return find_files([*places, *others], given, optional=("content_encoder",))


def fingerprint(*choices: str | None) -> str:
    """Changes when a file behind one of the choices does."""
    return ",".join(files.fingerprint(choice, MODELS) for choice in choices)


def _own() -> list[str]:
    return [name.replace(os.sep, "/") for name in folder_paths.get_filename_list(MODELS)]
