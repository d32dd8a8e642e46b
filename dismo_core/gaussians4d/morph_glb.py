"""GLB files: a mesh with one texture, and one that moves by morph targets (docs/methods/gaussians4d.md, 7.4).

Written by the rules of "glTF 2.0 Specification" (Khronos Group), 3 and 4.
"""

from __future__ import annotations

import json
import os
import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import DisMoError
from ..files import atomic_write
from .binding import Binding
from .mesh import Mesh, png, vertex_normals
from .model4d import Gaussians4D

_FLOAT, _UINT = 5126, 5125
_JSON, _BINARY = b"JSON", b"BIN\0"
_VERTICES, _INDICES = 34962, 34963
_LINEAR, _CLAMP = 9729, 33071
_KINDS = {1: "SCALAR", 2: "VEC2", 3: "VEC3"}


def write_glb(path: str | os.PathLike[str], mesh: Mesh, *, overwrite: bool = False) -> None:
    """Write a mesh as GLB: metallic 0, roughness 1, double sided.

    Raises:
        DisMoError: the file exists, or cannot be written.
    """
    _write(path, mesh, [], 1.0, overwrite)


def animated_glb(
    path: str | os.PathLike[str],
    four: Gaussians4D,
    mesh: Mesh | None = None,
    *,
    fps: float = 0.0,
    overwrite: bool = False,
) -> None:
    """Write a 4D model as one animated GLB: one mesh, one texture, a morph target for each frame.

    Args:
        path: the file to make.
        four: the model.
        mesh: its surface at rest; None: the model's own.
        fps: frames per second of the animation; 0: the model's.
        overwrite: replace an existing file.

    Raises:
        DisMoError: there is no surface, or the file exists.
    """
    mesh = mesh or four.surface
    if mesh is None:
        raise DisMoError(
            "This 4D model has no surface. Extract one first (`dismo_core.gaussians4d.surface.extract_mesh`)."
        )
    _write(path, mesh, moved_vertices(four, mesh), fps or four.fps, overwrite)


def moved_vertices(four: Gaussians4D, mesh: Mesh) -> list[NDArray[np.float32]]:
    """Vertices [V,3] of a surface at rest, at each frame of a model."""
    import torch

    rest = four.gaussians.detach()
    binding = Binding(torch.from_numpy(mesh.vertices).to(rest.means), rest)
    with torch.no_grad():
        return [binding.move(four.at(frame)).cpu().numpy() for frame in range(four.frames)]


class _Buffer:
    """Binary content of a GLB, with its views and accessors."""

    def __init__(self) -> None:
        self.views: list[dict[str, Any]] = []
        self.accessors: list[dict[str, Any]] = []
        self.content = bytearray()

    def view(self, content: bytes, target: int | None = None) -> int:
        self.content += b"\0" * (-len(self.content) % 4)
        place: dict[str, Any] = {"buffer": 0, "byteOffset": len(self.content), "byteLength": len(content)}
        self.views.append(place if target is None else place | {"target": target})
        self.content += content
        return len(self.views) - 1

    def accessor(self, values: NDArray[Any], target: int | None = None, bounds: bool = False) -> int:
        flat = values.reshape(len(values), -1)
        made: dict[str, Any] = {
            "bufferView": self.view(np.ascontiguousarray(values).tobytes(), target),
            "componentType": _UINT if values.dtype == np.uint32 else _FLOAT,
            "count": len(values),
            "type": _KINDS[flat.shape[1]],
        }
        if bounds:
            made |= {"min": flat.min(0).tolist(), "max": flat.max(0).tolist()}
        self.accessors.append(made)
        return len(self.accessors) - 1


def _write(
    path: str | os.PathLike[str], mesh: Mesh, frames: list[NDArray[np.float32]], fps: float, overwrite: bool
) -> None:
    buffer = _Buffer()
    base = frames[0] if frames else mesh.vertices  # a viewer that plays nothing shows the first frame
    normals = vertex_normals(base, mesh.faces) if frames or mesh.normals is None else mesh.normals
    attributes = {
        "POSITION": buffer.accessor(base.astype("<f4"), _VERTICES, bounds=True),
        "NORMAL": buffer.accessor(normals.astype("<f4"), _VERTICES),
    }
    if mesh.uv is not None:
        attributes["TEXCOORD_0"] = buffer.accessor(mesh.uv.astype("<f4"), _VERTICES)
    faces = buffer.accessor(mesh.faces.astype("<u4").reshape(-1), _INDICES)
    primitive: dict[str, Any] = {"attributes": attributes, "indices": faces, "material": 0}
    surface: dict[str, Any] = {"metallicFactor": 0.0, "roughnessFactor": 1.0}
    shape: dict[str, Any] = {"primitives": [primitive], "name": "object"}
    document: dict[str, Any] = {
        "asset": {"version": "2.0", "generator": "dismo-motion-transfer"},
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [{"mesh": 0, "name": "object"}],
        "meshes": [shape],
        "materials": [{"pbrMetallicRoughness": surface, "doubleSided": True}],
    }
    if mesh.texture is not None and mesh.uv is not None:
        document["images"] = [{"bufferView": buffer.view(png(mesh.texture)), "mimeType": "image/png"}]
        document["samplers"] = [{"magFilter": _LINEAR, "minFilter": _LINEAR, "wrapS": _CLAMP, "wrapT": _CLAMP}]
        document["textures"] = [{"sampler": 0, "source": 0}]
        surface["baseColorTexture"] = {"index": 0}
    if frames:
        primitive["targets"] = [_target(buffer, vertices, base, normals, mesh) for vertices in frames]
        shape["weights"] = [0.0] * len(frames)
        times = buffer.accessor((np.arange(len(frames)) / fps).astype("<f4"), bounds=True)
        weights = buffer.accessor(np.eye(len(frames), dtype="<f4").reshape(-1))
        sampler = {"input": times, "output": weights, "interpolation": "LINEAR"}
        channel = {"sampler": 0, "target": {"node": 0, "path": "weights"}}
        document["animations"] = [{"name": "clip", "samplers": [sampler], "channels": [channel]}]
    document |= {"accessors": buffer.accessors, "bufferViews": buffer.views}
    with atomic_write(path, overwrite=overwrite) as temporary:
        temporary.write_bytes(_glb(document, bytes(buffer.content)))


def _target(
    buffer: _Buffer,
    vertices: NDArray[np.float32],
    base: NDArray[np.float32],
    normals: NDArray[np.float32],
    mesh: Mesh,
) -> dict[str, int]:
    """A morph target: what is added to the first frame's places and normals."""
    turned = vertex_normals(vertices, mesh.faces) - normals
    return {
        "POSITION": buffer.accessor((vertices - base).astype("<f4"), _VERTICES, bounds=True),
        "NORMAL": buffer.accessor(turned.astype("<f4"), _VERTICES),
    }


def _glb(document: dict[str, Any], binary: bytes) -> bytes:
    """Header and two chunks, each filled up to four bytes."""
    binary += b"\0" * (-len(binary) % 4)
    text = json.dumps(document | {"buffers": [{"byteLength": len(binary)}]}, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 4)
    chunks = [struct.pack("<I4s", len(part), kind) + part for part, kind in ((text, _JSON), (binary, _BINARY))]
    return struct.pack("<4sII", b"glTF", 2, 12 + sum(map(len, chunks))) + b"".join(chunks)
