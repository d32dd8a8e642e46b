"""Outlines without a mask: a flat background, what moves before a still camera, what was made on white; colors of a body."""

import numpy as np
import pytest

from dismo_core import DisMoError
from dismo_core.mimo.crops.flat_background import outline
from dismo_core.mimo.drawn.drawn_scenes import draw_scene
from dismo_core.mimo.insertion.white import off_white
from dismo_core.mimo.templates.body_colors import height_colors, read_body_colors
from dismo_core.mimo.templates.difference import person_by_difference


@pytest.fixture(scope="module")
def scene():
    return draw_scene(12, camera="static", frames=16, size=(120, 80))


@pytest.mark.parametrize("color", [(255, 255, 255), (12, 200, 40), (0, 0, 0)])
def test_a_flat_background_of_any_color_is_found(color):
    picture = np.empty((40, 30, 3), np.uint8)
    picture[:] = color
    picture[10:34, 8:22] = 120, 60, 180
    picture[16:20, 12:16] = color  # inside the character, so it is part of it
    alpha = outline(picture)
    assert (alpha[10:34, 8:22] == 255).all() and alpha.sum() == 255 * 24 * 14


def test_a_scene_is_no_flat_background(scene):
    with pytest.raises(DisMoError, match="clip.png has neither transparency nor a background of one color"):
        outline(scene.vid[0], "clip.png")


def test_who_moves_before_a_still_camera_is_found(scene):
    found, truth = person_by_difference(scene.vid) > 127, scene.mask > 127
    assert (found & truth).sum() / (found | truth).sum() > 0.75
    with pytest.raises(DisMoError, match="Nothing moves"):
        person_by_difference(scene.bk)
    with pytest.raises(DisMoError, match="has 2 frames"):
        person_by_difference(scene.vid[:2])


def test_white_is_taken_off_as_it_was_put_on(scene):
    """On a drawn figure whose alpha is known; then laid over another scene, against the truth."""
    for frame, alpha in zip(scene.character[:3], scene.alpha[:3], strict=True):
        weight = alpha[..., None] / 255
        on_white = (frame * weight + 255 * (1 - weight)).round().astype(np.uint8)
        off = off_white(on_white)
        assert np.abs(off[..., 3].astype(int) - alpha).mean() < 1.5
        scenery = np.array([30, 80, 160])
        truth = frame * weight + scenery * (1 - weight)
        made = off[..., :3] * (off[..., 3:] / 255) + scenery * (1 - off[..., 3:] / 255)
        edge = (alpha > 0) & (alpha < 255)
        pasted = np.where((on_white.min(-1) < 250)[..., None], on_white, scenery)
        assert np.abs(made - truth)[edge].mean() < 0.5 * np.abs(pasted - truth)[edge].mean()
    assert off_white(np.full((8, 8, 3), 255, np.uint8))[..., 3].max() == 0


def test_colors_by_height():
    colors = height_colors([[0, 1, 5], [0, 0, 5], [0, -1, 5]])  # y points down: the last one is the head
    assert colors[0, 2] > colors[0, 0] and colors[2, 0] > colors[2, 2]
    assert height_colors([[0.0, 1, 5]]).shape == (1, 3)


class Harmful:
    def __reduce__(self):
        return (print, ("this must not run",))


def test_the_release_s_colors_are_read_and_no_code_is_run(tmp_path, capsys):
    wanted = np.arange(12, dtype=np.uint8).reshape(4, 3)
    np.save(tmp_path / "mapping.npy", {"smpl": wanted})
    np.save(tmp_path / "array.npy", np.c_[wanted / 255, np.ones(4)])
    assert np.array_equal(read_body_colors(tmp_path / "mapping.npy"), wanted)
    assert np.allclose(read_body_colors(tmp_path / "array.npy"), wanted / 255)
    np.save(tmp_path / "harmful.npy", np.array(Harmful(), object))
    (tmp_path / "text.npy").write_text("no array")
    np.save(tmp_path / "other.npy", {"hands": wanted})
    for name, why in (
        ("harmful", "no array needs"),
        ("text", "as an array"),
        ("other", "holds no colors"),
        ("no", "no file"),
    ):
        with pytest.raises(DisMoError, match=why):
            read_body_colors(tmp_path / f"{name}.npy")
    assert "must not run" not in capsys.readouterr().out
