"""Storing the large matrices in fewer bits: which ones, how far the numbers move, and what carries on working."""

import importlib.util

import pytest
import torch
from torch import nn

import dismo_core as dismo
from dismo_core.cogvideox.parts import block_linears, cogvideox_parts
from dismo_core.cogvideox.sampling import rotary_positions
from dismo_core.memory.plan import MemoryPlan
from dismo_core.memory.precision import PRECISIONS, Float8Linear, compute_dtype, store

CPU = torch.device("cpu")


def needs(package):
    missing = importlib.util.find_spec(package) is None
    return pytest.mark.skipif(missing, reason=f"needs {package}, which is optional")


STORED = [
    pytest.param("fp8", 0.03, id="fp8"),
    pytest.param("int8", 0.01, id="int8", marks=needs("torchao")),
    pytest.param("nf4", 0.1, id="nf4", marks=needs("bitsandbytes")),
]
LARGE = {"attn1.to_q", "attn1.to_k", "attn1.to_v", "attn1.to_out.0", "ff.net.0.proj", "ff.net.2"}


@torch.no_grad()
def one_call(transformer, golden):
    return transformer(
        hidden_states=golden["step.h"],
        encoder_hidden_states=golden["step.enc"],
        timestep=golden["step.t"],
        image_rotary_emb=rotary_positions(transformer, golden["step.h"].shape[1], CPU),
        return_dict=False,
    )[0]


@pytest.fixture
def wide_base(make_base):
    """The toy with 128 columns, since nf4 works on blocks of 64."""
    torch.manual_seed(0)
    base = make_base()
    base.transformer = type(base.transformer).from_config({**base.transformer.config, "num_attention_heads": 8})
    base.transformer.eval().requires_grad_(False)
    return base


def relative(found, expected):
    return ((found - expected).norm() / expected.norm()).item()


def test_the_choices():
    assert PRECISIONS == ("auto", "bf16", "fp16", "fp32", "fp8", "int8", "nf4")
    assert compute_dtype("fp32", CPU) is torch.float32 and compute_dtype("fp16", CPU) is torch.float16
    assert {compute_dtype(p, CPU) for p in ("auto", "bf16", "fp8", "int8", "nf4")} == {torch.bfloat16}
    with pytest.raises(dismo.DisMoError, match="'fp4'.*auto, bf16, fp16, fp32, fp8, int8, nf4"):
        compute_dtype("fp4", CPU)


@pytest.mark.parametrize(("precision", "error"), STORED)
def test_the_error_of_one_product_is_the_one_stated(precision, error, make_base):
    """On matrices as large models have them, not on the toy's 32 columns."""
    torch.manual_seed(0)
    base = make_base()
    large = nn.Linear(1024, 512).requires_grad_(False)
    nn.init.normal_(large.weight, std=0.02)
    base.transformer.transformer_blocks[0].attn1.to_q = large
    x = torch.randn(64, 1024)
    expected = large(x)
    store(base.transformer, block_linears(base.transformer), precision)
    found = base.transformer.transformer_blocks[0].attn1.to_q(x)
    assert error / 5 < relative(found, expected) < error


@pytest.mark.parametrize(("precision", "error"), STORED)
def test_only_the_large_matrices_are_stored_in_fewer_bits(precision, error, wide_base, golden):
    base = wide_base
    before = {name: p.clone() for name, p in base.transformer.named_parameters()}
    names = [name for name, _ in base.transformer.named_modules()]
    expected = one_call(base.transformer, golden)
    store(base.transformer, block_linears(base.transformer), precision)
    assert [name for name, _ in base.transformer.named_modules()] == names
    for name, module in base.transformer.named_modules():
        if isinstance(module, nn.Linear):
            large = name.startswith("transformer_blocks.") and name.split(".", 2)[2] in LARGE
            same = type(module.weight) is nn.Parameter and module.weight.dtype == torch.float32
            assert same != large, name
            assert module.bias is None or torch.equal(module.bias, before[f"{name}.bias"])
            assert not module.weight.requires_grad
    moved = relative(one_call(base.transformer, golden), expected)
    assert 0 < moved < error, f"whole toy transformer: {moved:.4f}"


