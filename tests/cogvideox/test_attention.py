"""Attention kernels, compiled blocks and step caches: same numbers where nothing is left out, less work where it is."""

import pytest
import torch
from torch import nn

import dismo_core as dismo
from dismo_core.cogvideox.attention import ATTENTION, set_attention
from dismo_core.cogvideox.sampling import Guidance, denoise, make_scheduler, rotary_positions
from dismo_core.memory.speed import STEP_CACHES, compile_blocks, set_step_cache

CPU = torch.device("cpu")
CACHES = [kind for kind in STEP_CACHES if kind != "off"]


@pytest.fixture
def adapter(make_adapter, golden):
    adapter = make_adapter()
    adapter.set_conditions(golden["step.cond"])
    return adapter


@torch.no_grad()
def one_call(adapter, golden):
    transformer = adapter.base.transformer
    return transformer(
        hidden_states=golden["step.h"],
        encoder_hidden_states=golden["step.enc"],
        timestep=golden["step.t"],
        image_rotary_emb=rotary_positions(transformer, golden["step.h"].shape[1], CPU),
        return_dict=False,
    )[0]


@pytest.mark.parametrize("kernel", ["auto", "sdpa"])
def test_our_processor_gives_the_numbers_of_the_stock_one(kernel, adapter, golden):
    expected = one_call(adapter, golden)
    assert set_attention(adapter.base.transformer, kernel, CPU) == "sdpa"
    found = one_call(adapter, golden)
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=0)
    torch.testing.assert_close(found, golden["step.out"], atol=2e-4, rtol=0)


def test_the_kernel_asked_for_is_the_one_that_runs(adapter, golden, monkeypatch):
    seen = []
    stock = nn.functional.scaled_dot_product_attention
    monkeypatch.setattr(
        torch.nn.functional, "scaled_dot_product_attention", lambda *a, **k: seen.append(k) or stock(*a, **k)
    )
    set_attention(adapter.base.transformer, "sdpa", CPU)
    one_call(adapter, golden)
    assert len(seen) == len(adapter.base.transformer.transformer_blocks)
    assert {call["query"].shape[1] for call in seen} == {2}, "heads before tokens"


@pytest.mark.parametrize("kernel", [k for k in ATTENTION if k not in ("auto", "sdpa")])
def test_kernels_that_cannot_run_here_are_refused(kernel, adapter, golden):
    expected = one_call(adapter, golden)
    with pytest.raises(dismo.DisMoError, match=f"{kernel}.*sdpa"):
        set_attention(adapter.base.transformer, kernel, CPU)
    assert torch.equal(one_call(adapter, golden), expected)


def test_unknown_kernel_is_refused(adapter):
    with pytest.raises(dismo.DisMoError, match="'fast'.*auto, sdpa"):
        set_attention(adapter.base.transformer, "fast", CPU)


def test_two_compiled_graphs_serve_all_blocks_and_give_the_same_numbers(make_base, make_adapter, golden):
    torch.manual_seed(0)
    base, graphs = make_base(), []
    base.transformer = type(base.transformer).from_config({**base.transformer.config, "num_layers": 5})
    base.transformer.eval().requires_grad_(False)
    adapter = make_adapter(weights=None, base=base)
    for lora in adapter.motion_loras:
        nn.init.normal_(lora.lora_B.weight, std=0.1)
    adapter.set_conditions(golden["step.cond"])
    set_attention(base.transformer, "sdpa", CPU)
    expected = one_call(adapter, golden)

    def backend(graph, inputs):
        graphs.append(graph)
        return graph.forward

    compile_blocks(base.transformer, backend=backend)
    torch.testing.assert_close(one_call(adapter, golden), expected, atol=1e-5, rtol=0)
    assert len(graphs) == 2, "one for the first block, whose inputs have other strides, and one for the rest"


