"""Where the parts lie: all settings give the same numbers, nothing is left on the device, weights stay what they were.

The CPU is host and device at once; where there is a GPU, the tests run there too, with real moves and streams.
"""

import gc
import logging

import pytest
import torch
from torch import nn

import dismo_core as dismo
from dismo_core.cogvideox.base import CogVideoXBase
from dismo_core.cogvideox.geometry import COGVIDEOX_5B_I2V
from dismo_core.cogvideox.parts import cogvideox_parts
from dismo_core.cogvideox.sampling import rotary_positions
from dismo_core.memory import plan as memory_module
from dismo_core.memory.plan import MEMORY, MemoryPlan, Part

DEVICES = [
    "cpu",
    pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")),
]
SETTINGS = [setting for setting in MEMORY if setting != "auto"]
GB = 10**9


def run(plan, golden, base):
    """One pass through every part, the transformer twice as in sampling."""
    outputs, device = [], plan.device
    golden = {key: value.to(device) for key, value in golden.items() if key.startswith("step.")}
    latents = torch.linspace(-1, 1, 4 * 3 * 8 * 12, device=device).reshape(1, 4, 3, 8, 12)
    with torch.no_grad():
        with plan.using("text_encoder") as text_encoder:
            outputs.append(text_encoder(torch.tensor([[3, 29, 20, 7, 1]], device=device))[0])
        with plan.using("transformer") as transformer:
            for _ in range(2):
                outputs.append(
                    transformer(
                        hidden_states=golden["step.h"],
                        encoder_hidden_states=golden["step.enc"],
                        timestep=golden["step.t"],
                        image_rotary_emb=rotary_positions(base.transformer, golden["step.h"].shape[1], device),
                        return_dict=False,
                    )[0]
                )
        with plan.using("vae") as vae:
            outputs.append(vae.decode(latents).sample)
    return [output.cpu() for output in outputs]


@pytest.fixture
def adapter(make_adapter, golden):
    adapter = make_adapter()
    adapter.set_conditions(golden["step.cond"])
    return adapter


def plan_for(base, memory, device="cpu", **options):
    return MemoryPlan(cogvideox_parts(base, frames=25), device, memory, **options)


def follow(adapter, device):
    """Tables of the conditions lie where the transformer runs."""
    for lora in adapter.motion_loras:
        lora.gain, lora.shift = lora.gain.to(device), lora.shift.to(device)


def identity(base, memory):
    """What a plan must leave as it was; disk may move weights to files."""
    parameters = [p for part in (base.transformer, base.vae, base.text_encoder) for p in part.parameters()]
    return [(id(p), p.requires_grad, p.data_ptr() if memory != "disk" else None) for p in parameters]


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("memory", [*SETTINGS, "auto"])
def test_every_setting_gives_the_golden_and_the_same_bits(memory, device, adapter, golden):
    base = adapter.base
    follow(adapter, device)
    expected = run(plan_for(base, "model offload", device), golden, base)
    torch.testing.assert_close(expected[1], golden["step.out"], atol=2e-4, rtol=0)
    before = identity(base, memory)

    plan = plan_for(base, memory, device)
    plan.load()
    for _ in range(2):  # the second time over hooks that are there already
        for found, wanted in zip(run(plan, golden, base), expected, strict=True):
            assert torch.equal(found, wanted)
    plan.release()

    assert plan.bytes_on_device() == 0
    assert identity(base, memory) == before
    assert all(torch.equal(a, b) for a, b in zip(run(plan, golden, base), expected, strict=True))


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("memory", SETTINGS)
def test_after_an_interrupt_nothing_is_left_and_the_plan_works_again(memory, device, adapter, golden):
    base = adapter.base
    follow(adapter, device)
    expected = run(plan_for(base, "model offload", device), golden, base)
    before = identity(base, memory)
    plan = plan_for(base, memory, device)

    class Interrupt(BaseException):
        pass

    def interrupt(*_):
        raise Interrupt

    hook = base.transformer.transformer_blocks[1].attn1.register_forward_pre_hook(interrupt)
    with pytest.raises(Interrupt):
        run(plan, golden, base)
    hook.remove()

    assert plan.bytes_on_device() == 0
    assert identity(base, memory) == before
    assert all(torch.equal(a, b) for a, b in zip(run(plan, golden, base), expected, strict=True))


