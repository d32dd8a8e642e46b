"""Motion files and strength."""

from dataclasses import replace

import pytest
import torch
from safetensors.torch import save_file

from dismo_core import DisMoError, Motion


@pytest.fixture
def motion():
    rows = torch.randn(21, 8, generator=torch.Generator().manual_seed(0))
    return Motion(rows, fps=8.0, source="clip.mp4", extractor="0123456789abcdef", still=torch.ones(8))


def test_a_file_brings_back_everything(motion, tmp_path):
    motion.save(tmp_path / "m.safetensors")
    back = Motion.load(tmp_path / "m.safetensors")
    assert torch.equal(back.embeddings, motion.embeddings) and torch.equal(back.still, motion.still)
    assert (back.fps, back.frames, back.source, back.extractor) == (8.0, 25, "clip.mp4", "0123456789abcdef")
    assert (tmp_path / "m.safetensors").stat().st_size < 4000


def test_an_existing_file_stays_unless_asked(motion, tmp_path):
    path = tmp_path / "m.safetensors"
    path.write_text("mine")
    with pytest.raises(DisMoError, match="exists already"):
        motion.save(path)
    assert path.read_text() == "mine"
    motion.save(path, overwrite=True)
    assert Motion.load(path).frames == 25
    assert [p.name for p in tmp_path.iterdir()] == ["m.safetensors"]


def test_strength(motion):
    assert motion.with_strength(1) is motion
    length = motion.embeddings.norm(dim=1)
    still = motion.with_strength(0).embeddings
    torch.testing.assert_close(still, motion.still.expand_as(still) * (length / motion.still.norm())[:, None])
    torch.testing.assert_close(motion.with_strength(1.7).embeddings.norm(dim=1), length)
    with pytest.raises(DisMoError, match="still"):
        replace(motion, still=None).with_strength(0.5)


def test_trimming(motion):
    assert torch.equal(motion.trimmed(9).embeddings, motion.embeddings[:5])
    for frames in (4, 26):
        with pytest.raises(DisMoError, match="5 to 25"):
            motion.trimmed(frames)


def test_another_extractor_is_refused(motion):
    motion.require_extractor("0123456789abcdef")
    with pytest.raises(DisMoError, match="ffff"):
        motion.require_extractor("ffffffffffffffff")


BAD = {
    "rank": (dict(embeddings=torch.zeros(1, 21, 8)), r"\[1, 21, 8\]"),
    "empty": (dict(embeddings=torch.zeros(0, 8)), "P >= 1"),
    "dtype": (dict(embeddings=torch.zeros(21, 8, dtype=torch.float16)), "float16"),
    "nan": (dict(embeddings=torch.full((21, 8), float("nan"))), "NaN"),
    "still": (dict(still=torch.zeros(7)), "still"),
    "fps": (dict(fps=0.0), "above 0"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_values_are_named(motion, name):
    change, message = BAD[name]
    with pytest.raises(DisMoError, match=message):
        replace(motion, **change)


def test_bad_files_are_named(motion, tmp_path):
    path = tmp_path / "m.safetensors"
    with pytest.raises(DisMoError, match="Cannot read"):
        Motion.load(path)
    path.write_bytes(b"not a safetensors file at all")
    with pytest.raises(DisMoError, match="Cannot read"):
        Motion.load(path)
    save_file({"embeddings": torch.zeros(3, 8)}, path)
    with pytest.raises(DisMoError, match="not a motion"):
        Motion.load(path)
    good = {"format": "dismo-motion", "version": "1", "fps": "8.0", "frames": "7", "source": "", "extractor": ""}
    for change, message in (({"version": "2"}, "version '2'"), ({"fps": "fast"}, "fps"), ({"frames": "9"}, "9 frames")):
        save_file({"embeddings": torch.zeros(3, 8)}, path, good | change)
        with pytest.raises(DisMoError, match=message):
            Motion.load(path)


def test_a_folder_that_cannot_be_is_named(motion, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DisMoError, match="Cannot write"):
        motion.save(tmp_path / "file" / "m.safetensors")
