"""The adapter against the goldens of the published implementation: conditions, one step of the transformer, whole videos."""

import pytest
import torch
from diffusers import CogVideoXTransformer3DModel
from safetensors.torch import save_file

import dismo_core as dismo
from dismo_core.cogvideox.base import CogVideoXBase
from dismo_core.cogvideox.sampling import rotary_positions
from dismo_core.dismo.adapter.adapter_parts import adapter_parts
from dismo_core.dismo.adapter.module import without_memory
from dismo_core.dismo.models.extractor import fingerprint
from dismo_core.memory.plan import MemoryPlan

PROMPT = "a red fox turns."


def assert_same_video(found, expected):
    assert found.dtype == torch.uint8 and found.shape == expected.shape
    off = (found.int() - expected.int()).abs().flatten().float()
    assert off.kthvalue(int(0.999 * off.numel())).values <= 2


@torch.no_grad()
def test_golden_conditions(shared_adapter, clip, golden):
    torch.testing.assert_close(shared_adapter.encode_motion(motion_videos=clip), golden["cond"], atol=2e-4, rtol=0)


def transformer_step(adapter, golden, dtype=torch.float32):
    """The goldens' call of the transformer."""
    adapter.set_conditions(golden["step.cond"].to(dtype))
    transformer = adapter.base.transformer
    out = transformer(
        hidden_states=golden["step.h"].to(dtype),
        encoder_hidden_states=golden["step.enc"].to(dtype),
        timestep=golden["step.t"],
        image_rotary_emb=rotary_positions(transformer, 7, torch.device("cpu")),
        return_dict=False,
    )[0]
    adapter.set_conditions(None)
    return out


@torch.no_grad()
def test_golden_step(shared_adapter, golden):
    torch.testing.assert_close(transformer_step(shared_adapter, golden), golden["step.out"], atol=2e-4, rtol=0)


def test_golden_video_with_guidance(shared_adapter, clip, picture, golden):
    video = shared_adapter.sample(
        motion_videos=clip,
        images=picture,
        prompts=[PROMPT],
        n_steps=4,
        text_guidance_scale=4.5,
        generator=torch.Generator().manual_seed(91),
    )
    assert_same_video(video, golden["video_cfg"])


def test_golden_video_without_guidance(shared_adapter, clip, picture, golden):
    video = shared_adapter.sample(
        motion_videos=clip,
        images=picture,
        prompts=[PROMPT],
        n_steps=3,
        text_guidance_scale=1,
        generator=torch.Generator().manual_seed(91),
    )
    assert_same_video(video, golden["video_nocfg"])


def test_golden_training_loss(shared_adapter, clip, golden):
    torch.manual_seed(3)
    loss = shared_adapter.training_loss(clip, [PROMPT])
    shared_adapter.set_conditions(None)
    torch.testing.assert_close(loss.double(), golden["train_loss_seed3"], atol=2e-4, rtol=0)


def short(adapter, clip, picture, **changes):
    """A short video, cheap."""
    arguments = dict(motion_videos=clip[:, :9], images=picture, prompts=[PROMPT], num_frames=9, n_steps=2)
    return adapter.sample(**arguments | dict(generator=torch.Generator().manual_seed(5)) | changes)


