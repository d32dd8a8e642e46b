"""Gaussians in PLY files, as splat viewers read them: binary, little endian, one vertex a Gaussian."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from ..errors import DisMoError
from ..files import atomic_write
from .gaussians import Gaussians

log = logging.getLogger(__name__)

MOST_HEADER = 65536  # bytes
MOST_GAUSSIANS = 50_000_000
_TYPES = {
    **{"char": "i1", "int8": "i1", "uchar": "u1", "uint8": "u1", "short": "i2", "int16": "i2", "ushort": "u2"},
    **{"uint16": "u2", "int": "i4", "int32": "i4", "uint": "u4", "uint32": "u4", "float": "f4", "float32": "f4"},
    **{"double": "f8", "float64": "f8"},
}
_MEANS, _NORMALS, _DC = ("x", "y", "z"), ("nx", "ny", "nz"), ("f_dc_0", "f_dc_1", "f_dc_2")
_SCALES, _ROTATION = ("scale_0", "scale_1", "scale_2"), ("rot_0", "rot_1", "rot_2", "rot_3")
_NEEDED = (*_MEANS, *_DC, "opacity", *_SCALES, *_ROTATION)


@dataclass(frozen=True)
class _Header:
    rows: int
    names: tuple[str, ...]
    dtype: np.dtype[np.void]
    comments: dict[str, str]
    size: int  # bytes


def write_ply(
    path: str | os.PathLike[str],
    gaussians: Gaussians,
    normals: bool = True,
    *,
    comments: Mapping[str, str] | None = None,
    overwrite: bool = False,
) -> None:
    """Write Gaussians.

    Args:
        path: the file to make.
        gaussians: any number.
        normals: write nx, ny, nz = 0, as 3D Gaussian splatting does; LGM leaves them out.
        comments: words that go into the header, such as the distance of the camera; none leaves the published bytes.
        overwrite: replace an existing file.
    """
    rest = gaussians.sh_rest
    names = [*_MEANS, *(_NORMALS if normals else ()), *_DC]
    names += [f"f_rest_{k}" for k in range(0 if rest is None else rest.shape[1])]
    names += ["opacity", *_SCALES, *_ROTATION]
    g = gaussians.detach().to("cpu")
    columns = [g.means, *([torch.zeros_like(g.means)] if normals else []), g.colors_dc]
    columns += [] if g.sh_rest is None else [g.sh_rest]
    columns += [g.opacity_logits[:, None], g.log_scales, g.quaternions]
    rows = torch.cat([column.float() for column in columns], dim=1).numpy().astype("<f4")
    header = ["ply", "format binary_little_endian 1.0"]
    header += [f"comment {key} {value}" for key, value in (comments or {}).items()]
    header += [f"element vertex {len(rows)}", *(f"property float {name}" for name in names), "end_header"]
    with atomic_write(path, overwrite=overwrite) as temporary:
        temporary.write_bytes("".join(line + "\n" for line in header).encode() + rows.tobytes())


def read_ply(path: str | os.PathLike[str]) -> Gaussians:
    """Read Gaussians, properties in any order, with or without normals; other properties are passed over.

    Raises:
        DisMoError: no such file, not a PLY, ASCII or big endian, a property that is missing, no Gaussians, more than the file
            holds, or a value that is no number.
    """
    header, content = _open(path)
    if missing := [name for name in _NEEDED if name not in header.names]:
        raise DisMoError(
            f"{path} has no property {', '.join(missing)}: it is a point cloud or a mesh, not a set of Gaussians. "
            "Save it as 3D Gaussians (splat PLY)."
        )
    rows = np.frombuffer(content, header.dtype, header.rows, header.size)

    def columns(names: tuple[str, ...]) -> torch.Tensor:
        values: NDArray[np.float32] = np.stack([rows[name].astype(np.float32) for name in names], axis=1)
        return torch.from_numpy(values)

    rest = sorted(
        (n for n in header.names if n.startswith("f_rest_")), key=lambda n: int(n[7:]) if n[7:].isdigit() else -1
    )
    if rest:
        log.info("%s: colors that depend on the direction are kept for saving, not drawn.", path)
    gaussians = Gaussians(
        columns(_MEANS),
        columns(_DC),
        columns(("opacity",))[:, 0],
        columns(_SCALES),
        columns(_ROTATION),
        sh_rest=columns(tuple(rest)) if rest else None,
    )
    for name, value in gaussians.tensors().items():
        bad = ~value.isfinite().flatten(1 if value.ndim > 1 else 0)
        if bool(bad.any()):
            row = int(bad.nonzero()[0, 0])
            raise DisMoError(
                f"{path}: {name} of Gaussian {row} is not a finite number. The file is damaged; make it again."
            )
    return gaussians


def read_ply_comments(path: str | os.PathLike[str]) -> dict[str, str]:
    """First word -> the others, of the comments in a PLY header."""
    return _open(path)[0].comments


def _open(path: str | os.PathLike[str]) -> tuple[_Header, bytes]:
    if not Path(path).is_file():
        raise DisMoError(f"There is no file {path}. Check the path of the Gaussians.")
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise DisMoError(f"Cannot read {path}: {error.strerror or error}.") from error
    header = _parse(content[:MOST_HEADER], path)
    needed, there = header.rows * header.dtype.itemsize, len(content) - header.size
    if needed > there:
        raise DisMoError(
            f"{path} announces {header.rows} Gaussians, {needed} bytes, but holds {there} bytes of them. "
            "It is cut short; copy or make it again."
        )
    return header, content


def _parse(start: bytes, path: str | os.PathLike[str]) -> _Header:
    end = start.find(b"end_header")
    if not start.startswith(b"ply") or end < 0:
        raise DisMoError(f"{path} is not a PLY file: it has no PLY header. Give a .ply of 3D Gaussians.")
    after = start.find(b"\n", end)
    lines = start[:end].decode("latin-1").split("\n")
    names: list[str] = []
    types: list[str] = []
    rows, element, comments = -1, "", {}
    for line in map(str.strip, lines[1:]):
        words = line.split()
        match words:
            case ["format", kind, *_] if kind != "binary_little_endian":
                raise DisMoError(
                    f"{path} is a PLY of the format {kind}; binary_little_endian is read. Save it as a binary PLY."
                )
            case ["comment", key, *value]:
                comments[key] = " ".join(value)
            case ["element", "vertex", count] if not names and element == "":
                element, rows = "vertex", int(count) if count.isdigit() and len(count) < 16 else -1
            case ["element", other, *_]:
                if element == "":
                    raise DisMoError(f"{path} begins with elements {other!r}; the vertices must come first.")
                element = other
            case ["property", kind, name] if element == "vertex":
                if kind not in _TYPES or name in names:
                    raise DisMoError(f"{path}: the property line {line[:80]!r} cannot be read. The file is damaged.")
                names.append(name)
                types.append("<" + _TYPES[kind])
            case ["property", *_] if element == "vertex":
                raise DisMoError(f"{path}: the property line {line[:80]!r} cannot be read. The file is damaged.")
    if not 0 < rows <= MOST_GAUSSIANS:
        raise DisMoError(
            f"{path} announces {'no' if rows <= 0 else rows} Gaussians; 1 to {MOST_GAUSSIANS:,} are read. It is damaged, or empty."
        )
    dtype = np.dtype(list(zip(names, types, strict=True)))
    return _Header(rows, tuple(names), dtype, comments, after + 1)
