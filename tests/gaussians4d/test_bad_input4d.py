"""What goes wrong with 4D and is said; and a fit that is killed again and again. The files of each reader: beside its own tests."""

import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from gaussians4d import killed_fit
from PIL import Image

from dismo_core.cli.main import main
from dismo_core.errors import DisMoError
from dismo_core.gaussians4d import Gaussians4D, gsplat_backend, inflate_silhouette, read_ply, write_ply
from dismo_core.gaussians4d.clip import prepare_clip
from dismo_core.gaussians4d.fit_clip import FitSettings, fit_clip, new_field
from dismo_core.gaussians4d.surface import clean, unwrap


@pytest.fixture
def frames(fish, tmp_path, monkeypatch):
    """fish.png with three frames, in the folder that the command runs in."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "fish_frames").mkdir()
    for k in range(3):
        Image.fromarray(fish.rgba[4 * k].numpy()).resize((96, 96)).save(tmp_path / "fish_frames" / f"{k:03d}.png")
    shutil.copy("fish_frames/000.png", "fish.png")
    return tmp_path


def test_a_model_of_the_ball_without_a_note_needs_its_radius(frames, fish, capsys):
    """Files of the release do not say from how far they are seen."""
    (frames / "logs").mkdir()
    write_ply("logs/fish_model.ply", inflate_silhouette(fish.rgba[0], 200, radius=2.0))
    words = ["4d", "fit", "input=fish.png", "iters=1", "ref_size=32", "batch_size=3"]
    assert main(words) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert "From a distance of 1.5" in said and "need radius 2" in said
    assert main([*words, "radius=2"]) == 0
    assert Gaussians4D.load("logs/fish_4d.safetensors").radius == 2


def test_a_published_preset_without_a_model_at_rest(frames, capsys):
    assert main(["4d", "fit", "--config", "4d_low", "input=fish.png", "batch_size=3", "--guidance", "none"]) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert "no logs/fish_model.ply" in said and "dismo 4d static" in said and "--gaussians" in said


def test_a_model_of_another_length(fish):
    four = Gaussians4D(inflate_silhouette(fish.rgba[0], 200), new_field(5, 0), 5)
    with pytest.raises(DisMoError, match="has 5 frames, the clip 14"):
        fit_clip(fish, FitSettings(steps=1), resume=four)


def test_meshes_that_cannot_be():
    pytest.importorskip("trimesh", reason="the extra 4d is not installed")
    corners = np.eye(3, dtype=np.float32)
    one = np.array([[0, 1, 2]], np.int32)
    with pytest.raises(DisMoError, match="1 faces in small pieces only"):
        clean(corners, one)
    with pytest.raises(DisMoError, match="10,000,000 faces; at most 1,000,000"):
        unwrap(corners, np.broadcast_to(one, (10_000_000, 3)))


def test_a_broken_gsplat_is_passed_over_and_refused_by_name(tmp_path, monkeypatch, caplog):
    (tmp_path / "gsplat").mkdir()
    (tmp_path / "gsplat" / "__init__.py").write_text(
        "def rasterization(*a, **k):\n    raise OSError('undefined symbol')\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "gsplat", raising=False)
    gsplat_backend._why_not.cache_clear()
    try:
        assert gsplat_backend.choose_backend("auto", torch.device("cuda")) == "torch"
        assert "gsplat is installed but does not work" in caplog.text
        with pytest.raises(DisMoError, match="gsplat cannot be used here: it does not work"):
            gsplat_backend.choose_backend("gsplat", torch.device("cuda"))
    finally:
        gsplat_backend._why_not.cache_clear()
        sys.modules.pop("gsplat", None)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="kills as POSIX systems do")
def test_a_fit_that_is_killed_ten_times_ends_in_the_same_file(fish_rgba, tmp_path):
    whole = fit_clip(prepare_clip(*fish_rgba, frames=5), killed_fit.SETTINGS)
    whole.save(tmp_path / "whole.safetensors")
    path = os.pathsep.join(p for p in sys.path if p)
    subprocess.run(
        [sys.executable, Path(killed_fit.__file__), tmp_path / "run", tmp_path / "killed.safetensors"],
        env=os.environ | {"PYTHONPATH": path},
        check=True,
    )
    assert (tmp_path / "killed.safetensors").read_bytes() == (tmp_path / "whole.safetensors").read_bytes()


def test_harmonics_are_said(frames, fish, caplog):
    """What differs from side to side is not drawn; it stays in the file of the model at rest."""
    g = inflate_silhouette(fish.rgba[0], 200)
    write_ply("sh.ply", replace(g, sh_rest=torch.ones(len(g), 9)))
    with caplog.at_level("INFO"):
        assert read_ply("sh.ply").sh_rest.shape == (len(g), 9)
    assert "depend on the direction are kept for saving, not drawn" in caplog.text
