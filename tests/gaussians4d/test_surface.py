"""Density, surface, texture and mesh files against the published code."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from gaussians4d.goldens4d import close, field_a, gaussians, golden, raw
from PIL import Image

from dismo_core.errors import DisMoError
from dismo_core.gaussians4d import (
    Gaussians4D,
    Mesh,
    density_grid,
    extract_surface,
    read_mesh,
    splat_texture,
    vertex_normals,
    write_mesh,
)


@pytest.fixture(scope="module")
def grid():
    frame = Gaussians4D(gaussians("mesh"), field_a(), 5).at(golden("mesh.t").item())
    for name in ("xyz", "q", "ls", "op"):
        close(raw(frame)[name], f"mesh.frame.{name}")
    return density_grid(frame, resolution=32)


def test_density(grid):
    close(grid.values, "mesh.density", 2e-4)
    close(grid.center, "mesh.center")
    assert grid.scale == pytest.approx(golden("mesh.scale").item(), rel=1e-5)


def test_surface(grid):
    pytest.importorskip("skimage", reason="the extra 4d is not installed")
    vertices, faces = extract_surface(grid, 0.5)
    away = torch.cdist(torch.from_numpy(vertices), golden("mesh.vertices"))
    assert away.amin(0).max() < 1e-3 and away.amin(1).max() < 1e-3
    assert vertices.shape == (868, 3) and faces.shape == (1684, 3)
    a, b, c = (vertices[faces[:, k]].astype(float) for k in range(3))
    assert (a * np.cross(b, c)).sum() / 6 == pytest.approx(0.06748, rel=5e-3)  # positive: faces turn outwards


def test_thresholds_and_grids_that_cannot_be(grid):
    pytest.importorskip("skimage", reason="the extra 4d is not installed")
    with pytest.raises(DisMoError, match=rf"up to {grid.values.max().item():.3g}.*threshold of 99"):
        extract_surface(grid, 99)
    with pytest.raises(DisMoError, match="multiple of 16.*not 40"):
        density_grid(gaussians("mesh"), resolution=40)
    g = gaussians("mesh")
    with pytest.raises(DisMoError, match="None of 30 Gaussians"):
        density_grid(replace(g, opacity_logits=g.opacity_logits * 0 - 9))


def test_texture():
    total, count = splat_texture(48, 40, golden("texture.coords"), golden("texture.values"), min_resolution=8)
    close(total, "texture.sum", 1e-4)
    close(count, "texture.count", 1e-4)


def tetrahedron(normals=True):
    parts = {name: golden(f"mesh.tet.{name}").numpy() for name in ("vertices", "faces", "uv", "normals", "albedo")}
    return Mesh(parts["vertices"], parts["faces"], parts["normals"] if normals else None, parts["uv"], parts["albedo"])


def test_normals():
    mesh = tetrahedron()
    close(torch.from_numpy(vertex_normals(mesh.vertices, mesh.faces)), "mesh.tet.normals")


def test_obj_is_the_published_text(tmp_path):
    write_mesh(tmp_path / "tet.obj", tetrahedron())
    assert (tmp_path / "tet.obj").read_bytes() == golden("mesh.tet.obj").numpy().tobytes()
    assert (tmp_path / "tet.mtl").read_bytes() == golden("mesh.tet.mtl").numpy().tobytes()
    assert np.array_equal(np.asarray(Image.open(tmp_path / "tet_albedo.png")), golden("mesh.tet.texture").numpy())


@pytest.mark.parametrize("suffix", [".obj", ".glb"])
def test_a_mesh_there_and_back(tmp_path, suffix):
    pytest.importorskip("trimesh", reason="the extra 4d is not installed")
    mesh = tetrahedron()
    mesh = replace(mesh, vertices=mesh.vertices[:4], normals=mesh.normals[:4], uv=mesh.uv[:4])  # without the loose one
    write_mesh(tmp_path / f"m{suffix}", mesh)
    back = read_mesh(tmp_path / f"m{suffix}")
    np.testing.assert_allclose(back.vertices, mesh.vertices, atol=1e-6)
    np.testing.assert_allclose(back.uv, mesh.uv, atol=1e-6)
    assert np.array_equal(back.faces, mesh.faces)
    assert np.abs(back.texture - mesh.texture).max() <= 1 / 255


def test_mesh_files_that_are_refused(tmp_path):
    pytest.importorskip("trimesh", reason="the extra 4d is not installed")
    (tmp_path / "bad.glb").write_bytes(b"glTF\2\0\0\0")
    (tmp_path / "empty.obj").write_text("v 0 0 0\n")
    for name, named in (("bad.glb", "bad.glb"), ("empty.obj", "no triangles"), ("none.obj", "no file")):
        with pytest.raises(DisMoError, match=named):
            read_mesh(tmp_path / name)
    with pytest.raises(DisMoError, match=".stl"):
        write_mesh(tmp_path / "m.stl", tetrahedron())
