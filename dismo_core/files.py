"""Files that are either whole or not there, and JSON and YAML from others."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import re
import secrets
import shutil
import stat
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path, PureWindowsPath
from typing import TYPE_CHECKING, Any

from .errors import DisMoError, first_line

if sys.platform != "win32":
    import fcntl

if TYPE_CHECKING:
    from torch import Tensor

_UNFINISHED = ".unfinished"  # in the names of temporary files, before the suffix
_ABANDONED = 24 * 3600  # seconds since a temporary file was last written

_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)\s*(\..*)?", re.IGNORECASE)  # on any system: files are passed on


@contextlib.contextmanager
def atomic_write(path: str | os.PathLike[str], *, overwrite: bool = False) -> Iterator[Path]:
    """Yield a temporary path beside `path`; on a clean exit it takes the name `path`, otherwise nothing is left.

    The temporary name keeps the suffix, because encoders choose the container by it. Where a process is killed, its temporary
    file stays; the first write into the folder by a later process, a day on, removes it.

    Args:
        path: the file to make; its folder is made if missing.
        overwrite: replace an existing file; otherwise an existing file is an error.

    Raises:
        DisMoError: `path` exists and `overwrite` is false, or the folder cannot be written or is full.
    """
    target = Path(path)
    check_free(target, overwrite=overwrite)
    temporary: Path | None = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _remove_abandoned(target.parent.absolute())
        name = f".{target.stem[:40]}-{secrets.token_hex(4)}{_UNFINISHED}{target.suffix}"
        # Not by tempfile, which keeps files to their owner: the finished one is to have the permissions of any other.
        handle = os.open(target.parent / name, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
        temporary = target.parent / name
        with _claimed(handle):
            yield temporary
            os.replace(temporary, target)
    except OSError as error:
        raise DisMoError(
            f"Cannot write {target}: {error.strerror or error}. Check that the folder is writable and has free space."
        ) from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def atomic_folder(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary folder beside `path`; on a clean exit it takes the place of `path`, otherwise nothing is left.

    What lies in a folder `path` is lost then: ask before. What a killed process left behind is removed after a day.

    Args:
        path: the folder to make; the one above it is made if missing.

    Raises:
        DisMoError: it cannot be written, or the disk is full.
    """
    target = Path(os.path.abspath(path))
    temporary, before = (target.with_name(f".{target.name[:40]}-{secrets.token_hex(4)}{_UNFINISHED}") for _ in range(2))
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        for left in target.parent.glob(f".*-????????{_UNFINISHED}"):
            if left.is_dir() and time.time() - left.stat().st_mtime > _ABANDONED:
                shutil.rmtree(left, ignore_errors=True)
        temporary.mkdir()
        yield temporary
        if target.is_dir():
            target.rename(before)
        temporary.rename(target)
        shutil.rmtree(before, ignore_errors=True)
    except OSError as error:
        raise DisMoError(
            f"Cannot write {target}: {error.strerror or error}. Check that the folder is writable and has free space."
        ) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def remove_unfinished(folder: Path, stem: str, suffix: str) -> None:
    """Delete what a process that was killed in `atomic_write` left behind, at once; what a living one holds stays.

    Args:
        folder: of the files.
        stem: of their names; may be a pattern (`glob.escape` one that is none).
        suffix: of their names.
    """
    for path in folder.glob(f".{stem}-????????{_UNFINISHED}{suffix}"):
        _remove_unheld(path, 0)


def check_free(path: str | os.PathLike[str], *, overwrite: bool = False) -> None:
    """Raise where `atomic_write` would refuse the name; asked before long work, so that nobody waits in vain."""
    target = Path(path)
    if _RESERVED.fullmatch(target.name):
        raise DisMoError(f"Cannot write {target}: Windows keeps that name for a device. Choose another file name.")
    try:
        status = os.lstat(target)  # a link to nowhere takes the name, too
    except (FileNotFoundError, NotADirectoryError):
        return
    except (OSError, ValueError) as error:  # ValueError: characters that no file name can have
        reason = getattr(error, "strerror", None) or error
        raise DisMoError(f"Cannot write {str(target)[:200]!r}: {reason}. Choose another file name.") from error
    if stat.S_ISDIR(status.st_mode):
        raise DisMoError(f"Cannot write {target}: a folder has that name. Choose another file name.")
    if not overwrite:
        raise DisMoError(f"{target} exists already. Choose another name.", hint="overwrite")


