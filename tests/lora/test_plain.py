"""An ordinary LoRA beside the adapter: the updates add up, and removed it leaves no trace."""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file

import dismo_core as dismo
from dismo_core.cogvideox.parts import block_linears
from dismo_core.dismo.adapter.cogvideox_model import CogVideoXModel
from dismo_core.dismo.adapter.with_loras import WithLoRAs, read_strengths
from dismo_core.lora.alphas import METADATA
from dismo_core.lora.plain import set_video_loras
from dismo_core.memory.precision import store

LAYERS = {"attn1.to_q": (32, 32), "attn1.to_out.0": (32, 32), "ff.net.0.proj": (128, 32)}


@pytest.fixture(scope="session")
def style():
    """A random LoRA of rank 4 on three layers of both blocks."""
    generator = torch.Generator().manual_seed(1)
    return {
        f"transformer.transformer_blocks.{b}.{m}.{part}.weight": torch.randn(shape, generator=generator) / 8
        for b in range(2)
        for m, (d_out, d_in) in LAYERS.items()
        for part, shape in (("lora_A", (4, d_in)), ("lora_B", (d_out, 4)))
    }


@pytest.fixture
def style_file(style, tmp_path):
    save_file(style, tmp_path / "style.safetensors")
    return tmp_path / "style.safetensors"


@pytest.fixture
def sample(clip, picture):
    """A function that makes a short video."""

    def sample(adapter):
        return adapter.sample(
            motion_videos=clip[:, :9],
            images=picture,
            prompts=["a red fox turns."],
            num_frames=9,
            n_steps=1,
            text_guidance_scale=1,
            generator=torch.Generator().manual_seed(5),
        )

    return sample


def names(transformer):
    return [name for name, _ in transformer.named_modules()]


def test_removed_it_leaves_no_trace(make_adapter, adapter_weights, style_file, sample):
    adapter = make_adapter()
    transformer = adapter.base.transformer
    modules, flags = names(transformer), [p.requires_grad for p in adapter.parameters()]
    before = sample(adapter)
    set_video_loras(transformer, {style_file: 1.0})
    styled = sample(adapter)
    assert not torch.equal(styled, before)
    assert [p.requires_grad for p in adapter.parameters()] == flags
    assert adapter.state_dict().keys() == adapter_weights.keys()  # saving is not disturbed
    adapter.load_adapter(adapter_weights)  # nor is loading
    assert torch.equal(sample(adapter), styled)
    set_video_loras(transformer, {})
    assert torch.equal(sample(adapter), before)
    assert names(transformer) == modules
    assert [p.requires_grad for p in adapter.parameters()] == flags


@pytest.mark.parametrize("strength", [1.0, 0.25])
def test_the_updates_add_up(make_adapter, style, style_file, strength):
    adapter = make_adapter()
    block = adapter.base.transformer.transformer_blocks[1].attn1
    x = torch.randn(1, 16 + 3 * 24, 32)
    with torch.no_grad():
        plain = block.to_q(x)
        adapter.set_conditions(torch.randn(1, 3, 16))
        moved = block.to_q(x)
        set_video_loras(adapter.base.transformer, {style_file: strength})
        found = block.to_q(x)
    a, b = (style[f"transformer.transformer_blocks.1.attn1.to_q.{part}.weight"] for part in ("lora_A", "lora_B"))
    torch.testing.assert_close(found, moved + strength * x @ a.T @ b.T, atol=1e-5, rtol=1e-5)
    assert (moved - plain).abs().max() > 1e-3


def test_two_add_up_and_either_may_be_taken_away(make_adapter, style, style_file, tmp_path):
    save_file({k: -v if "lora_B" in k else v for k, v in style.items()}, tmp_path / "opposite.safetensors")
    transformer = make_adapter().base.transformer
    x = torch.randn(1, 5, 32)
    layer = transformer.transformer_blocks[0].attn1
    with torch.no_grad():
        plain = layer.to_q(x)
        set_video_loras(transformer, {style_file: 0.5, tmp_path / "opposite.safetensors": 0.5})
        torch.testing.assert_close(layer.to_q(x), plain)
        set_video_loras(transformer, {style_file: 0.5})
        assert not torch.allclose(layer.to_q(x), plain, atol=1e-3)


