"""Sampling around the goldens: solver, positions, picture, order of random draws, guidance, progress, prompts."""

import pytest
import torch
from diffusers import CogVideoXDDIMScheduler
from diffusers.models.embeddings import CogVideoXPatchEmbed
from torch.nn import functional as F

import dismo_core as dismo
from dismo_core.cogvideox.positions import PositionTables
from dismo_core.cogvideox.sampling import make_scheduler, rotary_positions
from dismo_core.dismo.adapter.adapter import NEGATIVE_PROMPT
from dismo_core.video.picture import centre_crop, fit_picture

CPU = torch.device("cpu")


def sample(adapter, clip, picture, **changes):
    """A short video."""
    arguments = dict(
        motion_videos=clip[:, :9],
        images=picture,
        prompts=["a red fox turns."],
        num_frames=9,
        n_steps=2,
        generator=torch.Generator().manual_seed(5),
    )
    return adapter.sample(**arguments | changes)


def test_solver_has_the_published_numbers(make_base):
    config = make_base().scheduler_config
    scheduler = make_scheduler(
        config | {"_class_name": CogVideoXDDIMScheduler.__name__}
    )  # as the base repository names it
    figures = scheduler.alphas_cumprod[[0, 19, 499, 979, 999]]
    expected = torch.tensor([0.99915, 0.98101046, 0.24235917, 8.579e-05, 0], dtype=figures.dtype)
    torch.testing.assert_close(figures, expected, atol=2e-7, rtol=1e-4)
    scheduler.set_timesteps(4)
    assert scheduler.timesteps.tolist() == [999, 749, 499, 249]


class TestPositions:
    """The full-size table, and which table is added at which length."""

    @pytest.fixture
    def embed(self):
        return CogVideoXPatchEmbed(
            in_channels=8, embed_dim=32, text_embed_dim=8, max_text_seq_length=3, sample_width=6, sample_height=4
        )

    def added(self, embed, frames):
        """What the patch embedding adds to its tokens."""
        for linear in (embed.proj, embed.text_proj):
            torch.nn.init.zeros_(linear.weight)
            torch.nn.init.zeros_(linear.bias)
        with torch.no_grad():
            return embed(torch.zeros(1, 3, 8), torch.zeros(1, frames, 8, 4, 6))

    def test_figures_of_the_full_size_table(self):
        embed = CogVideoXPatchEmbed(embed_dim=3072, max_text_seq_length=2, sample_frames=13)
        table = PositionTables(embed, torch.float32).table(60, 90, 25, CPU)
        channels = [0, 1, 384, 768, 769, 1344, 1920, 1921, 2496]
        figures = [0.909297, 0.927994, -0.416147, -0.557807, -0.507705, -0.829971, 0.457273, 0.494472, -0.889327]
        row = 2 + 2 * 1350 + 5 * 45 + 7  # text, then latent frame 2, row 5, column 7
        torch.testing.assert_close(table[0, row, channels], torch.tensor(figures), atol=1e-6, rtol=0)
        assert not table[0, :2].any()

    @pytest.mark.parametrize(
        ("mode", "frames", "stored"),
        [("auto", 7, False), ("auto", 13, True), ("sincos", 13, False), ("stored", 7, True), ("stored", 13, True)],
    )
    def test_choice(self, embed, mode, frames, stored):
        sincos = embed._get_positional_embeddings(4, 6, 49)
        embed.pos_embedding.copy_(torch.randn(embed.pos_embedding.shape))
        rows = 3 + frames * 6
        expected = embed.pos_embedding[:, :rows] if stored else sincos[:, :rows]
        tables = PositionTables(embed, torch.float32)
        tables.mode = mode
        torch.testing.assert_close(self.added(embed, frames), expected.float())

    @pytest.mark.parametrize("frames", [3, 7, 13])
    def test_auto_is_what_diffusers_does(self, embed, frames):
        embed.pos_embedding.copy_(torch.randn(embed.pos_embedding.shape))
        before = self.added(embed, frames)
        tables = PositionTables(embed, torch.float32)
        assert torch.equal(self.added(embed, frames), before)
        tables.remove()
        assert torch.equal(self.added(embed, frames), before)

    def test_the_choice_reaches_the_video(self, make_adapter, clip, picture):
        adapter = make_adapter()
        adapter.base.transformer.patch_embed.pos_embedding.zero_()  # the toy's stored table is the sine-cosine one
        auto = sample(adapter, clip, picture)
        assert torch.equal(sample(adapter, clip, picture, positions="sincos"), auto)
        assert not torch.equal(sample(adapter, clip, picture, positions="stored"), auto)


def test_rotary_positions_lie_on_the_integer_grid(make_base):
    cos, sin = rotary_positions(make_base().transformer, 7, CPU)
    angles = torch.atan2(sin, cos).unflatten(0, (7, 4, 6))  # head width 16: 4 of time, 6 of rows, 6 of columns
    for part, at in ((slice(0, 1), 2), (slice(4, 5), 3), (slice(10, 11), 1)):
        assert angles[2, 3, 1, part].item() == pytest.approx(at, abs=1e-5)  # the fastest frequency is 1


