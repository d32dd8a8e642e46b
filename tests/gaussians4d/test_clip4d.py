"""Clips made ready: masks, sampling, one crop; and what is refused or said."""

import numpy as np
import pytest
import torch
from PIL import Image

from dismo_core.errors import DisMoError
from dismo_core.gaussians4d.clip import prepare_clip, read_rgba
from dismo_core.gaussians4d.matting import matte
from dismo_core.video import write_video


def moving(count=10, shape=(60, 100), size=20, step=4, background=None):
    """A red square that moves to the right; transparent around it, or a color."""
    frames = np.zeros((count, *shape, 4), np.uint8)
    if background is not None:
        frames[:] = (*background, 255)
    for k in range(count):
        frames[k, 20 : 20 + size, 10 + step * k : 10 + step * k + size] = (255, 0, 0, 255)
    return frames


def test_one_crop_for_all_frames():
    clip = prepare_clip(moving(), 10, size=100)
    assert clip.rgba.shape == (10, 100, 100, 4) and clip.fps == pytest.approx(10)
    columns = [np.nonzero(frame[..., 3].numpy().max(0) > 127)[0] for frame in clip.rgba]
    assert len(columns[0]) == 80  # four fifths
    starts = [int(c[0]) for c in columns[:3]]
    assert np.diff(starts).tolist() == [16, 16]  # 4 px of 25: the object moves, not the picture
    assert any("leaves the crop" in note for note in clip.notes)
    union = prepare_clip(moving(), 10, size=100, crop="union")
    assert not union.notes and union.rgba[-1, ..., 3].max() == 255


def test_colors_have_no_rim():
    frames = moving()
    frames[..., :3][frames[..., 3] == 0] = (0, 255, 0)  # what hides under transparency
    clip = prepare_clip(frames, 10, size=37)
    rgb, mask = clip.frames()
    assert rgb[:, 1].sub(1 - mask[:, 0]).abs().max() < 0.02  # green is the white behind, and nothing else


def test_sampling_over_a_part_of_the_clip():
    clip = prepare_clip(moving(20, (60, 200)), 10, frames=5, start=0.5, length=0.9)
    assert len(clip.rgba) == 5 and clip.fps == pytest.approx(4 / 0.8)
    assert len(prepare_clip(moving(4), 10, frames=14).rgba) == 4


def test_a_plain_background_is_keyed():
    frames = moving(background=(30, 60, 200))
    frames[:, 25:30, 15:18] = (30, 60, 200, 255)  # the background's color within the subject stays
    keyed = prepare_clip(frames[:1].repeat(2, 0), 10, size=100)
    clear = prepare_clip(moving()[:1].repeat(2, 0), 10, size=100)
    away = (keyed.rgba[0, ..., 3].int() - clear.rgba[0, ..., 3].int()).abs()
    assert (away > 40).float().mean() < 0.02
    red = keyed.rgba[0][keyed.rgba[0, ..., 3] > 200][:, :3].float()
    assert red[:, 0].quantile(0.1) > 200


def test_specks_of_a_plain_background_are_no_subject():
    frames = moving(background=(250, 250, 250))
    frames[:, 0, 0] = frames[:, -1, 50] = (225, 235, 230, 255)
    speckled = prepare_clip(frames, 10, size=100)
    clean = prepare_clip(moving(background=(250, 250, 250)), 10, size=100)
    assert torch.equal(speckled.rgba, clean.rgba) and speckled.notes == clean.notes
    frames[:, 2:9, 2:9] = (255, 0, 0, 255)  # an eighth of the square: a part of its own
    keyed = matte(frames[0])[..., 3]
    assert keyed[2:9, 2:9].min() == 255 and keyed[-1, 50] == 0


def test_masks_take_the_place_of_alpha():
    frames = moving(background=(30, 60, 200))
    masks = moving()[..., 3]
    assert torch.equal(prepare_clip(frames, 10, masks=masks).rgba[..., 3], prepare_clip(moving(), 10).rgba[..., 3])


def test_a_folder_of_numbered_pictures(tmp_path):
    frames = moving(5)
    for k, frame in enumerate(frames):
        Image.fromarray(frame).save(tmp_path / f"{k:03d}.png")
    (tmp_path / "notes.txt").write_text("passed over")
    assert np.array_equal(read_rgba(tmp_path)[0], frames)
    (tmp_path / "002.png").unlink()
    with pytest.raises(DisMoError, match="Frame 2 is missing"):
        read_rgba(tmp_path)
    Image.fromarray(frames[2][:50]).save(tmp_path / "2.png")
    with pytest.raises(DisMoError, match="Frame 2 .*100x50.*100x60"):
        read_rgba(tmp_path)


def test_a_video_without_and_pictures_with_transparency(tmp_path, fish_rgba):
    rgba, fps = fish_rgba
    assert rgba.shape == (14, 160, 160, 4) and fps == 8
    assert rgba[..., 3].min() == 0 and 0.1 < (rgba[..., 3] == 255).mean() < 0.3
    write_video(tmp_path / "c.mp4", torch.from_numpy(moving(background=(9, 9, 9))[..., :3]), 10)
    opaque, fps = read_rgba(tmp_path / "c.mp4")
    assert fps == 10 and opaque[..., 3].min() == 255


def test_what_might_spoil_the_result_is_said(caplog):
    frames = moving()
    frames[4, 10:50, 20:60] = 255
    clip = prepare_clip(frames, 10)
    assert any("from frame 3 to 4" in note for note in clip.notes) and "frame 3 to 4" in caplog.text
    cut = moving()
    cut[..., 20:40, :12, :] = (255, 0, 0, 255)
    cut[:, 20:40, 0] = (255, 0, 0, 255)
    assert any("cut by the border in frame 0" in note for note in prepare_clip(cut, 10).notes)


def busy():
    return np.random.RandomState(0).randint(0, 255, (3, 40, 40, 4)).astype(np.uint8) | np.array(
        [0, 0, 0, 255], np.uint8
    )


EMPTY = np.zeros((3, 40, 40, 4), np.uint8)
BAD = [
    (dict(rgba=busy()), "frame 0 .*busy"),
    (dict(rgba=busy(), matting="plain"), "frame 0 is not plain"),
    (dict(rgba=busy(), matting="alpha"), "Frame 0 has no transparency"),
    (dict(rgba=moving(), matting="sam"), "'sam'"),
    (dict(rgba=EMPTY), "frame 0 is empty"),
    (dict(rgba=EMPTY + 255, masks=EMPTY[..., 0] + 255), "frame 0 is full"),
    (dict(rgba=moving(1)), "1 frame in this part"),
    (dict(rgba=moving(), frames=1), "2 to 128, not 1"),
    (dict(rgba=moving(), size=8), "16 to 1024 px, not 8"),
    (dict(rgba=moving(), crop="box"), "'box'"),
    (dict(rgba=moving(), start=2.0), "start 2 s"),
]


@pytest.mark.parametrize(("given", "named"), BAD, ids=[named for _, named in BAD])
def test_clips_that_cannot_be(given, named):
    with pytest.raises(DisMoError, match=named):
        prepare_clip(given.pop("rgba"), 10, **given)


def test_rembg_by_name_where_it_is_not_installed():
    try:
        import rembg  # noqa: F401
    except ImportError:
        with pytest.raises(DisMoError, match="rembg is not installed"):
            matte(moving(1, background=(1, 2, 3))[0], "rembg")
    else:
        pytest.skip("rembg is installed here")
