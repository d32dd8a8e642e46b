"""Held-out scenes shared by the tests of the benchmarks."""

import pytest

from benchmarks.scenes import Scene, draw_scene, draw_scenes


@pytest.fixture(scope="session")
def scenes() -> list[Scene]:
    """3 translations, 3 pans with an object, a growth, a rotation; and a pan without an object."""
    return [*draw_scenes(8), draw_scene(9)]
