"""Properties of public functions: whatever values come, the result keeps its promise or there is a `DisMoError`."""

from __future__ import annotations

import contextlib
import json
import math
from fractions import Fraction
from pathlib import Path, PurePosixPath

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

import dismo_core as dismo
from dismo_core import DisMoError, Motion
from dismo_core.data.addresses import find_shards, is_remote
from dismo_core.data.augment import clamp_aspect, render
from dismo_core.data.frames import Unusable
from dismo_core.data.index import is_safe
from dismo_core.dismo.edit import blend, chain, hold, loop, pause, reverse_order
from dismo_core.dismo.plots import PANELS, plot_motions
from dismo_core.dismo.training.clip_draws import draw_clip, gap_probabilities
from dismo_core.dismo.training.samples import CONTENT, MOTION
from dismo_core.files import atomic_write, base_name, read_json
from dismo_core.video import Audio, check_output
from dismo_core.video.picture import fit_image, one_picture, shown_part, to_rgb
from dismo_core.video.read import check_sampling
from dismo_core.weights.files import read_weights
from dismo_core.weights.manifest import readable
from dismo_core.weights.released import check_released

TRIED: dict[str, list[int]] = {}


@pytest.fixture(autouse=True)
def counted(request, counts):
    """Every test's examples, and how many ended in a DisMoError."""
    tally = TRIED.setdefault(request.node.name, [0, 0])
    yield
    examples, refused = (sum(column) for column in zip(*TRIED.values(), strict=True))
    counts["properties"] = (
        f"{examples} tried, {examples} survived ({examples - refused} with a result, {refused} refused), {len(TRIED)} properties"
    )
    assert tally[0] > 0


@contextlib.contextmanager
def attempt(name):
    """One example: a DisMoError is an answer, if it has words."""
    TRIED[name][0] += 1
    try:
        yield
    except DisMoError as error:
        assert len(str(error)) > 20
        TRIED[name][1] += 1


def property_of(examples=60, **strategies):
    """`given`, with what the fixtures of a test cost left out of the time."""

    def decorate(test):
        checks = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large]
        test = given(**strategies)(test)
        return settings(
            max_examples=examples, deadline=None, suppress_health_check=checks, derandomize=True, database=None
        )(test)

    return decorate


numbers = st.one_of(
    st.integers(-(2**70), 2**70), st.floats(), st.booleans(), st.none(), st.text(max_size=5), st.fractions()
)
whole = st.integers(-(2**40), 2**40)
dtypes = st.sampled_from(
    [torch.float32, torch.float16, torch.float64, torch.uint8, torch.int64, torch.bool, torch.bfloat16]
)
shapes = st.lists(st.integers(0, 6), max_size=5)
odd = st.sampled_from([0.0, 1.0, -1.0, math.nan, math.inf, 1e38, 255.0, 0.5])


@st.composite
def mostly(draw, good, others=numbers):
    """Three times out of four a good value, else any."""
    return draw(good if draw(st.integers(0, 3)) else others)


@st.composite
def tensors(draw, shape=shapes, dtype=dtypes):
    tensor = torch.full(draw(shape), draw(odd), dtype=torch.float64)
    if tensor.numel() and draw(st.booleans()):
        tensor.view(-1)[draw(st.integers(0, tensor.numel() - 1))] = draw(odd)
    return (
        tensor.nan_to_num(0.0, 255.0, 0.0).clamp(0, 255).to(draw(dtype))
        if draw(st.booleans())
        else tensor.to(draw(dtype))
    )


def pictures(shape):
    return torch.full((*shape, 3), 77, dtype=torch.uint8)


@st.composite
def motions(draw, width=4):
    rows = draw(arrays.arrays("float32", (draw(st.integers(1, 12)), width), elements=st.floats(-1e3, 1e3, width=32)))
    still = draw(st.none() | arrays.arrays("float32", (width,), elements=st.floats(-1e3, 1e3, width=32)))
    still = None if still is None else torch.from_numpy(still)
    return Motion(
        torch.from_numpy(rows),
        draw(st.floats(0.1, 240)),
        draw(st.text(max_size=9)),
        draw(st.sampled_from(["", "a"])),
        still,
    )


