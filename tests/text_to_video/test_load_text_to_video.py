"""A base from folders as older and newer libraries write them, and what is refused."""

import json
import logging

import pytest
import torch
from toy_text_to_video import close, toy_scheduler, toy_text_encoder, toy_unet, toy_vae, write_base

from dismo_core import DisMoError
from dismo_core.text_to_video import decode_frames, invert_ddim, load_text_to_video, sample_ddim
from dismo_core.text_to_video import weights as t2v_weights
from dismo_core.text_to_video.pieces import feed_forward_by_frames


@pytest.mark.parametrize("older", [False, True], ids=["today's names", "names of older libraries"])
@pytest.mark.parametrize("pickled", [False, True], ids=["safetensors", "bin"])
def test_a_folder_gives_the_networks_that_were_saved(tmp_path, published, older, pickled):
    base = load_text_to_video(write_base(tmp_path / "base", pickled=pickled, older=older))
    for part, toy in (("unet", toy_unet()), ("vae", toy_vae())):
        expected = toy.state_dict()
        assert all(torch.equal(value, expected[name]) for name, value in getattr(base, part).state_dict().items())
    close(base.text_encoder(published["text.ids"])[0], published["text.out"])
    assert base.scale == 2 and base.size == (16, 16) and base.scheduler.config.steps_offset == 1


@pytest.fixture(scope="module")
def base(toy_base_folder):
    return load_text_to_video(toy_base_folder)


def test_prompts_become_embeddings_once(base, caplog):
    first, second = base.encode_prompts(["a cat", ""])
    assert first.shape == (77, 16) and not torch.equal(first, second)
    with torch.no_grad():
        expected = toy_text_encoder()(base.tokens("a cat")[None])[0][0]
    close(first, expected)
    base.encode_prompts(["x" * 100])
    assert "102 tokens" in caplog.text and "reads 77" in caplog.text
    with pytest.raises(DisMoError, match="half a character"):
        base.encode_prompts(["\ud83d"])


def test_lower_precision_is_near(toy_base_folder, published):
    base = load_text_to_video(toy_base_folder, dtype=torch.bfloat16)
    out = base.unet(
        published["x"].bfloat16(), torch.tensor([981, 120]), encoder_hidden_states=published["ctx"].bfloat16()
    )
    assert 0 < (out.sample.float() - published["unet.out"]).abs().max() < 0.1


def test_fp8_keeps_the_classes_of_linears(toy_base_folder, published):
    base = load_text_to_video(toy_base_folder, precision="fp8")
    assert isinstance(base.unet.transformer_in.transformer_blocks[0].attn1.to_q, torch.nn.Linear)
    assert base.dtype is torch.bfloat16


def test_what_is_not_a_base_is_refused(tmp_path, toy_base_folder, monkeypatch):
    monkeypatch.setenv("DISMO_WEIGHTS", str(tmp_path / "weights"))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
    with pytest.raises(DisMoError, match="no diffusers folder"):
        load_text_to_video(tmp_path)
    with pytest.raises(DisMoError, match=r"zeroscope_v2_576w .*non-commercial.* is not in"):
        load_text_to_video("cerspense/zeroscope_v2_576w")
    with pytest.raises(DisMoError, match="no folder nowhere/at/all"):
        load_text_to_video("nowhere/at/all")
    with pytest.raises(DisMoError, match="no precision 'fp17'"):
        load_text_to_video(toy_base_folder, precision="fp17")
    other = write_base(tmp_path / "other")
    (other / "unet" / "config.json").write_text(json.dumps({"_class_name": "UNet2DConditionModel"}))
    with pytest.raises(DisMoError, match="UNet2DConditionModel, not the UNet3DConditionModel"):
        load_text_to_video(other)
    (other / "vae" / "diffusion_pytorch_model.safetensors").unlink()
    (other / "unet" / "config.json").write_text((toy_base_folder / "unet" / "config.json").read_text())
    with pytest.raises(DisMoError, match=r"lacks diffusion_pytorch_model.safetensors.*not complete"):
        load_text_to_video(other)


def test_tiny_is_found_or_said_to_be_missing(tmp_path, monkeypatch):
    monkeypatch.setattr(t2v_weights, "TINY", tmp_path / "tiny")
    with pytest.raises(DisMoError, match="'tiny' is not bundled"):
        load_text_to_video("tiny")


def test_the_licence_of_a_published_base_is_shown(tmp_path, caplog):
    folder = write_base(tmp_path / "zeroscope_v2_576w")
    with caplog.at_level(logging.WARNING):
        base = load_text_to_video(folder)
    assert "non-commercial" in caplog.text and base.licence and base.size == (576, 320)


