"""Checks without loading: files, and the folder of a base model."""

import shutil
from pathlib import Path

import pytest
import torch
from hub_server import hub_file
from safetensors.torch import save_file
from sparse_files import sparse

import dismo_core as dismo
from dismo_core.dismo.geometry import describe
from dismo_core.dismo.models.space_to_depth import SpaceToDepth
from dismo_core.dismo.weights import BUNDLED
from dismo_core.weights import registry
from dismo_core.weights.geometry import KEY
from dismo_core.weights.verify import verify


@pytest.mark.parametrize("name", BUNDLED)
def test_bundled_files_are_recognised(name):
    assert name.split("_")[-1] in verify(BUNDLED[name])


def test_the_large_adapter_is_recognised_by_names_and_shapes(tmp_path):
    """In float8 bytes that are never written: a sparse file of the right header."""
    path = tmp_path / "a.safetensors"
    sparse_adapter(path)
    assert verify(path) == "adapter for CogVideoX-5B-I2V, 1,516 tensors, 970,668,864 numbers"


def test_an_adapter_with_a_tensor_missing_or_of_another_shape_is_not(tmp_path):
    path = tmp_path / "a.safetensors"
    sparse_adapter(path, drop="gru.bias_hh", reshape="init_gru_state")
    with pytest.raises(dismo.DisMoError, match="1 missing: gru.bias_hh; 1 of another shape: init_gru_state"):
        verify(path)


def test_weights_that_carry_their_geometry_are_recognised(tmp_path):
    small = dismo.MotionExtractor(32, 1, 16, 8, frame_encoder=dict(embed_dim=32, depth=1, num_heads=2, image_size=28))
    save_file(small.state_dict(), tmp_path / "e.safetensors", {KEY: describe(small)})
    assert verify(tmp_path / "e.safetensors").startswith("motion extractor of its own geometry")
    made = dict(width=32, depth=1, d_head=16, d_motion=8, mapping_width=32, patch_size=(1, 1))
    made["source_encoder"] = small.geometry["frame_encoder"]
    generator = dismo.FrameGenerator(**made, autoencoder=SpaceToDepth(4))
    save_file(generator.state_dict(), tmp_path / "g.safetensors", {KEY: describe(generator)})
    assert verify(tmp_path / "g.safetensors").startswith("frame generator of its own geometry")


def test_what_fits_nothing_is_told_with_the_differences(tmp_path, extractor):
    save_file({k: v for k, v in extractor.state_dict().items() if k != "proj.weight"}, tmp_path / "a.safetensors")
    with pytest.raises(dismo.DisMoError, match="Against tiny motion extractor: 1 missing: proj.weight"):
        verify(tmp_path / "a.safetensors")


def test_an_adapter_of_another_rank_is_recognised(tmp_path):
    shapes = {
        k: [16 if n == 128 and k.startswith("transformer.") else n for n in v] for k, v in adapter_shapes().items()
    }
    sparse(tmp_path / "a.safetensors", {k: v for k, v in shapes.items() if not k.startswith("motion_extractor.")})
    assert verify(tmp_path / "a.safetensors").startswith("adapter for CogVideoX-5B-I2V, 1,019 tensors")


def test_what_is_not_checked_is_named(tmp_path):
    save_file({"transformer.x.lora_A.weight": torch.zeros(1)}, tmp_path / "a.safetensors")
    with pytest.raises(dismo.DisMoError, match="a.safetensors is an ordinary LoRA"):
        verify(tmp_path / "a.safetensors")


def test_a_released_name_is_checked_against_its_checksum(tmp_path, monkeypatch, extractor):
    state = extractor.state_dict()
    torch.save(state, tmp_path / "made_up.pt")
    right = hub_file("made_up.pt", (tmp_path / "made_up.pt").read_bytes())
    monkeypatch.setitem(registry.RELEASED, "made_up", right)
    assert "tiny motion extractor" in verify(tmp_path / "made_up.pt")
    torch.save({k: v + 1 for k, v in state.items()}, tmp_path / "made_up.pt")
    with pytest.raises(dismo.DisMoError, match="not the released file"):
        verify(tmp_path / "made_up.pt")


def test_a_base_is_complete_or_what_it_lacks_is_named(tmp_path):
    folder = tmp_path / "base"
    shutil.copytree(Path(__file__).parents[1] / "goldens" / "tiny-CogVideoX-I2V", folder)
    assert verify(folder).startswith("CogVideoX base")
    (folder / "vae" / "diffusion_pytorch_model.safetensors").unlink()
    with pytest.raises(dismo.DisMoError, match="vae lacks diffusion_pytorch_model.safetensors"):
        verify(folder)


def sparse_adapter(path, drop="", reshape=""):
    """A file of the large adapter's names and shapes."""
    shapes = {k: v for k, v in adapter_shapes().items() if k != drop}
    if reshape:
        shapes[reshape] = [7]
    sparse(path, shapes)


def adapter_shapes():
    """docs/methods/dismo.md, 2.3."""
    shapes = {
        "init_gru_state": [1024],
        "final_latent_cond_padding": [1, 1, 1024],
        "gru.weight_ih": [3072, 128],
        "gru.weight_hh": [3072, 1024],
        "gru.bias_ih": [3072],
        "gru.bias_hh": [3072],
        "mapping.in_norm.scale": [1024],
        "mapping.out_norm.scale": [1024],
        "mapping.blocks.0.norm.scale": [1024],
        "mapping.blocks.0.up_proj.weight": [6144, 1024],
        "mapping.blocks.0.down_proj.weight": [1024, 3072],
    }
    layers = {f"attn1.{name}": (3072, 3072) for name in ("to_q", "to_k", "to_v", "to_out.0")}
    layers |= {"ff.net.0.proj": (3072, 12288), "ff.net.2": (12288, 3072)}
    for block in range(42):
        for layer, (d_in, d_out) in layers.items():
            own = {"lora_A": [128, d_in], "lora_B": [d_out, 128]}
            own |= dict.fromkeys(("lora_emb_gamma", "lora_emb_beta"), [128, 1024])
            for name, shape in own.items():
                shapes[f"transformer.transformer_blocks.{block}.{layer}.{name}.default.weight"] = shape
    with torch.device("meta"):
        extractor = dismo.MotionExtractor.large().state_dict()
    return shapes | {f"motion_extractor.{k}": list(v.shape) for k, v in extractor.items()}
