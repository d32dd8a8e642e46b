"""The tiny base's own training: latents that are known, words that are whole, runs that resume, a folder that loads."""

import pytest
import torch
from torch.nn import functional as F

pytest.importorskip("diffusers")
pytest.importorskip("transformers")

from diffusers import AutoencoderKL, DDIMScheduler, UNet3DConditionModel
from transformers import CLIPTextModel, CLIPTokenizer

from dismo_core.synthetic.captioned import draw_captioned
from dismo_core.synthetic.draws import Draws
from dismo_core.text_to_video.single_frame import single_frame_bypass
from dismo_core.text_to_video.training.autoencoder import AutoencoderObjective, draw_pictures, new_autoencoder
from dismo_core.text_to_video.training.denoiser import FRAMES, DenoiserObjective, DenoiserRecipe, Probe
from dismo_core.text_to_video.training.export import export_base
from dismo_core.text_to_video.training.latents import CHANNELS, latent_thumbnails, thumbnail_latents
from dismo_core.text_to_video.training.opposites import opposite
from dismo_core.text_to_video.training.parts import TinyBase, caption_words, new_scheduler
from dismo_core.text_to_video.training.tiny import TinyRecipe, train_tiny
from dismo_core.text_to_video.training.words import merges_for, write_tokenizer

SHORT = DenoiserRecipe(clips=2, pictures=2, picture_steps=1, picture_every=3, half_until=2)


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    torch.manual_seed(0)
    return TinyBase(tmp_path_factory.mktemp("tiny") / "tokenizer")


def test_latents_hold_the_whole_thumbnail():
    thumbnails = torch.rand(2, 3, 16, 16, 3, generator=torch.Generator().manual_seed(0)) * 2 - 1
    latents = thumbnail_latents(thumbnails)
    assert latents.shape == (2, 3, CHANNELS, 8, 8)
    assert torch.allclose(latent_thumbnails(latents), thumbnails, atol=1e-6)
    flat = thumbnail_latents(torch.full((16, 16, 3), 0.5))
    assert flat[3:].abs().max() == 0
    assert (flat[:3] > 0).all()


def test_every_caption_word_is_one_token_and_other_words_fall_apart(tmp_path):
    write_tokenizer(tmp_path, caption_words(), 16)
    tokenizer = CLIPTokenizer.from_pretrained(tmp_path)
    for caption in draw_captioned(32, Draws(1)).captions():
        ids = tokenizer(caption).input_ids
        assert len(ids) == len(caption.split()) + 2 <= 16
        assert tokenizer.decode(ids[1:-1]).strip() == caption
    assert tokenizer.tokenize("A Red disc, zq") == ["a</w>", "red</w>", "disc</w>", ",</w>", "z", "q</w>"]
    assert len(tokenizer("", padding="max_length").input_ids) == 16


def test_merges_of_words_that_share_letters():
    words = ["red", "green", "greened", "reed", "deer"]
    merges = merges_for(words)
    assert len(set(merges)) == len(merges)
    assert {"".join(pair) for pair in merges} >= {word + "</w>" for word in words}


def test_one_frame_passes_by_what_looks_across_frames(base):
    x, text = torch.randn(1, CHANNELS, 1, 8, 8), base.embedded(["a red disc on white"])
    temporal = [p for name, p in base.unet.named_parameters() if "temp_" in name or "transformer_in" in name]

    def run(frames):
        return base.unet(x.expand(-1, -1, frames, -1, -1), torch.tensor([500]), text).sample

    with torch.no_grad(), single_frame_bypass(base.unet):
        one, many = run(1), run(2)
        held = [p.clone() for p in temporal]
        for p in temporal:
            p.add_(0.1)
        assert torch.equal(run(1), one)
        assert not torch.equal(run(2), many)
        for p, before in zip(temporal, held, strict=True):
            p.copy_(before)
    assert not torch.allclose(base.unet(x, torch.tensor([500]), text).sample, one)


def test_noise_levels_are_drawn_towards_noise():
    kept = new_scheduler().alphas_cumprod
    ratio = ((1 - kept) / kept).sqrt()
    assert ratio[500] > 3
    assert 50 < ratio[-1] < 100


