"""What a 4D model is saved as: animated GLB, sequences, videos with transparency; read back by other programs."""

import json
import struct

import numpy as np
import pytest
import torch

from dismo_core.errors import DisMoError
from dismo_core.gaussians4d import Gaussians4D, animated_glb, inflate_silhouette, read_mesh, read_ply
from dismo_core.gaussians4d.alpha_webm import write_alpha_webm
from dismo_core.gaussians4d.binding import Binding
from dismo_core.gaussians4d.cameras import orbit_views
from dismo_core.gaussians4d.clip import read_rgba
from dismo_core.gaussians4d.export import moments, write_mesh_sequence, write_ply_sequence
from dismo_core.gaussians4d.fit_clip import new_field
from dismo_core.gaussians4d.morph_glb import moved_vertices
from dismo_core.gaussians4d.moving_mesh import moving_mesh
from dismo_core.gaussians4d.views import plan, render
from dismo_core.gaussians4d.zbuffer import draw_triangles


def parts(path):
    """The JSON and the binary chunk of a GLB, by the format's own rules."""
    content = path.read_bytes()
    magic, version, length = struct.unpack("<4sII", content[:12])
    assert (magic, version, length) == (b"glTF", 2, len(content))
    size, kind = struct.unpack("<I4s", content[12:20])
    assert kind == b"JSON"
    return json.loads(content[20 : 20 + size]), content[28 + size :]


def values(document, binary, number):
    accessor = document["accessors"][number]
    view = document["bufferViews"][accessor["bufferView"]]
    kind = {5126: "<f4", 5125: "<u4"}[accessor["componentType"]]
    width = {"SCALAR": 1, "VEC2": 2, "VEC3": 3}[accessor["type"]]
    begin = view.get("byteOffset", 0)
    flat = np.frombuffer(binary[begin : begin + view["byteLength"]], kind)
    return flat.reshape(accessor["count"], width)


def test_animated_glb(fish4d, tmp_path):
    animated_glb(tmp_path / "fish.glb", fish4d)
    assert (tmp_path / "fish.glb").stat().st_size < 4e6
    document, binary = parts(tmp_path / "fish.glb")
    (primitive,) = document["meshes"][0]["primitives"]
    assert len(primitive["targets"]) == 14 and len(document["images"]) == 1
    (sampler,) = document["animations"][0]["samplers"]
    assert sampler["interpolation"] == "LINEAR"
    times = values(document, binary, sampler["input"])[:, 0]
    np.testing.assert_allclose(times, np.arange(14) / 8, atol=1e-6)
    weights = values(document, binary, sampler["output"]).reshape(14, 14)
    assert np.array_equal(weights, np.eye(14))
    base = values(document, binary, primitive["attributes"]["POSITION"])
    for frame, wanted in enumerate(moved_vertices(fish4d, fish4d.surface)):
        moved = base + values(document, binary, primitive["targets"][frame]["POSITION"])
        np.testing.assert_allclose(moved, wanted, atol=1e-6)
    back = read_mesh(tmp_path / "fish.glb")  # by trimesh
    assert back.faces.shape == fish4d.surface.faces.shape and back.texture.shape == (256, 256, 3)


def test_the_surface_is_where_the_gaussians_are(fish4d):
    view = orbit_views([0.0, 0.0], [0.0, 90.0], [1.5, 1.5])
    faces = torch.from_numpy(fish4d.surface.faces).long()
    for frame in (0, 5, 10):
        vertices = torch.from_numpy(moved_vertices(fish4d, fish4d.surface)[frame])
        for number, azimuth in enumerate((0, 90)):
            mesh = draw_triangles(vertices, faces, view[number], 64, 64).face >= 0
            shots = [plan("still", 14, 14, azimuth)[frame]]
            drawn = next(render(fish4d, shots, 64, 64))[1][..., 0] > 0.5
            agreement = (mesh & drawn).sum() / (mesh | drawn).sum()
            assert agreement > (0.75 if azimuth else 0.85), (frame, azimuth, agreement)


def test_bound_vertices_follow_a_rigid_motion():
    g = Gaussians4D(inflate_silhouette(disc()), new_field(2, 0), 2).gaussians
    vertices = g.means[::7] + 0.003
    half = torch.tensor(0.3)
    q = torch.stack((half.cos(), torch.tensor(0.0), half.sin(), torch.tensor(0.0)))
    turn = torch.tensor(
        [[torch.cos(2 * half), 0, torch.sin(2 * half)], [0, 1, 0], [-torch.sin(2 * half), 0, torch.cos(2 * half)]]
    )
    moved = type(g)(g.means @ turn.T + 0.1, g.colors_dc, g.opacity_logits, g.log_scales, q.expand(len(g), 4))
    torch.testing.assert_close(Binding(vertices, g).move(moved), vertices @ turn.T + 0.1, atol=1e-5, rtol=0)


