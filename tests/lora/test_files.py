"""LoRA files as trainers name them give W x + b + scale * up down x on the toy base, or are refused for their true reason."""

import json

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

import dismo_core as dismo
from dismo_core.lora.alphas import METADATA
from dismo_core.lora.files import read_lora
from dismo_core.lora.plain import set_video_loras

BLOCKS = ("attn1.to_q", "attn1.to_k", "attn1.to_v", "attn1.to_out.0", "ff.net.0.proj", "ff.net.2", "norm1.linear")
LAYERS = [f"transformer_blocks.{b}.{m}" for b in range(2) for m in BLOCKS]
LAYERS += [
    "proj_out",
    "norm_out.linear",
    "patch_embed.text_proj",
    "time_embedding.linear_1",
]  # as CogVideoX-Fun trains them
RANK = 4


@pytest.fixture(scope="module")
def transformer(base_folder):
    from dismo_core.cogvideox.base import load_base

    return load_base(base_folder, torch.float32).transformer


@pytest.fixture(scope="module")
def halves(transformer):
    """Layer -> down [rank, in] and up [out, rank]."""
    generator = torch.Generator().manual_seed(3)
    linears = {layer: transformer.get_submodule(layer) for layer in LAYERS}
    return {
        layer: [torch.randn(s, generator=generator) / 8 for s in ((RANK, x.in_features), (x.out_features, RANK))]
        for layer, x in linears.items()
    }


@pytest.fixture
def put_down(tmp_path):
    """A function that saves tensors and gives the path."""

    def put_down(tensors, metadata=None, name="lora.safetensors"):
        save_file({k: v.clone().contiguous() for k, v in tensors.items()}, tmp_path / name, metadata)
        return tmp_path / name

    return put_down


def dotted(begin="transformer.", down=".lora_A.weight", up=".lora_B.weight", alpha=None):
    return lambda layer: [f"{begin}{layer}{end}" for end in (down, up, alpha) if end]


def flat(begin, down=".lora_down.weight", up=".lora_up.weight", alpha=".alpha"):
    return lambda layer: [begin + layer.replace(".", "_") + end for end in (down, up, alpha) if end]


def written(halves, names, alpha=2.0):
    """The tensors under the names that a trainer gives them."""
    parts = {layer: (*both, torch.tensor(alpha)) for layer, both in halves.items()}
    return {name: part for layer in parts for name, part in zip(names(layer), parts[layer], strict=False)}


def check_applied(transformer, path, halves, scale, strength=1.0):
    """Every linear gives W x + b + strength * scale * up down x; the others what they gave before."""
    inputs = {
        name: torch.randn(3, x.in_features) for name, x in transformer.named_modules() if isinstance(x, nn.Linear)
    }
    with torch.no_grad():
        before = {name: transformer.get_submodule(name)(x) for name, x in inputs.items()}
        set_video_loras(transformer, {path: strength})
        found = {name: transformer.get_submodule(name)(x) for name, x in inputs.items()}
    set_video_loras(transformer, {})
    for name, x in inputs.items():
        expected = before[name]
        if name in halves:
            down, up = halves[name]
            factor = scale[name] if isinstance(scale, dict) else scale
            expected = expected + strength * factor * x @ (up @ down).T
            assert (expected - before[name]).abs().max() > 1e-2
        torch.testing.assert_close(found[name], expected, atol=1e-5, rtol=1e-5)