def test_alpha_comes_from_the_metadata(make_adapter, style, tmp_path):
    config = {"r": 4, "lora_alpha": 8, "target_modules": list(LAYERS), "rank_pattern": {}}
    metadata = json.dumps({f"transformer.{name}": value for name, value in config.items()})
    save_file(style, tmp_path / "style.safetensors", {METADATA: metadata})
    transformer = make_adapter().base.transformer
    set_video_loras(transformer, {tmp_path / "style.safetensors": 1.0})
    assert transformer.transformer_blocks[0].attn1.to_q.scaling == {"video_0": 2.0}


def test_beside_a_matrix_in_float8_it_keeps_its_precision(make_base, style, style_file):
    transformer = make_base().transformer
    store(transformer, block_linears(transformer), "fp8")
    layer = transformer.transformer_blocks[0].attn1.to_q
    x = torch.randn(1, 5, 32)
    set_video_loras(transformer, {style_file: 1.0})
    a, b = (style[f"transformer.transformer_blocks.0.attn1.to_q.{part}.weight"] for part in ("lora_A", "lora_B"))
    with torch.no_grad():
        torch.testing.assert_close(transformer.transformer_blocks[0].attn1.to_q(x), layer(x) + x @ a.T @ b.T)


def test_it_may_be_there_before_the_adapter(make_adapter, make_base, style_file, sample):
    base = make_base()
    set_video_loras(base.transformer, {style_file: 1.0})
    first = make_adapter(base=base)
    second = make_adapter()
    set_video_loras(second.base.transformer, {style_file: 1.0})
    assert torch.equal(sample(first), sample(second))


def test_saved_by_diffusers_its_file_holds_the_style_alone(make_adapter, style, tmp_path):
    transformer = make_adapter().base.transformer
    transformer.load_lora_adapter(style, adapter_name="default")
    transformer.save_lora_adapter(tmp_path, adapter_name="default")
    saved = load_file(tmp_path / "pytorch_lora_weights.safetensors")
    assert {"transformer." + k.removeprefix("transformer.") for k in saved} == style.keys()


BAD = {
    "no LoRA": ({"transformer.proj_out.weight": torch.zeros(4, 4)}, "no LoRA.*lora_A.weight"),
    "another layer": ({"transformer.blocks.0.q.lora_A.weight": torch.zeros(4, 32)}, "another model"),
    "another width": (
        {
            "transformer.transformer_blocks.0.attn1.to_q.lora_A.weight": torch.ones(4, 3072),
            "transformer.transformer_blocks.0.attn1.to_q.lora_B.weight": torch.ones(3072, 4),
        },
        r"another model.*\[4, 3072\]",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_a_file_that_does_not_fit_is_named(make_base, style_file, tmp_path, name):
    tensors, message = BAD[name]
    save_file(tensors, tmp_path / "bad.safetensors")
    transformer = make_base().transformer
    modules = names(transformer)
    with pytest.raises(dismo.DisMoError, match=message):
        set_video_loras(transformer, {style_file: 1.0, tmp_path / "bad.safetensors": 1.0})
    assert names(transformer) == modules


def test_a_strength_for_each_segment(make_adapter, style_file, picture):
    """Segments of a long video begin at 0, 20 and 27; what a strength of 0 makes is what the bare model makes."""
    adapter = make_adapter()
    model = CogVideoXModel(adapter)
    rows = torch.sin(torch.arange(48 * 8.0)).view(48, 8)
    motion = dismo.Motion(rows, 8.0, "drawn", adapter.extractor_id)

    def transfer(model):
        return model.transfer(motion, (picture[0] + 1) / 2, steps=1, seed=3, runtime=dismo.Runtime.cpu())

    bare = transfer(model)
    styled = transfer(WithLoRAs(model, {str(style_file): [read_strengths("1")]}))
    late = transfer(WithLoRAs(model, {str(style_file): [read_strengths("0 | 1")]}))
    assert torch.equal(late[:21], bare[:21]) and not torch.equal(late[21:], bare[21:])
    assert not torch.equal(styled[1:21], bare[1:21])
    both = {str(style_file): [read_strengths("0 | 1"), read_strengths("0s: 1 | 2s: 0")]}
    assert torch.equal(transfer(WithLoRAs(model, both))[:21], styled[:21])
    assert torch.equal(transfer(model), bare)


@pytest.mark.parametrize("text", ["", "strong", "11", "1 | nan", "0s: 1 | 2s: x"])
def test_strengths_that_cannot_be(text):
    with pytest.raises(dismo.DisMoError, match="is no strength of a LoRA"):
        read_strengths(text)