@pytest.mark.parametrize("memory", SETTINGS)
def test_a_model_used_in_inference_mode_trains_afterwards(memory, adapter, golden):
    plan = plan_for(adapter.base, memory)
    with torch.inference_mode():
        run(plan, golden, adapter.base)
    plan.release()
    assert not any(p.is_inference() for p in adapter.base.transformer.parameters())
    x = torch.zeros(1, 25, 64, 96, 3)
    before = adapter.base.transformer.transformer_blocks[0].attn1.to_q.motion.lora_A.weight.clone()
    trained = [p for name, p in adapter.named_parameters() if "lora_A" in name]
    for p in trained:
        p.requires_grad_(True)
    optimizer = torch.optim.SGD(trained, lr=1.0)
    adapter.training_loss(x, ["a fox"]).mean().backward()
    optimizer.step()
    assert not torch.equal(before, adapter.base.transformer.transformer_blocks[0].attn1.to_q.motion.lora_A.weight)


@pytest.mark.parametrize("device", DEVICES)
def test_what_lies_on_the_device_is_counted(device):
    one, two = nn.Linear(4, 4, bias=False), nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    parts, of_two = {"one": Part(one), "two": Part(two)}, 4 * (6 + 2 * 4) + 8
    plan = MemoryPlan(parts, device, "model offload")
    plan.load()
    assert plan.bytes_on_device() == 0
    with plan.using("one"):
        assert plan.bytes_on_device() == 64
    with plan.using("two"):
        assert plan.bytes_on_device() == of_two
    assert plan.bytes_on_device() == 0
    plan = MemoryPlan(parts, device, "full")
    plan.load()
    with plan.using("one"):
        pass
    assert plan.bytes_on_device() == 64 + of_two
    plan.release()
    assert plan.bytes_on_device() == 0 and one.weight.device.type == "cpu"


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("memory", ["full", "model offload"])
def test_weights_trained_on_the_device_are_kept(memory, device):
    layer = nn.Linear(4, 4)
    plan = MemoryPlan({"layer": Part(layer)}, device, memory)
    with plan.using("layer") as module:
        optimizer = torch.optim.SGD(module.parameters(), lr=1.0)
        module(torch.ones(1, 4, device=device)).sum().backward()
        optimizer.step()
        trained = module.weight.detach().clone().cpu()
    plan.release()
    assert torch.equal(layer.weight, trained)


def test_disk_moves_weights_that_lie_in_no_file_to_files_and_removes_them(make_base, golden, tmp_path):
    base = make_base()
    base.text_encoder.double().float()  # converted: in memory alone
    size = sum(p.nbytes for p in base.text_encoder.parameters())
    size += base.transformer.patch_embed.pos_embedding.nbytes  # float64 in the toy's file
    expected = run(plan_for(base, "full"), golden, base)
    plan = plan_for(base, "disk", folder=tmp_path)
    assert all(torch.equal(a, b) for a, b in zip(run(plan, golden, base), expected, strict=True))
    written = [file.stat().st_size for file in tmp_path.rglob("*.safetensors")]
    assert size <= sum(written) <= size + 200 * len(written)
    plan.release()
    again = plan_for(base, "disk", folder=tmp_path)
    run(again, golden, base)
    assert len(list(tmp_path.iterdir())) == 1, "what lies in files already is not written twice"
    del plan, again
    gc.collect()
    assert not list(tmp_path.iterdir())
    assert all(torch.equal(a, b) for a, b in zip(run(plan_for(base, "full"), golden, base), expected, strict=True))