# how a trainer names a layer's tensors, and the scale with alpha 2 where it has one
TRAINERS = {
    "diffusers": (dotted(), 1.0),
    "no beginning": (dotted(""), 1.0),
    "ComfyUI's trainers": (dotted("diffusion_model."), 1.0),
    "PEFT": (dotted("base_model.model."), 1.0),
    "PEFT around a pipeline": (dotted("base_model.model.transformer."), 1.0),
    "with alpha": (dotted(alpha=".alpha"), 0.5),
    "ComfyUI's with alpha": (dotted("diffusion_model.", ".lora_down.weight", ".lora_up.weight", ".alpha"), 0.5),
    "diffusers of old": (dotted("transformer.", ".lora.down.weight", ".lora.up.weight"), 1.0),
    "diffusers of old, with alpha": (dotted("transformer.", ".lora.down.weight", ".lora.up.weight", ".alpha"), 0.5),
    "older still": (dotted("unet.", ".lora_linear_layer.down.weight", ".lora_linear_layer.up.weight"), 1.0),
    "name of an adapter": (dotted("transformer.", ".lora_A.default.weight", ".lora_B.default.weight"), 1.0),
    "another name of an adapter": (
        dotted("base_model.model.", ".lora_A.my-style.weight", ".lora_B.my-style.weight"),
        1.0,
    ),
    "kohya": (flat("lora_unet_"), 0.5),
    "kohya without alpha": (flat("lora_unet_", alpha=None), 1.0),
    "kohya with a model's name": (flat("lora_unet__diffusion_model_"), 0.5),
    "CogVideoX-Fun": (flat("lora_unet__"), 0.5),
    "lora_transformer_": (flat("lora_transformer_"), 0.5),
    "lora_": (flat("lora_"), 0.5),
    "lycoris": (flat("lycoris_"), 0.5),
    "kohya's layers, PEFT's halves": (flat("lora_unet__", ".lora_A.weight", ".lora_B.weight"), 0.5),
}


@pytest.mark.parametrize("trainer", TRAINERS)
def test_each_trainers_names_are_applied_with_the_right_scale(transformer, halves, put_down, trainer):
    names, scale = TRAINERS[trainer]
    check_applied(transformer, put_down(written(halves, names)), halves, scale)


def test_strength_comes_on_top_of_the_scale(transformer, halves, put_down):
    check_applied(transformer, put_down(written(halves, flat("lora_unet__"), alpha=3.0)), halves, 0.75, strength=-0.5)


def test_ranks_and_alphas_may_differ_from_layer_to_layer(transformer, halves, put_down):
    ranks = {layer: 1 + i % 3 for i, layer in enumerate(halves)}
    some = {layer: (down[: ranks[layer]], up[:, : ranks[layer]]) for layer, (down, up) in halves.items()}
    tensors = written(some, dotted(alpha=".alpha"))
    scale = {layer: 2 / ranks[layer] for layer in some}
    for layer in LAYERS[::2]:  # no alpha there
        del tensors[f"transformer.{layer}.alpha"]
        scale[layer] = 1.0
    check_applied(transformer, put_down(tensors), some, scale)


@pytest.mark.parametrize(
    "dtype", [torch.float16, torch.bfloat16, torch.float64, torch.float8_e4m3fn, torch.float8_e5m2]
)
def test_other_floats_are_read(transformer, halves, put_down, dtype):
    rounded = {layer: [half.to(dtype) for half in both] for layer, both in halves.items()}
    tensors = {name: x.to(dtype) for name, x in written(rounded, dotted(alpha=".alpha")).items()}
    check_applied(transformer, put_down(tensors), {k: [x.float() for x in v] for k, v in rounded.items()}, 0.5)


def test_several_at_once_each_with_its_scale_and_strength(transformer, halves, put_down):
    one = put_down(written(halves, flat("lora_unet__")), name="one.safetensors")
    two = put_down(written(halves, dotted()), name="two.safetensors")
    layer = LAYERS[0]
    down, up = halves[layer]
    x = torch.randn(2, 32)
    with torch.no_grad():
        before = transformer.get_submodule(layer)(x)
        set_video_loras(transformer, {one: 1.0, two: 0.25})
        found = transformer.get_submodule(layer)(x)
    set_video_loras(transformer, {})
    torch.testing.assert_close(found, before + (0.5 + 0.25) * x @ (up @ down).T)


