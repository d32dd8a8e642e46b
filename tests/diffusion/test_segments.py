"""Which embedding every frame of a long video gets, and that every frame is there once."""

import pytest

from dismo_core import DisMoError
from dismo_core.diffusion.segments import plan_segments, possible_lengths

DIRECT = [9, 17, 25, 33, 41, 49]
LENGTHS = [9, 25, 49, *range(50, 75), 85, 85 + 19, 85 + 20, 500]


def plan(frames, keep_tail=False):
    return plan_segments(frames, DIRECT, 25, 0 if keep_tail else 4)


@pytest.mark.parametrize("keep_tail", [False, True])
@pytest.mark.parametrize("frames", LENGTHS)
def test_every_frame_is_kept_once_and_has_the_embedding_of_its_place(frames, keep_tail):
    embeddings = list(range(frames - 4))  # row n belongs to frame n
    video, used = [], {}
    for segment in plan(frames, keep_tail):
        own = embeddings[segment.start : segment.start + segment.length - 4]
        assert len(own) == segment.length - 4 and segment.length in (9, 25, 49)
        if segment.start:
            assert video[-1] == segment.start  # it goes on from the last frame so far, which is not repeated
        for i in range(segment.length)[segment.kept]:
            video.append(segment.start + i)
            if i < len(own):
                used[segment.start + i] = own[i]
    assert video == list(range(frames))
    assert all(n == row for n, row in used.items())
    if not keep_tail:
        assert sorted(used) == embeddings  # only the last four frames have no motion of their own


@pytest.mark.parametrize("count", [3, 4, 10])
def test_whole_segments_give_20_new_frames_each(count):
    segments = plan(20 * count + 5)
    assert [segment.start for segment in segments] == [20 * i for i in range(count)]
    assert len(plan(20 * count + 6)) == count + 1


def test_with_the_tail_kept_24():
    assert [segment.start for segment in plan(24 * 3 + 1, keep_tail=True)] == [0, 24, 48]


def test_lengths():
    assert possible_lengths(8, DIRECT) == []
    assert possible_lengths(30, DIRECT) == [9, 17, 25]
    assert possible_lengths(53, DIRECT) == [9, 17, 25, 33, 41, 49, 50, 51, 52, 53]
    for frames in possible_lengths(53, DIRECT):
        plan(frames)


@pytest.mark.parametrize("frames", [5, 8, 10, 30, 48])
def test_other_lengths_are_refused(frames):
    with pytest.raises(DisMoError, match=f"{frames} frames cannot be generated; the possible lengths are 9, 17, 25"):
        plan(frames)