def disc(size=32):
    y, x = np.mgrid[0:size, 0:size] / size - 0.5
    picture = np.zeros((size, size, 4), np.uint8)
    picture[np.hypot(x, y) < 0.3] = 255
    return picture


def test_a_model_without_a_surface_says_so(tmp_path):
    four = Gaussians4D(inflate_silhouette(disc()), new_field(3, 0), 3)
    with pytest.raises(DisMoError, match="no surface"):
        animated_glb(tmp_path / "m.glb", four)
    assert list(tmp_path.iterdir()) == []


def test_moments():
    assert moments(3, 2) == [0, 0.5, 1, 1.5, 2, 2]
    assert moments(3, 2, "extrapolate") == [0, 0.5, 1, 1.5, 2, 2.5]
    assert moments(3, 2, "loop") == [0, 0.5, 1, 1.5, 2, 1]
    for given, named in (((3, 0), "not 0"), ((3, 2, "bounce"), "'bounce'")):
        with pytest.raises(DisMoError, match=named):
            moments(*given)


def test_a_sequence_of_gaussians(fish4d, tmp_path):
    assert write_ply_sequence(tmp_path / "plys", fish4d, 2) == 28
    names = sorted(path.name for path in (tmp_path / "plys").iterdir())
    assert names[0] == "000.ply" and names[-1] == "027.ply"
    assert torch.equal(read_ply(tmp_path / "plys" / "003.ply").means, fish4d.at(1.5).means)
    with pytest.raises(DisMoError, match="holds files already"):
        write_ply_sequence(tmp_path / "plys", fish4d, 2)
    assert write_ply_sequence(tmp_path / "plys", fish4d, 1, overwrite=True) == 14


def test_a_sequence_of_meshes(fish4d, tmp_path):
    pytest.importorskip("trimesh", reason="the extra 4d is not installed")
    assert write_mesh_sequence(tmp_path / "objs", moving_mesh(fish4d)) == 14
    meshes = [read_mesh(tmp_path / "objs" / f"{k:03d}.obj") for k in (0, 9)]
    assert np.array_equal(meshes[0].faces, meshes[1].faces)  # one topology: the texture cannot flicker
    assert np.abs(meshes[0].vertices - meshes[1].vertices).max() > 0.01
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "a.txt").write_text("keep")
    with pytest.raises(DisMoError, match="a.txt"):
        write_mesh_sequence(tmp_path / "letters", moving_mesh(fish4d), overwrite=True)


def test_a_surface_is_extracted_and_baked(monkeypatch):
    for name in ("skimage", "xatlas", "trimesh", "fast_simplification"):
        pytest.importorskip(name, reason="the extra 4d is not installed")
    from dismo_core.gaussians4d import surface

    monkeypatch.setattr(surface, "VIEW_SIZE", 96)  # 26 pictures
    n = 12
    grid = torch.stack(torch.meshgrid(*[torch.linspace(-0.4, 0.4, n)] * 3, indexing="ij"), -1).view(-1, 3)
    color = torch.where(grid[:, :1] > 0, torch.tensor([0.9, 0.1, 0.1]), torch.tensor([0.1, 0.1, 0.9]))
    g = type(inflate_silhouette(disc()))(
        grid, (color - 0.5) / 0.28209479, torch.full((len(grid),), 3.0), torch.full((len(grid), 3), 0.04).log(),
        torch.tensor([1.0, 0, 0, 0]).repeat(len(grid), 1),
    )  # fmt: skip
    mesh = surface.extract_mesh(g, resolution=32, texture=128, most_faces=600)
    assert 300 < len(mesh.faces) <= 600 and np.abs(np.abs(mesh.vertices).max() - 0.43) < 0.06
    texel = (mesh.uv * 127).round().astype(int)
    found = mesh.texture[texel[:, 1], texel[:, 0]]
    right = mesh.vertices[:, 0] > 0.1
    assert np.median(found[right], axis=0)[0] > 0.75 > 0.25 > np.median(found[right], axis=0)[2]
    left = mesh.vertices[:, 0] < -0.1
    assert np.median(found[left], axis=0)[2] > 0.75 > 0.25 > np.median(found[left], axis=0)[0]


def test_a_video_with_transparency(fish4d, tmp_path):
    shots = plan("still", 14, 5)
    frames = [
        (torch.cat((rgb, alpha), -1) * 255).byte()
        for rgb, alpha, _ in render(fish4d, shots, 64, 64, background="black")
    ]
    write_alpha_webm(tmp_path / "fish.webm", frames, 8)
    back, fps = read_rgba(tmp_path / "fish.webm")
    assert back.shape == (5, 64, 64, 4) and fps == 8
    away = np.abs(back[..., 3].astype(int) - np.stack([frame[..., 3].numpy() for frame in frames]))
    assert away.mean() < 3
    with pytest.raises(DisMoError, match="exists already"):
        write_alpha_webm(tmp_path / "fish.webm", frames, 8)
