"""The adapter against the goldens of the published implementation: conditions, one step of the transformer, whole videos."""

import torch

from dismo_core.cogvideox.sampling import rotary_positions

PROMPT = "a red fox turns."


def assert_same_video(found, expected):
    assert found.dtype == torch.uint8 and found.shape == expected.shape
    off = (found.int() - expected.int()).abs().flatten().float()
    assert off.kthvalue(int(0.999 * off.numel())).values <= 2


@torch.no_grad()
def test_golden_conditions(shared_adapter, clip, golden):
    torch.testing.assert_close(shared_adapter.encode_motion(motion_videos=clip), golden["cond"], atol=2e-4, rtol=0)


@torch.no_grad()
def test_golden_step(shared_adapter, golden):
    shared_adapter.set_conditions(golden["step.cond"])
    transformer = shared_adapter.base.transformer
    out = transformer(
        hidden_states=golden["step.h"],
        encoder_hidden_states=golden["step.enc"],
        timestep=golden["step.t"],
        image_rotary_emb=rotary_positions(transformer, 7, torch.device("cpu")),
        return_dict=False,
    )[0]
    shared_adapter.set_conditions(None)
    torch.testing.assert_close(out, golden["step.out"], atol=2e-4, rtol=0)


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