class TestPicture:
    @pytest.mark.parametrize(
        ("height", "width", "crop"), [(100, 70, (26, 0, 47, 70)), (60, 201, (0, 55, 60, 90)), (48, 72, (0, 0, 48, 72))]
    )
    def test_crop(self, height, width, crop):
        assert centre_crop(height, width, (48, 72)) == crop

    @pytest.mark.parametrize("shape", [(100, 70), (60, 201), (300, 40)])
    def test_inside_it_is_crop_then_resize(self, shape):
        image = torch.rand(*shape, 3) * 2 - 1
        top, left, rows, columns = centre_crop(*shape, (48, 72))
        cropped = image[top : top + rows, left : left + columns].movedim(-1, 0)[None]
        expected = F.interpolate(cropped, (48, 72), mode="bilinear", align_corners=False)[0].movedim(0, -1)
        found = fit_picture(image, (48, 72))
        torch.testing.assert_close(found[2:-2, 2:-2], expected[2:-2, 2:-2], atol=1e-5, rtol=0)

    def test_the_border_reads_the_uncropped_picture(self):
        image = torch.zeros(100, 70, 3)
        image[25] = 1  # one row above the crop
        assert fit_picture(image, (96, 144))[0].max() > 0  # enlarged: the first row lies above the crop's first centre
        assert not fit_picture(image, (96, 144))[2:].any()

    def test_another_size_is_fitted_before_sampling(self, shared_adapter, clip, picture):
        wide = F.pad(picture, (0, 0, 40, 40))  # what is cropped away leaves no trace
        same = sample(shared_adapter, clip, picture)
        assert torch.equal(sample(shared_adapter, clip, wide), same)


def test_random_draws_keep_their_order(shared_adapter, clip, picture, monkeypatch):
    drawn = []
    original = torch.randn

    def randn(shape, *args, generator=None, **kwargs):
        drawn.append(tuple(shape))
        return original(shape, *args, generator=generator, **kwargs)

    monkeypatch.setattr(torch, "randn", randn)
    sample(shared_adapter, clip, picture, n_steps=4)
    video = (1, 3, 4, 8, 12)
    # posterior of the picture, noise, then one draw on the first and last step and two on every other
    assert drawn == [(1, 4, 1, 8, 12), video] + [video] * (1 + 2 + 2 + 1)


class TestGuidance:
    def test_branches_in_turn_give_the_same_video(self, shared_adapter, clip, picture):
        together = sample(shared_adapter, clip, picture)
        shared_adapter.sequential_guidance = True
        try:
            in_turn = sample(shared_adapter, clip, picture)
        finally:
            shared_adapter.sequential_guidance = False
        assert (together.int() - in_turn.int()).abs().max() <= 1

    def test_without_prompts_it_is_the_empty_prompt_without_guidance(self, shared_adapter, clip, picture):
        none = sample(shared_adapter, clip, picture, prompts=None, text_guidance_scale=6)
        assert torch.equal(none, sample(shared_adapter, clip, picture, prompts=[""], text_guidance_scale=1))

    def test_the_default_negative_prompt_is_the_authors(self, shared_adapter, clip, picture):
        default = sample(shared_adapter, clip, picture)
        assert torch.equal(default, sample(shared_adapter, clip, picture, negative_prompt=NEGATIVE_PROMPT))
        assert NEGATIVE_PROMPT == "worst quality, inconsistent motion, blurry, jittery, distorted"
        assert not torch.equal(default, sample(shared_adapter, clip, picture, negative_prompt="a dog."))


class TestSamples:
    def test_a_batch_is_its_samples_in_turn(self, shared_adapter, clip, picture):
        clips = torch.cat((clip, clip.flip(1)))[:, :9]
        pictures = torch.cat((picture, picture.flip(1)))
        prompts = ["a fox.", "a dog."]
        seeds = [torch.Generator().manual_seed(i) for i in (1, 2)]
        both = sample(shared_adapter, clips, pictures, motion_videos=clips, prompts=prompts, generator=seeds)
        for i in range(2):
            alone = sample(
                shared_adapter,
                clips,
                pictures[i : i + 1],
                motion_videos=[clips[i]],
                prompts=prompts[i],
                generator=torch.Generator().manual_seed(i + 1),
            )
            assert (both[i].int() - alone[0].int()).abs().max() <= 1

    def test_one_generator_serves_all_in_turn(self, shared_adapter, clip, picture):
        twice = [torch.Generator().manual_seed(5)] * 2
        arguments = dict(motion_videos=clip[:, :9].repeat(2, 1, 1, 1, 1), prompts=["", ""])
        pictures = picture.repeat(2, 1, 1, 1)
        one = sample(shared_adapter, clip, pictures, **arguments)
        assert torch.equal(one, sample(shared_adapter, clip, pictures, generator=twice, **arguments))
        assert not torch.equal(one[0], one[1])


def test_progress_counts_steps_and_may_stop(shared_adapter, clip, picture):
    seen = []
    sample(
        shared_adapter, clip, picture, progress=lambda done, total, latents: seen.append((done, total, latents.shape))
    )
    assert seen == [(1, 2, (1, 3, 4, 8, 12)), (2, 2, (1, 3, 4, 8, 12))]

    def stop(done, total, latents):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sample(shared_adapter, clip, picture, progress=stop)
    assert all(lora.gain is None for lora in shared_adapter.motion_loras)  # the base is bare again


def test_a_prompt_is_encoded_once_and_outlives_the_text_encoder(make_adapter, clip, picture):
    adapter = make_adapter()
    calls = []
    adapter.base.text_encoder.register_forward_hook(lambda *_: calls.append(1))
    first = sample(adapter, clip, picture)
    assert len(calls) == 2  # the prompt and the negative prompt
    adapter.base.text_encoder = None
    assert torch.equal(sample(adapter, clip, picture), first)
    with pytest.raises(dismo.DisMoError, match="'a new one' was not encoded"):
        sample(adapter, clip, picture, prompts=["a new one"])
