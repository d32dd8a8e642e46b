"""The bundled clip, prepared; and a short fit to it that several tests look at."""

import pytest
import torch

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
