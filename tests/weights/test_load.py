"""Weights: bundled ones, strict loading, released formats, damaged and hostile files."""

import os
import pickle
import socket
from pathlib import Path

import pytest
import torch
from hub_server import hub_file
from safetensors.torch import load_file, save_file

import dismo_core as dismo
from dismo_core.dismo.weights import (
    BUNDLED,
    check_frequencies,
    load_cogvideox_adapter,
    load_frame_generator,
    load_motion_extractor,
)
from dismo_core.weights import registry
from dismo_core.weights.files import read_weights, sha256
from dismo_core.weights.load import bundled_checksum

TINY = BUNDLED["dismo_tiny_extractor"]


@pytest.mark.parametrize("name", BUNDLED)
def test_bundled_files_are_small_and_whole(name):
    path = BUNDLED[name]
    assert path.stat().st_size <= (3e6 if "layered" in name else 15e6)
    assert bundled_checksum(path) == sha256(path)
    kinds = {torch.float32, torch.float16} if "layered" in name else {torch.bfloat16}
    assert {t.dtype for t in load_file(path).values()} == kinds


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


TOY = Path(__file__).parents[1] / "goldens" / "tiny-CogVideoX-I2V"
MISTAKEN = {  # names of tensors, or a file -> what it is, and where it goes
    "generator": (BUNDLED["dismo_tiny_generator"], "is a frame generator.*load_frame_generator"),
    "extractor": (TINY, "is a motion extractor.*load_motion_extractor"),
    "adapter": (["init_gru_state", "motion_extractor.query_tokens"], "is a motion adapter.*load_cogvideox_adapter"),
    "part of an adapter": (
        ["transformer.x.lora_A.default.weight", "transformer.x.lora_emb_gamma.default.weight"],
        "ada",
    ),
    "LoRA": (["transformer.x.lora_A.weight"], "is an ordinary LoRA.*set_video_loras"),
    "kohya's": (
        ["lora_unet__transformer_blocks_0_attn1_to_q.lora_down.weight"],
        "is an ordinary LoRA.*set_video_loras",
    ),
    "LoRA on a layer that tells a transformer": (
        ["transformer.patch_embed.text_proj.lora_A.weight"],
        "is an ordinary LoRA",
    ),
    "LoHa": (["lora_unet_x.hada_w1_a"], "is a LoHa"),
    "LoKr": (["lora_unet_x.lokr_w2_b"], "is a LoKr"),
    "DoRA": (["x.lora_A.weight", "x.lora_magnitude_vector.weight"], "is a DoRA"),
    "transformer": (TOY / "transformer/diffusion_pytorch_model.safetensors", "is a CogVideoX transformer"),
    "VAE": (TOY / "vae/diffusion_pytorch_model.safetensors", "is a VAE"),
    "text encoder": (TOY / "text_encoder/model.safetensors", "is a T5 text encoder"),
    "motion": (["embeddings", "still"], "is a motion.*Motion.load"),
}
LOADERS = {
    "extractor": load_motion_extractor,
    "generator": load_frame_generator,
    "adapter": lambda path: load_cogvideox_adapter(path, base="no/base"),
}


@pytest.mark.parametrize("name", MISTAKEN)
@pytest.mark.parametrize("loader", LOADERS)
def test_a_file_of_another_kind_is_told_what_it_is(tmp_path, name, loader):
    source, message = MISTAKEN[name]
    if name.removeprefix("part of an ") == loader:
        return
    path = source
    if isinstance(source, list):
        path = tmp_path / "x.safetensors"
        save_file({key: torch.zeros(1) for key in source}, path)
    with pytest.raises(dismo.DisMoError, match=message) as error:
        LOADERS[loader](path)
    assert path.name in str(error.value)


def test_frequencies_that_left_their_formula_are_said_for_the_large_geometry_only(caplog):
    tiny_encoder = dict(embed_dim=24, depth=1, num_heads=2, image_size=224)
    for width, warned in ((1024, True), (64, False)):
        model = dismo.MotionExtractor(width=width, depth=0, d_head=64, d_motion=8, frame_encoder=tiny_encoder)
        check_frequencies(model, "mine.pt")
        assert not caplog.text
        with torch.no_grad():
            model.pos_emb.spatial_freqs.mul_(1.001)
        check_frequencies(model, "mine.pt")
        assert ("mine.pt: pos_emb.spatial_freqs differs from its formula" in caplog.text) is warned
        caplog.clear()


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
    "weights.ckpt": (lambda path: path.write_bytes(b"x"), "suffix"),
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
    file, message = registry.RELEASED[name], str(error.value)
    for part in (file.path, file.licence, file.repo, str(tmp_path), "download=True"):
        assert part in message
    assert {"motion_extractor_large": "2.38 GB", "cogvideox5b_i2v_large": "3.16 GB"}[name] in message


def test_released_weights_are_found_in_the_default_folder(tmp_path, monkeypatch):
    path = tmp_path / "motion_extractor_large.pt"
    torch.save(load_file(TINY), path)
    monkeypatch.setitem(registry.RELEASED, path.stem, hub_file(path.name, path.read_bytes()))
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