@pytest.mark.parametrize(
    ("prediction", "steps", "tolerance"), [("epsilon", 10, 1e-5), ("sample", 10, 1e-5), ("v_prediction", 500, 1e-2)]
)
def test_inversion_and_sampling_undo_each_other_for_a_network_that_is_right(prediction, steps, tolerance):
    """Of latents and noise that do not change along the path; a velocity does change, so its inversion needs short steps."""
    scheduler = toy_scheduler(prediction_type=prediction)
    clean, noise = torch.randn(1, 4, 3, 2, 2), torch.randn(1, 4, 3, 2, 2)

    def unet(x, t, *, encoder_hidden_states, return_dict):
        alpha = scheduler.alphas_cumprod[t].view(-1, 1, 1, 1, 1)
        velocity = alpha.sqrt() * noise - (1 - alpha).sqrt() * clean
        return (
            {"epsilon": noise.expand_as(x), "v_prediction": velocity.expand_as(x), "sample": clean.expand_as(x)}[
                prediction
            ],
        )

    text = torch.zeros(1, 5, 16)
    first = scheduler.alphas_cumprod[0]
    start = first.sqrt() * clean + (1 - first).sqrt() * noise
    inverted = invert_ddim(unet, scheduler, start, text, steps=steps)
    last = scheduler.alphas_cumprod[901 if steps == 10 else 999]
    close(inverted, last.sqrt() * clean + (1 - last).sqrt() * noise, tolerance)
    close(sample_ddim(unet, scheduler, inverted, text, steps=steps, guidance=1), start, 10 * tolerance)


def test_latents_without_noise_are_inverted_by_a_network_that_says_the_clean_ones():
    """Where the path ends at alpha 1 there is no noise to divide by."""
    scheduler = toy_scheduler(prediction_type="sample", set_alpha_to_one=True)
    clean, text = torch.randn(1, 4, 3, 2, 2), torch.zeros(1, 5, 16)

    def unet(x, t, *, encoder_hidden_states, return_dict):
        return (0.9 * clean.expand_as(x),)

    inverted = invert_ddim(unet, scheduler, clean, text, steps=10)
    assert inverted.isfinite().all()
    close(sample_ddim(unet, scheduler, inverted, text, steps=10, guidance=1), 0.9 * clean, 1e-5)


@pytest.mark.parametrize("guidance", [1, 3])
def test_the_halves_of_the_guidance_give_the_same_in_turn(base, guidance):
    latents, text = torch.randn(2, 4, 2, 8, 8), base.encode_prompts(["a fox", ""])
    given = (base.unet, base.scheduler, latents, text[:1], text[1:])
    both, in_turn = (sample_ddim(*given, steps=2, guidance=guidance, in_turn=turn) for turn in (False, True))
    close(in_turn, both, 1e-5)


def test_frame_by_frame_gives_the_same_and_leaves_nothing_behind(base):
    x, text = torch.randn(2, 4, 3, 8, 8), base.encode_prompts(["a fox", "a dog"])
    with torch.no_grad():
        whole = base.unet(x, 300, text).sample
        seen = []
        forward = base.unet.transformer_in.transformer_blocks[0].ff
        hook = forward.register_forward_pre_hook(lambda _, args: seen.append(args[0].shape[1]))
        with feed_forward_by_frames(base.unet):
            close(base.unet(x, 300, text).sample, whole, 1e-5)
        assert seen == [1, 1, 1]
        assert torch.equal(base.unet(x, 300, text).sample, whole) and seen[3:] == [3]
    hook.remove()


def test_a_plan_reckons_with_the_videos_that_are_asked_for(base):
    needed = {}
    for frames in (16, 32):
        base.plan_for(16, 16, frames, 2)
        needed[frames] = base.plan.parts["unet"].workspace
    assert needed[32] == 2 * needed[16] > base.plan.parts["unet"].work(low_memory=True)
    base.plan.load()
    held = base.plan.bytes_on_device()
    base.plan_for(16, 16, 32, 2)
    assert base.plan.bytes_on_device() == held > 0, "the same size moves nothing"
    base.plan_for(16, 16, 16, 2)
    assert base.plan.bytes_on_device() == 0


def test_what_a_sampling_cannot_do_is_said(base):
    latents, text = torch.zeros(1, 4, 2, 8, 8), torch.zeros(1, 77, 16)
    with pytest.raises(DisMoError, match="guidance of 3 needs"):
        sample_ddim(base.unet, base.scheduler, latents, text, guidance=3)
    with pytest.raises(DisMoError, match="begins at time 1000"):
        sample_ddim(base.unet, base.scheduler, latents, text, steps=1000, guidance=1)
    for steps in (0, 1001):
        with pytest.raises(DisMoError, match="steps must be 1 to 1000"):
            sample_ddim(base.unet, base.scheduler, latents, text, steps=steps, guidance=1)


def test_decoding_one_frame_or_many_is_the_same(base):
    latents = torch.randn(2, 4, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    frames = decode_frames(base.vae, latents)
    assert frames.shape == (2, 3, 16, 16, 3)
    assert torch.equal(frames[1, 2], decode_frames(base.vae, latents[1:, :, 2:])[0, 0])