def save_tensors(tensors: Mapping[str, Tensor], path: Path, metadata: dict[str, str] | None = None) -> None:
    """Write safetensors, inside `atomic_write`.

    Raises:
        OSError: the disk, which the library itself reports by an exception of its own.
    """
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    path.touch()
    mode = path.stat().st_mode
    try:
        save_file(dict(tensors), path, metadata)
    except SafetensorError as error:
        raise OSError(str(error)) from error
    path.chmod(mode)  # the library puts a file in its place that only its owner may read


def save_pickled(value: Any, path: Path) -> None:
    """Write torch's zip format, inside `atomic_write`.

    Raises:
        OSError: the disk, which torch's own writer reports by an exception of another kind.
    """
    import torch

    try:
        torch.save(value, path)
    except RuntimeError as error:
        raise OSError(f"only {path.stat().st_size} bytes of it were written") from error


def read_json(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The object in a JSON file.

    Raises:
        DisMoError: it cannot be read, or holds something else.
    """
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:  # the last: lists in lists without end
        raise DisMoError(
            f"Cannot read {path} as JSON: {first_line(error)}. It is damaged; fetch or make it again."
        ) from error
    if not isinstance(content, dict):
        raise DisMoError(
            f"{path} holds a JSON {type(content).__name__}, not an object with names. Fetch or make it again."
        )
    return content


def read_yaml(path: Path) -> dict[str, Any]:
    """Keys and values of a YAML file from others; 5e-4 is a number.

    Raises:
        DisMoError: it cannot be read, is damaged, or holds something else.
    """
    try:
        import yaml
    except ImportError as error:
        raise DisMoError(
            "Reading YAML needs PyYAML, which is not installed here. Install it: pip install pyyaml"
        ) from error

    class Loader(yaml.SafeLoader):  # type: ignore[misc] # PyYAML carries no types
        """Takes 5e-4 for a number, as the published code's reader does, and not for text, as YAML 1.1 has it."""

    Loader.add_implicit_resolver(
        "tag:yaml.org,2002:float", re.compile(r"[-+]?\d+(\.\d*)?[eE][-+]?\d+$"), list("-+0123456789")
    )
    try:
        content = yaml.load(path.read_text("utf-8"), Loader)  # a SafeLoader: no objects
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        raise DisMoError(f"Cannot read {path} as YAML: {first_line(error)}. Check the file.") from error
    if not isinstance(content, dict):
        raise DisMoError(f"{path} holds a {type(content).__name__}, not keys with values. Give a configuration.")
    return content


def base_name(path: str | os.PathLike[str]) -> str:
    """The last part of a path of any system: what a motion may tell about its clip."""
    return PureWindowsPath(printable(os.fspath(path))).name


def printable(name: str) -> str:
    """A file name as text that can be written everywhere: bytes of it that are no UTF-8 are replaced."""
    return re.sub("[\ud800-\udfff]", "\N{REPLACEMENT CHARACTER}", name)  # as which Python holds such bytes


@contextlib.contextmanager
def _claimed(handle: int) -> Iterator[None]:
    """Lock an open file as long as this process lives; closes it."""
    if sys.platform == "win32":  # where nobody can remove a file that its writer holds open
        os.close(handle)
        yield
        return
    try:
        with contextlib.suppress(OSError):  # not every network disk has locks
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(handle)


@functools.cache  # once a process: folders may be large
def _remove_abandoned(folder: Path) -> None:
    """Delete what killed processes left in a folder: unfinished files that nobody holds, nor wrote to for a day."""
    for path in folder.glob(f".*-*{_UNFINISHED}*"):
        _remove_unheld(path, _ABANDONED)


def _remove_unheld(path: Path, age: float) -> None:
    """Delete an unfinished file that nobody holds, nor wrote to for `age` seconds."""
    with contextlib.suppress(OSError):  # another process removes it, or holds it, or owns it
        status = path.lstat()
        if time.time() - status.st_mtime < age or not stat.S_ISREG(status.st_mode):
            return
        if sys.platform != "win32":
            with path.open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        path.unlink()
