"""Captions fit the pictures, and the moves that they name are what is drawn."""

import math

import pytest
import torch
from torch.nn import functional as F

from dismo_core.synthetic.captioned import COLORS, GROUNDS, JITTER, REACH, SHAPES, SIZE, draw_captioned
from dismo_core.synthetic.captioned_moves import ALL_MOVES, FURTHER_MOVES, MOVES, PACES, WAYS
from dismo_core.synthetic.draws import Draws

CLIPS = draw_captioned(192, Draws(11))
FRAMES, COVERED = CLIPS.rendered(), CLIPS.coverage()
WORDS = [caption.split() for caption in CLIPS.captions()]


def named(move):
    return torch.tensor([words[3:-2] == move.split() for words in WORDS])


def test_a_caption_names_color_shape_move_and_ground():
    assert all(words[0] == "a" and words[1] in COLORS and words[2] in SHAPES for words in WORDS)
    assert all(words[-2] == "on" and words[-1] in GROUNDS and " ".join(words[3:-2]) in MOVES for words in WORDS)
    told = torch.arange(192) % 2 == 0
    for k, caption in enumerate(CLIPS.captions(told)):
        without = " ".join(WORDS[k][:3] + WORDS[k][-2:])
        assert caption == (" ".join(WORDS[k]) if k % 2 == 0 else without)


def test_every_word_is_drawn():
    assert {word for words in WORDS for word in words} >= {*COLORS, *GROUNDS, *SHAPES}
    assert {" ".join(words[3:-2]) for words in WORDS} == {*MOVES}


def test_the_picture_has_the_named_colors():
    middle = CLIPS.trajectory.place + SIZE / 2
    for clip, words in enumerate(WORDS):
        for frame in (0, 15):
            x, y = middle[clip, frame].long().tolist()
            skin, ground = FRAMES[clip, frame, y, x], FRAMES[clip, frame, 0, 0]
            assert ((skin + 1) / 2 - torch.tensor(COLORS[words[1]])).abs().max() <= JITTER + 1e-5, words
            assert ((ground + 1) / 2 - torch.tensor(GROUNDS[words[-1]])).abs().max() <= JITTER + 1e-5, words


@pytest.mark.parametrize(("shape", "corners"), [("disc", None), ("square", 0.84), ("triangle", 0.58), ("bar", 0.48)])
def test_the_outline_is_the_named_shape(shape, corners):
    """Right below the middle, the outline is where that of the shape is; a disc has the area of a circle."""
    for clip in [k for k, words in enumerate(WORDS) if words[2] == shape and "turning" not in words]:
        covered = COVERED[clip, 0]
        radius = float(CLIPS.radius[clip] * CLIPS.trajectory.log_scale[clip, 0].exp())
        if corners is None:
            assert float(covered.sum()) == pytest.approx(torch.pi * radius**2, rel=0.02)
        else:
            x, y = CLIPS.trajectory.place[clip, 0] + SIZE / 2
            below = covered[int(y) :, int(x)].sum() - (y - int(y))
            assert float(below) == pytest.approx(corners * radius, abs=0.6)


def test_the_object_stays_in_the_picture():
    edge = torch.cat((COVERED[..., 0], COVERED[..., -1], COVERED[..., 0, :], COVERED[..., -1, :]), dim=-1)
    assert edge.max() == 0
    assert COVERED.sum(dim=(-1, -2)).min() > 40


@pytest.mark.parametrize(("move", "axis", "sign"), [("left", 0, -1), ("right", 0, 1), ("up", 1, -1), ("down", 1, 1)])
def test_straight_moves_go_where_they_say(move, axis, sign):
    place = CLIPS.trajectory.place[named(f"moving {move}")]
    assert len(place) > 3
    assert (sign * (place[:, 1:] - place[:, :-1])[..., axis] > 0).all()
    way = place[:, -1] - place[:, 0]
    assert (way[:, axis].abs() > 2 * way[:, 1 - axis].abs()).all()


def test_further_moves_go_the_way_and_at_the_pace_that_they_say():
    clips = draw_captioned(400, Draws(12), moves=FURTHER_MOVES)
    assert {tuple(ALL_MOVES)[number] for number in clips.move.tolist()} == FURTHER_MOVES.keys()
    room = SIZE / 2 - 1 - REACH * clips.radius
    for number, path, most in zip(clips.move.tolist(), clips.trajectory.place, room.tolist(), strict=True):
        _, *way = tuple(ALL_MOVES)[number].split()
        pace = way.pop() if way[-1] in PACES else None
        x, y = (path[-1] - path[0]).tolist()
        off = math.degrees(math.atan2(y, x)) - WAYS[" ".join(way)]
        assert abs((off + 180) % 360 - 180) < 18
        rooms = math.hypot(x, y) / most
        low, high = PACES[pace] if pace else (1.0, 2.0)
        assert low - 1e-4 <= rooms <= high + 1e-4
    assert (clips.trajectory.place.abs() <= room[:, None, None] + 1e-4).all()


@pytest.mark.parametrize(("word", "sign"), [("clockwise", 1), ("counterclockwise", -1)])
def test_clockwise_is_seen_clockwise(word, sign):
    assert (sign * CLIPS.trajectory.angle[named(f"turning {word}"), -1] > 1).all()
    place = CLIPS.trajectory.place[named(f"circling {word}")]
    step, after = place[:, 1:-1] - place[:, :-2], place[:, 2:] - place[:, 1:-1]
    assert (sign * (step[..., 0] * after[..., 1] - step[..., 1] * after[..., 0]) > 0).all()


def test_growth_and_rest_are_what_they_say():
    scale, place = CLIPS.trajectory.log_scale, CLIPS.trajectory.place
    assert (scale[named("growing"), 1:] > scale[named("growing"), :-1]).all()
    assert (scale[named("shrinking"), 1:] < scale[named("shrinking"), :-1]).all()
    still = named("standing still")
    assert (place[still] == place[still][:, :1]).all()
    assert torch.equal(FRAMES[still], FRAMES[still][:, :1].expand_as(FRAMES[still]))


def test_what_turns_shows_it():
    assert not any("turning" in words and words[2] == "disc" for words in WORDS)


def test_a_small_picture_is_the_mean_of_the_large_one():
    means = F.avg_pool2d(FRAMES.movedim(-1, 2).flatten(0, 1), 4).unflatten(0, (192, 16)).movedim(2, -1)
    assert torch.allclose(CLIPS.rendered(16, samples=4), means, atol=1e-5)


def test_some_clips_and_some_frames():
    part = CLIPS.some(slice(1, None, 64)).between(3, 7)
    assert torch.allclose(part.rendered(16, samples=4), CLIPS.rendered(16, samples=4)[1::64, 3:7], atol=1e-5)
    assert part.captions() == CLIPS.captions()[1::64]


def test_a_seed_gives_the_same_clips():
    again, other = draw_captioned(4, Draws(5)), draw_captioned(4, Draws(6))
    first = draw_captioned(4, Draws(5)).rendered(16)
    assert torch.equal(first, again.rendered(16))
    assert not torch.equal(first, other.rendered(16))
