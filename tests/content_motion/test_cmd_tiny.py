"""The bundled model: what its card says of the autoencoder holds, and it draws motions."""

from __future__ import annotations

import pytest
import torch

from dismo_core import content_motion as cm
from dismo_core.assets.examples import example
from dismo_core.cli.main import main
from dismo_core.content_motion.evaluation import is_moving, mean_frame, middle_frame, psnr
from dismo_core.content_motion.training.batches import DrawnSource
from dismo_core.content_motion.training.stand_ins import blurred
from dismo_core.content_motion.weights import tiny_files
from dismo_core.synthetic.moving_scenes import MovingScenes
from dismo_core.training.share import Share
from dismo_core.video import probe, read_image


@pytest.fixture(scope="module")
def autoencoder():
    return cm.load_content_motion("tiny").autoencoder


@pytest.fixture(scope="module")
def moving():
    clips = DrawnSource(MovingScenes(64, seed=5), 16, Share(1)).held_out(0, 24).clips
    return clips[is_moving(clips)][:6]


@torch.no_grad()
def test_moving_clips_come_back_better_than_their_mean_frame(autoencoder, moving):
    made = autoencoder(moving)
    assert (psnr(made, moving) - psnr(mean_frame(moving), moving)).mean() > 1.5
    assert made.diff(dim=2).abs().mean() > 0.25 * moving.diff(dim=2).abs().mean()


@torch.no_grad()
def test_a_blur_of_the_content_frame_leaves_the_motion(autoencoder, moving):
    content, motion = autoencoder.encode(moving)
    content, shown = blurred(content, moving, 1.5)
    assert (psnr(autoencoder.decode(content, motion), shown) - psnr(mean_frame(shown), shown)).mean() > 2


@torch.no_grad()
def test_a_sharp_picture_is_moved(autoencoder, moving):
    made = autoencoder.decode(moving[:, :, 8], autoencoder.encode(moving).motion)
    assert (psnr(made, moving) - psnr(middle_frame(moving), moving)).mean() > 1.5


@torch.no_grad()
def test_without_its_motion_a_clip_does_not(autoencoder, moving):
    content, motion = autoencoder.encode(moving)
    still = autoencoder.decode(content, torch.zeros_like(motion))
    assert (psnr(still, moving) < psnr(autoencoder.decode(content, motion), moving)).all()


@torch.no_grad()
def test_a_motion_moves_the_colors_of_another_content(autoencoder):
    pairs = DrawnSource(MovingScenes(64, seed=5), 16, Share(1)).held_out(1, 24, paired=True)
    chosen = is_moving(pairs.clips) & is_moving(pairs.others)
    drivers, clips = pairs.clips[chosen], pairs.others[chosen]
    content, motion = autoencoder.encode(clips)[0], autoencoder.encode(drivers)[1]
    exchanged, of_a_third = (psnr(autoencoder.decode(content, m), clips).mean() for m in (motion, motion.roll(1, 0)))
    assert len(clips) > 4 and exchanged > psnr(mean_frame(clips), clips).mean() + 0.3
    assert exchanged > of_a_third + 0.6


def test_the_bundled_model_works_as_it_is(tmp_path):
    model = cm.load_content_motion("tiny")
    assert (model.size, model.frames) == ((64, 64), 16)
    assert sum(path.stat().st_size for path in tiny_files().values()) < 24e6
    assert main(["content-motion", "demo", "-o", str(tmp_path / "demo")]) == 0
    assert (tmp_path / "demo" / "contact_sheet.png").is_file()


def test_a_clip_is_drawn_without_naming_a_model(tmp_path, capsys):
    words = f"content-motion sample --content {example('drawn')[1]} -o {tmp_path}/out.mp4"
    assert main(words.split()) == 0
    video = probe(tmp_path / "out.mp4")
    assert (video.width, video.height, video.frames, video.fps) == (64, 64, 16, 8)
    assert main(f"content-motion sample --label 1 --steps 10 -o {tmp_path}/class.mp4".split()) == 0
    assert (probe(tmp_path / "class.mp4").width, probe(tmp_path / "class.mp4").frames) == (64, 16)
    assert main(f"content-motion sample --label 5 -o {tmp_path}/none.mp4".split()) == 2
    assert "There is no class 5: this content model has 4, 0 to 3" in capsys.readouterr().err


def test_drawn_contents_are_colored_as_those_of_clips_and_not_noise():
    """They have no shapes yet; see the card."""
    model = cm.load_content_motion("tiny")
    drawn = model.sample_content([0, 1, 2, 3], seed=1, steps=25)
    clips = DrawnSource(MovingScenes(64, seed=5), 16, Share(1)).held_out(0, 24).clips
    real = model.autoencoder.encode(clips).content
    of_real, of_drawn = (float(content.mean(dim=(2, 3)).std()) for content in (real, drawn))
    assert drawn.abs().max() <= 1 and 0.4 * of_real < of_drawn < 2 * of_real
    noise = torch.randn(drawn.shape, generator=torch.Generator().manual_seed(0)).clamp(-1, 1)
    steps_of = [float(content.diff(dim=-1).abs().mean()) for content in (drawn, noise)]
    assert steps_of[0] < 0.2 * steps_of[1]


def test_motions_of_one_picture_differ_by_their_seeds_alone():
    model = cm.load_content_motion("tiny")
    content = (read_image(example("drawn")[1]) * 2 - 1).permute(2, 0, 1)[None]
    one, again, other = (model.predict_motion(content, seed) for seed in (1, 1, 2))
    assert torch.equal(one, again)
    assert (one - other).abs().mean() > 0.05 * one.abs().mean()
    clips = [model.decode(content, motion) for motion in (one, other)]
    assert not torch.equal(*clips) and all(clip.diff(dim=2).abs().max() > 0 for clip in clips)


@pytest.mark.slow
def test_the_algebra_of_the_bundled_model():
    """Its positions are rotary, so what holds exactly without them holds nearly."""
    autoencoder = cm.load_content_motion("tiny").autoencoder
    source = DrawnSource(MovingScenes(64), 16, Share(1))
    steady, turned = [], []
    for number in range(64):
        content, motion = autoencoder.encode(source.held_out(number, 1).clips)
        still = cm.held_still(autoencoder, content, 16)
        latent = cm.MotionLatent(motion[0], 8.0, (64, 64), autoencoder.id, content=content[0], still=still[0])
        frozen = autoencoder.decode(content, latent.scaled(0).values[None])
        steady.append(psnr(frozen[:, :, 1:], frozen[:, :, :1]))
        backwards = autoencoder.decode(content, latent.reversed().values[None])
        turned.append(psnr(backwards, autoencoder.decode(content, motion).flip(2)))
    assert torch.cat(steady).median() >= 35 and torch.cat(turned).median() >= 30
