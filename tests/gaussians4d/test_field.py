"""The deformation field and frames of a 4D model against the published code."""

import hashlib

import numpy as np
import pytest
import torch
from gaussians4d.goldens4d import close, field_a, field_b, gaussians, golden, raw

from dismo_core.errors import DisMoError
from dismo_core.gaussians4d import LGM, Gaussians4D, HexPlaneDeformation, MultiViewUNet, time_code, write_ply


@pytest.mark.parametrize(("name", "make"), [("a", field_a), ("b", field_b)])
def test_features_heads_and_regularization(name, make):
    field = make()
    points, tau = golden("field.points"), golden("field.tau")
    close(field.features(points, tau), f"field.{name}.features")
    for part, found in zip(("position", "scale", "rotation", "opacity"), field(points, tau), strict=True):
        close(found, f"field.{name}.{part}")
    close(field.regularization_terms(), f"field.{name}.smoothness")


def test_frames(tmp_path):
    model = Gaussians4D(gaussians("gaussians"), field_a(), 5)
    for number, time in enumerate(golden("frame.times").tolist()):
        found = raw(model.at(time))
        for name in ("xyz", "q", "ls", "op"):
            close(found[name], f"frame.{number}.{name}")
    write_ply(tmp_path / "f.ply", model.at(golden("frame.times").tolist()[1]))
    written, wanted = (tmp_path / "f.ply").read_bytes(), golden("ply.frame1").numpy().tobytes()
    header = wanted.index(b"end_header\n") + 11
    assert written[:header] == wanted[:header]
    np.testing.assert_allclose(np.frombuffer(written[header:], "<f4"), np.frombuffer(wanted[header:], "<f4"), atol=1e-6)


def test_frames_at_once_are_frames_one_by_one():
    model = Gaussians4D(gaussians("gaussians"), field_a(), 5)
    every = raw(model.at_frames(torch.tensor([0.0, 1.25, 4.0])))
    for k, time in enumerate((0.0, 1.25, 4.0)):
        for name, value in raw(model.at(time)).items():
            torch.testing.assert_close(every[name][7 * k : 7 * k + 7], value, atol=1e-6, rtol=0)


def test_a_new_field_moves_nothing_and_learns():
    g = gaussians("gaussians")
    model = Gaussians4D(g, HexPlaneDeformation(), 14)
    for time in (0.0, 6.5, 13.0):
        for name, value in raw(model.at(time)).items():
            assert torch.equal(value, raw(g)[name])
    optimizer = torch.optim.Adam(model.field.parameters(), lr=1e-3)
    for _ in range(2):
        optimizer.zero_grad()
        (model.at(3.0).means - 1).square().sum().backward()
        optimizer.step()
    planes = model.field.deformation_net.grid.grids[0]
    assert all(plane.grad.abs().sum() > 0 for plane in planes)


def test_time_codes():
    assert time_code(0, 14) == -1 and time_code(7, 14) == 0 and time_code(13, 14) == pytest.approx(0.857, abs=1e-3)


def facts(tensors):
    lines = "\n".join(sorted(f"{name} {tuple(value.shape)}" for name, value in tensors.items()))
    return len(tensors), sum(value.numel() for value in tensors.values()), hashlib.sha256(lines.encode()).hexdigest()


UNUSED = {
    "timenet.0.weight": (64, 9), "timenet.0.bias": (64,), "timenet.2.weight": (32, 64), "timenet.2.bias": (32,),
    "time_poc": (4,), "pos_poc": (10,), "rotation_scaling_poc": (2,), "opacity_poc": (2,),
}  # fmt: skip


@pytest.mark.parametrize(
    ("make", "tensors", "values", "digest"),
    [
        (HexPlaneDeformation, 25, 154_641, "1ce84fb99288ce635f2697b0c596c2b4b7b25ca3089e9f64946233ff21153a94"),
        (LGM.big, 376, 415_042_848, "5b50b7a7d862214626c065a4d0b51f47f42e4b8298a0a7c9d3cfe88b6af76cd6"),
        (LGM.small, 344, 412_958_240, "cce634acfeea870209cacb80fb72da07202877b05bbaf6ee0c884da9db1bdc64"),
        (LGM.tiny, 244, 59_743_360, "b41f1944e05212c86243d31474e910341a3cda61a0a7213fea60bb71fcbafd5b"),
        (MultiViewUNet, 773, 941_672_900, "09139bd8af295080b55fd4452f9935513aa93ba9a14bd98cfde56642d43c1a5a"),
    ],
)
def test_names_and_shapes_are_the_released_ones(make, tensors, values, digest):
    with torch.device("meta"):
        assert facts(make().state_dict()) == (tensors, values, digest)


def test_a_released_file_with_its_unused_entries(tmp_path):
    state = HexPlaneDeformation().state_dict()
    released = state | {name: torch.zeros(shape) for name, shape in UNUSED.items()}
    assert facts(released) == (33, 157_379, "4229e717ffb9ce06b7acfc2f1f9f8993df5c09a214c8ea7e5ed378b9e50670a4")
    torch.save(released, tmp_path / "x_deformation.pth")
    field = HexPlaneDeformation()
    field.load_released(tmp_path / "x_deformation.pth")
    assert all(torch.equal(value, state[name]) for name, value in field.state_dict().items())
    with pytest.raises(DisMoError, match=r"resolution .*22.*of another shape"):
        HexPlaneDeformation((32, 32, 32, 22)).load_released(released)


def test_a_4d_file_there_and_back(tmp_path):
    model = Gaussians4D(gaussians("gaussians"), field_a(), 5, fps=12, radius=2.0)
    model.save(tmp_path / "m.safetensors")
    back = Gaussians4D.load(tmp_path / "m.safetensors")
    assert (back.frames, back.fps, back.radius, back.fov_y) == (5, 12, 2.0, 49.1)
    for name, value in raw(model.at(1.5)).items():
        assert torch.equal(value, raw(back.at(1.5))[name])


def test_the_released_trio_there_and_back(tmp_path):
    model = Gaussians4D(gaussians("gaussians"), field_b(), 5)
    written = model.save_released(tmp_path, "fish")
    assert [path.name for path in written] == [
        "fish_4d_model.ply", "fish_deformation.pth", "fish_deformation_table.pth", "fish_deformation_accum.pth",
    ]  # fmt: skip
    back = Gaussians4D.load_released(tmp_path / "fish_4d_model.ply", 5)
    assert back.field.geometry["multires"] == [1, 2] and back.field.geometry["depth"] == 2
    for name, value in raw(model.at(1.5)).items():
        assert torch.equal(value, raw(back.at(1.5))[name])


def test_4d_files_that_are_refused(tmp_path):
    from safetensors.torch import save_file

    save_file({"a": torch.zeros(1)}, tmp_path / "other.safetensors")
    with pytest.raises(DisMoError, match="not a 4D model"):
        Gaussians4D.load(tmp_path / "other.safetensors")
    Gaussians4D(gaussians("gaussians"), field_a(), 5).save(tmp_path / "m.safetensors")
    content = (tmp_path / "m.safetensors").read_bytes()
    (tmp_path / "cut.safetensors").write_bytes(content[:-9])
    with pytest.raises(DisMoError, match="cut.safetensors"):
        Gaussians4D.load(tmp_path / "cut.safetensors")
    with pytest.raises(DisMoError, match=r"four numbers .*\[1\]"):
        HexPlaneDeformation([1])
