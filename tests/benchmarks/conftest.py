"""Held-out scenes shared by the tests of the benchmarks."""

import pytest

from benchmarks.scenes import Scene, draw_scenes


@pytest.fixture(scope="session")
def scenes() -> list[Scene]:
    """Two rounds of eight: 6 translations, 6 pans, 2 scales, 2 rotations; half of each changing."""
    return draw_scenes(16)
