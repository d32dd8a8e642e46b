"""Adapters on a UNet: what they change and what they leave alone, and the layers of the published bases."""

import hashlib

import pytest
import torch
from toy_text_to_video import toy_scheduler, toy_unet

from dismo_core import DisMoError
from dismo_core.memory.precision import Float8Linear, store
from dismo_core.motiondirector import DualPathLoRA, draw_step, dual_path_losses, motion_loss, single_frame_bypass
from dismo_core.motiondirector.adapter_file import read_adapter, write_adapter
from dismo_core.text_to_video.base import attention_linears, default_unet

TIMES = torch.tensor([500, 20])
PUBLISHED = {
    "appearance": (96, 8_785_920, "f53a107e8cb0fdaf5be552e235fe6c14dc2c5191e9e548caa1673fac0fe66813"),
    "motion": (170, 12_472_320, "e89d8ff26455c538cafbf76ef064ffa37358a378235dc61df2040bd4a5c6d46a"),
}


@pytest.fixture
def unet():
    return toy_unet()


def run(unet, published, frames=3):
    with torch.no_grad():
        return unet(published["x"][:, :, :frames], TIMES, encoder_hidden_states=published["ctx"]).sample


def trained(unet, **options):
    """Adapters that change something."""
    lora = DualPathLoRA(unet, rank=4, **options)
    with torch.no_grad():
        for p in lora.parameters():
            p.copy_(torch.randn(p.shape, generator=torch.Generator().manual_seed(p.numel())) * 0.2)
    return lora


def test_the_published_bases(tmp_path):
    unet = default_unet()
    assert len(unet.state_dict()) == 1480 and sum(p.numel() for p in unet.parameters()) == 1_411_233_860
    lora = DualPathLoRA(unet)
    for part, (linears, parameters, digest) in PUBLISHED.items():
        names, held = lora.layers(part), lora.parameters_of(part)
        assert (len(names), len(held), sum(p.numel() for p in held)) == (linears, 2 * linears, parameters)
        assert hashlib.sha256("\n".join(names).encode()).hexdigest() == digest
    first = lora.parameters_of("motion")[:2]
    assert [list(p.shape) for p in first] == [[512, 32], [32, 512]]
    lora.load_tensors("motion", [torch.zeros(p.shape) for p in lora.parameters_of("motion")])
    assert [p.shape for p in lora.tensors("motion")] == [p.shape for p in lora.parameters_of("motion")]


def test_new_adapters_and_scales_of_zero_change_nothing(unet, published):
    before = run(unet, published)
    DualPathLoRA(unet, appearances=2).remove()
    lora = DualPathLoRA(unet, appearances=2)
    assert torch.equal(run(unet, published), before)
    lora.remove()
    lora = trained(unet)
    assert not torch.equal(run(unet, published), before)
    lora.set_scales(appearance=0, motion=0)
    assert torch.equal(run(unet, published), before)


def test_removal_leaves_the_unet_as_it_was(unet, published):
    names, before = list(unet.state_dict()), run(unet, published)
    unet.conv_in.weight.requires_grad_(True)
    lora = trained(unet)
    assert not unet.conv_in.weight.requires_grad
    lora.remove()
    assert list(unet.state_dict()) == names and torch.equal(run(unet, published), before)
    assert unet.conv_in.weight.requires_grad and not unet.conv_out.weight.requires_grad
    trained(unet).remove()


def test_two_at_once_are_refused(unet):
    DualPathLoRA(unet)
    with pytest.raises(DisMoError, match="carries low-rank adapters already"):
        DualPathLoRA(unet)


def test_the_start_of_the_matrices(unet):
    torch.manual_seed(0)
    up, down = DualPathLoRA(unet, rank=32).parameters_of("motion")[:2]
    assert not up.any() and 0.9 < float(down.std()) * 32 < 1.1
    unet = toy_unet()
    wide = DualPathLoRA(unet, rank=1000).parameters_of("motion")[:2]
    assert wide[1].shape == (unet.transformer_in.transformer_blocks[0].attn1.to_q.in_features,) * 2  # clipped


def test_dropout_acts_on_the_update_in_training_alone(unet):
    linear = unet.transformer_in.transformer_blocks[0].attn1.to_q
    x = torch.randn(64, linear.in_features)
    plain = linear(x)
    lora = trained(unet, dropout=0.5)
    whole = lora.eval() and linear(x) - plain
    ratio = ((lora.train() and linear(x) - plain) / whole).round(decimals=2)
    assert set(ratio.unique().tolist()) == {0.0, 2.0} and 0.4 < (ratio == 0).float().mean() < 0.6