def test_the_large_geometry_is_that_of_the_released_file():
    with torch.device("meta"):
        config = dict(num_attention_heads=48, num_layers=42, in_channels=32, use_rotary_positional_embeddings=True)
        transformer = CogVideoXTransformer3DModel(**config, use_learned_positional_embeddings=True)
    adapter = dismo.CogVideoXMotionAdapter.large(CogVideoXBase(transformer, None, None, None, {}, "large"))
    state = adapter.state_dict()
    assert all(v.is_meta for v in state.values())
    assert len(state) == 1516
    assert sum(v.numel() for v in state.values()) == 970_668_864
    layers = {k: v for k, v in state.items() if k.startswith("transformer.")}
    assert (len(layers), sum(v.numel() for v in layers.values())) == (1008, 363_331_584)
    extractor = {k: v for k, v in state.items() if k.startswith("motion_extractor.")}
    assert (len(extractor), sum(v.numel() for v in extractor.values())) == (497, 594_349_888)
    assert {v.dtype for v in layers.values()} == {torch.bfloat16}
    assert {v.dtype for k, v in state.items() if k not in layers} == {torch.float32}
    last = "transformer.transformer_blocks.41.ff.net"
    shapes = {
        "init_gru_state": [1024], "final_latent_cond_padding": [1, 1, 1024],
        "gru.weight_ih": [3072, 128], "gru.weight_hh": [3072, 1024], "gru.bias_ih": [3072], "gru.bias_hh": [3072],
        "mapping.in_norm.scale": [1024], "mapping.out_norm.scale": [1024], "mapping.blocks.0.norm.scale": [1024],
        "mapping.blocks.0.up_proj.weight": [6144, 1024], "mapping.blocks.0.down_proj.weight": [1024, 3072],
        f"{last}.0.proj.lora_A.default.weight": [128, 3072], f"{last}.0.proj.lora_B.default.weight": [12288, 128],
        f"{last}.2.lora_A.default.weight": [128, 12288], f"{last}.2.lora_B.default.weight": [3072, 128],
        "transformer.transformer_blocks.0.attn1.to_out.0.lora_emb_gamma.default.weight": [128, 1024],
        "transformer.transformer_blocks.0.attn1.to_q.lora_emb_beta.default.weight": [128, 1024],
    }  # fmt: skip
    assert {name: list(state[name].shape) for name in shapes} == shapes


def test_plain_loading_and_saving_hold_the_adapter_alone(make_adapter, adapter_weights, tmp_path, golden, clip):
    file = tmp_path / "adapter.pt"
    torch.save(adapter_weights, file)
    adapter = make_adapter(weights=None)
    adapter.load_state_dict(torch.load(file, weights_only=True), strict=True)
    state = adapter.state_dict()
    assert state.keys() == adapter_weights.keys()
    assert all(torch.equal(state[name], value) for name, value in adapter_weights.items())
    with torch.no_grad():
        torch.testing.assert_close(adapter.encode_motion(motion_videos=clip), golden["cond"], atol=2e-4, rtol=0)


def test_plain_loading_into_an_adapter_without_memory(adapter_weights, make_base, clip, golden, make_extractor):
    extractor = without_memory(make_extractor)
    adapter = dismo.CogVideoXMotionAdapter.empty(make_base(), extractor, torch.float32, d_cond=16)
    assert adapter.init_gru_state.is_meta
    adapter.load_state_dict(adapter_weights)
    assert not any(p.is_meta for p in [*adapter.parameters(), *adapter.buffers()])
    with torch.no_grad():
        torch.testing.assert_close(adapter.encode_motion(motion_videos=clip), golden["cond"], atol=2e-4, rtol=0)


