"""Windows of videos that are denoised together."""

import pytest

from dismo_core import DisMoError
from dismo_core.diffusion.windows import context_windows


@pytest.mark.parametrize("frames", [1, 23, 24, 25, 26, 40, 44, 60, 150])
@pytest.mark.parametrize("closed", [True, False])
def test_every_frame_is_in_a_window_and_windows_are_full(frames, closed):
    windows = context_windows(frames, closed_loop=closed)
    assert {index for window in windows for index in window} == set(range(frames))
    assert all(len(window) == min(24, frames) == len(set(window)) for window in windows)


def test_closed_windows_wrap_round():
    assert [window[0] for window in context_windows(150)] == [0, 20, 40, 60, 80, 100, 120, 140]
    assert context_windows(150)[-1] == [*range(140, 150), *range(14)]


def test_open_windows_end_with_the_last_frame():
    assert [window[0] for window in context_windows(60, closed_loop=False)] == [0, 20, 36]
    assert all(window == sorted(window) for window in context_windows(61, closed_loop=False))
    assert len(context_windows(44, closed_loop=False)) == 2


@pytest.mark.parametrize("arguments", [(0,), (10, 4, 4), (10, 4, -1)])
def test_windows_that_cannot_be(arguments):
    with pytest.raises(DisMoError, match=str(arguments[-1])):
        context_windows(*arguments)
