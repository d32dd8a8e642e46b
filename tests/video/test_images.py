"""Pictures of every mode as float32 RGB."""

import io
import tracemalloc

import numpy as np
import pytest
import torch
from PIL import Image
from video_clips import blocks

from dismo_core import DisMoError
from dismo_core.video import read_image

COLORS = blocks(24, 40, 8).numpy()


def saved(picture, kind="png", **options):
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def test_rgb_is_scaled_to_one(tmp_path):
    Image.fromarray(COLORS).save(tmp_path / "p.png")
    for source in (tmp_path / "p.png", str(tmp_path / "p.png"), (tmp_path / "p.png").read_bytes()):
        pixels = read_image(source)
        assert pixels.dtype == torch.float32 and pixels.shape == (24, 40, 3)
        assert torch.equal((pixels * 255).round().byte(), torch.from_numpy(COLORS))


@pytest.mark.parametrize("mode", ["L", "1", "P", "CMYK", "YCbCr"])
def test_other_modes_become_rgb(mode):
    picture = Image.fromarray(COLORS).convert(mode)
    kind = "tiff" if mode in ("CMYK", "YCbCr") else "png"
    options = {"compression": "tiff_lzw"} if mode == "YCbCr" else {}  # a plain one Pillow reads from its version 13 on
    expected = torch.from_numpy(np.array(picture.convert("RGB"))).float() / 255
    assert torch.allclose(read_image(saved(picture, kind, **options)), expected, atol=1 / 255)


@pytest.mark.parametrize(
    "orientation, turn", [(3, lambda p: np.rot90(p, 2)), (6, lambda p: np.rot90(p, -1)), (8, np.rot90)]
)
def test_exif_orientation_is_applied(orientation, turn):
    picture = Image.fromarray(COLORS)
    exif = picture.getexif()
    exif[0x0112] = orientation
    pixels = read_image(saved(picture, exif=exif))
    assert torch.equal((pixels * 255).round().byte(), torch.from_numpy(turn(COLORS).copy()))


@pytest.mark.parametrize("background, behind", [("black", 0), ("white", 255)])
@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_transparency_is_composited_over_the_background(mode, background, behind):
    if mode == "P":
        picture = Image.new("P", (3, 1))
        picture.putpalette([50, 50, 50, 100, 100, 100])
        picture.putdata([0, 1, 1])
        data, expected = saved(picture, transparency=0), [behind, 100, 100]
    else:
        picture = Image.new("RGBA", (3, 1))
        picture.putdata([(50, 50, 50, 0), (100, 100, 100, 255), (50, 50, 50, 51)])
        data, expected = saved(picture.convert(mode)), [behind, 100, 10 + round(0.8 * behind)]
    pixels = read_image(data, background=background)[0]
    assert (pixels * 255).round().tolist() == [[level] * 3 for level in expected]


def test_sixteen_bit_grey_keeps_its_precision():
    grey = np.array([[0, 257, 32768, 65535]], np.uint16)
    pixels = read_image(saved(Image.fromarray(grey)))
    assert torch.allclose(pixels[0, :, 1], torch.tensor([0, 257, 32768, 65535]) / 65535, atol=1e-6)
    assert pixels.shape == (1, 4, 3)


def test_float_pictures_must_lie_in_0_to_1():
    good = np.array([[0.0, 0.5, 1.0]], np.float32)
    assert read_image(saved(Image.fromarray(good), "tiff"))[0, :, 0].tolist() == [0.0, 0.5, 1.0]
    for bad in (good * 255, good - 1, good * np.float32("nan")):
        with pytest.raises(DisMoError, match="values from"):
            read_image(saved(Image.fromarray(bad), "tiff"))


def test_a_png_that_claims_gigabytes_takes_no_memory(tmp_path):
    """The length of its only chunk of pixels is damaged; the pixels are whole."""
    path = tmp_path / "claims.png"
    Image.effect_noise((16, 16), 90).save(path)
    data = path.read_bytes()
    at = data.index(b"IDAT")
    path.write_bytes(data[: at - 4] + b"\x0f\xff\xff\xff" + data[at:])
    tracemalloc.start()
    try:
        read_image(path)
        assert tracemalloc.get_traced_memory()[1] < 2**24
    finally:
        tracemalloc.stop()
