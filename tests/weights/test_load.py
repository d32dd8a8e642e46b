"""Weights: bundled ones, strict loading, released formats, damaged and hostile files."""

import json
import os
import pickle
import socket

import pytest
import torch
from hub_server import hub_file
from safetensors.torch import load_file, save_file

import dismo_core as dismo
from dismo_core.weights import BUNDLED, load_cogvideox_adapter, load_frame_generator, load_motion_extractor, manifest
from dismo_core.weights.files import read_weights, sha256
from dismo_core.weights.load import CHECKSUMS

TINY = BUNDLED["dismo_tiny_extractor"]


@pytest.mark.parametrize("name", BUNDLED)
def test_bundled_files_are_small_and_whole(name):
    path = BUNDLED[name]
    assert path.stat().st_size <= 15e6
    assert json.loads(CHECKSUMS.read_text())[path.name] == sha256(path)
    assert {t.dtype for t in load_file(path).values()} == {torch.bfloat16}


def test_bundled_models_belong_together():
    extractor, generator = load_motion_extractor("tiny"), load_frame_generator("tiny")
    assert generator.extractor_id == extractor.extractor_id
    assert not any(p.requires_grad for p in extractor.parameters())
    assert not extractor.training and not generator.training


def test_the_id_survives_lower_precision():
    assert load_motion_extractor("tiny", dtype=torch.float16).extractor_id == load_motion_extractor("tiny").extractor_id


def test_pt_and_safetensors_of_the_same_weights_have_one_id(tmp_path):
    state = load_motion_extractor("tiny").state_dict()
    torch.save(state, tmp_path / "a.pt")
    save_file(state, tmp_path / "a.safetensors")
    ids = {load_motion_extractor(tmp_path / name).extractor_id for name in ("a.pt", "a.safetensors")}
    assert ids == {load_motion_extractor("tiny").extractor_id}


def altered(tmp_path, change):
    state = dict(load_motion_extractor("tiny").state_dict())
    change(state)
    save_file(state, tmp_path / "x.safetensors")
    return tmp_path / "x.safetensors"


CHANGES = {
    "missing": (lambda s: s.pop("proj.weight"), "1 missing: proj.weight"),
    "unknown": (lambda s: s.update(extra=torch.zeros(1)), "1 unknown: extra"),
    "shape": (lambda s: s.update({"head.3.scale": torch.ones(7)}), r"head.3.scale \[7\] instead of \[32\]"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_differences_are_listed(tmp_path, name):
    change, message = CHANGES[name]
    with pytest.raises(dismo.DisMoError, match=message):
        load_motion_extractor(altered(tmp_path, change))


def test_a_generator_is_no_extractor_and_the_other_way_round():
    with pytest.raises(dismo.DisMoError, match="fits no known geometry"):
        load_motion_extractor(BUNDLED["dismo_tiny_generator"])
    with pytest.raises(dismo.DisMoError, match="fits no known geometry"):
        load_frame_generator(TINY)


class Evil:
    def __reduce__(self):
        return os.system, ("echo never",)


def hostile(path):
    with open(path, "wb") as file:
        pickle.dump({"a": Evil()}, file)


def truncated(path):
    torch.save({"a": torch.zeros(1000)}, path)
    path.write_bytes(path.read_bytes()[:2000])


FILES = {
    "missing.safetensors": (lambda path: None, "no weight file"),
    "truncated.safetensors": (lambda path: path.write_bytes(TINY.read_bytes()[:5000]), "not a whole safetensors"),
    "truncated.pt": (truncated, "not a whole PyTorch"),
    "hostile.pt": (hostile, "run code"),
    "hostile_zip.pt": (lambda path: torch.save({"a": Evil()}, path), "run code"),
    "text.pt": (lambda path: path.write_bytes(b"half a file"), "not a whole PyTorch"),
    "garbage.pt": (lambda path: path.write_bytes(b"garbage" * 100), "damaged"),
    "wrapped.pt": (lambda path: torch.save({"state_dict": {"a": torch.zeros(1)}}, path), "not a flat mapping"),
    "list.pt": (lambda path: torch.save([torch.zeros(1)], path), "not a flat mapping"),
    "weights.bin": (lambda path: path.write_bytes(b"x"), "suffix"),
}


@pytest.mark.parametrize("name", FILES)
def test_bad_files_are_named(tmp_path, name, capfd):
    make, message = FILES[name]
    make(tmp_path / name)
    with pytest.raises(dismo.DisMoError, match=message):
        read_weights(tmp_path / name)
    assert "never" not in capfd.readouterr().out


def test_a_pickle_of_the_old_format_loads(tmp_path):
    torch.save({"a": torch.ones(3)}, tmp_path / "old.pt", _use_new_zipfile_serialization=False)
    assert torch.equal(read_weights(tmp_path / "old.pt").tensors["a"], torch.ones(3))


LARGE = {
    "motion_extractor_large": load_motion_extractor,
    "cogvideox5b_i2v_large": lambda name: load_cogvideox_adapter(name, base="no/base"),
}


@pytest.mark.parametrize("name", LARGE)
def test_released_weights_that_are_missing_are_named_and_not_fetched(name, tmp_path, monkeypatch):
    def refuse(*_):
        raise AssertionError("the network was touched")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setenv("DISMO_WEIGHTS", str(tmp_path))
    with pytest.raises(dismo.DisMoError) as error:
        LARGE[name]("large")
    file, message = manifest.RELEASED[name], str(error.value)
    for part in (file.path, file.licence, file.repo, str(tmp_path), f"dismo weights download {name}", "`download`"):
        assert part in message
    assert {"motion_extractor_large": "2.38 GB", "cogvideox5b_i2v_large": "3.16 GB"}[name] in message


def test_released_weights_are_found_in_the_default_folder(tmp_path, monkeypatch):
    path = tmp_path / "motion_extractor_large.pt"
    torch.save(load_file(TINY), path)
    monkeypatch.setitem(manifest.RELEASED, path.stem, hub_file(path.name, path.read_bytes()))
    monkeypatch.setenv("DISMO_WEIGHTS", str(tmp_path))
    assert load_motion_extractor("large").extractor_id == load_motion_extractor("tiny").extractor_id
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(dismo.DisMoError, match=f"{path.name} is not the released file"):
        load_motion_extractor("large")


def test_unknown_names_say_what_there_is():
    with pytest.raises(dismo.DisMoError, match="bundled is: tiny"):
        load_motion_extractor("huge")


def test_a_model_loaded_under_no_grad_can_be_trained(extractor):
    model = load_motion_extractor("tiny").requires_grad_(True)
    model(torch.rand(1, 5, 64, 64, 3) * 2 - 1).square().sum().backward()
    assert all(p.grad is not None for n, p in model.named_parameters() if not n.endswith("mask_token"))
