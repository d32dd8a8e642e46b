"""The conditional LoRA of one linear against figures of the published code (G8), its rounding, and its manners as a guest."""

import copy

import pytest
import torch
from filling import assert_figures, fill, wave
from torch import nn

import dismo_core as dismo
from dismo_core.dismo.adapter.conditions import ConditionEncoder
from dismo_core.lora.conditional import ConditionalLoRA

TEXT, FRAMES, CELLS = 3, 4, 6


def adapted(dtype=torch.float32, attach=True):
    """The linear of G8 and its LoRA."""
    lora = ConditionalLoRA(12, 20, d_cond=16, rank=4, dtype=torch.float32)
    lora.base_layer = nn.Linear(12, 20)
    fill(lora)  # the figures' fill goes by key names: base_layer.* and lora_*.default.weight
    linear = lora.base_layer
    del lora.base_layer
    lora.to(dtype).requires_grad_(False)
    linear.to(dtype).requires_grad_(False)
    if attach:
        lora.attach(linear, scale=2 / 4)
    return linear, lora


def condition(linear, lora, conditions):
    linear.motion.gain, linear.motion.shift = lora.tables(conditions)
    linear.motion.text_tokens = TEXT


def conditions():
    return fill(ConditionEncoder(8, 16)).requires_grad_(False)(wave(0.1, 2, 9, 8))


def inputs():
    return wave(0.05, 2, TEXT + FRAMES * CELLS, 12)


def formula(linear, lora, x, h):
    """y of the module's docstring, token by token, in double precision."""
    a, b, g, beta = (
        lora.get_parameter(f"{name}.default.weight").double()
        for name in ("lora_A", "lora_B", "lora_emb_gamma", "lora_emb_beta")
    )
    x, h = x.double(), h.double()
    y = x @ linear.weight.double().T + linear.bias.double()
    for i in range(len(x)):
        for token in range(x.shape[1]):
            u = a @ x[i, token]
            if token >= TEXT:
                frame = h[i % len(h), (token - TEXT) // CELLS]
                u = (1 + g @ frame) * u + beta @ frame
            y[i, token] += 0.5 * (b @ u)
    return y


@pytest.mark.parametrize("exact", [True, False])
def test_figures(exact):
    linear, lora = adapted()
    condition(linear, lora, conditions())
    linear.motion.exact = exact
    y = linear(inputs())
    assert_figures(y, -0.012613, 1.026201, [0.202595, -0.175149, -0.142045, 0.377880], [0.479569, -0.647696])


@pytest.mark.parametrize("halves", [1, 2, 3])
@pytest.mark.parametrize("videos", [1, 2])
def test_tables_serve_every_half_of_the_batch(halves, videos):
    linear, lora = adapted()
    h = conditions()[:videos]
    condition(linear, lora, h)
    x = wave(0.05, halves * videos, TEXT + FRAMES * CELLS, 12)
    torch.testing.assert_close(linear(x).double(), formula(linear, lora, x, h), atol=1e-5, rtol=0)


def test_rounding_in_bfloat16_is_that_of_the_listed_operations():
    linear, lora = adapted(torch.bfloat16)
    h, x = conditions().bfloat16(), inputs().bfloat16()
    condition(linear, lora, h)
    part = {name: lora.get_submodule(f"{name}.default") for name, _ in lora.named_children()}
    u = part["lora_A"](x)
    gain, shift = part["lora_emb_gamma"](h) + 1, part["lora_emb_beta"](h)
    image = u[:, TEXT:] * gain.repeat_interleave(CELLS, dim=1)
    u[:, TEXT:] = image + shift.repeat_interleave(CELLS, dim=1)
    update = part["lora_B"](u)
    update = update * 0.5
    frozen = nn.functional.linear(x, linear.weight, linear.bias)
    assert torch.equal(linear(x), frozen + update)


def test_the_fused_path_is_nearer_to_the_truth():
    linear, lora = adapted(torch.bfloat16)
    h, x = conditions().bfloat16(), inputs().bfloat16()
    condition(linear, lora, h)
    truth = formula(linear, lora, x, h)
    exact = linear(x).double()
    linear.motion.exact = False
    fused = linear(x).double()
    assert (fused - truth).norm() <= (exact - truth).norm()
    assert (fused - exact).norm() / truth.norm() < 2**-8


def test_strength_scales_the_whole_update():
    linear, lora = adapted()
    plain = linear(inputs())
    condition(linear, lora, conditions())
    full = linear(inputs())
    linear.motion.strength = 0.5
    torch.testing.assert_close(linear(inputs()), (plain + full) / 2)
    linear.motion.strength = 0
    assert torch.equal(linear(inputs()), plain)


def test_without_tables_the_linear_is_as_before():
    bare, _ = adapted(attach=False)
    linear, lora = adapted()
    assert torch.equal(linear(inputs()), bare(inputs()))
    assert type(linear) is nn.Linear


def test_a_copy_has_its_own_update():
    linear, lora = adapted()
    condition(linear, lora, conditions())
    before = linear(inputs())
    twin = copy.deepcopy(linear)
    twin.motion.lora_B.weight.zero_()
    assert torch.equal(linear(inputs()), before)
    assert not torch.equal(twin(inputs()), before)


def test_gradients_reach_all_four_matrices_and_the_conditions():
    linear, lora = adapted()
    lora.requires_grad_(True)
    h = conditions().requires_grad_(True)
    condition(linear, lora, h)
    linear(inputs()).square().sum().backward()
    for value in [h, *lora.parameters()]:
        assert value.grad.abs().sum() > 0
    assert linear.weight.grad is None


def test_a_second_adapter_on_the_same_linear_is_refused():
    linear, _ = adapted()
    _, other = adapted(attach=False)
    with pytest.raises(dismo.DisMoError, match="already"):
        other.attach(linear, scale=1)
