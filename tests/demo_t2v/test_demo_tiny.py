"""What the bundled weights of DEMO can do, read off their clips: they go as the motion prompt says, and keep what the prompt says."""

from __future__ import annotations

from itertools import cycle

import pytest
import torch

from dismo_core import demo_t2v as demo
from dismo_core.demo_t2v.bundled import tiny_files
from dismo_core.evaluation.objects import name_moves, name_paces, see_objects
from dismo_core.synthetic.captioned import COLORS, GROUNDS
from dismo_core.synthetic.captioned_moves import ALL_MOVES, HEADINGS, SLANTED, WAYS

STRAIGHT = tuple(HEADINGS)
CONTENTS = [("red", "disc", "white"), ("yellow", "triangle", "navy"), ("cyan", "square", "black")]
PROMPTS = [f"a {color} {shape} on {ground}" for color, shape, ground in CONTENTS for _ in STRAIGHT]
TOLD = [way for _, way in zip(PROMPTS, cycle(STRAIGHT), strict=False)]
OPPOSITE = {"left": "right", "right": "left", "up": "down", "down": "up"}
STEPS = 8  # fewer than the model's own 20: enough to tell a way


@pytest.fixture(scope="module")
def model():
    return demo.load_demo("tiny")


def seen(model, ways, **options):
    """What is seen in clips of the first contents, one for each way."""
    clips = model.sample(PROMPTS[: len(ways)], [f"moving {way}" for way in ways], steps=STEPS, seed=1, **options)
    return see_objects(clips.float() / 127.5 - 1)


@pytest.fixture(scope="module")
def moved(model):
    return seen(model, TOLD)


def right_ways(objects, ways):
    """How many clips go the way that was asked for."""
    wanted = torch.tensor([list(ALL_MOVES).index(f"moving {way}") for way in ways])
    return int((name_moves(objects, WAYS) == wanted).sum())


def test_the_files_are_small():
    assert sum(path.stat().st_size for path in tiny_files().values()) < 14e6


def test_clips_go_as_the_motion_prompt_says(moved):
    assert right_ways(moved, TOLD) >= 8  # by chance 3 of 12


def test_another_motion_prompt_changes_the_motion_and_keeps_color_and_ground(model, moved):
    swapped = [OPPOSITE[way] for way in TOLD]
    other = seen(model, swapped)
    assert right_ways(other, swapped) >= 8
    colors, grounds = (
        torch.tensor([list(table).index(content[place]) for content in CONTENTS for _ in STRAIGHT])
        for table, place in ((COLORS, 0), (GROUNDS, 2))
    )
    for objects in (moved, other):
        assert (objects.main_color() == colors).sum() >= 10 and (objects.main_ground() == grounds).sum() >= 10


def test_slanted_ways_are_gone_slowly_or_fast_as_told(model):
    paces = ("slowly", "fast")
    told = [f"{way} {pace}" for way, pace in zip(SLANTED, cycle(paces), strict=False)]
    told += [f"{way} {pace}" for way, pace in zip(SLANTED, cycle(reversed(paces)), strict=False)]
    objects = seen(model, told)
    assert right_ways(objects, [way.rpartition(" ")[0] for way in told]) >= 6  # by chance 1 of 8
    assert sum(a == b.split()[-1] for a, b in zip(name_paces(objects), told, strict=True)) >= 6


def test_without_the_motion_modules_the_way_is_not_known(model):
    ways = TOLD[:4]
    assert right_ways(seen(model, ways, motion_strength=0.0), ways) <= 2
