"""Colors, rotation, odd sizes, depth, alpha, animated pictures; and torchcodec against PyAV."""

import numpy as np
import pytest
import torch
from PIL import Image
from video_clips import REAL, blocks, encode, encode_planes, grey, levels, real_clip, set_display_matrix

from dismo_core import DisMoError
from dismo_core.video import iter_video, probe, read_video

WEIGHTS = {1: (0.2126, 0.0722), 5: (0.299, 0.114), 6: (0.299, 0.114), 9: (0.2627, 0.0593)}  # AVColorSpace: K_r, K_b
PATCHES = [
    (255, 0, 0),
    (0, 255, 0),
    (0, 0, 255),
    (255, 255, 255),
    (0, 0, 0),
    (200, 120, 40),
    (20, 90, 160),
    (128, 128, 128),
]


def yuv(matrix: int, full_range: bool, bits: int) -> list[np.ndarray]:
    """The patches, 64 px wide each, as Y, Cb, Cr planes by the definition of the standard (4:4:4)."""
    kr, kb = WEIGHTS[matrix]
    rgb = np.repeat(np.array(PATCHES, float) / 255, 64, axis=0)
    luma = rgb @ [kr, 1 - kr - kb, kb]
    cb, cr = (rgb[:, 2] - luma) / (2 - 2 * kb), (rgb[:, 0] - luma) / (2 - 2 * kr)
    top, scale = 2**bits - 1, 2 ** (bits - 8)
    if full_range:
        rows = [luma * top, cb * top + 128 * scale, cr * top + 128 * scale]
    else:
        rows = [(16 + 219 * luma) * scale, (128 + 224 * cb) * scale, (128 + 224 * cr) * scale]
    kind = np.uint8 if bits == 8 else np.uint16
    return [np.tile(np.clip(np.round(row), 0, top).astype(kind), (32, 1)) for row in rows]


def patch_colors(frame: torch.Tensor) -> np.ndarray:
    return frame[16, 32::64].numpy().astype(int)


@pytest.mark.parametrize("bits, pix_fmt", [(8, "yuv444p"), (10, "yuv444p10le"), (10, "yuv420p10le")])
@pytest.mark.parametrize("matrix", WEIGHTS)
@pytest.mark.parametrize("full_range", [False, True])
def test_tagged_colors_come_out_right(tmp_path, matrix, full_range, bits, pix_fmt):
    planes = yuv(matrix, full_range, bits)
    if pix_fmt.startswith("yuv420"):
        planes[1:] = [np.ascontiguousarray(plane[::2, ::2]) for plane in planes[1:]]
    clip = encode_planes(tmp_path / "c.mkv", planes, pix_fmt, matrix=matrix, full_range=full_range)
    frame = next(iter_video(clip))
    # FFmpeg's quick conversion from 10 bits is up to 3 levels dark; torchcodec's is the same
    assert np.abs(patch_colors(frame) - PATCHES).max() <= (2 if bits == 8 else 3)


def test_untagged_colors_are_taken_as_bt601_limited_at_every_size(tmp_path):
    for height in (32, 1088):
        planes = [np.resize(plane, (height, plane.shape[1])) for plane in yuv(6, False, 8)]
        clip = encode_planes(tmp_path / f"{height}.mkv", planes, "yuv444p", count=1)
        assert np.abs(patch_colors(next(iter_video(clip))) - PATCHES).max() <= 2


@pytest.mark.parametrize(
    "codec, suffix", [("libx264", "mp4"), ("libvpx-vp9", "webm"), ("mpeg4", "avi"), ("mjpeg", "mov")]
)
def test_everyday_codecs(tmp_path, codec, suffix):
    picture = blocks(96, 128)
    pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
    clip = encode(tmp_path / f"c.{suffix}", [picture.numpy()] * 3, codec=codec, pix_fmt=pix_fmt)
    frames = read_video(clip).frames
    assert frames.shape == (3, 96, 128, 3)
    assert (frames[0, 8::16, 8::16].int() - picture[8::16, 8::16].int()).abs().float().mean() < 12


# the four turns a phone writes, and a mirror; numpy says what an upright viewer sees
TURNS = {
    "quarter clockwise": ((0, 1, -1, 0), lambda p: np.rot90(p, -1)),
    "half": ((-1, 0, 0, -1), lambda p: np.rot90(p, 2)),
    "quarter anticlockwise": ((0, -1, 1, 0), lambda p: np.rot90(p, 1)),
    "mirror": ((-1, 0, 0, 1), lambda p: p[:, ::-1]),
    "flip": ((1, 0, 0, -1), lambda p: p[::-1]),
    "transpose": ((0, 1, 1, 0), lambda p: p.transpose(1, 0, 2)),
}


@pytest.mark.parametrize("turn", TURNS)
def test_rotation_metadata_is_applied(tmp_path, turn):
    numbers, seen = TURNS[turn]
    picture = blocks(48, 80)
    clip = encode(tmp_path / "r.mp4", [picture.numpy()] * 3, codec="libx264", pix_fmt="yuv444p", options={"crf": "1"})
    plain = read_video(clip).frames
    set_display_matrix(clip, *numbers)
    frames = read_video(clip).frames
    assert torch.equal(frames, torch.from_numpy(np.stack([seen(frame) for frame in plain.numpy()])))
    info = probe(clip)
    assert (info.height, info.width) == frames.shape[1:3]


@pytest.mark.parametrize("height, width", [(35, 51), (1, 1), (33, 2), (2, 97)])
def test_odd_sizes(tmp_path, height, width):
    picture = blocks(height, width, 4)
    clip = encode(tmp_path / "o.mkv", [picture.numpy()] * 2)
    assert torch.equal(read_video(clip).frames[1], picture)


