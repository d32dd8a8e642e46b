"""Published weights: where they come from, how large they are, what their checksum must be (specs/dismo.md, 1.1 and 9)."""

from __future__ import annotations

import fnmatch
import hashlib
import logging
import os
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from ..errors import DisMoError
from .files import sha256

log = logging.getLogger(__name__)

WEIGHTS = ".safetensors"
SOURCE = "source_sha256"  # entry of a conversion's metadata
NON_COMMERCIAL = "CC BY-NC 4.0: non-commercial use only; for commercial use ask the authors of DisMo"


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

    def problem(self, file: str | os.PathLike[str]) -> str:
        """How a file on disk differs from this one; empty where it does not."""
        if (size := os.path.getsize(file)) != self.size:
            return f"it has {size:,} bytes, not {self.size:,}"
        found = sha256(file) if len(self.etag) == 64 else _git_sha1(file)
        return "" if found == self.etag else f"its checksum is {found}, not {self.etag}"

    def __str__(self) -> str:
        return f"{self.path} ({readable(self.size)}; {self.licence})"


@dataclass(frozen=True)
class HubModel:
    """A folder of files in a repository; the hub says which there are, with sizes and checksums.

    Args:
        repo: owner/name.
        patterns: of the files that are needed.
        size: about how large they are together, bytes; only for messages.
        licence: shown where it is fetched.
        formerly: names that the repository had before; the hub library's cache may hold it under one of these.
    """

    repo: str
    patterns: tuple[str, ...]
    size: int
    licence: str
    formerly: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Of the folder that it is put into."""
        return self.repo.rpartition("/")[2]

    def needs(self, path: str, without: Collection[str] = ()) -> bool:
        """Whether a file of the repository is needed. without: folders whose weights are not."""
        weights_not_needed = path.endswith(WEIGHTS) and path.partition("/")[0] in without
        return not weights_not_needed and any(fnmatch.fnmatchcase(path, pattern) for pattern in self.patterns)

    def __str__(self) -> str:
        return f"{self.name} (about {readable(self.size)}; {self.licence})"


RELEASED: dict[str, HubFile] = {
    "motion_extractor_large": HubFile(
        repo="CompVis/DisMo",
        path="motion_extractor_large.pt",
        size=2_377_565_737,
        etag="31a291924a813f1c0d6b19de48fe606e1a87d11692059f8cb04cbfe7f0146965",
        licence=NON_COMMERCIAL,
    ),
    "cogvideox5b_i2v_large": HubFile(
        repo="CompVis/DisMo",
        path="cogvideox5b_i2v_large.pt",
        size=3_156_582_265,
        etag="b7c9ef91a996c591eced17612f870415ed0b81d50d6990f0cb9fc85a0a3f10e9",
        licence=NON_COMMERCIAL,
    ),
}
BASE = HubModel(
    repo="zai-org/CogVideoX-5b-I2V",
    patterns=(
        "model_index.json",
        "LICENSE",
        "scheduler/*.json",
        "tokenizer/*",
        *(f"{part}/*{suffix}" for part in ("text_encoder", "transformer", "vae") for suffix in (".json", WEIGHTS)),
    ),
    size=21_200_000_000,
    licence="CogVideoX licence, see the repository",
    formerly=("THUDM/CogVideoX-5b-I2V",),
)


def default_folder() -> Path:
    """Where weights lie outside ComfyUI: the folder that DISMO_WEIGHTS names, else `~/.cache/dismo`."""
    return Path(os.environ.get("DISMO_WEIGHTS") or "~/.cache/dismo").expanduser()


def check_released(path: str | os.PathLike[str]) -> None:
    """Show the licence of released weights, and check a file that bears the name of a released one; any other passes.

    The checksum takes seconds, so all this is done once a process for a file that has not changed.

    Raises:
        DisMoError: its size or checksum is not that of the released file.
    """
    path = Path(path)
    file = next((file for name, file in RELEASED.items() if path.stem == name or _source(path) == file.etag), None)
    if file is None or not path.is_file():
        return
    status = path.stat()
    state = (path.resolve(), status.st_size, status.st_mtime_ns)
    if state in _checked:
        return
    log.warning("%s: %s", path.name, file.licence)  # a warning, so that scripts without logging show it, too
    if path.name == file.path and (problem := file.problem(path)):
        raise DisMoError(
            f"{path} is not the released file: {problem}. It is damaged or not whole: remove it and fetch it again "
            f"(`dismo weights download {path.stem}`). If it is a file of your own, give it another name."
        )
    _checked.add(state)


def _source(path: Path) -> str:
    """Checksum of the file that a safetensors conversion was made of; empty for all else."""
    from safetensors import SafetensorError, safe_open

    if path.suffix != ".safetensors":
        return ""
    try:
        with safe_open(path, framework="pt") as opened:
            return str((opened.metadata() or {}).get(SOURCE, ""))
    except (SafetensorError, OSError):
        return ""  # whoever reads it says what is wrong with it


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


_checked: set[tuple[Path, int, int]] = set()
