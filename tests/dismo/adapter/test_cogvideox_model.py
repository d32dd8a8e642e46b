"""The adapter as a video model: long videos, seeds, prompts, progress, cancel, memory, colors."""

import logging

import pytest
import torch

import dismo_core as dismo
from benchmarks.random_cogvideox import random_adapter
from dismo_core.cogvideox.geometry import LATENT_COLORS
from dismo_core.cogvideox.parts import cogvideox_parts
from dismo_core.diffusion.color_drift import Colors, match_colors
from dismo_core.diffusion.previews import latent_preview
from dismo_core.dismo.adapter.cogvideox_model import CogVideoXModel
from dismo_core.memory.plan import MemoryPlan
from dismo_core.video.picture import fit_image

LONG = 52  # frames: segments that begin at 0, 20 and 27


@pytest.fixture(scope="module")
def adapter(make_adapter):
    return make_adapter()


@pytest.fixture(scope="module")
def image(picture):
    return (picture[0] + 1) / 2


def motion_of(adapter, frames):
    rows = torch.sin(torch.arange((frames - 4) * 8.0)).view(frames - 4, 8)
    return dismo.Motion(rows, 8.0, "drawn", adapter.extractor_id)


def transfer(adapter, image, frames=9, runtime=None, options=None, **changes):
    arguments = dict(prompt="a red fox turns.", steps=1, seed=3, runtime=runtime or dismo.Runtime.cpu())
    model = CogVideoXModel(adapter, **options or {})
    return model.transfer(motion_of(adapter, frames), image, **arguments | changes)


@pytest.fixture(scope="module")
def long(adapter, image):
    """A long video, the embeddings that its segments got, and the pictures that they began with."""
    embeddings, pictures = [], []
    hooks = [
        adapter.register_forward_pre_hook(lambda _, args: embeddings.append(args[0][0].clone())),
        adapter.base.vae.encoder.register_forward_pre_hook(lambda _, args: pictures.append(args[0][0, :, 0].clone())),
    ]
    video = transfer(adapter, image, LONG)
    for hook in hooks:
        hook.remove()
    return video, embeddings, [(p.movedim(0, -1) + 1) / 2 for p in pictures]


def test_one_go_is_the_adapters_own_sample(adapter, image):
    expected = adapter.sample(
        motions=[motion_of(adapter, 25)],
        images=[image * 2 - 1],
        prompts=["a red fox turns."],
        n_steps=2,
        generator=torch.Generator().manual_seed(3),
    )
    found = transfer(adapter, image, 25, steps=2)
    assert found.dtype == torch.uint8 and torch.equal(found, expected[0])


def test_a_picture_of_another_size_is_fitted_as_published(adapter):
    large = torch.rand(150, 210, 3, generator=torch.Generator().manual_seed(0))
    defaults = CogVideoXModel(adapter).defaults
    fitted = fit_image(large, defaults.size, "crop", defaults.antialias)
    arguments = dict(prompts=["a red fox turns."], num_frames=9, n_steps=1)
    expected = adapter.sample(
        motions=[motion_of(adapter, 9)],
        images=[large * 2 - 1],
        generator=torch.Generator().manual_seed(3),
        **arguments,
    )
    assert (transfer(adapter, fitted).int() - expected[0].int()).abs().max() <= 1
    smoothed = fit_image(large, defaults.size, "crop")
    assert (fitted - smoothed).abs().mean() > 0.05


