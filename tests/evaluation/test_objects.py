"""What is read off drawn clips is what was drawn; what is no single object is not taken for one."""

import pytest
import torch

from dismo_core.evaluation.objects import name_moves, name_paces, see_objects
from dismo_core.synthetic.captioned import draw_captioned
from dismo_core.synthetic.captioned_moves import ALL_MOVES, FURTHER_MOVES, MOVES, PACES, WAYS
from dismo_core.synthetic.draws import Draws

CLIPS = draw_captioned(96, Draws(22))
FRAMES = CLIPS.rendered()
SEEN = see_objects(FRAMES)


def test_looks_are_read():
    assert SEEN.found.all()
    assert SEEN.steady().all()
    assert torch.equal(SEEN.main_color(), CLIPS.color)
    assert torch.equal(SEEN.main_ground(), CLIPS.ground)
    assert torch.equal(SEEN.shape, CLIPS.shape)


def test_ways_and_turns_are_read():
    assert (SEEN.place - CLIPS.trajectory.place).norm(dim=-1).max() < 1
    turns = CLIPS.trajectory.angle[:, -1].abs() > 0
    assert (SEEN.turn - CLIPS.trajectory.angle)[turns].abs().max() < 0.15


def test_the_word_for_the_move_is_found():
    assert torch.equal(name_moves(SEEN), CLIPS.move)
    assert len(set(CLIPS.move.tolist())) == len(MOVES)


def test_slanted_ways_and_paces_are_read():
    clips = draw_captioned(96, Draws(23), moves=FURTHER_MOVES)
    seen = see_objects(clips.rendered())
    told = [tuple(ALL_MOVES)[number].split() for number in clips.move.tolist()]
    named = [tuple(ALL_MOVES)[number].split() for number in name_moves(seen, WAYS).tolist()]
    assert named == [[word for word in words if word not in PACES] for words in told]
    paced = [k for k, words in enumerate(told) if words[-1] in PACES]
    assert [name_paces(seen)[k] for k in paced] == [told[k][-1] for k in paced] and len(paced) > 48
    assert set(name_moves(seen).tolist()) <= {
        list(MOVES).index(f"moving {way}") for way in ("left", "right", "up", "down")
    }


def test_shuffled_frames_are_not_smooth():
    order = torch.randperm(16, generator=torch.Generator().manual_seed(1))
    moves = SEEN.speed()[:32] > 1
    shuffled = see_objects(FRAMES[:32, order])
    draws = torch.Generator().manual_seed(0)
    assert SEEN.smooth(draws)[:32][moves].float().mean() > 0.85
    assert shuffled.smooth(draws)[moves].float().mean() < 0.1


@pytest.mark.parametrize("spoiled", ["empty", "two", "gone", "noise"])
def test_what_is_no_single_object_is_not_found(spoiled):
    frames = FRAMES[:4].clone()
    if spoiled == "empty":
        frames[:] = frames[:, :, :1, :1]
    elif spoiled == "two":
        frames = torch.where(
            (frames - frames.roll(32, 3)).abs() > (frames - frames[:, :, :1, :1]).abs(), frames.roll(32, 3), frames
        )
    elif spoiled == "gone":
        frames[:, 5:] = frames[:, 5:, :1, :1]
    else:
        frames = torch.randn(frames.shape, generator=torch.Generator().manual_seed(2))
    seen = see_objects(frames)
    assert not seen.steady().any()
    assert (name_moves(seen) == -1).all()