class TestFiles:
    """Forms in which an adapter lies on disk."""

    @staticmethod
    def parts(weights):
        extractor = {k: v for k, v in weights.items() if k.startswith("motion_extractor.")}
        return {k: v for k, v in weights.items() if k not in extractor}, extractor

    @pytest.fixture(params=["pt", "safetensors", "folder of parts"])
    def file(self, request, adapter_weights, tmp_path):
        if request.param == "pt":
            torch.save(adapter_weights, tmp_path / "adapter.pt")
            return tmp_path / "adapter.pt"
        if request.param == "safetensors":
            save_file(adapter_weights, tmp_path / "adapter.safetensors")
            return tmp_path / "adapter.safetensors"
        for i, part in enumerate(self.parts(adapter_weights)):
            save_file(part, tmp_path / f"{i}.safetensors")
        return tmp_path

    def test_all_forms_load(self, file, make_base, adapter_weights, make_extractor):
        adapter = dismo.load_cogvideox_adapter(
            file, base=make_base(), motion_extractor=make_extractor(), dtype=torch.float32
        )
        state = adapter.state_dict()
        assert state.keys() == adapter_weights.keys()
        assert all(torch.equal(state[name], value) for name, value in adapter_weights.items())
        id_parts = {k.removeprefix("motion_extractor."): v for k, v in adapter_weights.items()}
        assert adapter.extractor_id == fingerprint(id_parts)

    def test_without_an_extractor_the_given_one_stays(self, make_adapter, adapter_weights, make_extractor):
        extractor = make_extractor()
        adapter = make_adapter(weights=self.parts(adapter_weights)[0], extractor=extractor)
        assert adapter.motion_extractor is extractor

    def test_without_any_extractor_it_is_refused(self, adapter_weights, make_base, tmp_path):
        save_file(self.parts(adapter_weights)[0], tmp_path / "adapter.safetensors")
        base = make_base()
        for _ in range(2):  # after the first attempt the base is bare again
            with pytest.raises(dismo.DisMoError, match="holds no motion extractor"):
                dismo.load_cogvideox_adapter(tmp_path / "adapter.safetensors", base=base)

    def test_a_different_standalone_extractor_is_said_and_left_alone(self, make_adapter, caplog, make_extractor):
        extractor = make_extractor()
        before = extractor.extractor_id
        adapter = make_adapter(extractor=extractor)
        assert f"({adapter.extractor_id}) differs from the one given ({before}) in 56 of 56" in caplog.text
        assert extractor.extractor_id == before

    def test_an_equal_standalone_extractor_is_shared(self, make_adapter, adapter_weights, caplog, make_extractor):
        extractor = make_extractor()
        prefix = "motion_extractor."
        extractor.load_state_dict({k.removeprefix(prefix): v for k, v in self.parts(adapter_weights)[1].items()})
        assert make_adapter(extractor=extractor).motion_extractor is extractor
        assert not caplog.text

    def test_an_adapter_of_the_bundled_extractor_needs_no_more_than_its_file(self, make_base, tmp_path, extractor):
        made = dismo.CogVideoXMotionAdapter(make_base(), extractor, d_cond=24, rank=4, alpha=2, dtype=torch.float32)
        save_file(made.state_dict(), tmp_path / "adapter.safetensors")
        adapter = dismo.load_cogvideox_adapter(tmp_path / "adapter.safetensors", base=make_base(), dtype=torch.float32)
        assert adapter.extractor_id == extractor.extractor_id
        assert adapter.motion_loras[0].scale == 0.5


def test_a_motion_of_the_extractor_gives_the_same_video_as_the_clip(shared_adapter, golden, clip, picture):
    frames = golden["motion_uint8"][0].repeat_interleave(8, dim=1).repeat_interleave(8, dim=2)
    motion = dismo.extract_motion(shared_adapter.motion_extractor, frames, frames=9)
    by_clip = short(shared_adapter, clip, picture)
    assert torch.equal(short(shared_adapter, clip, picture, motion_videos=None, motions=[motion]), by_clip)
    embeddings = motion.embeddings[None]
    assert torch.equal(short(shared_adapter, clip, picture, motion_videos=None, motions=embeddings), by_clip)


def test_strength_zero_is_the_bare_base(shared_adapter, make_base, clip, picture, monkeypatch):
    off = short(shared_adapter, clip, picture, strength=0)
    assert not torch.equal(off, short(shared_adapter, clip, picture))
    monkeypatch.setattr(shared_adapter, "set_conditions", lambda *_: None)
    assert torch.equal(off, short(shared_adapter, clip, picture))


def test_the_fused_path_differs_by_rounding_only(make_adapter, clip, picture):
    adapter = make_adapter()
    exact = short(adapter, clip, picture)
    adapter.set_exact(False)
    assert (short(adapter, clip, picture).int() - exact.int()).abs().max() <= 1