class TestLongVideos:
    def test_segments_follow_one_continuous_motion(self, adapter, long):
        rows = motion_of(adapter, LONG).embeddings
        video, embeddings, _ = long
        assert video.shape == (LONG, 64, 96, 3)
        for found, start in zip(embeddings, (0, 20, 27), strict=True):
            assert torch.equal(found, rows[start : start + 21])

    def test_segments_begin_with_the_frame_of_their_place_before_it_was_rounded(self, image, long):
        video, _, pictures = long
        torch.testing.assert_close(pictures[0], image, atol=1e-6, rtol=0)
        for picture, frame in zip(pictures[1:], (video[20], video[27]), strict=True):
            torch.testing.assert_close(picture, frame / 255, atol=0.5 / 255 + 1e-6, rtol=0)
            assert (picture * 255 - frame).abs().max() > 0.25

    def test_a_prompt_for_each_segment(self, adapter, image, long):
        """Segments begin at 0, 20 and 27; with seconds, what counts is the middle of what a segment adds: 1.3, 3 and 5 s."""
        travelling = transfer(adapter, image, LONG, prompt="a red fox turns. | a blue fox sleeps. | a fox in snow.")
        assert torch.equal(travelling[:21], long[0][:21])
        assert not torch.equal(travelling[22:], long[0][22:])
        timed = "0s: a red fox turns. | 2.5s: a blue fox sleeps. | 4s: a fox in snow."
        assert torch.equal(transfer(adapter, image, LONG, prompt=timed), travelling)

    def test_what_no_segment_takes_is_said(self, adapter, image, caplog):
        with caplog.at_level(logging.WARNING):
            transfer(adapter, image, prompt="a red fox turns. | and then")
        assert any("No segment takes the prompt 'and then'" in line for line in caplog.messages)

    def test_a_picture_for_each_segment(self, adapter, image, long, caplog):
        """Each begins its segment; the last one is gone on from."""
        other = image.flip(1)
        begun, hook = (
            [],
            adapter.base.vae.encoder.register_forward_pre_hook(
                lambda _, args: begun.append((args[0][0, :, 0].movedim(0, -1) + 1) / 2)
            ),
        )
        video = transfer(adapter, torch.stack((image, other)), LONG)
        hook.remove()
        assert len(video) == LONG and torch.equal(video[:20], long[0][:20])
        torch.testing.assert_close(begun[1], other, atol=1e-6, rtol=0)
        torch.testing.assert_close(begun[2], video[27] / 255, atol=0.5 / 255 + 1e-6, rtol=0)
        alone = transfer(adapter, other, LONG, curve=(1.0,) * LONG)
        assert not torch.equal(video[20], alone[20])
        with caplog.at_level(logging.WARNING):
            transfer(adapter, torch.stack((image, other)), 9)
        assert any("1 segments: of 2 pictures" in line for line in caplog.messages)

    def test_a_curve_is_cut_to_the_segments(self, adapter, image, long):
        curve = (1.0,) * 20 + (0.0,) * (LONG - 20)
        video = transfer(adapter, image, LONG, curve=curve)
        bare = transfer(adapter, image, LONG, curve=(0.0,) * LONG)
        assert not torch.equal(video[:20], bare[:20])
        with pytest.raises(dismo.DisMoError, match="The curve has 9 values, the motion 52 frames"):
            transfer(adapter, image, LONG, curve=(1.0,) * 9)

    def test_same_seed_same_video(self, adapter, image, long):
        assert torch.equal(transfer(adapter, image, LONG), long[0])
        assert not torch.equal(transfer(adapter, image, 25, seed=4), transfer(adapter, image, 25))

    def test_the_first_segment_is_the_short_video(self, adapter, image, long):
        assert torch.equal(transfer(adapter, image, 25)[:21], long[0][:21])

    def test_drift_is_told_and_can_be_undone(self, adapter, image, caplog):
        with caplog.at_level(logging.INFO):
            video = transfer(adapter, image, LONG, options=dict(match_colors=True))
        told = [line for line in caplog.messages if "against the picture" in line]
        assert [line[:14] for line in told] == ["Segment 1 of 3", "Segment 2 of 3", "Segment 3 of 3"]
        wanted = Colors.of(image)
        for seam in (20, 27, LONG - 1):
            torch.testing.assert_close(Colors.of(video[seam]).mean, wanted.mean, atol=0.02, rtol=0)


def test_colors_are_matched_without_a_jump():
    frames = torch.rand(5, 8, 8, 3) * 0.25 + 0.15
    wanted = Colors(torch.tensor([0.6, 0.5, 0.4]), torch.tensor([0.1, 0.1, 0.1]))
    matched = match_colors(frames, wanted)
    assert torch.equal(matched[0], frames[0])
    found = Colors.of(matched[-1])
    torch.testing.assert_close(found.mean, wanted.mean, atol=2e-3, rtol=0)
    torch.testing.assert_close(found.deviation, wanted.deviation, atol=2e-3, rtol=0)
    assert "red +25.5, green -25.5, blue +0.0 of 255, contrast x2.00" == Colors(
        torch.tensor([0.6, 0.4, 0.5]), torch.full((3,), 0.2)
    ).drift_from(Colors(torch.full((3,), 0.5), torch.full((3,), 0.1)))


def test_no_prompt_means_no_guidance_and_it_is_said(adapter, image, caplog):
    with caplog.at_level(logging.INFO):
        found = transfer(adapter, image, prompt=" ", guidance=6.0)
    assert "The prompt is empty: no prompt, and a guidance of 1." in caplog.messages
    assert torch.equal(found, transfer(adapter, image, prompt="", guidance=1.0))
    assert not torch.equal(found, transfer(adapter, image))


