"""Silhouettes, boxes, crop plans, squares: exactly the published ones, and the repaired plan."""

import numpy as np
import pytest
from mimo_goldens import cases, golden, painted, pixels

from dismo_core import DisMoError, mimo
from dismo_core.mimo.crops.square import Squares

PLANS = cases("crop.", ".boxes")


def frames_of(case):
    frames, height, width, overlap = (int(n) for n in golden(f"crop.{case}.size"))
    return painted(golden(f"crop.{case}.rects"), frames, height, width), overlap


@pytest.mark.parametrize("case", PLANS)
def test_the_published_plan(case):
    frames, overlap = frames_of(case)
    clips = mimo.plan_crops(frames, overlap=overlap, as_released=True)
    assert [len(clip.frames) for clip in clips] == golden(f"crop.{case}.lengths").tolist()
    assert [index for clip in clips for index in clip.frames] == golden(f"crop.{case}.frames").tolist()
    assert [list(clip.box) for clip in clips] == golden(f"crop.{case}.boxes").tolist()


@pytest.mark.parametrize("case", PLANS)
def test_in_the_repaired_plan_no_figure_is_cut(case):
    frames, overlap = frames_of(case)
    clips = mimo.plan_crops(frames, overlap=overlap)
    assert sorted({index for clip in clips for index in clip.frames}) == list(range(len(frames)))
    for clip in clips:
        x0, x1, y0, y1 = clip.box
        assert x1 > x0 and y1 > y0
        for index in clip.frames:
            mask = mimo.clean_silhouette(mimo.silhouette(frames[index]))
            assert np.count_nonzero(mask[y0:y1, x0:x1]) == np.count_nonzero(mask)


def test_masks_give_the_plan_of_the_body_render():
    frames, _ = frames_of("growing")
    assert mimo.plan_crops(mimo.silhouette(frames)) == mimo.plan_crops(frames)


def test_without_any_silhouette_the_crop_is_the_frame():
    clips = mimo.plan_crops(np.zeros((3, 40, 60, 3), np.uint8))
    assert clips == [mimo.Clip([0, 1, 2], (0, 60, 0, 40))]
    with pytest.raises(DisMoError, match="None of the 3 frames"):
        mimo.union_box(np.zeros((3, 40, 60, 3), np.uint8))


def test_frames_without_a_silhouette_join_and_do_not_count():
    frames, _ = frames_of("steady")
    frames = frames[:3].copy()
    whole = mimo.plan_crops(frames[[0, 2]])[0].box
    frames[1] = 0
    assert mimo.plan_crops(frames) == [mimo.Clip([0, 1, 2], whole)]
    frames[2] = 0
    assert mimo.plan_crops(frames) == [mimo.Clip([0, 1, 2], mimo.plan_crops(frames[:1])[0].box)]


def test_growth_past_twice_the_area_splits_with_an_overlap_of_four():
    frames = np.zeros((20, 200, 200, 3), np.uint8)
    frames[:10, 90:110, 90:110] = 200
    frames[10:, 20:180, 20:180] = 200
    clips = mimo.plan_crops(frames)
    assert [clip.frames for clip in clips] == [list(range(10)), list(range(6, 20))]
    assert len(mimo.plan_crops(frames, min_area=0.01)) == 1
    assert mimo.plan_crops(frames, overlap=0)[1].frames == list(range(10, 20))


@pytest.mark.parametrize("case", cases("union.", ".box"))
def test_the_box_of_animate(case):
    frames, _ = frames_of(case)
    assert mimo.union_box(frames) == tuple(golden(f"union.{case}.box").tolist())


def test_silhouettes_are_the_published_ones():
    frames, _ = frames_of("specks")
    raw = mimo.silhouette(frames[:2])
    assert np.array_equal(raw, golden("silhouette.raw"))
    assert np.array_equal(np.stack([mimo.clean_silhouette(mask) for mask in raw]), golden("silhouette.clean"))


def test_padding_to_squares():
    for (height, width), expected in zip(golden("pad.sizes"), golden("pad.expected"), strict=True):
        frame = pixels("any", (height, width, 3))
        square, (top, bottom, left, right) = mimo.pad_square(frame, (1, 2, 3))
        assert [top, bottom, left, right] == expected.tolist()
        side = len(square)
        assert side % 16 == 0 and np.array_equal(square[top : side - bottom, left : side - right], frame)
        square[top : side - bottom, left : side - right] = (1, 2, 3)
        assert (square == (1, 2, 3)).all()


def test_squares_are_made_when_they_are_asked_for():
    """One frame in memory at a time; with a mask only what stands in front, on black."""
    frames, masks = pixels("scene", (6, 40, 60, 3)), pixels("front", (6, 40, 60))
    clips = [mimo.Clip([0, 1, 2], (4, 30, 2, 30)), mimo.Clip([1, 2, 3, 4, 5], (0, 60, 0, 40))]
    asked = []

    class Stored:
        def __getitem__(self, index):
            asked.append(index)
            return frames[index]

    squares = Squares(Stored(), clips, 255)
    assert len(squares) == 8 and asked == []
    wanted = mimo.crop_square(frames, clips, 255)
    assert all(np.array_equal(a, b) for a, b in zip(squares, wanted, strict=True)) and asked == [0, 1, 2, 1, 2, 3, 4, 5]
    assert np.array_equal(squares[2:4][1], wanted[3])
    front = Squares(frames, clips, 0, masks)[3]
    pasted = (frames[1] * (masks[1][..., None] / 255)).astype(np.uint8)
    assert np.array_equal(front, mimo.pad_square(pasted, 0)[0])


def test_reference_picture():
    picture = pixels("prepare.picture", (61, 47, 3))
    assert np.array_equal(mimo.prepare_reference(picture, golden("prepare.alpha")), golden("prepare.out"))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: mimo.prepare_reference(np.zeros((4, 4, 3), np.uint8), np.zeros((4, 4), np.uint8)), "0 everywhere"),
        (lambda: mimo.prepare_reference(np.zeros((4, 4, 3), np.uint8), np.ones((4, 5), np.uint8)), r"\[4, 5\]"),
        (lambda: mimo.plan_crops([]), "no frames"),
        (lambda: mimo.plan_crops([np.zeros((4, 4), np.uint8), np.zeros((4, 5), np.uint8)]), "Frame 1 is 5x4"),
        (lambda: mimo.plan_crops(np.zeros((1, 4, 4), np.uint8), overlap=-1), "-1"),
        (lambda: mimo.silhouette(np.zeros((4, 4, 3))), "float64"),
        (lambda: mimo.clean_silhouette(np.zeros((4, 4, 3), np.uint8)), r"\[4, 4, 3\]"),
        (lambda: mimo.pad_square(np.zeros((0, 4, 3), np.uint8), 0), "4x0"),
    ],
)
def test_bad_pictures(call, message):
    with pytest.raises(DisMoError, match=message):
        call()
