"""A template as one zip file; what is in one from others is checked before anything is written."""

from __future__ import annotations

import shutil
import zipfile
import zlib
from collections.abc import Collection
from pathlib import Path, PurePosixPath

from ...errors import DisMoError, first_line

MOST_BYTES = 8 << 30  # of all files
MOST_RATIO = 100  # of a file's size to what it takes in the zip; videos hardly shrink


def pack(folder: Path, target: Path) -> None:
    """Write the files of a folder, in no folder, stored as they are; inside `atomic_write`."""
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        for path in sorted(folder.iterdir()):
            archive.write(path, path.name)


def unpack(path: Path, folder: Path, names: Collection[str]) -> None:
    """Write those files of a zip that have one of `names`, directly in `folder`; they may lie in one folder within the zip.

    Raises:
        DisMoError: not a zip, names that lead out of it, two files of one name, or contents larger than a template's.
    """
    if not path.is_file():
        raise DisMoError(f"There is no template {path}. Check the path.")
    try:
        with zipfile.ZipFile(path) as archive:
            wanted: dict[str, zipfile.ZipInfo] = {}
            for member in archive.infolist():
                place = PurePosixPath(member.filename.replace("\\", "/"))
                if place.is_absolute() or ".." in place.parts or ":" in place.parts[0]:
                    raise DisMoError(
                        f"{path} holds a file {member.filename!r}, whose name leads out of the folder. Do not use this file."
                    )
                if place.name in names and len(place.parts) <= 2 and not member.is_dir():
                    if place.name in wanted:
                        raise DisMoError(f"{path} holds {place.name} twice. Zip the folder of one template.")
                    wanted[place.name] = member
            total = sum(member.file_size for member in wanted.values())
            for member in wanted.values():
                if total > MOST_BYTES or member.file_size > MOST_RATIO * max(member.compress_size, 1 << 16):
                    raise DisMoError(
                        f"{path} would grow to {total:,} bytes, {member.filename} from {member.compress_size:,} to "
                        f"{member.file_size:,}. It is damaged or made to mislead; fetch it again."
                    )
            for name, member in wanted.items():
                with archive.open(member) as source, (folder / name).open("wb") as target:
                    shutil.copyfileobj(source, target, 1 << 20)
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError) as error:
        raise DisMoError(f"{path} is not a whole zip file ({first_line(error)}). Fetch or make it again.") from error