def test_alpha_is_composited_over_black(tmp_path):
    rgba = np.zeros((32, 64, 4), np.uint8)
    rgba[..., :3] = 200
    rgba[:, 16:32, 3], rgba[:, 32:, 3] = 128, 255
    clip = encode(tmp_path / "a.mov", [rgba] * 2, codec="qtrle", pix_fmt="argb")
    frame = next(iter_video(clip))
    assert [int(frame[5, x, 0]) for x in (5, 20, 50)] == [0, 100, 200]


@pytest.mark.parametrize("kind", ["gif", "webp", "png"])
def test_animated_pictures_keep_their_times(tmp_path, kind):
    shown = [(0, 100), (40, 60), (80, 240), (120, 100), (160, 100)]  # level, milliseconds
    pictures = [Image.fromarray(grey(level)) for level, _ in shown]
    path = tmp_path / f"a.{kind}"
    extra = {"lossless": True} if kind == "webp" else {}
    durations = [duration for _, duration in shown]
    pictures[0].save(path, save_all=True, append_images=pictures[1:], duration=durations, loop=0, **extra)
    for source in (path, path.read_bytes()):
        assert levels(read_video(source).frames) == [0, 40, 80, 120, 160]
        assert levels(read_video(source, fps=10).frames) == [0, 40, 80, 80, 120, 160]
        assert levels(read_video(source, fps=10, start=0.2, frames=2).frames) == [80, 80]
    assert probe(path).width == 64


@pytest.mark.parametrize("kind", ["gif", "webp"])
def test_transparent_animations_are_composited_over_black(tmp_path, kind):
    rgba = np.zeros((16, 32, 4), np.uint8)
    rgba[:, :16] = (200, 200, 200, 255)
    rgba[:, 16:] = (90, 90, 90, 0)
    other = np.roll(rgba, 16, 1)
    path = tmp_path / f"t.{kind}"
    extra = {"lossless": True, "exact": True} if kind == "webp" else {"disposal": 2}
    Image.fromarray(rgba).save(path, save_all=True, append_images=[Image.fromarray(other)], duration=100, **extra)
    frames = read_video(path).frames
    assert frames.shape == (2, 16, 32, 3)
    assert frames[:, 8, [4, 20], 0].tolist() == [[200, 0], [0, 200]]


@pytest.fixture
def torchcodec(tmp_path):
    clip = encode(tmp_path / "probe.mkv", [grey(0)])
    try:
        read_video(clip, backend="torchcodec")
    except DisMoError as error:
        assert "torchcodec" in str(error)
        pytest.skip(str(error))


@pytest.mark.parametrize("name", REAL)
@pytest.mark.parametrize(
    "options", [{}, {"fps": 8}, {"fps": 11.3, "start": 1.2, "frames": 9}, {"fps": 60, "frames": 30}]
)
def test_torchcodec_gives_equal_frames_on_real_clips(torchcodec, name, options):
    if not options and name == "bigbuckbunny":
        options = {"frames": 40}
    pyav = read_video(real_clip(name), backend="pyav", **options)
    other = read_video(real_clip(name), backend="torchcodec", **options)
    assert pyav.frames.shape == other.frames.shape and pyav.fps == other.fps
    if name == "carphone_pristine":  # stretched, by FFmpeg here and by torch there
        assert (pyav.frames.int() - other.frames.int()).abs().float().mean() < 2
    else:
        assert torch.equal(pyav.frames, other.frames)


@pytest.mark.parametrize("pix_fmt", ["yuv444p", "yuv420p10le"])
@pytest.mark.parametrize("matrix", [1, 6, 9])
@pytest.mark.parametrize("full_range", [False, True])
def test_torchcodec_agrees_on_depth_and_color_tags(torchcodec, tmp_path, matrix, full_range, pix_fmt):
    planes = yuv(matrix, full_range, 10 if "10" in pix_fmt else 8)
    if pix_fmt.startswith("yuv420"):
        planes[1:] = [np.ascontiguousarray(plane[::2, ::2]) for plane in planes[1:]]
    clip = encode_planes(tmp_path / "c.mkv", planes, pix_fmt, matrix=matrix, full_range=full_range)
    if full_range:  # torchcodec would give wrong colors, so it is not let near them
        with pytest.raises(DisMoError, match="full range.*pyav"):
            next(iter_video(clip, backend="torchcodec"))
        return
    pyav, other = (next(iter_video(clip, backend=backend)).int() for backend in ("pyav", "torchcodec"))
    assert (pyav - other).abs().max() <= 2


@pytest.mark.parametrize(
    "codec, pix_fmt", [("libx264", "yuv420p10le"), ("libx264", "yuv422p"), ("libvpx-vp9", "yuv420p")]
)
def test_torchcodec_agrees_on_textured_clips(torchcodec, tmp_path, codec, pix_fmt):
    pictures = [blocks(96, 128, 8, seed).numpy() for seed in range(3)]
    clip = encode(tmp_path / "t.mkv", pictures, codec=codec, pix_fmt=pix_fmt)
    pyav, other = (read_video(clip, backend=backend).frames.int() for backend in ("pyav", "torchcodec"))
    assert pyav.shape == other.shape and (pyav - other).abs().max() <= 2


def test_torchcodec_applies_rotation(torchcodec, tmp_path):
    clip = encode(tmp_path / "r.mp4", [blocks(48, 64).numpy()] * 3, codec="libx264", pix_fmt="yuv420p")
    set_display_matrix(clip, 0, 1, -1, 0)
    pyav, other = (read_video(clip, backend=backend).frames.int() for backend in ("pyav", "torchcodec"))
    assert pyav.shape == other.shape == (3, 64, 48, 3) and (pyav - other).abs().max() <= 2