# diffusers' copy of PEFT's config -> scale at rank 4
CONFIGS = {
    "alpha": ({"transformer.r": 4, "transformer.lora_alpha": 8}, 2.0),
    "without a beginning": ({"r": 4, "lora_alpha": 2}, 0.5),
    "root of the rank": ({"transformer.r": 4, "transformer.lora_alpha": 8, "transformer.use_rslora": True}, 4.0),
    "of a text encoder alone": ({"text_encoder.r": 4, "text_encoder.lora_alpha": 8}, 1.0),
    "something else": ({}, 1.0),
}


@pytest.mark.parametrize("name", CONFIGS)
def test_alpha_from_the_metadata(transformer, halves, put_down, name):
    config, scale = CONFIGS[name]
    check_applied(transformer, put_down(written(halves, dotted()), {METADATA: json.dumps(config)}), halves, scale)


def test_alphas_of_single_layers_from_the_metadata(transformer, halves, put_down):
    config = {"r": 4, "lora_alpha": 4, "alpha_pattern": {"0.attn1.to_q": 8, f"^{LAYERS[1]}": 2, "^attn1.to_v": 16}}
    found = read_lora(put_down(written(halves, dotted()), {METADATA: json.dumps(config)}), transformer, "X").updates
    assert {layer: u.scale for layer, u in found.items() if u.scale != 1} == {LAYERS[0]: 2.0, LAYERS[1]: 0.5}


def test_alpha_from_pefts_config_beside(transformer, halves, put_down, tmp_path):
    (tmp_path / "adapter_config.json").write_text(json.dumps({"r": 4, "lora_alpha": 6, "rank_pattern": {}}))
    tensors = written(halves, dotted("base_model.model."))
    check_applied(transformer, put_down(tensors, name="adapter_model.safetensors"), halves, 1.5)
    assert {u.scale for u in read_lora(put_down(tensors), transformer, "X").updates.values()} == {1.0}, "not its own"


def test_an_alpha_tensor_goes_before_the_metadata(transformer, halves, put_down):
    metadata = {METADATA: json.dumps({"transformer.r": 4, "transformer.lora_alpha": 8})}
    check_applied(transformer, put_down(written(halves, dotted(alpha=".alpha")), metadata), halves, 0.5)


BAD_CONFIGS = {
    "no JSON": ("{", "no JSON"),
    "no end": ("[" * 100_000, "no JSON"),
    "a list": ("[]", "JSON list"),
    "no number": ('{"lora_alpha": "8"}', "lora_alpha = '8'"),
    "NaN": ('{"lora_alpha": NaN}', "lora_alpha = 'nan'"),
    "too large": ('{"lora_alpha": 1%s}' % ("0" * 400), "lora_alpha = '1000"),
    "zero": ('{"lora_alpha": 0}', "lora_alpha = '0'"),
    "another rank": ('{"lora_alpha": 8, "r": 8}', r"tells rank 8 for \w+.*have rank 4"),
    "no table": ('{"lora_alpha": 8, "alpha_pattern": [1]}', "alpha_pattern.*not a table"),
    "regular expressions": ('{"lora_alpha": 8, "alpha_pattern": {"(a+)+$": 8}}', "regular expressions"),
    "DoRA": ('{"lora_alpha": 8, "use_dora": true}', "tells of a DoRA"),
}


@pytest.mark.parametrize("name", BAD_CONFIGS)
def test_metadata_that_leave_the_scale_open_are_refused(transformer, halves, put_down, name):
    text, message = BAD_CONFIGS[name]
    with pytest.raises(dismo.DisMoError, match=message):
        read_lora(put_down(written(halves, dotted()), {METADATA: text}), transformer, "CogVideoX-5B")


