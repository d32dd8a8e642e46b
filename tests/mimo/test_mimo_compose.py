"""Composition, blend masks, resizing by area: the published numbers, and what must hold of any."""

import numpy as np
import pytest
from mimo_goldens import cases, golden, painted, pixels
from PIL import Image

from dismo_core import DisMoError, mimo
from dismo_core.mimo.compositing.blend import CASES


def scene():
    """Clips, made pictures, and the videos of the golden composites."""
    frames, height, width, side = (int(n) for n in golden("compose.size"))
    body = painted(golden("compose.rects"), frames, height, width)
    clips = mimo.plan_crops(body, as_released=True)
    count = sum(len(clip.frames) for clip in clips)
    made = np.stack([pixels(f"compose.generated.{i}", (side, side, 3)) for i in range(count)])
    videos = [pixels(name, (frames, height, width, 3)) for name in ("compose.vid", "compose.bk", "compose.occ")]
    masks = {case: pixels(f"compose.mask.{case}", (37, 41)).astype(np.float32) / 255 for case in CASES}
    return body, clips, made, *videos, masks


def test_the_published_composites():
    body, clips, made, source, background, occlusion, masks = scene()
    whole = mimo.compose(made, clips, background, source=source, occlusion=occlusion[..., 0], masks=masks)
    assert np.array_equal(whole, golden("compose.occluded"))
    assert np.array_equal(mimo.compose(made, clips, background, masks=masks)[3:6], golden("compose.plain"))
    assert np.array_equal(mimo.crop_square(body, clips, 0)[-1], golden("compose.pose_input"))
    assert np.array_equal(mimo.crop_square(background, clips, 255)[-1], golden("compose.background_input"))


def test_with_mask_one_over_the_whole_frame_the_made_picture_is_the_result():
    made, background = pixels("made", (2, 48, 48, 3)), pixels("scene", (2, 48, 32, 3))
    clip = mimo.Clip([0, 1], (0, 32, 0, 48))
    result = mimo.compose(made, [clip], background)  # touches all borders: no ramp
    assert np.array_equal(result, made[:, :, 8:40])
    source, white = pixels("source", (2, 48, 32, 3)), np.full((2, 48, 32), 255, np.uint8)
    assert np.array_equal(mimo.compose(made, [clip], background, source=source, occlusion=white), source)


def test_cross_fade_weighs_a_fifth_more_each_frame():
    clips = [mimo.Clip(list(range(6)), (0, 16, 0, 16)), mimo.Clip(list(range(2, 8)), (0, 16, 0, 16))]
    made = np.concatenate([np.zeros((6, 16, 16, 3), np.uint8), np.full((6, 16, 16, 3), 250, np.uint8)])
    result = mimo.compose(made, clips, np.zeros((8, 16, 16, 3), np.uint8))
    assert result[:, 8, 8, 0].tolist() == [0, 0, 50, 100, 150, 200, 250, 250]


def test_border_cases_and_masks():
    for x0, x1, y0, y1, case in golden("border.cases"):
        assert mimo.border_case((x0, x1, y0, y1), width=40, height=30) == CASES[case]
    for case in CASES:
        mask = mimo.blend_mask(case, 60, 50)
        assert mask.shape == (50, 60) and mask.dtype == np.float32 and mask[25, 30] == 1
        edges = {"left": mask[25, 0], "right": mask[25, -1], "up": mask[0, 30], "down": mask[-1, 30]}
        assert {side for side, value in edges.items() if value == 1} == set(case.split("_")) - {"inner"}
        assert all(value == 1 or value < 0.2 for value in edges.values())
    assert mimo.blend_mask("inner", 7, 5, ramp=0).min() == 1


@pytest.mark.parametrize("case", cases("area.", ""))
def test_resizing_by_area(case):
    height, width, rows, columns = map(int, case.split("."))
    mask = pixels("area", (height, width)).astype(np.float32) / 255
    assert np.abs(mimo.resize_area(mask, columns, rows) - golden(f"area.{case}")).max() <= 1e-6


def test_the_published_masks_come_from_a_folder(tmp_path):
    for case in CASES:
        Image.fromarray(pixels(case, (5, 6, 3))).save(tmp_path / f"alpha2_{case}.png")
    masks = mimo.load_blend_masks(tmp_path)
    gray = np.asarray(Image.fromarray(pixels("left", (5, 6, 3))).convert("L"))
    assert masks.keys() == set(CASES) and np.array_equal(masks["left"], gray.astype(np.float32) / 255)
    (tmp_path / "alpha2_down.png").unlink()
    with pytest.raises(DisMoError, match="alpha2_down.png"):
        mimo.load_blend_masks(tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (dict(generated=np.zeros((1, 16, 16, 3), np.uint8)), "1 made pictures"),
        (dict(occlusion=np.zeros((2, 20, 20), np.uint8)), "no source video"),
        (dict(masks={}), "no blend mask 'inner'"),
        (dict(ramp=0.7), "0.7"),
        (
            dict(source=np.zeros((2, 20, 20, 3), np.uint8), occlusion=np.zeros((2, 10, 20), np.uint8)),
            r"\[10, 20\]",
        ),
    ],
)
def test_pictures_that_do_not_belong_together(change, message):
    good = dict(
        generated=np.zeros((2, 16, 16, 3), np.uint8),
        clips=[mimo.Clip([0, 1], (2, 18, 2, 18))],
        backgrounds=np.zeros((2, 20, 20, 3), np.uint8),
    )
    assert mimo.compose(**good).shape == (2, 20, 20, 3)
    with pytest.raises(DisMoError, match=message):
        mimo.compose(**good | change)
