"""Gaussians and their files against the published code; files that are damaged or of another kind."""

import struct
from dataclasses import replace

import numpy as np
import pytest
import torch
from gaussians4d.goldens4d import close, gaussians, golden

from dismo_core.errors import DisMoError
from dismo_core.gaussians4d import Gaussians, read_ply, write_ply
from dismo_core.gaussians4d.ply import read_ply_comments


def test_activations():
    g = gaussians("gaussians")
    close(g.scales, "gaussians.scales", 1e-5)
    close(g.opacities[:, None] if golden("gaussians.opacities").ndim == 2 else g.opacities, "gaussians.opacities", 1e-5)
    close(g.rotations, "gaussians.rotations", 1e-5)
    close(g.covariances, "gaussians.covariance", 1e-5)


def test_the_file_is_the_published_one_to_the_byte(tmp_path):
    write_ply(tmp_path / "g.ply", gaussians("gaussians"))
    assert (tmp_path / "g.ply").read_bytes() == golden("ply.static").numpy().tobytes()


def test_rows_of_lgm(tmp_path):
    kept = Gaussians.from_activated(golden("lgm.first20")[0])
    write_ply(tmp_path / "lgm.ply", kept, normals=False)
    found, wanted = (tmp_path / "lgm.ply").read_bytes(), golden("lgm.ply").numpy().tobytes()
    header = wanted.index(b"end_header\n") + 11
    assert found[:header] == wanted[:header] and len(found) == len(wanted)
    np.testing.assert_allclose(np.frombuffer(found[header:], "<f4"), np.frombuffer(wanted[header:], "<f4"), atol=1e-5)


@pytest.mark.parametrize("normals", [True, False])
def test_there_and_back(tmp_path, normals):
    g = replace(gaussians("gaussians"), sh_rest=torch.arange(7 * 9.0).view(7, 9))
    write_ply(tmp_path / "g.ply", g, normals, comments={"radius": "2.0"})
    back = read_ply(tmp_path / "g.ply")
    for name, value in g.tensors().items():
        assert torch.equal(value, getattr(back, name)), name
    assert read_ply_comments(tmp_path / "g.ply") == {"radius": "2.0"}


NAMES = "rot_3 rot_2 rot_1 rot_0 scale_2 scale_1 scale_0 opacity f_dc_2 f_dc_1 f_dc_0 z y x".split()


def ply(names=NAMES, rows=1, values=None, kind="binary_little_endian", count=None, types=None):
    types = types or ["float"] * len(names)
    head = ["ply", f"format {kind} 1.0", f"element vertex {rows if count is None else count}"]
    head += [f"property {t} {n}" for t, n in zip(types, names, strict=True)]
    body = struct.pack(f"<{len(names) * rows}f", *(values or range(len(names) * rows)))
    return "\n".join([*head, "end_header", ""]).encode() + body


def test_properties_in_any_order(tmp_path):
    (tmp_path / "g.ply").write_bytes(ply())
    g = read_ply(tmp_path / "g.ply")
    assert g.means.tolist() == [[13, 12, 11]] and g.quaternions.tolist() == [[3, 2, 1, 0]]
    assert g.opacity_logits.tolist() == [7]


BAD = [
    (b"", "no PLY header"),
    (b"ply\nformat ascii 1.0\nend_header\n", "ascii"),
    (ply(kind="binary_big_endian"), "binary_big_endian"),
    (ply(NAMES[1:]), "rot_3"),
    (ply(count=0), "no Gaussians"),
    (ply(count=10**9), "1000000000"),
    (ply(count="x"), "no Gaussians"),
    (ply(count=3), "cut short"),
    (ply(values=[float("nan")] * 14), "means of Gaussian 0"),
    (ply(types=["half"] * 14), "property half"),
    (ply([*NAMES[:-1], "y"]), "property float y"),
    (b"ply\nformat binary_little_endian 1.0\nelement face 3\n" + ply()[40:], "face"),
    (ply(types=["list uchar int", *["float"] * 13]), "list uchar int"),
]


@pytest.mark.parametrize(("content", "named"), BAD, ids=[named for _, named in BAD])
def test_files_that_are_refused(tmp_path, content, named):
    (tmp_path / "bad.ply").write_bytes(content)
    with pytest.raises(DisMoError, match=named) as caught:
        read_ply(tmp_path / "bad.ply")
    assert "bad.ply" in str(caught.value)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(DisMoError, match=r"no file .*none\.ply"):
        read_ply(tmp_path / "none.ply")


def test_shapes_are_checked():
    g = gaussians("gaussians")
    with pytest.raises(DisMoError, match=r"log_scales of 7 .*\[7, 3\], not \[6, 3\]"):
        replace(g, log_scales=g.log_scales[:6])