Q = "transformer.transformer_blocks.0.attn1.to_q"
A, B = f"{Q}.lora_A.weight", f"{Q}.lora_B.weight"
BROKEN = {
    "NaN": (lambda t: t[B].fill_(torch.nan), f"{B}' holds numbers that are NaN"),
    "one infinity": (lambda t: t[A][2, 3].fill_(torch.inf), f"{A}' holds numbers that are NaN or infinite"),
    "no lora_B": (lambda t: t.pop(B), f"beside '{A}' the up half"),
    "no lora_A": (lambda t: t.pop(A), f"beside '{B}' the down half"),
    "alpha alone": (lambda t: (t.pop(A), t.pop(B), t.update({f"{Q}.alpha": torch.ones(())})), f"beside '{Q}.alpha' the down"),
    "two ranks": (lambda t: t.update({B: t[B][:, :3]}), rf"{A}' \[4, 32\] has rank 4, '{B}' \[32, 3\] has rank 3"),
    "no numbers": (lambda t: t.update({A: t[A][:0], B: t[B][:, :0]}), rf"{A}' has the shape \[0, 32\]"),
    "a vector": (lambda t: t.update({A: t[A][0]}), rf"{A}' has the shape \[32\]"),
    "a convolution": (lambda t: t.update({A: t[A][:, :, None, None]}), rf"{A}' has the shape \[4, 32, 1, 1\]"),
    "int8": (lambda t: t.update({A: t[A].to(torch.int8)}), f"{A}' holds int8"),
    "complex": (lambda t: t.update({B: t[B].to(torch.complex64)}), f"{B}' holds complex64"),
    "all zero": (lambda t: [x.zero_() for x in t.values()], "changes nothing.*lora_B.weight' first"),
    "alpha NaN": (lambda t: t.update({f"{Q}.alpha": torch.tensor(torch.nan)}), rf"{Q}\.alpha' is nan"),
    "alpha zero": (lambda t: t.update({f"{Q}.alpha": torch.zeros(1)}), rf"{Q}\.alpha' is 0"),
    "two alphas": (lambda t: t.update({f"{Q}.alpha": torch.ones(2)}), rf"{Q}\.alpha' is \[2\]"),
    "two adapters": (lambda t: t.update({f"{Q}.lora_A.b.weight": t[A]}), "holds two LoRAs"),
    "two beginnings": (
        lambda t: t.update({k.replace("transformer.", "unet.", 1): v for k, v in t.items()}),
        "two updates of transformer_blocks.0",
    ),
    "bias of a half": (lambda t: t.update({f"{Q}.lora_B.bias": torch.zeros(32)}), r"holds '.*lora_B\.bias' beside"),
    "difference of a weight": (lambda t: t.update({f"{Q}.diff": torch.zeros(32, 32)}), r"holds '.*to_q\.diff' beside"),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_file_is_refused_by_the_name_of_the_tensor(transformer, halves, put_down, name):
    change, message = BROKEN[name]
    tensors = {k: v.clone() for k, v in written({layer: halves[layer] for layer in LAYERS[:3]}, dotted()).items()}
    change(tensors)
    path = put_down(tensors)
    with pytest.raises(dismo.DisMoError, match=message) as error:
        set_video_loras(transformer, {path: 1.0})
    assert str(path) in str(error.value)
    assert not getattr(transformer, "peft_config", None)


def of(layer, down=".lora_A.weight", up=".lora_B.weight", width=32):
    return {layer + down: torch.ones(4, width), layer + up: torch.ones(width, 4)}


KOHYA = (".lora_down.weight", ".lora_up.weight")
REFUSED = {
    "LoHa": ({f"lora_unet_x.hada_w{i}_{ab}": torch.ones(4, 4) for i in "12" for ab in "ab"}, "is a LoHa.*ordinary LoRAs"),
    "LoKr": ({"lora_unet_x.lokr_w1": torch.ones(4, 4), "lora_unet_x.lokr_w2": torch.ones(4, 4)}, "is a LoKr"),
    "DoRA of kohya's": (of(Q) | {f"{Q}.dora_scale": torch.ones(32, 1)}, "is a DoRA"),
    "DoRA of PEFT": (of(Q) | {f"{Q}.lora_magnitude_vector.weight": torch.ones(32)}, "is a DoRA"),
    "text encoder beside": (of(Q) | of("lora_te_text_model_encoder_layers_0_mlp_fc1", *KOHYA), "changes the text encoder, too"),
    "T5 of PEFT": (of("text_encoder.encoder.block.0.layer.0.SelfAttention.q"), "changes the text encoder"),
    "Wan": (of("diffusion_model.blocks.0.self_attn.q"), r"another model \(Wan\).*CogVideoX-5B"),
    "Wan by kohya's": (of("lora_unet__blocks_0_cross_attn_k_img", *KOHYA), r"\(Wan\)"),
    "Wan in diffusers' names": (of("transformer.blocks.0.attn2.to_k"), r"\(Wan\)"),
    "LTX-Video": (of("transformer.transformer_blocks.0.attn2.to_k"), r"\(LTX-Video"),
    "LTX-Video by its width": (of(Q, width=2048), r"\(LTX-Video\).*\[4, 2048\]"),
    "CogVideoX-2B": (of(Q, width=1920), r"\(CogVideoX-2B\)"),
    "Flux by kohya's": (of("lora_unet_double_blocks_0_img_attn_qkv", *KOHYA), r"\(Flux or HunyuanVideo\)"),
    "Flux": (of("transformer.single_transformer_blocks.0.attn.to_q"), r"\(Flux or HunyuanVideo\)"),
    "Qwen-Image": (of("transformer.transformer_blocks.0.attn.to_q"), r"\(Flux, Stable Diffusion 3 or Qwen-Image\)"),
    "Mochi": (of(Q) | of("transformer.transformer_blocks.0.attn1.add_q_proj"), r"\(Mochi\)"),
    "SD with its text encoder": (
        of("lora_te_text_model_x", *KOHYA) | of("lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q", *KOHYA),
        r"\(Stable Diffusion or another UNet\).*1 of its 2",
    ),
    "a block too many": (of(Q) | of("transformer_blocks.2.attn1.to_q"), "another model: the model here has no layer.*1 of its 2"),
    "a convolution": (of("patch_embed.proj"), "changes patch_embed.proj.*a Conv2d"),
    "something else": ({"a.b": torch.ones(1)}, "is no LoRA: it holds 'a.b'"),
    "alphas alone": ({f"{Q}.alpha": torch.ones(())}, "is no LoRA"),
    "nothing": ({}, "is no LoRA: it is empty"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_applied_is_named_as_what_it_is(transformer, put_down, name):
    tensors, message = REFUSED[name]
    with pytest.raises(dismo.DisMoError, match=message):
        read_lora(put_down(tensors), transformer, "CogVideoX-5B")


def test_a_motion_adapter_is_told_from_a_lora(transformer, put_down):
    import dismo_core.dismo.weights  # noqa: F401  its kinds

    with pytest.raises(dismo.DisMoError, match="is a motion adapter"):
        read_lora(put_down(of(Q) | {f"{Q}.lora_emb_gamma.default.weight": torch.ones(4, 4)}), transformer, "X")


def test_underscores_that_could_be_two_layers_are_refused(put_down):
    model = nn.ModuleDict({"a_b": nn.ModuleDict({"c": nn.Linear(4, 4)}), "a": nn.ModuleDict({"b_c": nn.Linear(4, 4)})})
    with pytest.raises(dismo.DisMoError, match=r"could be a_b\.c or a\.b_c"):
        read_lora(put_down(of("lora_unet_a_b_c", *KOHYA, width=4)), model, "X")
    assert read_lora(put_down(of("unet.a.b_c", width=4)), model, "X").updates.keys() == {"a.b_c"}


def test_inside_a_linear_is_no_layer(make_adapter, put_down):
    with pytest.raises(dismo.DisMoError, match="another model"):
        read_lora(put_down(of(f"{Q}.motion.lora_A")), make_adapter().base.transformer, "CogVideoX-5B")
