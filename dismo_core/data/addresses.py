"""Where shards lie: folders, files, patterns, and addresses that the webdataset library opens."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..errors import DisMoError

_REMOTE = re.compile(r"pipe:|[a-zA-Z][a-zA-Z0-9+.-]+://")  # two letters at least: C: is a drive


def find_shards(paths: Sequence[str | os.PathLike[str]]) -> list[str]:
    """Tars of folders (searched recursively, sorted), of brace patterns (`part-{000..127}.tar`), and as they are given.

    Addresses (`pipe:...`, `https://...`, `s3://...`) are taken on trust, as the webdataset library takes them.

    Raises:
        DisMoError: nothing at one of the paths.
    """
    found: list[str] = []
    for path in (os.fspath(path) for path in paths):
        if os.path.isdir(path):
            tars = sorted(str(tar) for tar in Path(path).rglob("*.tar") if not tar.name.startswith("."))
            if not tars:
                raise DisMoError(f"There is no .tar file in {path}.", hint="make shards")
            found += tars
            continue
        names = _expanded(path) if "{" in path and not os.path.isfile(path) else [path]
        for name in names:
            if not is_remote(name) and not os.path.isfile(name):
                raise DisMoError(f"There is no shard {name}. Give a folder of .tar files, a .tar file or an address.")
        found += names
    return found


def is_remote(shard: str) -> bool:
    """Whether a shard can only be read from front to back, through webdataset."""
    return _REMOTE.match(shard) is not None


def _expanded(pattern: str) -> list[str]:
    if not is_remote(pattern):
        pattern = Path(pattern).as_posix()  # a backslash would be read as an escape
    try:
        names: list[str] = webdataset().shardlists.expand_urls(pattern)
    except ValueError as error:
        raise DisMoError(
            f"{pattern} is no pattern of shards: {error}. Braces stand for many names, as in part-{{000..127}}.tar."
        ) from error
    return names


def webdataset() -> Any:
    """The webdataset library, imported when first needed.

    Raises:
        DisMoError: not installed.
    """
    try:
        import webdataset
    except ImportError as error:
        raise DisMoError(
            "The package webdataset is needed here and is not installed. Run: pip install webdataset"
        ) from error
    return webdataset
