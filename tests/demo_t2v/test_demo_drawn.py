"""How the small weights come to be: networks that say the clean latents, small towers, drawn clips, the recipe from start to file."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from demo_goldens import fill
from demo_toy import GEOMETRY

from dismo_core import DisMoError
from dismo_core import demo_t2v as demo
from dismo_core.demo_t2v import bundled
from dismo_core.demo_t2v.models.towers import TextTower
from dismo_core.demo_t2v.tower_texts import TowerTexts
from dismo_core.demo_t2v.training.demo_training import DemoTraining, check_training
from dismo_core.demo_t2v.training.drawn import (
    DrawnRecipe,
    content_tower,
    export_drawn,
    known_tokens,
    start,
    train_drawn,
)
from dismo_core.demo_t2v.training.drawn_clips import FIRST, TAUGHT, DrawnClips, draw_taught, is_held_out
from dismo_core.demo_t2v.training.motion_batches import MotionBatches
from dismo_core.synthetic.captioned import draw_captioned
from dismo_core.synthetic.captioned_moves import ALL_MOVES
from dismo_core.synthetic.draws import Draws

BETAS = (0.002, 0.018)


def network(**options):
    return fill(demo.UNet(**(GEOMETRY | options))).eval().requires_grad_(False)


def inputs():
    generator = torch.Generator().manual_seed(1)
    x, text = (torch.randn(shape, generator=generator) for shape in ((2, 4, 3, 8, 8), (2, 7, 64)))
    return x, torch.tensor([900, 40]), text


def test_what_says_the_clean_latents_gives_the_noise_that_is_left():
    x, t, text = inputs()
    clean = network(betas=BETAS)(x, t, text, text)  # the last layer as it is
    noise = network(betas=BETAS, predicts="sample")(x, t, text, text)
    kept = demo.alphas_cumprod(BETAS)[t].float()[:, None, None, None, None]
    torch.testing.assert_close(kept.sqrt() * clean + (1 - kept).sqrt() * noise, x)


def test_noise_levels_of_its_own_are_those_of_the_sampling():
    """A network that knows the clip brings any noise back to it, at the level at which the last step ends."""
    generator = torch.Generator().manual_seed(2)
    clip, noise, text = (torch.randn(shape, generator=generator) for shape in (*[(1, 4, 3, 8, 8)] * 2, (1, 7, 64)))
    kept = demo.alphas_cumprod(BETAS).float()

    class Knowing(torch.nn.Module):
        def forward(self, x, t, *texts, **options):
            return (x - kept[t].sqrt() * clip) / (1 - kept[t]).sqrt()

    both = demo.Conditioning(text, text)
    made = demo.sample_ddim(Knowing(), noise, both, both, steps=10, guidance=1.0, betas=BETAS)
    assert (made - clip).abs().max() < 0.2
    elsewhere = demo.sample_ddim(Knowing(), noise, both, both, steps=10, guidance=1.0)
    assert (elsewhere - clip).abs().max() > 0.3


def test_place_and_time_are_told_where_they_are_asked_for():
    """Of latents and texts that are the same everywhere, frames in the middle of the clip come out alike, or told apart."""
    text = torch.randn(1, 7, 64, generator=torch.Generator().manual_seed(3))

    def apart(**options):
        unet = network(**options)
        first = unet.input_blocks[0][0]
        seen = []
        hook = first.register_forward_hook(lambda _, __, out: seen.append(out))
        unet(torch.zeros(1, 4, 5, 8, 8), torch.tensor([500]), text, text)
        hook.remove()
        middle = seen[0][:, :, 3:5, 3:5]
        return float((middle[2] - middle[3]).abs().max()), float((middle[2, :, 0, 0] - middle[2, :, 1, 1]).abs().max())

    assert apart() == (0.0, 0.0)
    assert min(apart(coordinates=True)) > 1e-3


def test_an_error_of_the_clean_latents_does_not_forget_much_noise():
    x, _, text = inputs()
    t, zero = torch.tensor([900, 900]), torch.zeros(2, dtype=torch.int64)
    unet = network(betas=BETAS, predicts="sample")
    generator = torch.Generator().manual_seed(4)
    noise = torch.randn(x.shape, generator=generator)
    losses = demo.training_losses(unet, x, t, noise, text, text, zero, diffusion="x0", betas=BETAS)
    kept = demo.alphas_cumprod(BETAS)[900].float()
    noisy = kept.sqrt() * x + (1 - kept).sqrt() * noise
    clean = network(betas=BETAS)(noisy, t, text, text)
    wanted = (clean - x).square().flatten(1).mean(dim=1)
    torch.testing.assert_close(losses["diffusion"], wanted, rtol=1e-3, atol=1e-4)
    with pytest.raises(DisMoError, match="There is no diffusion 'v'"):
        demo.training_losses(unet, x, t, noise, text, text, zero, diffusion="v")


def test_a_small_tower_reads_all_other_words_as_one():
    known = known_tokens()
    tower = fill(TextTower(16, 2, 2, 16, len(known) + 1, 16, complete=False, inner=32, known=known)).eval()
    with torch.no_grad():
        same = [tower(demo.tokenize([text])) for text in ("a red disc moving left", "a red disc moving left")]
        strange, stranger, known_word = (tower(demo.tokenize([f"a {word} disc"])) for word in ("boat", "tree", "green"))
    assert torch.equal(*same) and same[0].shape == (1, 16, 16)
    assert torch.equal(strange, stranger) and not torch.equal(strange, known_word)


def test_the_content_tower_is_the_bases():
    """Word for word the states of the base's text encoder, but for its other kind of GELU."""
    from dismo_core.text_to_video import load_text_to_video

    base = load_text_to_video("tiny")
    caption = "a green bar on navy"
    ours = TowerTexts(content_tower())([caption], torch.device("cpu"))
    assert (ours - base.encode_prompts([caption])).abs().mean() < 0.1
    other = TowerTexts(content_tower())(["a red disc on white"], torch.device("cpu"))
    assert (other - base.encode_prompts([caption])).abs().mean() > 0.3


