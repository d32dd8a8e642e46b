"""The manifest: what is published, and how a file on disk is checked against it."""

import logging
from dataclasses import replace

import pytest
import torch
from hub_server import git_sha1, hub_file
from safetensors.torch import save_file

import dismo_core as dismo
from dismo_core.dismo.weights import RELEASED
from dismo_core.weights import registry
from dismo_core.weights.convert import convert
from dismo_core.weights.manifest import readable
from dismo_core.weights.released import check_released


def test_the_released_files_are_those_of_the_method_page():
    found = {(f.repo, f.path, f.size, f.etag) for f in RELEASED.values()}
    assert found == {
        (
            "CompVis/DisMo",
            "motion_extractor_large.pt",
            2377565737,
            "31a291924a813f1c0d6b19de48fe606e1a87d11692059f8cb04cbfe7f0146965",
        ),
        (
            "CompVis/DisMo",
            "cogvideox5b_i2v_large.pt",
            3156582265,
            "b7c9ef91a996c591eced17612f870415ed0b81d50d6990f0cb9fc85a0a3f10e9",
        ),
    }
    assert all("non-commercial" in f.licence for f in RELEASED.values())


def test_files_are_compared_by_size_and_either_checksum_of_the_hub(tmp_path):
    content = b"some weights"
    (tmp_path / "file").write_bytes(content)
    large = hub_file("model.pt", content)
    small = replace(large, etag=git_sha1(content))
    assert len(large.etag) == 64 and len(small.etag) == 40
    for file in (large, small):
        assert file.problem(tmp_path / "file") == ""
        assert "checksum" in replace(file, etag=file.etag[::-1]).problem(tmp_path / "file")
        assert "12 bytes, not 1,300" in replace(file, size=1300).problem(tmp_path / "file")


def test_a_released_name_needs_the_released_content(tmp_path, monkeypatch, caplog):
    monkeypatch.setitem(registry.RELEASED, "made_up", hub_file("made_up.pt", b"right"))
    path = tmp_path / "made_up.pt"
    path.write_bytes(b"right")
    with caplog.at_level(logging.INFO, "dismo_core"):
        check_released(path)
    assert "made_up.pt: licence of a test" in caplog.text
    path.write_bytes(b"wrong")
    with pytest.raises(dismo.DisMoError, match="made_up.pt is not the released file: its checksum"):
        check_released(path)
    path.rename(tmp_path / "mine.pt")
    check_released(tmp_path / "mine.pt")


def test_the_licence_is_shown_for_conversions_too_and_once(tmp_path, monkeypatch, caplog):
    torch.save({"a": torch.ones(1)}, tmp_path / "made_up.pt")
    file = hub_file("made_up.pt", (tmp_path / "made_up.pt").read_bytes())
    monkeypatch.setitem(registry.RELEASED, "made_up", file)
    for name in ("made_up.safetensors", "renamed.safetensors"):
        convert(tmp_path / "made_up.pt", tmp_path / name)
        caplog.clear()
        check_released(tmp_path / name)
        check_released(tmp_path / name)
        assert caplog.messages == [f"{name}: licence of a test"]
    save_file({"a": torch.ones(1)}, tmp_path / "mine.safetensors")
    caplog.clear()
    check_released(tmp_path / "mine.safetensors")
    assert not caplog.messages


def test_loading_a_damaged_released_file_says_so(tmp_path):
    path = tmp_path / "motion_extractor_large.pt"
    path.write_bytes(b"half a file")
    with pytest.raises(dismo.DisMoError, match="11 bytes, not 2,377,565,737"):
        dismo.load_motion_extractor(path)


def test_large_weights_by_name_are_asked_for_where_they_are_missing(tmp_path, monkeypatch):
    monkeypatch.setenv("DISMO_WEIGHTS", str(tmp_path))
    with pytest.raises(dismo.DisMoError, match="motion_extractor_large.pt .* is not in .*download=True"):
        dismo.load_motion_extractor("large")


@pytest.mark.parametrize(
    "size, text", [(0, "0 bytes"), (999, "999 bytes"), (2_377_565_737, "2.38 GB"), (10**15, "1e+03 TB")]
)
def test_sizes_are_readable(size, text):
    assert readable(size) == text
