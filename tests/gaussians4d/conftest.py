"""The bundled clip, prepared; a short fit to it that several tests look at; and toys of the networks."""

import pytest
import torch
from toy_gaussians4d import save_imagedream, save_lgm, save_svd, save_zero123

from dismo_core.assets.examples import example_clip
from dismo_core.gaussians4d.clip import prepare_clip, read_rgba
from dismo_core.gaussians4d.fit_clip import FitSettings, fit_clip


@pytest.fixture(scope="session")
def fish_rgba():
    return read_rgba(example_clip("fish"))


@pytest.fixture(scope="session")
def fish(fish_rgba):
    return prepare_clip(*fish_rgba, source="fish_clip.webp")


@pytest.fixture(scope="session")
def fish4d(fish):
    torch.set_num_threads(1)
    return fit_clip(fish, FitSettings(steps=80))


@pytest.fixture(scope="session")
def toy_svd(tmp_path_factory):
    """Folder of a Stable Video Diffusion."""
    return save_svd(tmp_path_factory.mktemp("svd"))


@pytest.fixture(scope="session")
def toy_zero123(tmp_path_factory):
    """Folder of a zero123."""
    return save_zero123(tmp_path_factory.mktemp("zero123"))


@pytest.fixture(scope="session")
def toy_lgm(tmp_path_factory):
    """(LGM's file, ImageDream's folder)."""
    root = tmp_path_factory.mktemp("lgm")
    return save_lgm(root / "lgm.safetensors"), save_imagedream(root / "imagedream")