def good(motion):
    assert motion.embeddings.dtype == torch.float32 and bool(motion.embeddings.isfinite().all())
    assert motion.frames == len(motion.embeddings) + 4 and 0 < motion.fps < math.inf


@property_of(e=tensors(), still=st.none() | tensors(), fps=st.floats() | whole)
def test_making_a_motion(e, still, fps):
    with attempt("test_making_a_motion"):
        good(Motion(e, fps, "x", "y", still))


@property_of(a=motions(), b=motions(), i=st.integers(-3, 30), j=st.integers(-3, 30), x=st.floats(-3, 3))
def test_editing_motions(a, b, i, j, x):
    edits = {
        a.frames: lambda: a.with_strength(x),
        None: lambda: a.trimmed(i, j),
        "hold": lambda: hold(a, i, j),
        "pause": lambda: pause(a, i, j),
        "loop": lambda: loop(a, min(i, 5), j),
        "reverse": lambda: reverse_order(a),
        "blend": lambda: blend(a, b, x),
        "chain": lambda: chain([a, b, a], j),
    }
    for edit in edits.values():
        with attempt("test_editing_motions"):
            good(edit())


@property_of(20, motion=motions())
def test_a_motion_survives_its_file(motion, tmp_path):
    with attempt("test_a_motion_survives_its_file"):
        motion.save(tmp_path / "m.safetensors", overwrite=True)
        back = Motion.load(tmp_path / "m.safetensors")
        assert torch.equal(back.embeddings, motion.embeddings)
        assert (back.fps, back.source, back.extractor) == (motion.fps, motion.source, motion.extractor)
        assert (back.still is None) == (motion.still is None)


@property_of(
    100,
    image=tensors(),
    height=st.integers(1, 40),
    width=st.integers(1, 40),
    mode=st.sampled_from(["crop", "pad", "stretch"]),
)
def test_fitting_pictures(image, height, width, mode):
    with attempt("test_fitting_pictures"):
        picture = to_rgb(one_picture(image) if image.ndim == 4 else image)
        assert picture.dtype == torch.float32 and 0 <= float(picture.min()) and float(picture.max()) <= 1
        fitted = fit_image(picture, (height, width), mode)
        assert fitted.shape == (height, width, 3) and bool(fitted.isfinite().all())
        rows, columns = shown_part(picture.shape[0], picture.shape[1], (height, width), mode)
        assert 0 <= rows.start < rows.stop <= height and 0 <= columns.start < columns.stop <= width


@property_of(
    40,
    frames=mostly(st.tuples(st.integers(1, 3), st.integers(1, 20), st.integers(1, 20)).map(pictures), tensors()),
    fps=mostly(st.floats(0.1, 60)),
    suffix=mostly(st.sampled_from(["mp4", "webm", "webp", "gif"]), st.sampled_from(["avi", ""])),
    crf=mostly(st.integers(0, 51)),
)
def test_writing_videos(frames, fps, suffix, crf, tmp_path):
    path = tmp_path / f"v.{suffix}"
    before = set(tmp_path.iterdir())
    with attempt("test_writing_videos"):
        try:
            dismo.write_video(path, frames, fps, crf=crf, overwrite=True)
        except BaseException:
            assert set(tmp_path.iterdir()) == before
            raise
        assert len(dismo.read_video(path).frames) >= 1