def test_drawn_clips_never_say_the_motion_twice():
    texts = []

    class Reading(TowerTexts):
        def encode(self, prompt, device):
            texts.append(prompt)
            return super().encode(prompt, device)

    clips = DrawnClips(Reading(content_tower()), 8)
    drawn = [clips.draw(0, torch.Generator().manual_seed(seed)) for seed in range(40)]
    assert not any(name in text for text in texts for name in TAUGHT)
    alone = [clip.caption in ALL_MOVES for clip in drawn]
    assert 8 < sum(alone) < 32 and all(any(name in clip.caption for name in TAUGHT) for clip in drawn)
    again = clips.draw(5, torch.Generator().manual_seed(0))
    assert torch.equal(again.mean, drawn[0].mean) and again.mean.shape == (12, 8, 8, 8)


def test_held_out_pairs_are_not_learned_from():
    learned, held = draw_taught(300, Draws(1), 4), draw_taught(60, Draws(1), 4, held_out=True)
    assert len(learned.move) == 300 and len(held.move) == 60

    def pairs(clips):
        return set(zip(clips.color.tolist(), clips.shape.tolist(), clips.move.tolist(), strict=True))

    assert not pairs(learned) & pairs(held) and is_held_out(held).all()
    assert {tuple(ALL_MOVES)[number] for number in held.move.tolist()} <= TAUGHT.keys()


def test_clips_near_the_middle_and_some_moves_only():
    anywhere, middle = (draw_captioned(200, Draws(3), 8, FIRST, spread) for spread in (1.0, 0.0))
    assert set(middle.move.tolist()) == {list(ALL_MOVES).index(name) for name in FIRST}
    places = [clips.trajectory.place.mean(dim=1).abs().mean() for clips in (anywhere, middle)]
    assert places[1] < 0.5 * places[0]


def test_the_recipe_from_start_to_file(tmp_path, monkeypatch):
    """One step of each stage; the file holds what was trained, and loads as the bundled model does."""
    recipe = DrawnRecipe(first_steps=1, short_steps=1, steps=1, batch=1)
    half = train_drawn(tmp_path / "run", recipe)
    begun = start(0)
    moved = [name for name, value in half.state_dict().items() if not torch.equal(value, begun.state_dict()[name])]
    assert any("unet.input_blocks.0.0" in name for name in moved) and any("motion_encoder" in name for name in moved)
    files = export_drawn(half, tmp_path / "model")
    monkeypatch.setattr(bundled, "TINY", tmp_path / "model")
    model = demo.load_demo("tiny")
    assert {path.stem for path in files} == set(bundled.STEMS.values())
    for name, value in model.unet.state_dict().items():
        torch.testing.assert_close(value, half.unet.state_dict()[name], rtol=1e-3, atol=1e-3)
    clip = model.sample("a red disc on white", "moving left", steps=1)
    assert clip.shape == (1, 16, 64, 64, 3) and model.defaults.fps == 8
    again = train_drawn(tmp_path / "run", recipe)  # finished: read, not trained
    assert all(torch.equal(value, half.state_dict()[name]) for name, value in again.state_dict().items())


def test_levels_below_the_lowest_are_not_drawn(toy):
    training = DemoTraining(batch=1, lowest_level=700, size=(64, 64), frames=4)
    content = TowerTexts(content_tower())
    batches = MotionBatches(toy.unet, DrawnClips(content, 4), content([""], torch.device("cpu"))[0], training)
    levels = [int(batches._sample(number)[1]) for number in range(40)]
    assert min(levels) >= 700 and max(levels) > 900
    with pytest.raises(DisMoError, match="lowest_level is a noise level of 0 to 999, not 1000"):
        check_training(replace(training, lowest_level=1000), True, True)
