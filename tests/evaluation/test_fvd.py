"""FVD against figures of the published code; the weights of I3D are made of their names."""

from __future__ import annotations

import pytest
import torch
from cmd_toys import assert_golden, filled, golden

from dismo_core import DisMoError
from dismo_core.evaluation import fvd


def test_preprocessing():
    assert_golden(fvd.preprocess(golden("fvd.videos"))[:, :, ::5, ::37, ::41], "fvd.preprocessed_part", 1e-5)


def test_features():
    assert_golden(fvd.fvd_features(filled(fvd.I3D()), golden("fvd.videos")), "fvd.features")


def test_distance():
    distance = fvd.frechet_distance(golden("fvd.a"), golden("fvd.b"))
    assert distance == pytest.approx(float(golden("fvd.distance")), abs=1e-4)
    assert fvd.frechet_distance(golden("fvd.a"), golden("fvd.a")) == pytest.approx(0, abs=1e-4)


def test_bad_input(tmp_path):
    with pytest.raises(DisMoError, match="at least 9 frames, not 8"):
        fvd.fvd_features(filled(fvd.I3D()), torch.zeros(1, 8, 9, 9, 3, dtype=torch.uint8))
    with pytest.raises(DisMoError, match=r"not torch.float32 \[1, 9, 9, 9, 3\]"):
        fvd.preprocess(torch.zeros(1, 9, 9, 9, 3))
    with pytest.raises(DisMoError, match="at least 2 clips"):
        fvd.frechet_distance(torch.zeros(1, 4), torch.zeros(5, 4))
    torch.save({"logits.conv3d.bias": torch.zeros(400)}, tmp_path / "i3d.pt")
    with pytest.raises(DisMoError, match="not I3D with 400 classes: 343 missing"):
        fvd.load_i3d(tmp_path / "i3d.pt")
