"""A clip of one picture by a toy of Stable Video Diffusion."""

import numpy as np
import pytest
import torch
from PIL import Image

from dismo_core.cli.main import main
from dismo_core.errors import DisMoError
from dismo_core.gaussians4d.drive import drive
from dismo_core.video import probe


def test_frames_of_one_picture(toy_svd, fish):
    rgba = fish.rgba[0].numpy()
    short = dict(frames=3, steps=2, size=64)
    clip = drive(toy_svd, rgba, seed=1, **short)
    assert clip.shape == (3, 64, 64, 3) and clip.dtype == torch.uint8
    assert torch.equal(clip, drive(toy_svd, rgba, seed=1, **short))
    assert not torch.equal(clip, drive(toy_svd, rgba, seed=2, **short))
    assert drive(toy_svd, rgba, pad=True, **short).shape == (3, 64, 64, 3)
    with pytest.raises(DisMoError, match="multiple of 64, not 100"):
        drive(toy_svd, rgba, size=100)


def test_by_command(toy_svd, fish, tmp_path, capsys):
    Image.fromarray(fish.rgba[0].numpy()).save(tmp_path / "fish.png")
    words = ["4d", "drive", str(tmp_path / "fish.png"), "--frames", "3", "--steps", "1", "--size", "64"]
    assert main([*words, "--model", str(toy_svd), "--seed", "42", "--bg", "white", "--is_pad"]) == 0
    assert sorted(p.name for p in (tmp_path / "fish_frames").iterdir()) == ["000.png", "001.png", "002.png"]
    assert np.asarray(Image.open(tmp_path / "fish_frames/000.png")).shape == (64, 64, 3)
    assert probe(tmp_path / "fish_generated.mp4").fps == pytest.approx(7)
    assert main([*words, "--model", str(tmp_path), "--overwrite"]) == 2
    assert "no model_index.json" in capsys.readouterr().err
