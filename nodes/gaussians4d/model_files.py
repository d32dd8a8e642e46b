"""Gaussians and 4D models that a user can choose: files in ComfyUI's input and output folders, and an example."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import folder_paths

from ...dismo_core import DisMoError
from ..shared.files import EXAMPLE_MARK, OUTPUT_MARK, inside

if TYPE_CHECKING:
    from ...dismo_core.gaussians4d.posed import PosedGaussians

GAUSSIANS, MODEL = ".ply", "4d.safetensors"  # how names end
NONE = "none saved yet"
SEQUENCE = 3  # digits of a file that is one moment of many


def gaussians() -> list[str]:
    """The example, then PLY files; of a sequence the first."""
    return [f"fish{EXAMPLE_MARK}", *(name for name in _listed(GAUSSIANS) if not _later_of_a_sequence(name))]


def models() -> list[str]:
    """4D models that were saved."""
    return _listed(MODEL) or [NONE]


def example(choice: str) -> str | None:
    """The name of the example behind a choice; None where it is a file."""
    return choice.removesuffix(EXAMPLE_MARK) if choice.endswith(EXAMPLE_MARK) else None


def example_gaussians(name: str) -> PosedGaussians:
    """The first frame of an example's clip, blown up.

    Raises:
        DisMoError: no such example.
    """
    from ...dismo_core.assets.examples import example_clip
    from ...dismo_core.gaussians4d.clip import prepare_clip, read_rgba
    from ...dismo_core.gaussians4d.posed import inflated

    return inflated(prepare_clip(*read_rgba(example_clip(name)), frames=2))


def resolve(choice: str) -> Path:
    """The file behind a choice.

    Raises:
        DisMoError: not there, or outside the two folders.
    """
    if choice == NONE:
        raise DisMoError("No 4D model was saved yet. Save one with Save 4D, format 4d, then press R on the page.")
    output = choice.endswith(OUTPUT_MARK)
    folder = _folders()[OUTPUT_MARK if output else ""]
    name = choice.removesuffix(OUTPUT_MARK)
    path = inside(folder, name)
    if not path.is_file() or not path.name.endswith((GAUSSIANS, MODEL)):
        raise DisMoError(f"There is no file {name!r} in {folder}. Choose another one; R on the page lists them again.")
    return path


def fingerprint(choice: str) -> str:
    """Changes when the file behind `choice` does, so that ComfyUI loads it again."""
    return choice if example(choice) else f"{choice}@{resolve(choice).stat().st_mtime}"


def _folders() -> dict[str, Path]:
    places = {"": folder_paths.get_input_directory(), OUTPUT_MARK: folder_paths.get_output_directory()}
    return {mark: Path(os.path.abspath(folder)) for mark, folder in places.items()}


def _listed(ending: str) -> list[str]:
    """Relative names, with `/` on every system so that a shared graph finds them."""
    found = [
        Path(base, file).relative_to(folder).as_posix() + mark
        for mark, folder in _folders().items()
        for base, _, files in os.walk(folder)
        for file in files
        if file.endswith(ending)
    ]
    return sorted(found)


def _later_of_a_sequence(name: str) -> bool:
    stem = Path(name.removesuffix(OUTPUT_MARK)).stem
    return len(stem) == SEQUENCE and stem.isdigit() and int(stem) > 0