def sample(adapter, golden, guidance=4.5, one_by_one=False, steps=20):
    """Latents of one video, and how many attention and feed-forward calls, counted by halves, the last block saw."""
    base, calls = adapter.base, {"attention": 0, "feed-forward": 0}
    block = base.transformer.transformer_blocks[-1]

    def count(name):
        return lambda module, inputs, output: calls.__setitem__(name, calls[name] + len(output))

    hooks = [
        block.attn1.to_q.register_forward_hook(count("attention")),
        block.ff.register_forward_hook(count("feed-forward")),
    ]
    try:
        return latents(adapter, golden, guidance, one_by_one, steps), calls
    finally:
        for hook in hooks:
            hook.remove()


@torch.no_grad()
def latents(adapter, golden, guidance=4.5, one_by_one=False, steps=20):
    """Of one video."""
    adapter.set_conditions(golden["cond"])
    negative, positive = golden["step.enc"][:1], golden["step.enc"][1:]
    noise = torch.randn(1, 7, 4, 8, 12, generator=torch.Generator().manual_seed(0))
    return denoise(
        adapter.base.transformer,
        make_scheduler(adapter.base.scheduler_config),
        noise,
        torch.zeros_like(noise),
        Guidance(positive, negative if guidance > 1 else None, guidance, one_by_one),
        steps,
        torch.Generator().manual_seed(1),
    )


@pytest.mark.parametrize("kind", CACHES)
def test_with_a_cache_later_steps_and_videos_are_compiled_no_further(kind, make_adapter, golden):
    adapter, graphs = make_adapter(), []
    transformer = adapter.base.transformer
    set_attention(transformer, "sdpa", CPU)
    set_step_cache(transformer, kind)
    expected = latents(adapter, golden, steps=10)

    def backend(graph, inputs):
        graphs.append(graph)
        return graph.forward

    compile_blocks(transformer, kind, backend)
    torch.testing.assert_close(latents(adapter, golden, steps=10), expected, atol=1e-4, rtol=0)
    count = len(graphs)
    latents(adapter, golden, steps=20)
    assert len(graphs) == count < 20


@pytest.mark.parametrize("kind", CACHES)
def test_a_step_cache_leaves_out_work_starts_afresh_and_can_be_taken_off(kind, adapter, golden):
    steps = 20
    expected, all_calls = sample(adapter, golden, steps=steps)
    set_step_cache(adapter.base.transformer, kind, threshold=0.5)
    found, calls = sample(adapter, golden, steps=steps)
    assert calls["attention"] < 0.8 * all_calls["attention"]
    assert (calls["feed-forward"] < 0.8 * all_calls["feed-forward"]) == (kind != "pyramid")
    assert 0 < (found - expected).norm() / expected.norm() < 0.05
    assert torch.equal(sample(adapter, golden, steps=steps)[0], found)
    set_step_cache(adapter.base.transformer, "off")
    assert torch.equal(sample(adapter, golden, steps=steps)[0], expected)


@pytest.mark.parametrize(("kind", "guidance"), [("pyramid", 4.5), ("faster", 4.5), ("faster", 1.0)])
def test_caches_that_would_mix_up_the_guidance_halves_are_refused(kind, guidance, adapter, golden):
    set_step_cache(adapter.base.transformer, kind)
    with pytest.raises(dismo.DisMoError, match=f"{kind}.*one batch.*first block"):
        sample(adapter, golden, guidance, one_by_one=True, steps=4)


def test_the_first_block_cache_keeps_the_guidance_halves_apart(adapter, golden):
    expected, all_calls = sample(adapter, golden, one_by_one=True)
    set_step_cache(adapter.base.transformer, "first block", threshold=0.5)
    found, calls = sample(adapter, golden, one_by_one=True)
    assert calls["attention"] < 0.8 * all_calls["attention"]
    assert (found - expected).norm() < 0.05 * expected.norm()


def test_unknown_step_cache_is_refused(adapter):
    with pytest.raises(dismo.DisMoError, match="'pab'.*off, first block, pyramid, faster"):
        set_step_cache(adapter.base.transformer, "pab")
