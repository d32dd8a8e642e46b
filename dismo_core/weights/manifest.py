"""Published weights: where they come from, how large they are, what their checksum must be."""

from __future__ import annotations

import fnmatch
import hashlib
import logging
import os
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from .files import sha256

log = logging.getLogger(__name__)

WEIGHTS = ".safetensors"
SOURCE = "source_sha256"  # entry of a conversion's metadata


@dataclass(frozen=True)
class HubFile:
    """A file in a repository of the Hugging Face hub.

    Args:
        repo: owner/name.
        path: inside the repository, and below the folder that it is put into.
        size: bytes.
        etag: what the hub reports as its content's name: the sha256, or, for small files that are kept in git itself,
            the sha1 of the git blob.
        licence: shown where it is fetched and loaded.
        revision: branch or commit.
    """

    repo: str
    path: str
    size: int
    etag: str
    licence: str
    revision: str = "main"

    def problem(self, file: str | os.PathLike[str], progress: Callable[[int, int], None] | None = None) -> str:
        """How a file on disk differs from this one; empty where it does not. progress: see `sha256`."""
        if (size := os.path.getsize(file)) != self.size:
            return f"it has {size:,} bytes, not {self.size:,}"
        found = sha256(file, progress) if len(self.etag) == 64 else _git_sha1(file)
        return "" if found == self.etag else f"its checksum is {found}, not {self.etag}"

    def __str__(self) -> str:
        return f"{self.path} ({readable(self.size)}; {self.licence})"


@dataclass(frozen=True)
class HubFolder:
    """Files in a repository; the hub says which there are, with sizes and checksums.

    Args:
        repo: owner/name.
        patterns: of the files that are needed.
        size: about how large they are together, bytes; only for messages. 0 = not known.
        licence: shown where it is fetched.
    """

    repo: str
    patterns: tuple[str, ...]
    size: int
    licence: str

    @property
    def name(self) -> str:
        """Of the folder that it is put into."""
        return self.repo.rpartition("/")[2]

    def needs(self, path: str, without: Collection[str] = ()) -> bool:
        """Whether a file of the repository is needed. without: folders whose weights are not."""
        weights_not_needed = path.endswith((WEIGHTS, ".bin")) and path.partition("/")[0] in without
        return not weights_not_needed and any(fnmatch.fnmatchcase(path, pattern) for pattern in self.patterns)

    def __str__(self) -> str:
        size = f"about {readable(self.size)}; " if self.size else ""
        return f"{self.name} ({size}{self.licence})"


@dataclass(frozen=True)
class HubModel(HubFolder):
    """A base model: a diffusers folder.

    Args:
        parts: folder -> name of its weight files, without index and suffix.
        family: how the names of its pipelines begin.
        formerly: names that the repository had before; the hub library's cache may hold it under one of these.
    """

    parts: Mapping[str, str]
    family: str
    formerly: tuple[str, ...] = ()


def default_folder() -> Path:
    """Where weights lie outside ComfyUI: the folder that DISMO_WEIGHTS names, else `~/.cache/dismo`."""
    return Path(os.environ.get("DISMO_WEIGHTS") or "~/.cache/dismo").expanduser()


def readable(size: int) -> str:
    """A number of bytes for people."""
    value, units = float(size), ["bytes", "kB", "MB", "GB", "TB"]
    while value >= 1000 and len(units) > 1:
        value /= 1000
        del units[0]
    return f"{value:.3g} {units[0]}" if units[0] != "bytes" else f"{size} bytes"


def _git_sha1(path: str | os.PathLike[str]) -> str:
    content = Path(path).read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()