@torch.no_grad()
@pytest.mark.parametrize("exact", [True, False])
def test_bfloat16_stays_near_the_golden(make_adapter, golden, exact):
    adapter = make_adapter(dtype=torch.bfloat16)
    assert adapter.encode_motion(motions=torch.zeros(1, 21, 8)).dtype == torch.bfloat16
    adapter.set_exact(exact)
    out = transformer_step(adapter, golden, torch.bfloat16).float()
    assert (out - golden["step.out"]).norm() / golden["step.out"].norm() < 0.01  # without the adapter it is 0.037


def test_under_a_memory_plan_the_video_is_the_same(make_adapter, clip, picture):
    adapter = make_adapter()
    expected = short(adapter, clip, picture)
    parts = adapter_parts(adapter.base, 9, motion_extractor=adapter.motion_extractor)
    for memory in ("model offload", "group offload"):
        adapter.plan = MemoryPlan(parts, "cpu", memory)
        assert torch.equal(short(adapter, clip, picture), expected)
        adapter.plan.release()


def test_loaded_in_inference_mode_it_samples_and_then_learns(
    adapter_weights, tmp_path, base_folder, clip, picture, make_extractor
):
    save_file(adapter_weights, tmp_path / "adapter.safetensors")
    with torch.inference_mode():  # as ComfyUI runs its nodes
        adapter = dismo.load_cogvideox_adapter(
            tmp_path / "adapter.safetensors", base=base_folder, motion_extractor=make_extractor(), dtype=torch.float32
        )
        short(adapter, clip, picture)
    trained = [p for p in adapter.parameters() if p.requires_grad]
    assert len(trained) == len(adapter_weights) - len(adapter.motion_extractor.state_dict())
    before = [p.detach().clone() for p in trained]
    optimizer = torch.optim.SGD(trained, lr=1)
    adapter.training_loss(clip[:, :9], [PROMPT]).mean().backward()
    optimizer.step()
    assert all(not torch.equal(p, old) for p, old in zip(trained, before, strict=True))
    assert all(p.grad is None for p in adapter.base.transformer.parameters() if not p.requires_grad)


def test_gradient_checkpointing_changes_no_gradient(make_adapter, clip):
    adapter = make_adapter()

    def gradients():
        torch.manual_seed(0)
        adapter.zero_grad()
        adapter.training_loss(clip[:, :9]).mean().backward()
        return [p.grad.clone() for p in adapter.parameters() if p.requires_grad]

    plain = gradients()
    adapter.base.transformer.enable_gradient_checkpointing()
    torch.testing.assert_close(gradients(), plain)


def test_detached_the_base_is_bare_and_can_take_another_adapter(make_adapter, make_base):
    base = make_base()
    names = [name for name, _ in base.transformer.named_modules()]
    adapter = make_adapter(base=base)
    with pytest.raises(dismo.DisMoError, match="already"):
        make_adapter(base=base)
    adapter.detach()
    assert [name for name, _ in base.transformer.named_modules()] == names
    assert not any(m._forward_hooks for m in base.transformer.modules())
    make_adapter(base=base)


def test_moving_the_adapter_moves_its_base(make_adapter):
    adapter = make_adapter().to(torch.float64)
    assert {
        p.dtype for p in [*adapter.parameters(), *adapter.base.transformer.parameters(), *adapter.base.vae.parameters()]
    } == {torch.float64}


def test_the_extractor_id_is_that_of_the_weights(make_adapter, make_extractor, adapter_weights):
    extractor = make_extractor()
    extractor.pin_id()  # as the loader of a standalone extractor does
    own = extractor.extractor_id
    without = {k: v for k, v in adapter_weights.items() if not k.startswith("motion_extractor.")}
    adapter = make_adapter(weights=without, extractor=extractor.half())
    assert adapter.extractor_id == own  # a later cast changes nothing
    plainly = make_adapter(weights=None)
    plainly.motion_extractor.pin_id()
    plainly.load_state_dict(adapter_weights)
    assert plainly.extractor_id == make_adapter().extractor_id
