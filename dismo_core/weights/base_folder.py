"""The diffusers folder of a base model: where it is, and whether it is whole; its index files say what belongs into it."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..errors import DisMoError
from ..files import read_json
from .manifest import HubModel
from .shards import opened, shards, weight_map


def find_base(
    source: str | os.PathLike[str],
    models: Sequence[HubModel],
    without: Collection[str] = (),
    *,
    download: bool = False,
) -> Path:
    """The diffusers folder that a path, a name or a hub id stands for.

    Args:
        source: folder with model_index.json, or the name or hub id of a base; other hub ids are taken for bases of the same parts as
            the first of `models`.
        models: published bases of the kind that is wanted.
        without: parts ("text_encoder", "vae") whose weights come from elsewhere.
        download: fetch what a hub id lacks on this machine; otherwise the network is never touched.

    Raises:
        DisMoError: nothing there.
    """
    from .hub import require_base

    name, folder = os.fspath(source), Path(source)
    if (folder / "model_index.json").is_file():
        return folder
    if folder.exists():
        raise DisMoError(f"{folder} is no diffusers folder: it has no model_index.json. Give the folder that holds it.")
    known = next((model for model in models if name in (model.repo, model.name, *model.formerly)), None)
    if known is None and not re.fullmatch(r"[\w.-]+/[\w.-]+", name):
        raise DisMoError(f"There is no folder {name}. Give a diffusers folder, or a hub id such as {models[0].repo}.")
    return require_base(known or replace(models[0], repo=name, formerly=()), without=without, download=download)


def read_config(folder: Path, name: str = "config.json") -> dict[str, Any]:
    """The JSON object `name` of a part's folder.

    Raises:
        DisMoError: it is missing, or damaged.
    """
    path = folder / name
    if not path.is_file():
        raise DisMoError(f"{path} is missing. The download is not complete: fetch the missing files.")
    return read_json(path)


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
