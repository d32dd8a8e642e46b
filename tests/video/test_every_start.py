"""From wherever one begins to read, the frames are those of reading from the beginning: all containers and codecs."""

import pytest
import torch
from numbered_clips import COUNT, RATE, RECIPES, make, number_of

from dismo_core.video import probe, read_video

STARTS = (27, 36, 43, 59)  # frames after the first second, where files are sought
# Their length is not written down or is an estimate, which the file makes too short or too long
NO_LENGTH = ("mpg", "asf", "wmv", "nut", "apng", "h264", "hevc", "m2v", "m4v", "obu", "ivf")
# one of a kind: what shares its container or its codec with these is left to the slow test
FAST = [
    name
    for name, recipe in RECIPES.items()
    if recipe.suffix not in ("mov", "3gp", "nut", "webm", "wmv")
    or "theora" in name
    or "alpha" in name
    or name in ("mov prores", "mov qtrle", "mov png", "mov svq1", "mov cinepak", "webm vp9", "wmv wmv2", "nut h264-b")
]


def check(tmp_path, caplog, recipe, starts):
    clip = make(tmp_path / f"clip.{recipe.suffix}", recipe)
    shown = recipe.timed()
    whole = read_video(clip).frames
    assert [number_of(frame) for frame in whole] == list(range(recipe.first, COUNT))
    length = probe(clip).duration
    if recipe.suffix not in NO_LENGTH and "live" not in recipe.container:
        assert abs(length - (shown[-1] + 1 / RATE)) < 0.13
    rate = RATE if recipe.times is None else 50
    sampled = read_video(clip, fps=rate).frames
    expected = [max(k for k in range(len(shown)) if shown[k] <= i / rate + 1e-6) for i in range(len(sampled))]
    assert [number_of(frame) for frame in sampled] == [recipe.first + k for k in expected]
    assert expected[-1] == len(shown) - 1
    last = len(shown) - (1 if recipe.times is None else 2)  # some do not tell how long the very last is shown
    for k in (k for k in starts if k <= last):
        frame = read_video(clip, fps=rate, start=shown[k] + 0.0005, frames=1).frames[0]
        assert torch.equal(frame, whole[k]), (k, number_of(frame))
    assert not [record for record in caplog.records if record.name.startswith("dismo_core")]


@pytest.mark.parametrize("name", FAST)
def test_every_format(tmp_path, caplog, name):
    check(tmp_path, caplog, RECIPES[name], STARTS)


@pytest.mark.slow
@pytest.mark.parametrize("name", RECIPES)
def test_every_format_from_every_frame(tmp_path, caplog, name):
    check(tmp_path, caplog, RECIPES[name], range(COUNT))