@property_of(
    40,
    wave=mostly(st.just(torch.zeros(2, 300)), tensors()),
    rate=mostly(st.integers(1000, 96_000)),
    key=st.text(max_size=4),
    text=st.text(max_size=20),
)
def test_writing_sound_and_texts(wave, rate, key, text, tmp_path):
    frames = torch.zeros(2, 16, 16, 3, dtype=torch.uint8)
    with attempt("test_writing_sound_and_texts"):
        dismo.write_video(tmp_path / "v.mp4", frames, 8, audio=Audio(wave, rate), metadata={key: text}, overwrite=True)
        dismo.read_video(tmp_path / "v.mp4", audio=True)
    for kind in ("mp4", "webm", "webp", "gif"):
        with attempt("test_writing_sound_and_texts"):
            dismo.write_video(tmp_path / f"t.{kind}", frames, 8, metadata={key: text}, overwrite=True)


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    path = tmp_path_factory.mktemp("clip") / "c.mp4"
    dismo.write_video(path, torch.randint(0, 256, (12, 16, 16, 3), dtype=torch.uint8), 8)
    return path


@property_of(
    60,
    fps=mostly(st.none() | st.floats(0.5, 60)),
    start=mostly(st.floats(0, 2)),
    frames=mostly(st.none() | st.integers(1, 9)),
    size=mostly(st.none() | st.just((8, 8)), st.lists(numbers, max_size=3)),
)
def test_reading_videos(fps, start, frames, size, clip):
    with attempt("test_reading_videos"):
        video = dismo.read_video(clip, fps=fps, start=start, frames=frames, size=size)
        assert len(video.frames) >= 1 and (frames is None or len(video.frames) <= frames)


@property_of(
    60,
    video=mostly(st.just(torch.zeros(9, 8, 8, 3, dtype=torch.uint8)), tensors()),
    fps=mostly(st.floats(0.1, 60)),
    start=mostly(st.floats(0, 1)),
    frames=mostly(st.sampled_from([0, 5, 7, 12])),
)
def test_extracting_motions(video, fps, start, frames, extractor):
    with attempt("test_extracting_motions"):
        good(dismo.extract_motion(extractor, video, fps=fps, start=start, frames=frames))


@property_of(
    25,
    motion=motions(32),
    image=tensors(st.just((64, 64, 3)) | shapes, st.sampled_from([torch.float32, torch.uint8])),
    steps=st.sampled_from([-1, 0, 1, 2, 10**6]),
    guidance=st.floats(),
    strength=st.floats(),
    seed=whole,
)
def test_transferring(motion, image, steps, guidance, strength, seed, video_model):
    class Stop(Exception):
        pass

    def progress(done, total, preview):
        if done > 6:
            raise Stop  # enough of a run that would take days

    runtime = dismo.Runtime.cpu()
    runtime.progress = progress
    motion = Motion(motion.embeddings, motion.fps, motion.source, video_model.extractor_id, motion.still)
    with attempt("test_transferring"), contextlib.suppress(Stop):
        frames = video_model.transfer(
            motion, image, steps=steps, guidance=guidance, strength=strength, seed=seed, runtime=runtime
        )
        assert frames.shape[0] == motion.frames and frames.dtype == torch.uint8


@property_of(
    12,
    made=st.lists(motions(), max_size=3),
    panels=st.lists(st.sampled_from([*PANELS, "x"]), max_size=3),
    labels=st.text(max_size=6),
)
def test_plotting(made, panels, labels):
    with attempt("test_plotting"):
        picture = plot_motions({f"{labels}{k}": motion for k, motion in enumerate(made)}, panels, width=200)
        assert picture.dtype == torch.uint8 and picture.shape[2] == 3


@property_of(150, content=st.binary(max_size=200), suffix=st.sampled_from([".pt", ".safetensors", ".pth", ".bin"]))
def test_bytes_that_are_no_weights(content, suffix, tmp_path):
    path = tmp_path / f"w{suffix}"
    path.write_bytes(content)
    with attempt("test_bytes_that_are_no_weights"):
        read_weights(path)
    with attempt("test_bytes_that_are_no_weights"):
        check_released(path)


@property_of(
    150,
    content=st.binary(max_size=60)
    | st.recursive(
        st.none() | st.text(max_size=3) | st.floats(), lambda s: st.lists(s) | st.dictionaries(st.text(), s)
    ),
)
def test_json(content, tmp_path):
    (tmp_path / "x.json").write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    with attempt("test_json"):
        assert isinstance(read_json(tmp_path / "x.json"), dict)