# What auto picks. There is no limit on the CPU, so the amounts of free memory are given.


@pytest.fixture(scope="module")
def large_parts():
    from diffusers import AutoencoderKLCogVideoX, CogVideoXTransformer3DModel
    from transformers import T5Config, T5EncoderModel

    geometry = COGVIDEOX_5B_I2V
    with torch.device("meta"):
        transformer = CogVideoXTransformer3DModel.from_config(dict(geometry.transformer)).bfloat16()
        vae = AutoencoderKLCogVideoX.from_config(dict(geometry.vae)).bfloat16()
        text_encoder = T5EncoderModel(T5Config(**geometry.text_encoder)).bfloat16()
    base = CogVideoXBase(transformer, vae, None, text_encoder, dict(geometry.scheduler), "5B")
    return cogvideox_parts(base, frames=25)


@pytest.mark.parametrize(
    ("free", "host", "picked", "low_memory"),
    [
        (80, 64, "full", set()),
        (44, 64, "full", set()),
        (30, 64, "full", {"vae"}),
        (22, 64, "model offload", set()),
        (16, 64, "model offload", {"vae"}),
        (14, 64, "model offload", {"transformer", "vae"}),
        (12, 64, "group offload", {"vae"}),
        (6, 64, "group offload", {"vae"}),
        (6, 10, "disk", {"vae"}),
    ],
)
def test_auto_picks_the_fastest_that_fits(large_parts, monkeypatch, caplog, free, host, picked, low_memory):
    monkeypatch.setattr(memory_module, "free_bytes", lambda device: free * GB)
    monkeypatch.setattr(memory_module, "free_host_bytes", lambda: host * GB)
    with caplog.at_level(logging.INFO):
        choice = MemoryPlan(large_parts, "meta", "auto").choice
    assert (choice.memory, set(choice.low_memory)) == (picked, low_memory)
    assert choice.bytes_needed <= free * GB
    assert picked in caplog.text and "GB" in caplog.text


@pytest.mark.parametrize("low_memory", [None, True])
def test_work_that_cannot_be_made_smaller_counts_where_memory_is_short(monkeypatch, low_memory):
    monkeypatch.setattr(memory_module, "free_bytes", lambda device: 1 * GB)
    parts = {"one": Part(nn.Linear(4, 4, bias=False), workspace=2 * GB)}
    choice = MemoryPlan(parts, "meta", "auto", low_memory).choice
    assert choice.bytes_needed == 2 * GB + 64 and not choice.low_memory
    parts["two"] = Part(nn.Linear(4, 4, bias=False), workspace=3 * GB, low_memory_workspace=GB // 2)
    choice = MemoryPlan(parts, "meta", "model offload", low_memory).choice
    assert choice.bytes_needed == 2 * GB + 64 and choice.low_memory == {"two"}


def test_too_little_memory_is_said(large_parts, monkeypatch, caplog):
    monkeypatch.setattr(memory_module, "free_bytes", lambda device: 1 * GB)
    choice = MemoryPlan(large_parts, "meta", "auto").choice
    assert choice.memory == "sequential" and "may not fit" in caplog.text


def test_auto_decides_again_after_release(large_parts, monkeypatch):
    plan = MemoryPlan(large_parts, "meta", "auto")
    monkeypatch.setattr(memory_module, "free_host_bytes", lambda: 64 * GB)
    monkeypatch.setattr(memory_module, "free_bytes", lambda device: 80 * GB)
    assert plan.choice.memory == "full"
    monkeypatch.setattr(memory_module, "free_bytes", lambda device: 9 * GB)
    assert plan.choice.memory == "full"
    plan.release()
    assert plan.choice.memory == "group offload"


def test_unknown_settings_are_refused_with_the_valid_ones():
    with pytest.raises(dismo.DisMoError, match="'low'.*auto, full, model offload, group offload, sequential, disk"):
        MemoryPlan({}, "cpu", "low")