@pytest.mark.parametrize("memory", ["full", "group offload", "disk"])
@pytest.mark.parametrize(("precision", "error"), STORED)
def test_stored_weights_lie_in_every_way_in_memory(precision, error, memory, wide_base, golden):
    base = wide_base
    store(base.transformer, block_linears(base.transformer), precision)
    expected = one_call(base.transformer, golden)
    plan = MemoryPlan(cogvideox_parts(base, frames=25), "cpu", memory)
    with plan.using("transformer") as transformer:
        assert torch.equal(one_call(transformer, golden), expected)
    plan.release()
    assert torch.equal(one_call(base.transformer, golden), expected)


def test_fp8_also_layer_by_layer(make_base, golden):
    base = make_base()
    store(base.transformer, block_linears(base.transformer), "fp8")
    expected = one_call(base.transformer, golden)
    plan = MemoryPlan(cogvideox_parts(base, frames=25), "cpu", "sequential")
    with plan.using("transformer") as transformer:
        assert torch.equal(one_call(transformer, golden), expected)
    plan.release()
    assert torch.equal(one_call(base.transformer, golden), expected)


@pytest.mark.parametrize(("precision", "_"), STORED[1:])
def test_quantised_weights_refuse_sequential(precision, _, make_base):
    base = make_base()
    store(base.transformer, block_linears(base.transformer), precision)
    plan = MemoryPlan(cogvideox_parts(base, frames=25), "cpu", "sequential")
    with pytest.raises(dismo.DisMoError, match="sequential.*group offload"), plan.using("transformer"):
        pass


def test_the_adapter_is_added_to_stored_weights_and_trains_over_them(make_base, make_adapter, golden):
    base = make_base()
    store(base.transformer, block_linears(base.transformer), "fp8")
    adapter = make_adapter(base=base)
    for lora in adapter.motion_loras:
        assert {p.dtype for p in lora.parameters()} == {torch.float32}
    adapter.set_conditions(golden["step.cond"])
    assert relative(one_call(base.transformer, golden), golden["step.out"]) < 0.03
    trained = [p for name, p in adapter.named_parameters() if "lora_A" in name]
    for p in trained:
        p.requires_grad_(True)
    adapter.training_loss(torch.zeros(1, 25, 64, 96, 3), ["a fox"]).mean().backward()
    assert all(p.grad is not None and bool(p.grad.any()) for p in trained)


def test_choosing_after_the_adapter_was_added_is_refused(make_adapter):
    adapter = make_adapter()
    with pytest.raises(dismo.DisMoError, match="to_q.*before the adapter"):
        store(adapter.base.transformer, block_linears(adapter.base.transformer), "fp8")


@pytest.mark.parametrize(("precision", "package"), [("int8", "torchao"), ("nf4", "bitsandbytes")])
def test_a_missing_library_is_named(precision, package, make_base):
    if importlib.util.find_spec(package) is not None:
        pytest.skip(f"{package} is installed here")
    base = make_base()
    with pytest.raises(dismo.DisMoError, match=f"{precision} needs {package}.*pip install {package}"):
        store(base.transformer, block_linears(base.transformer), precision)


def test_float8_is_exact_where_float8_can_be():
    weight = torch.tensor([[1.0, -0.5, 0.25, 448.0], [0.001953125, 0.0, -0.0078125, 0.00390625]])
    linear = nn.Linear(4, 2, bias=False).requires_grad_(False)
    linear.weight.data = weight.clone()
    stored = Float8Linear.quantise(linear)
    assert stored.weight.dtype == torch.float8_e4m3fn
    assert torch.equal(stored(torch.eye(4)).T, weight)
    assert stored(torch.eye(4, dtype=torch.bfloat16)).dtype == torch.bfloat16
    zero = nn.Linear(4, 2, bias=False).requires_grad_(False)
    zero.weight.data.zero_()
    assert torch.equal(Float8Linear.quantise(zero)(torch.eye(4)), torch.zeros(4, 2))
