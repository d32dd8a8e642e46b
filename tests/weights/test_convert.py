"""Conversion to safetensors."""

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

import dismo_core as dismo
from dismo_core.weights.convert import convert
from dismo_core.weights.files import sha256


def test_a_conversion_holds_the_same_and_loads_as_the_source_does(tmp_path, extractor):
    state = extractor.state_dict()
    torch.save(state, tmp_path / "a.pt")
    convert(tmp_path / "a.pt", tmp_path / "a.safetensors")
    found = load_file(tmp_path / "a.safetensors")
    assert found.keys() == state.keys()
    assert all(torch.equal(found[k], v) and found[k].dtype == v.dtype for k, v in state.items())
    with safe_open(tmp_path / "a.safetensors", "pt") as file:
        assert file.metadata()["source"] == "a.pt" and file.metadata()["source_sha256"] == sha256(tmp_path / "a.pt")
    ids = {dismo.load_motion_extractor(tmp_path / name).extractor_id for name in ("a.pt", "a.safetensors")}
    assert len(ids) == 1


def test_dtypes_strides_and_shared_memory_survive(tmp_path):
    whole = torch.arange(12.0).reshape(3, 4)
    tensors = {"half": whole.bfloat16(), "turned": whole.T, "twice": whole, "row": whole[1], "empty": torch.empty(0, 2)}
    torch.save(tensors, tmp_path / "a.pt")
    convert(tmp_path / "a.pt", tmp_path / "a.safetensors")
    found = load_file(tmp_path / "a.safetensors")
    assert all(torch.equal(found[k], v) and found[k].dtype == v.dtype for k, v in tensors.items())


def test_there_and_back_nothing_changes(tmp_path):
    tensors = {"half": torch.arange(6).reshape(2, 3).half(), "whole": torch.ones(2), "empty": torch.empty(0, 2)}
    save_file(tensors, tmp_path / "a.safetensors")
    assert convert(tmp_path / "a.safetensors", tmp_path / "a.pth").keys() == tensors.keys()
    found = torch.load(tmp_path / "a.pth", weights_only=True)
    assert found.keys() == tensors.keys()
    assert all(torch.equal(found[k], v) and found[k].dtype == v.dtype for k, v in tensors.items())
    convert(tmp_path / "a.pth", tmp_path / "b.safetensors")
    assert all(torch.equal(x, tensors[k]) for k, x in load_file(tmp_path / "b.safetensors").items())


def test_of_a_training_checkpoint_the_weights_are_taken(tmp_path):
    torch.save({"state_dict": {"a": torch.ones(2)}, "step": 7}, tmp_path / "a.pt")
    convert(tmp_path / "a.pt", tmp_path / "a.safetensors")
    assert load_file(tmp_path / "a.safetensors").keys() == {"a"}


REFUSED = {
    "not a pickle": ("a.safetensors", "b.safetensors", "not a .pt or .pth or .bin file"),
    "to a pickle": ("a.pt", "b.pt", "ends in .safetensors"),
    "existing target": ("a.pt", "a.safetensors", "exists already"),
    "existing target back": ("a.safetensors", "a.pt", "exists already"),
    "missing source": ("no.pt", "b.safetensors", "no weight file"),
    "damaged source": ("bad.pt", "b.safetensors", "damaged"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_converted_leaves_nothing(tmp_path, name):
    source, target, message = REFUSED[name]
    torch.save({"a": torch.ones(1)}, tmp_path / "a.pt")
    save_file({"a": torch.ones(1)}, tmp_path / "a.safetensors")
    (tmp_path / "bad.pt").write_bytes(b"garbage" * 100)
    before = sorted(tmp_path.iterdir())
    with pytest.raises(dismo.DisMoError, match=message):
        convert(tmp_path / source, tmp_path / target)
    assert sorted(tmp_path.iterdir()) == before


def test_overwriting_is_a_choice(tmp_path):
    torch.save({"a": torch.ones(1)}, tmp_path / "a.pt")
    (tmp_path / "a.safetensors").write_bytes(b"old")
    convert(tmp_path / "a.pt", tmp_path / "a.safetensors", overwrite=True)
    assert torch.equal(load_file(tmp_path / "a.safetensors")["a"], torch.ones(1))
