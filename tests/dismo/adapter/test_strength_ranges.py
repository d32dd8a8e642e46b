"""Strength over the steps and over time: what the adapter does where and when it is told to, and that nothing else changes."""

import pytest
import torch

import dismo_core as dismo
from dismo_core.dismo.adapter.adapter import latent_means
from dismo_core.settings import SamplingSettings

PROMPT = "a red fox turns."


@pytest.fixture(scope="module")
def adapter(make_adapter):
    return make_adapter()


def sample(adapter, clip, picture, steps=4, **changes):
    return adapter.sample(
        motion_videos=clip[:, :9],
        images=picture,
        prompts=[PROMPT],
        num_frames=9,
        n_steps=steps,
        generator=torch.Generator().manual_seed(5),
        **changes,
    )


@pytest.fixture(scope="module")
def plain(adapter, clip, picture):
    return sample(adapter, clip, picture)


def steps_that_act(adapter, run):
    """For every step of a sampling whether the first layer computed its update."""
    counts, acted = [0], []
    hook = adapter.motion_loras[0].lora_A.register_forward_hook(lambda *_: counts.__setitem__(0, counts[0] + 1))

    def progress(done, steps, latents):
        acted.append(counts[0] > 0)
        counts[0] = 0

    try:
        run(progress)
    finally:
        hook.remove()
    return acted


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        (0, 1, [True, True, True, True]),
        (0, 0.5, [True, True, False, False]),
        (0.25, 1, [False, True, True, True]),
        (0.25, 0.75, [False, True, True, False]),
        (0.3, 1, [False, False, True, True]),
    ],
)
def test_outside_its_range_of_steps_the_adapter_computes_nothing(adapter, clip, picture, start, end, expected):
    def run(progress):
        sample(adapter, clip, picture, start_percent=start, end_percent=end, progress=progress)

    assert steps_that_act(adapter, run) == expected


def test_the_whole_range_and_a_curve_of_ones_change_no_bit(adapter, clip, picture, plain):
    assert torch.equal(sample(adapter, clip, picture, start_percent=0, end_percent=1), plain)
    assert torch.equal(sample(adapter, clip, picture, curve=[1.0] * 9), plain)
    assert not torch.equal(sample(adapter, clip, picture, end_percent=0.5), plain)
    assert torch.equal(sample(adapter, clip, picture), plain)  # nothing stays behind


def test_a_curve_of_zeros_is_the_bare_base(adapter, clip, picture, plain):
    bare = sample(adapter, clip, picture, strength=0)
    assert torch.equal(sample(adapter, clip, picture, curve=[0.0] * 9), bare)
    assert not torch.equal(bare, plain)


@torch.no_grad()
def test_a_latent_frame_has_the_mean_strength_of_its_frames(adapter, golden):
    """In the update itself: in a whole network the attention carries every frame's change to all others."""
    conditions = golden["step.cond"]
    lora, linear, _ = adapter._layers[0]
    tokens = adapter.encode_prompts.max_tokens + 7 * 24
    x = torch.randn(len(conditions), tokens, linear.in_features, generator=torch.manual_seed(0))
    text = adapter.encode_prompts.max_tokens
    curve = [1.0, *[0.0] * 4, *[0.5, 1.5] * 2, *[2.0, 0.0, 0.0, 0.0], *[1.0] * 12]
    means = latent_means(curve, 7)
    assert means.tolist() == [1, 0, 1, 0.5, 1, 1, 1]
    plain = linear(x)
    adapter.set_conditions(conditions)
    full = linear(x) - plain
    adapter.set_conditions(conditions, 1.0, means)
    found = linear(x) - plain
    adapter.set_conditions(None)
    expected = full.clone()
    expected[:, :text] *= means.mean()
    expected[:, text:] *= means.repeat_interleave(24)[None, :, None]
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)


def test_ranges_and_curves_compile_nothing_at_each_step(make_adapter, clip, picture):
    from torch._dynamo.testing import CompileCounter

    adapter, counter = make_adapter(), CompileCounter()
    expected = sample(adapter, clip, picture, end_percent=0.5)
    curved = sample(adapter, clip, picture, curve=[0.5, *[0.25] * 8])
    for block in adapter.base.transformer.transformer_blocks:
        block.compile(backend=counter)
    assert torch.equal(sample(adapter, clip, picture, end_percent=0.5), expected)
    compiled = counter.frame_count
    sample(adapter, clip, picture, steps=20, start_percent=0.2, end_percent=0.8)
    assert counter.frame_count == compiled
    assert torch.equal(sample(adapter, clip, picture, curve=[0.5, *[0.25] * 8]), curved)
    compiled = counter.frame_count
    sample(adapter, clip, picture, curve=[1.0, *[0.3] * 8])
    assert counter.frame_count == compiled


BAD = {
    "turned round": (dict(start_percent=0.6, end_percent=0.4), "from 0.6 to 0.4 of the steps"),
    "no range": (dict(start_percent=0.5, end_percent=0.5), "from 0.5 to 0.5 of the steps"),
    "below": (dict(start_percent=-0.1), "from -0.1 to 1"),
    "above": (dict(end_percent=1.2), "from 0 to 1.2"),
    "nan": (dict(start_percent=float("nan")), "from nan to 1"),
    "curve of nan": (dict(curve=(1.0, float("nan"))), "nan at frame 1 of the curve"),
    "curve too strong": (dict(curve=(2.5,)), "2.5 at frame 0 of the curve"),
}


@pytest.mark.parametrize("name", BAD)
def test_settings_that_cannot_be(name):
    changes, message = BAD[name]
    with pytest.raises(dismo.DisMoError, match=message):
        SamplingSettings(**changes)


def test_a_curve_of_another_length_is_refused(adapter, clip, picture):
    with pytest.raises(dismo.DisMoError, match="The curve has 8 values, the motion 9 frames"):
        sample(adapter, clip, picture, curve=[1.0] * 8)
