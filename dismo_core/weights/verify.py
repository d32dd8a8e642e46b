"""Checking weight files and folders without loading them: checksum, tensor names and shapes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ..errors import DisMoError
from ..files import read_json
from . import registry
from .base_folder import check_base
from .files import differences
from .load import intact
from .manifest import HubModel
from .recognise import recognise
from .released import check_released
from .unwrapped import read_unwrapped


def verify(path: Path, progress: Callable[[int, int], None] | None = None) -> str:
    """What a weight file or the folder of a base model is, after checking it.

    A file that bears a released name must have the released checksum, a bundled one that which was written down with it. The
    tensors of any file must be those of a known model, by name and shape, or of a bundled file. Values are not looked at.

    Args:
        path: of the file or folder.
        progress: of the checksum, called with (bytes done, bytes in all).

    Raises:
        DisMoError: what is wrong with it.
    """
    if path.is_dir():
        model = _base_of(path)
        check_base(path, model.parts)
        return f"{model.family} base, complete by its index files"
    bundled = path in registry.BUNDLED.values()
    if bundled:
        intact(path)
    check_released(path, progress)
    file = read_unwrapped(path)
    kind = recognise(file.tensors)
    if kind is not None and kind not in registry.MODELS and not bundled:
        known = ", ".join(known.what for known in registry.MODELS)
        raise DisMoError(f"{path} is {kind.what}. Checked are: {known}, and folders of base models.")
    problems = []
    for candidate in registry.MODELS if kind is None else {kind} & set(registry.MODELS):
        tensors = {k: v for k, v in file.tensors.items() if not candidate.beside or not k.startswith(candidate.beside)}
        for name, expected in registry.MODELS[candidate](file):
            if not (problem := differences(expected, tensors)):
                return f"{name}, {len(tensors):,} tensors, {sum(t.numel() for t in tensors.values()):,} numbers"
            problems.append(f"Against {name}: {problem}")
    if bundled:  # parts that diffusers or transformers load have names of those libraries, and some kinds have no list of tensors
        return "as it was made"
    raise DisMoError(f"{path} fits no known model. {'. '.join(problems)}.")


def _base_of(folder: Path) -> HubModel:
    """The base model that a diffusers folder is one of, by the name of its pipeline or its own."""
    index = folder / "model_index.json"
    if not index.is_file():
        raise DisMoError(
            f"{folder} is no diffusers folder: it has no model_index.json. Give the folder that holds it, or fetch it again."
        )
    pipeline = str(read_json(index).get("_class_name"))
    for model in registry.BASES.values():
        if pipeline.startswith(model.family) or folder.name == model.name:
            return model
    raise DisMoError(
        f"{folder} is a {pipeline}. Known bases are: {', '.join(model.family for model in registry.BASES.values())}."
    )