def test_zero_and_empty_are_the_models_own(adapter, image):
    model = CogVideoXModel(adapter)
    defaults = model.defaults
    assert (defaults.steps, defaults.guidance, defaults.fps, defaults.size) == (50, 6.0, 8.0, (64, 96))
    own = transfer(adapter, image, guidance=0, negative_prompt="")
    assert torch.equal(own, transfer(adapter, image, guidance=6.0, negative_prompt=defaults.negative_prompt))
    assert not torch.equal(own, transfer(adapter, image, guidance=6.0, negative_prompt="something else"))


def test_strength_scales_what_the_adapter_does(adapter, image):
    still, full = (transfer(adapter, image, strength=k) for k in (0, 1))
    assert not torch.equal(still, full)


BAD = {
    "steps": (dict(steps=60), "60 steps do not divide 1000.*Take 50 or 100"),
    "length": (dict(frames=30), "30 frames cannot be generated"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_settings(adapter, image, name):
    changes, message = BAD[name]
    with pytest.raises(dismo.DisMoError, match=message):
        transfer(adapter, image, **changes)


def test_bad_picture_motion_and_positions(adapter, image):
    with pytest.raises(dismo.DisMoError, match="90x60 px; this model takes 96x64"):
        transfer(adapter, image[:60, :90])
    other = dismo.Motion(torch.ones(5, 8), 8.0, "", "0" * 16)
    with pytest.raises(dismo.DisMoError, match="made by extractor 0000"):
        CogVideoXModel(adapter).transfer(other, image, runtime=dismo.Runtime.cpu())
    with pytest.raises(dismo.DisMoError, match="positions 'other'"):
        CogVideoXModel(adapter, positions="other")


@pytest.mark.parametrize(("part", "stage"), [("transformer", "denoising"), ("vae", "decoding")])
def test_nan_names_the_stage(make_adapter, image, part, stage):
    adapter = make_adapter()
    weights = adapter.base.transformer.proj_out if part == "transformer" else adapter.base.vae.decoder.conv_out.conv
    weights.weight.data.fill_(float("nan"))
    with pytest.raises(dismo.DisMoError, match=f"NaN or infinite values after {stage}"):
        transfer(adapter, image)


def test_progress_counts_all_steps_of_all_segments(adapter, image):
    runtime, seen = dismo.Runtime.cpu(), []
    runtime.progress = lambda *report: seen.append(report)
    transfer(adapter, image, LONG, runtime, steps=1)
    assert seen == [(1, 3, None), (2, 3, None), (3, 3, None)]  # toy latents have no preview


def test_preview_of_cogvideox_latents():
    latents = torch.zeros(1, 7, 16, 60, 90)
    latents[0, 3, 8] = 2  # a channel that is mostly red, in the middle latent frame
    picture = latent_preview(latents, LATENT_COLORS)
    assert picture.size == (90, 60)
    red, green, blue = picture.getpixel((5, 5))
    assert red > 150 and green < blue < 150
    assert latent_preview(torch.zeros(1, 3, 4, 8, 12), LATENT_COLORS) is None


def test_every_step_shows_a_preview():
    """With latents of 16 channels, which the toy has not."""
    small = random_adapter(True, torch.device("cpu"))
    runtime, seen = dismo.Runtime.cpu(), []
    runtime.progress = lambda done, total, picture: seen.append((done, total, picture.size))
    picture = torch.rand(*small.size, 3)
    CogVideoXModel(small).transfer(motion_of(small, 9), picture, steps=2, runtime=runtime)
    assert seen == [(1, 2, (160, 96)), (2, 2, (160, 96))]


class Stop(Exception):
    """As ComfyUI's interrupt: none of ours."""


def checks_of(adapter, image, stop_at=None, **changes):
    """How often cancel is asked for; stopping at that time."""
    runtime, asked = dismo.Runtime.cpu(), []

    def check():
        asked.append(1)
        if len(asked) == stop_at:
            raise Stop

    runtime.check_cancel = check
    try:
        transfer(adapter, image, runtime=runtime, **changes)
    finally:
        handles = [len(module._forward_pre_hooks) for module in adapter.base.transformer.transformer_blocks]
        assert handles == [0, 0]
    return len(asked)


def test_cancel_is_asked_for_in_every_block_and_piece(make_adapter, image):
    adapter = make_adapter()
    text, blocks, encoder, decoder = 2 * 2, 2, 1, 1  # two prompts through two blocks; then per step and per piece
    assert checks_of(adapter, image, steps=2) == text + 2 * blocks + encoder + decoder
    adapter.base.vae.enable_tiling(48, 80)  # four tiles
    assert checks_of(adapter, image, steps=2) == 2 * blocks + 4 * encoder + 4 * decoder  # the prompts are known by now


@pytest.mark.parametrize("stop_at", [1, 5, 6, 10])  # text encoder, VAE encoder, first block, VAE decoder
def test_cancel_frees_everything_and_the_next_run_is_as_ever(make_adapter, image, stop_at):
    adapter = make_adapter()
    expected = transfer(adapter, image, steps=2)
    adapter = make_adapter()
    for _ in range(3):
        with pytest.raises(Stop):
            checks_of(adapter, image, stop_at, steps=2)
        assert adapter.plan.bytes_on_device() == 0
        assert all(lora.gain is None for lora in adapter.motion_loras)
        adapter.encode_prompts._held.clear()
    assert torch.equal(transfer(adapter, image, steps=2), expected)


def test_compiled_blocks_can_be_cancelled_too(make_adapter, image):
    adapter = make_adapter()
    expected = transfer(adapter, image, steps=2)
    for block in adapter.base.transformer.transformer_blocks:
        block.compile(backend="eager")
    assert checks_of(adapter, image, steps=2) == 2 * 2 + 2
    assert torch.equal(transfer(adapter, image, steps=2), expected)


def test_the_host_is_asked_for_memory_before_anything_is_loaded(make_adapter, image):
    adapter = make_adapter()
    base = adapter.base
    adapter.plan = MemoryPlan({}, "cpu", "auto")
    runtime, asked = dismo.Runtime.cpu(), []
    runtime.free_memory = lambda needed: asked.append((needed, adapter.plan.bytes_on_device()))
    transfer(adapter, image, runtime=runtime)
    weights = sum(
        t.nbytes
        for part in (base.transformer, base.vae, base.text_encoder)
        for t in (*part.parameters(), *part.buffers())
    )
    ((needed, held),) = asked
    assert held == 0 and needed > 0.9 * weights  # T5 counts a shared table once
    adapter.plan.release()
    adapter.plan = MemoryPlan(adapter.plan.parts, "cpu", "model offload")
    asked.clear()
    transfer(adapter, image, runtime=runtime)
    assert asked == [(adapter.plan.choice.bytes_needed, 0)] and asked[0][0] < needed


def test_a_plan_reckons_with_what_the_host_would_give_back(make_adapter, image, monkeypatch):
    """Else a model that lay on the device a moment ago would decide about tiles, and with them about pixels."""
    monkeypatch.setattr("dismo_core.memory.plan.free_bytes", lambda device: 0.0)
    for available, low_memory in ((1e12, False), (0.0, True)):
        adapter, asked = make_adapter(), []
        adapter.base.vae.enable_tiling(48, 80)  # sizes that suit the toy
        adapter.base.vae.use_tiling = False
        adapter.plan = MemoryPlan({}, "cpu", "model offload")
        runtime = dismo.Runtime.cpu()
        runtime.available_memory, runtime.free_memory = (lambda available=available: available), asked.append
        transfer(adapter, image, runtime=runtime)
        assert bool(adapter.plan.choice.low_memory) == low_memory
        assert asked == [adapter.plan.choice.bytes_needed]


def test_tiles_taken_for_want_of_memory_end_with_it(make_adapter, image):
    adapter = make_adapter()
    vae = adapter.base.vae
    vae.enable_tiling(48, 80)  # sizes that suit the toy
    seen = []
    vae.decoder.register_forward_pre_hook(lambda *_: seen.append(vae.use_tiling))
    parts = cogvideox_parts(adapter.base, 9)
    for low_memory, before, expected in ((True, False, True), (False, False, False), (False, True, True)):
        vae.use_tiling = before
        adapter.plan = MemoryPlan(parts, "cpu", "full", low_memory=low_memory)
        seen.clear()
        transfer(adapter, image)
        assert set(seen) == {expected} and vae.use_tiling == before
        adapter.plan.release()


def test_the_plan_reckons_with_the_length(adapter, image):
    transfer(adapter, image, 9)
    short = adapter.plan.parts["transformer"].workspace
    transfer(adapter, image, 25)
    assert adapter.plan.parts["transformer"].workspace > 2 * short