def test_frames_by_stage():
    recipe = DenoiserRecipe(picture_steps=10, picture_every=5, half_until=20)
    frames = [recipe.frames_at(step) for step in range(30)]
    assert frames == [1] * 10 + [8, 8, 8, 8, 1, 8, 8, 8, 8, 1] + [16, 16, 16, 16, 1] * 2


@pytest.mark.parametrize("number", [0, 1, 3])
def test_the_objective_is_a_function_of_the_batch_number(base, number):
    objective = DenoiserObjective(base, SHORT)
    torch.manual_seed(0)
    first = objective(number)
    torch.manual_seed(0)
    assert torch.equal(first["loss"], objective(number)["loss"])
    assert first.keys() == {"loss", "error_little_noise", "error_much_noise"}
    assert not torch.equal(DenoiserObjective(base, SHORT, seed=1)(number)["loss"], first["loss"])


def test_pictures_have_what_covers_them():
    pictures, covered = draw_pictures(10, Draws(3))
    assert pictures.shape == (10, 3, 64, 64)
    assert covered.shape == (10, 64, 64)
    ground = pictures[:, :, :1, :1].expand_as(pictures)
    differs = (pictures - ground).abs().amax(dim=1) > 1e-3
    assert (covered > 0)[differs].all()


def test_the_encoder_is_trained_towards_thumbnails():
    torch.manual_seed(0)
    model = new_autoencoder()
    for p in model.decoder.parameters():
        p.requires_grad_(False)
    losses = AutoencoderObjective(model, pictures=3)(0)
    losses["encoder"].backward()
    assert all(p.grad is not None for p in model.encoder.parameters())
    pictures, _ = draw_pictures(3, Draws(0))
    target = thumbnail_latents(F.avg_pool2d(pictures, 4).movedim(1, -1))
    found = model.encode(pictures).latent_dist.mean
    assert float(losses["encoder"]) == pytest.approx(float((found - target).square().mean()), rel=1e-4)


def test_probe_tells_right_from_opposite(base):
    probe = Probe(clips=8, steps=(500,))
    assert probe.captions and all(opposite(caption) != caption for caption in probe.captions)
    rows = probe(0, base)
    assert rows["probe_500"] > 0
    assert abs(rows["probe_500_opposite"]) < 0.05  # it knows nothing yet


def test_a_stopped_run_goes_on_and_what_it_makes_loads(tmp_path):
    recipe = TinyRecipe(autoencoder_steps=1, denoiser_steps=3, denoiser=SHORT)
    base, vae = train_tiny(tmp_path / "run", recipe)
    again, _ = train_tiny(tmp_path / "run", recipe)  # finished: nothing is trained twice
    assert all(torch.equal(p, q) for p, q in zip(base.parameters(), again.parameters(), strict=True))
    files = export_base(base, vae, tmp_path / "out")
    assert sum(path.stat().st_size for path in (tmp_path / "out").rglob("*") if path.is_file()) < 12e6
    assert len(files) == 3
    unet = UNet3DConditionModel.from_pretrained(tmp_path / "out" / "unet")
    assert CLIPTextModel.from_pretrained(tmp_path / "out" / "text_encoder").config.max_position_embeddings == 16
    assert AutoencoderKL.from_pretrained(tmp_path / "out" / "vae").config.latent_channels == CHANNELS
    assert DDIMScheduler.from_pretrained(tmp_path / "out" / "scheduler").config.prediction_type == "sample"
    tokenizer = CLIPTokenizer.from_pretrained(tmp_path / "out" / "tokenizer")
    assert tokenizer("a red disc").input_ids == base.tokenizer("a red disc").input_ids
    x = torch.randn(1, CHANNELS, FRAMES, 8, 8)
    with torch.no_grad():
        text = base.embedded(["a red disc on white"])
        ours, loaded = (u(x, torch.tensor([9]), text).sample for u in (base.unet, unet))
    assert torch.allclose(ours, loaded, atol=2e-2)