@property_of(
    200, name=st.text(max_size=30) | st.sampled_from(["..", "a/..", "../a", "/a", "a\\..\\..\\b", "C:\\a", "."])
)
def test_names(name, tmp_path):
    assert "/" not in base_name(name) and "\\" not in base_name(name)
    if is_safe(name):
        path = PurePosixPath(name.replace("\\", "/"))
        assert not path.is_absolute() and ".." not in path.parts
    assert isinstance(is_remote(name), bool)
    with attempt("test_names"):
        check_output(name, 8)
    with attempt("test_names"):
        assert all(map(is_remote, find_shards([str(tmp_path / "s" / name.replace("\0", "").strip("/."))])))
    if "/" not in name and "\\" not in name and name not in ("", ".", ".."):
        with attempt("test_names"), atomic_write(tmp_path / name, overwrite=True) as temporary:
            assert temporary.parent == tmp_path
            temporary.write_bytes(b"")


@property_of(100, frames=st.integers(0, 10**6), fps=st.floats(0.01, 1e6), seed=st.integers(0, 2**32))
def test_drawing_clips(frames, fps, seed):
    import numpy as np

    TRIED["test_drawing_clips"][0] += 1
    try:
        draw = draw_clip(frames, min(fps, 1000), np.random.default_rng(seed))
    except Unusable:
        TRIED["test_drawing_clips"][1] += 1
        return
    assert 0 <= min(draw.motion) and max(draw.motion) < frames and len(draw.gaps) == 4
    assert math.isclose(gap_probabilities(min(fps, 1000)).sum(), 1)


@property_of(
    30, height=st.integers(2, 60), width=st.integers(2, 60), seed=st.integers(0, 2**32), size=st.integers(1, 20)
)
def test_augmenting(height, width, seed, size):
    import numpy as np

    with attempt("test_augmenting"):
        frames = clamp_aspect(torch.full((2, height, width, 3), 128, dtype=torch.uint8))
        for augmentation in (MOTION, CONTENT):
            view = augmentation.draw(frames.shape[1], frames.shape[2], np.random.default_rng(seed))
            assert render(frames, view, size).shape == (2, size, size, 3)


@property_of(60, size=st.integers(0, 10**18))
def test_sizes_for_people(size):
    with attempt("test_sizes_for_people"):
        assert len(readable(size)) <= 12


@property_of(
    200,
    fps=mostly(st.just(8.0), st.floats()),
    start=mostly(st.just(0.0), st.floats() | st.integers(0, 2**80)),
    frames=mostly(st.just(5), st.integers(-1, 2**80)),
)
def test_ranges_of_sampling(fps, start, frames):
    """What is let through can be reckoned with: rates, times and counts of FFmpeg and Python have limits."""
    with attempt("test_ranges_of_sampling"):
        check_sampling(fps, start, frames)
        assert 0 <= start * fps <= 1e12 and start * 2**31 < 2**63 and 1 <= frames < 2**32


@property_of(100, strength=st.floats(), times=whole, frame=st.integers(-(2**80), 2**80), count=st.integers(-1, 2**80))
def test_edits_without_measure(strength, times, frame, count):
    motion = Motion(torch.ones(3, 4), 8.0, "", "", torch.zeros(4))
    for edit in (
        lambda: motion.with_strength(strength),
        lambda: loop(motion, times if times > 10**5 else times % 50),
        lambda: hold(motion, frame, 3),
        lambda: pause(motion, 2, count if count > 10**6 else count % 50),
        lambda: motion.trimmed(count, frame),
    ):
        with attempt("test_edits_without_measure"):
            good(edit())


def test_fractions_are_rates(tmp_path):
    with attempt("test_fractions_are_rates"):
        dismo.write_video(tmp_path / "v.mp4", torch.zeros(2, 16, 16, 3, dtype=torch.uint8), Fraction(30000, 1001))
    assert isinstance(tmp_path, Path)
