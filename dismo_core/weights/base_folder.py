"""Is the folder of a base model whole? Its index files say what belongs into it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

from ..errors import DisMoError
from .shards import opened, shards, weight_map


def check_base(folder: Path, parts: Mapping[str, str], without: Collection[str] = ()) -> None:
    """Check that a diffusers folder has every file and tensor that its index files name.

    Args:
        parts: see `HubModel`.
        without: of these, the ones whose weights are not needed.

    Raises:
        DisMoError: what is missing.
    """
    if not (folder / "model_index.json").is_file():
        raise DisMoError(
            f"{folder} is no diffusers folder: it has no model_index.json. Give the folder that holds it, or fetch it again."
        )
    for part, stem in parts.items():
        if part in without:
            continue
        found: dict[str, str] = {}
        for file in shards(folder / part, stem):
            with opened(file) as tensors:
                found |= dict.fromkeys(tensors.keys(), file.name)
        index = folder / part / f"{stem}.safetensors.index.json"
        if index.is_file():
            wanted = weight_map(index)
            if wrong := sorted(name for name, file in wanted.items() if found.get(name) != file):
                raise DisMoError(
                    f"{folder / part} lacks {len(wrong)} tensors that its index names, as {wrong[0]} in {wanted[wrong[0]]}. "
                    "Its files belong to different versions: fetch them again."
                )
