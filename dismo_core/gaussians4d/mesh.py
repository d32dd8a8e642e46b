"""A triangle mesh with one texture, as OBJ and GLB (docs/methods/gaussians4d.md, 7.4)."""

from __future__ import annotations

import io
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..errors import DisMoError
from ..files import atomic_write
from ..imports import importing

_MATERIAL = """newmtl defaultMat
Ka 1 1 1
Kd 1 1 1
Ks 0 0 0
Tr 1
illum 1
Ns 0
map_Kd {texture}
"""


@dataclass(frozen=True)
class Mesh:
    """A mesh.

    Args:
        vertices: float32 [V,3].
        faces: int32 [F,3], counterclockwise seen from outside.
        normals: float32 [V,3] or None.
        uv: float32 [V,2] or None, 0..1, v down.
        texture: float32 [H,W,3], 0..1, or None.
    """

    vertices: NDArray[np.float32]
    faces: NDArray[np.int32]
    normals: NDArray[np.float32] | None = None
    uv: NDArray[np.float32] | None = None
    texture: NDArray[np.float32] | None = None


def vertex_normals(vertices: NDArray[np.float32], faces: NDArray[np.int32]) -> NDArray[np.float32]:
    """Normalized sum of the faces' normals, weighted by area; (0, 0, 1) where a vertex has no face. float32 [V,3]."""
    a, b, c = (vertices[faces[:, k]] for k in range(3))
    of_faces = np.cross(b - a, c - a)
    total = np.zeros_like(vertices)
    for k in range(3):
        np.add.at(total, faces[:, k], of_faces)
    square = (total * total).sum(1, keepdims=True)
    total = np.where(square > 1e-20, total, np.array([0, 0, 1], total.dtype))
    normals: NDArray[np.float32] = total / np.linalg.norm(total, axis=1, keepdims=True)
    return normals


def texture_bytes(texture: NDArray[np.float32]) -> NDArray[np.uint8]:
    """uint8 by truncation, as published."""
    return (texture * 255).clip(0, 255).astype(np.uint8)


def write_mesh(path: str | os.PathLike[str], mesh: Mesh, *, overwrite: bool = False) -> None:
    """Write an OBJ (with .mtl and `_albedo.png` beside it, where there is a texture) or a GLB, by the suffix.

    Raises:
        DisMoError: another suffix, or a file that exists.
    """
    path = Path(path)
    if path.suffix.lower() == ".obj":
        _write_obj(path, mesh, overwrite)
    elif path.suffix.lower() == ".glb":
        from .morph_glb import write_glb

        write_glb(path, mesh, overwrite=overwrite)
    else:
        raise DisMoError(f"A mesh is written as .obj or .glb, not {path.suffix or path.name!r}.")


def _write_obj(path: Path, mesh: Mesh, overwrite: bool) -> None:
    normals = vertex_normals(mesh.vertices, mesh.faces) if mesh.normals is None else mesh.normals
    lines = [f"mtllib {path.stem}.mtl "]
    lines += [f"v {_row(v)} " for v in mesh.vertices]
    if mesh.uv is not None:
        lines += [f"vt {_row((u, 1 - v))} " for u, v in mesh.uv]
    lines += [f"vn {_row(n)} " for n in normals]
    lines.append("usemtl defaultMat ")
    between = " " * 29
    corner = "{0}//{0}" if mesh.uv is None else "{0}/{0}/{0}"
    lines += ["f " + between.join(corner.format(k + 1) + " " for k in face).rstrip() + " " for face in mesh.faces]
    with atomic_write(path, overwrite=overwrite) as temporary:
        temporary.write_text("\n".join(lines) + "\n", "utf-8", newline="\n")
    if mesh.texture is None:
        return
    picture = path.with_name(f"{path.stem}_albedo.png")
    with atomic_write(path.with_suffix(".mtl"), overwrite=overwrite) as temporary:
        text = "".join(line + " \n" for line in _MATERIAL.format(texture=picture.name).splitlines())
        temporary.write_text(text, "utf-8", newline="\n")
    with atomic_write(picture, overwrite=overwrite) as temporary:
        Image.fromarray(texture_bytes(mesh.texture)).save(temporary)


def _row(values: Any) -> str:
    return " ".join(str(float(value)) for value in values)


def read_mesh(path: str | os.PathLike[str]) -> Mesh:
    """Read an OBJ or GLB with one mesh.

    Raises:
        DisMoError: no such file, damaged, or no triangles in it.
    """
    path = Path(path)
    if not path.is_file():
        raise DisMoError(f"There is no file {path}. Check the path of the mesh.")
    with importing("trimesh"):
        import trimesh
    try:
        found: Any = trimesh.load(path, process=False, force="mesh", maintain_order=True)
    except Exception as error:  # trimesh raises what its readers raise
        raise DisMoError(f"Cannot read {path} as a mesh: {error}. It is damaged, or no OBJ or GLB.") from error
    if not len(getattr(found, "faces", ())):
        raise DisMoError(f"{path} holds no triangles. Give an OBJ or GLB with a mesh.")
    visual = found.visual
    uv = getattr(visual, "uv", None)
    material = getattr(visual, "material", None)
    image = getattr(material, "image", None) or getattr(material, "baseColorTexture", None)
    texture: NDArray[np.float32] | None = None
    if image is not None:
        texture = (np.asarray(image.convert("RGB")) / 255).astype(np.float32)
    if uv is not None:
        uv = np.stack((uv[:, 0], 1 - uv[:, 1]), axis=1).astype(np.float32)  # trimesh has v up
    return Mesh(
        np.asarray(found.vertices, np.float32),
        np.asarray(found.faces, np.int32),
        np.asarray(found.vertex_normals, np.float32),
        uv,
        texture,
    )


def png(texture: NDArray[np.float32]) -> bytes:
    """A texture as the bytes of a PNG file."""
    file = io.BytesIO()
    Image.fromarray(texture_bytes(texture)).save(file, "PNG", optimize=True)
    return file.getvalue()
