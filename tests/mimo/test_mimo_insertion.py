"""Characters put into drawn scenes whose truth is known, and backgrounds filled."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from PIL import Image

from dismo_core import DisMoError, mimo
from dismo_core.mimo.crops.silhouette import dilate
from dismo_core.mimo.drawn.drawn_scenes import draw_scene
from dismo_core.mimo.insertion.character import read_character
from dismo_core.mimo.insertion.track import track_masks
from dismo_core.mimo.templates.template import TemplateFrames

drawn = cache(draw_scene)


def template_of(scene, **change):
    return TemplateFrames(
        **{"fps": 30, "bk": scene.bk, "sdc": scene.sdc, "vid": scene.vid, "mask": scene.mask, "occ": scene.occ} | change
    )


def psnr(found, truth, where):
    return 10 * np.log10(255**2 / ((found.astype(float) - truth)[where] ** 2).mean())


def test_a_figure_takes_the_place_of_another():
    scene = drawn(3, camera="static")
    around = scene.area > 12
    exact = psnr(mimo.insert_character(scene.character, scene.alpha, template_of(scene)), scene.truth, around)
    unhidden = mimo.insert_character(scene.character, scene.alpha, template_of(scene, occ=None))
    pasted = mimo.insert_character(scene.character, scene.alpha, template_of(scene, bk=scene.vid))
    assert exact > 38 and exact > 12 + psnr(unhidden, scene.truth, around)
    assert exact > 12 + psnr(pasted, scene.truth, around)


def test_the_whole_way_from_clip_and_masks():
    scene = drawn(0, camera="static")
    background = mimo.fill_background(scene.vid, scene.mask)
    found = mimo.insert_character(scene.character, scene.alpha, template_of(scene, bk=background))
    assert psnr(found, scene.truth, scene.area > 12) > 38


def test_away_from_the_figures_the_clip_stays():
    scene = drawn(0, camera="static")
    found = mimo.insert_character(scene.character, scene.alpha, template_of(scene))
    away = np.stack([dilate(area, 3, 3) for area in scene.area]) == 0
    assert np.abs(found.astype(int) - scene.vid)[away].max() <= 1


def test_a_still_character_does_not_flicker():
    scene = drawn(0, camera="static")
    still = {name: np.repeat(getattr(scene, name)[:1], 8, 0) for name in ("vid", "bk", "sdc", "mask", "occ")}
    found = mimo.insert_character(scene.character[:1], scene.alpha[:1], TemplateFrames(fps=30, **still))
    assert np.abs(np.diff(found.astype(int), axis=0)).max() == 0


def flat_template(frames=6, width=80, height=60):
    """A person of 20 px that goes from left to right over gray."""
    mask = np.zeros((frames, height, width), np.uint8)
    for number in range(frames):
        mask[number, 30:50, 10 + 8 * number : 18 + 8 * number] = 255
    background = np.full((frames, height, width, 3), 100, np.uint8)
    return TemplateFrames(fps=30, bk=background, mask=mask)


def box_character(frames=6, height=40, width=10):
    """A white box, 40 px high, on a canvas with room around it."""
    alpha = np.zeros((frames, height + 20, width + 30), np.uint8)
    alpha[:, 10 : 10 + height, 15 : 15 + width] = 255
    return np.full((*alpha.shape, 3), 250, np.uint8), alpha


def found_boxes(result):
    track = track_masks(
        (np.abs(frame.astype(int) - 100).max(-1) * 255 / 150).clip(0, 255).astype(np.uint8) for frame in result
    )
    return track.x, track.top, track.foot


@pytest.mark.parametrize(
    ("options", "top", "foot", "shift"),
    [
        ({}, 30, 50, 0),
        ({"size": 1.5}, 20, 50, 0),
        ({"size": 0.5}, 40, 50, 0),
        ({"anchor": "centre", "size": 0.5}, 35, 45, 0),
        ({"offset": (4.0, -5.0)}, 25, 45, 4),
        ({"scale": "none"}, 10, 50, 0),
    ],
)
def test_feet_height_and_place(options, top, foot, shift):
    result = mimo.insert_character(*box_character(), flat_template(), **options)
    x, tops, feet = found_boxes(result)
    assert np.abs(x - (14 + 8 * np.arange(6) + shift)).max() < 0.2
    assert np.abs(tops - top).max() < 0.3 and np.abs(feet - foot).max() < 0.3


def test_frames_lie_as_they_are_without_an_anchor():
    x, top, foot = found_boxes(
        mimo.insert_character(*box_character(), flat_template(), anchor="none", scale="none", offset=(2, 3))
    )
    assert np.allclose(x, 22, atol=0.2) and np.allclose(top, 13, atol=0.2) and np.allclose(foot, 53, atol=0.2)


def test_stretch_loop_and_trim():
    frames, alpha = box_character(frames=3)
    frames[:] = (np.arange(3) * 60 + 130)[:, None, None, None]

    def numbers_shown(**options):
        result = mimo.insert_character(frames, alpha, flat_template(frames=7), **options)
        return [round((int(frame[40, 14 + 8 * n].max()) - 130) / 60) for n, frame in enumerate(result)]

    assert numbers_shown() == [0, 0, 1, 1, 1, 2, 2]
    assert numbers_shown(time="loop") == [0, 1, 2, 0, 1, 2, 0]
    assert numbers_shown(time="loop", character_fps=15) == [0, 0, 1, 1, 2, 2, 0]
    assert numbers_shown(time="trim") == [0, 1, 2]


def test_several_characters_one_after_the_other():
    """The first result is the scene of the second template, for the network as for this."""
    template = flat_template()
    frames, alpha = box_character()
    first = mimo.insert_character(frames, alpha, template)
    other = np.zeros_like(template.mask)
    other[:, 8:28, 60:68] = 255
    second = mimo.insert_character(frames, alpha, replace(template, bk=first, mask=other))
    alone = mimo.insert_character(frames, alpha, replace(template, mask=other))
    there = (alone != template.bk).any(-1)
    assert there.any() and np.array_equal(second, np.where(there[..., None], alone, first))


def test_flip_mirrors_the_character():
    frames, alpha = box_character(width=20)
    frames[:, :, :25] = 180  # left half darker
    plain, flipped = (mimo.insert_character(frames, alpha, flat_template(), flip=flip)[0] for flip in (False, True))
    assert plain[40, 12].max() < plain[40, 16].max() and flipped[40, 12].max() > flipped[40, 16].max()


def test_feather_shadow_and_colors():
    plain = mimo.insert_character(*box_character(), flat_template())
    soft = mimo.insert_character(*box_character(), flat_template(), feather=2)
    assert 100 < soft[0, 40, 12].max() < plain[0, 40, 12].max()
    shadow = mimo.insert_character(*box_character(), flat_template(), shadow=True)
    assert shadow[0, 50, 14].max() < plain[0, 50, 14].max() - 15
    matched = mimo.insert_character(*box_character(), flat_template(), match_colour=True)
    assert 100 < matched[0, 40, 14].max() < plain[0, 40, 14].max()


def test_no_person_no_character():
    template = flat_template()
    template.mask[2] = 0
    result = mimo.insert_character(*box_character(), template)
    assert (result[2] == 100).all() and (result[3] != 100).any()


def test_a_character_half_out_of_the_frame():
    result = mimo.insert_character(*box_character(), flat_template(), offset=(-14.0, 0.0))
    assert (result[0, 30:50, :3] > 200).any() and result.shape == (6, 60, 80, 3)
    assert (mimo.insert_character(*box_character(), flat_template(), offset=(-500.0, 0.0)) == 100).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"anchor": "head"}, "anchor must be one of feet, centre, none, not 'head'"),
        ({"scale": "width"}, "scale"),
        ({"time": "bounce"}, "bounce"),
        ({"size": 9}, "size must be 0.1 to 4, not 9"),
        ({"smooth": 61}, "61"),
        ({"feather": -1}, "-1"),
        ({"character_fps": 0}, "not 0"),
    ],
)
def test_bad_options_of_insertion(options, message):
    with pytest.raises(DisMoError, match=message):
        mimo.insert_character(*box_character(), flat_template(), **options)


def test_bad_characters():
    frames, alpha = box_character()
    with pytest.raises(DisMoError, match="do not belong together"):
        mimo.insert_character(frames, alpha[:2], flat_template())
    with pytest.raises(DisMoError, match="empty in every frame"):
        mimo.insert_character(frames, 0 * alpha, flat_template())
    empty = replace(flat_template(), mask=np.zeros((6, 60, 80), np.uint8))
    with pytest.raises(DisMoError, match="None of the 6 frames of the template"):
        mimo.insert_character(frames, alpha, empty)


# --- backgrounds ---


def test_a_still_scene_is_filled_exactly():
    scene = drawn(0, camera="static")
    filled, unseen = mimo.fill_background(scene.vid, scene.whole, return_unseen=True)
    seen = unseen == 0
    assert np.abs(filled.astype(int) - scene.bk)[seen].max() <= 1 and (~seen).mean() < 0.01


@pytest.mark.parametrize("align", ["translation", "homography"])
def test_a_pan_is_filled_after_aligning(align):
    scene = drawn(4, camera="pan")
    filled, unseen = mimo.fill_background(scene.vid, scene.whole, align=align, return_unseen=True)
    where = (scene.whole > 12) & (unseen == 0)
    assert psnr(filled, scene.bk, where) > 32
    assert psnr(mimo.fill_background(scene.vid, scene.whole), scene.bk, where) < 28


def test_what_no_frame_shows_is_told_and_filled():
    frames = np.full((3, 40, 40, 3), 90, np.uint8)
    masks = np.zeros((3, 40, 40), np.uint8)
    masks[:, 10:20, 10:20] = 255
    frames[:, 10:20, 10:20] = (255, 0, 0)
    filled, unseen = mimo.fill_background(frames, masks, dilate=0, return_unseen=True)
    assert (unseen == masks).all() and np.abs(filled.astype(int) - 90).max() <= 1


@pytest.mark.parametrize(
    ("masks", "options", "message"),
    [
        (np.zeros((2, 8, 8), np.uint8), {}, "do not belong together"),
        (np.full((3, 8, 8), 255, np.uint8), {}, "inverted"),
        (np.zeros((3, 8, 8), np.uint8), {"align": "affine"}, "affine"),
        (np.zeros((3, 8, 8), np.uint8), {"dilate": -1}, "-1"),
    ],
)
def test_bad_backgrounds(masks, options, message):
    with pytest.raises(DisMoError, match=message):
        mimo.fill_background(np.zeros((3, 8, 8, 3), np.uint8), masks, **options)


# --- characters from files ---


def test_transparent_pictures(tmp_path):
    rgba = np.zeros((20, 16, 4), np.uint8)
    rgba[4:18, 5:11] = (200, 60, 20, 255)
    rgba[4, 5:11, 3] = 128
    for number in range(3):
        Image.fromarray(rgba).save(tmp_path / f"{number:05d}.png")
    one, all_ = read_character(tmp_path / "00000.png"), read_character(tmp_path)
    assert len(one.frames) == 1 and len(all_.frames) == 3 and one.fps is None
    assert np.abs(one.alpha[0].astype(int) - rgba[..., 3]).max() <= 1
    assert np.abs(one.frames[0][5:18, 5:11].astype(int) - rgba[5:18, 5:11, :3]).max() <= 1


def test_a_white_background_is_left_out(tmp_path):
    picture = np.full((20, 16, 3), 255, np.uint8)
    picture[4:18, 5:11] = (200, 60, 20)
    picture[8:10, 7:9] = 255  # white inside the character stays
    Image.fromarray(picture).save(tmp_path / "c.png")
    alpha = read_character(tmp_path / "c.png").alpha[0]
    assert (alpha[4:18, 5:11] == 255).all() and alpha.sum() == 255 * 14 * 6


def test_an_animation_keeps_its_rate(tmp_path):
    frames = [Image.fromarray(np.full((12, 12, 3), 255, np.uint8)) for _ in range(4)]
    for number, frame in enumerate(frames):
        frame.paste((20 * number, 0, 90), (3, 3, 8, 10))
    frames[0].save(tmp_path / "c.gif", save_all=True, append_images=frames[1:], duration=100)
    character = read_character(tmp_path / "c.gif")
    assert len(character.frames) == 4 and character.fps == pytest.approx(10)


def test_characters_that_cannot_be_told_from_their_background(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (12, 12, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / "c.png")
    with pytest.raises(DisMoError, match="neither transparency nor a background of one color"):
        read_character(tmp_path / "c.png")
    Image.fromarray(np.zeros((5, 5, 3), np.uint8)).save(tmp_path / "m.png")
    with pytest.raises(DisMoError, match="12x12"):
        read_character(tmp_path / "c.png", tmp_path / "m.png")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DisMoError, match="no pictures"):
        read_character(tmp_path / "empty")