@pytest.mark.parametrize("case", ["whole", "skipped"])
def test_each_loss_reaches_its_own_adapter(unet, published, case):
    lora = trained(unet, appearances=2)
    draws = draw_step(published["latents"], torch.Generator().manual_seed(0), skip=float(case == "skipped"))
    first, second = dual_path_losses(
        unet, lora, toy_scheduler(), published["latents"], published["ctx"][:1], draws, appearance=1
    )
    second.backward()
    assert all(p.grad is None for k in (0, 1) for p in lora.parameters_of("appearance", k))
    assert any(p.grad.any() for p in lora.parameters_of("motion"))
    if case == "skipped":
        assert first is None and lora.scales == {"appearance": (0.0, 0.0), "motion": (1.0,)}
        return
    motion = [p.grad.clone() for p in lora.parameters_of("motion")]
    first.backward()
    assert all(p.grad is None for p in lora.parameters_of("appearance", 0))
    assert all(p.grad is not None for p in lora.parameters_of("appearance", 1))
    assert all(torch.equal(p.grad, before) for p, before in zip(lora.parameters_of("motion"), motion, strict=True))
    assert lora.scales == {"appearance": (0.0, 1.0), "motion": (1.0,)}


def test_draws_are_a_function_of_the_generator(published):
    latents = published["latents"]
    one, same, other = (draw_step(latents, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2))
    assert torch.equal(one.noise, same.noise) and (one.frame, one.anchor) == (same.frame, same.anchor)
    assert not torch.equal(one.noise, other.noise)
    generator = torch.Generator().manual_seed(0)
    many = [draw_step(latents, generator, offset_strength=0.1) for _ in range(200)]
    assert {draw.frame for draw in many} == {draw.anchor for draw in many} == {0, 1, 2}
    assert 20 < sum(draw.skip_appearance for draw in many) < 60
    assert all(0 <= int(draw.timesteps) < 1000 for draw in many)


def test_the_debiased_loss_by_hand():
    error = torch.tensor([1.0, 3.0]).view(1, 1, 2, 1, 1)
    phi = [2**0.5 * 1 - 3, 2**0.5 * 3 - 3]
    expected = (1 + 9) / 2 + (phi[0] ** 2 + phi[1] ** 2) / 2
    assert float(motion_loss(error, torch.zeros_like(error), 1)) == pytest.approx(expected)
    assert float(motion_loss(error, torch.zeros_like(error), 1, beta=0)) == pytest.approx(2 * (1 + 9) / 2)
    with pytest.raises(DisMoError, match="frame 2 of 2"):
        motion_loss(error, error, 2)


def test_the_bypass_is_gone_after_an_error(unet, published):
    before = run(unet, published, 1)
    with pytest.raises(KeyError), single_frame_bypass(unet):
        raise KeyError
    assert torch.equal(run(unet, published, 1), before)


def test_motion_of_a_single_frame_is_refused(unet, published):
    lora = DualPathLoRA(unet)
    latents = published["latents"][:, :, :1]
    draws = draw_step(latents, torch.Generator().manual_seed(0))
    with pytest.raises(DisMoError, match="single frame"):
        dual_path_losses(unet, lora, toy_scheduler(), latents, published["ctx"][:1], draws)


def test_linears_stored_in_fewer_bits_keep_class_and_place(unet, published):
    store(unet, attention_linears(unet), "fp8")
    before = run(unet, published)
    lora = trained(unet)
    linear = unet.get_submodule(lora.layers("motion")[0])
    assert isinstance(linear, Float8Linear) and not torch.equal(run(unet, published), before)
    with pytest.raises(DisMoError, match="fewer bits"), lora.merged():
        pass
    lora.remove()
    assert torch.equal(run(unet, published), before)


@pytest.mark.parametrize("count", [1, 3])
def test_files_both_ways(unet, tmp_path, count):
    lora = trained(unet, appearances=count)
    lora.save("appearance", tmp_path / "list.pt")
    lora.save("appearance", tmp_path / "named.safetensors", {"base": "toy", "prompt": "a cat"})
    expected = lora.tensors("appearance")
    for path in tmp_path.iterdir():
        file = read_adapter(path, unet)
        assert (file.part, file.count, file.rank) == ("appearance", count, 4)
        assert all(torch.equal(a, b) for a, b in zip(file.tensors, expected, strict=True))
    assert file.metadata.get("base", "toy") == "toy"
    write_adapter(read_adapter(tmp_path / "named.safetensors"), tmp_path / "again.pt")  # needs no base
    again = torch.load(tmp_path / "again.pt", weights_only=True)
    assert all(torch.equal(a, b) for a, b in zip(again, expected, strict=True))
    lora.remove()
    other = DualPathLoRA.from_files(unet, appearance=tmp_path / "named.safetensors")
    assert other.appearances == count and not other.has_motion
    assert all(torch.equal(a, b) for a, b in zip(other.tensors("appearance"), expected, strict=True))


def test_a_list_of_the_published_size_needs_no_base(tmp_path):
    unet = default_unet()
    lora = DualPathLoRA(unet, rank=1, appearances=2)
    for part, count in (("appearance", 2), ("motion", 1)):
        shapes = [p.shape for k in range(count) for p in lora.parameters_of(part, k)]
        shapes = [
            shapes[j * len(shapes) // count + i + h]
            for i in range(0, len(shapes) // count, 2)
            for j in range(count)
            for h in (0, 1)
        ]
        made = [torch.full(shape, float(i % 7)) for i, shape in enumerate(shapes)]
        torch.save([torch.nn.Parameter(tensor) for tensor in made], tmp_path / "300_unet.pt")
        file = read_adapter(tmp_path / "300_unet.pt")
        assert (file.part, file.count, file.layers) == (part, count, lora.layers(part))
        assert read_adapter(tmp_path / "300_unet.pt", unet).part == part


def test_merging_is_the_same_and_is_undone_bit_for_bit(unet, published):
    before = {name: value.clone() for name, value in unet.state_dict().items()}
    lora = trained(unet, appearances=2)
    lora.set_scales(appearance=[0.3, -1], motion=0.7)
    beside = run(unet, published)
    with pytest.raises(KeyError), lora.merged():
        weight = unet.get_submodule(lora.layers("motion")[0]).weight
        assert not torch.equal(weight, before[f"{lora.layers('motion')[0]}.weight"])
        torch.testing.assert_close(run(unet, published), beside, atol=1e-4, rtol=0)
        raise KeyError
    assert torch.equal(run(unet, published), beside) and lora.scales["motion"] == (0.7,)
    lora.remove()
    assert all(torch.equal(value, before[name]) for name, value in unet.state_dict().items())


NUMBERS = {
    "rank must be 1 to": dict(rank=0),
    "at least one appearance adapter": dict(appearances=0, motion=False),
    "dropout is a share": dict(dropout=1.0),
}


@pytest.mark.parametrize(("message", "options"), NUMBERS.items())
def test_numbers_that_cannot_be(unet, message, options):
    with pytest.raises(DisMoError, match=message):
        DualPathLoRA(unet, **options)
    DualPathLoRA(unet)  # nothing was left


def test_scales_that_cannot_be(unet):
    lora = DualPathLoRA(unet, appearances=2, motion=False)
    for message, options in {
        "1 appearance scales for 2": dict(appearance=[1]),
        "finite": dict(appearance=float("nan")),
        "no motion adapter": dict(motion=1),
    }.items():
        with pytest.raises(DisMoError, match=message):
            lora.set_scales(**options)
    with pytest.raises(DisMoError, match="no Transformer2DModel"):
        DualPathLoRA(torch.nn.Linear(2, 2))


def test_convolutions_over_frames_can_be_changed_too(unet, published, tmp_path):
    before = run(unet, published)
    lora = trained(unet, convolutions=True).eval()
    published_names = lora.layers("motion")[: len(DualPathLoRA(toy_unet()).layers("motion"))]
    ours = lora.layers("motion")[len(published_names) :]
    assert published_names == DualPathLoRA(toy_unet()).layers("motion")
    convolutions = [name for name, module in unet.named_modules() if isinstance(module, torch.nn.Conv3d)]
    assert ours == convolutions and len(ours) >= 4
    with_it = run(unet, published)
    assert not torch.equal(with_it, before)
    with lora.merged():
        torch.testing.assert_close(run(unet, published), with_it, atol=1e-4, rtol=1e-4)
    assert torch.equal(run(unet, published), with_it)
    path = tmp_path / "motion.safetensors"
    lora.save("motion", path)
    with pytest.raises(DisMoError, match="Write it as .safetensors"):
        lora.save("motion", tmp_path / "motion.pt")
    lora.remove()
    again = DualPathLoRA.from_files(unet, motion=path)
    assert again.layers("motion") == [*published_names, *ours]
    again.remove()
    small = trained(toy_unet())
    with pytest.raises(DisMoError, match="this base"):
        small.load_tensors("motion", read_adapter(path).tensors)
