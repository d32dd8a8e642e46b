"""The bundled autoencoder: what its card says of it holds."""

from __future__ import annotations

import pytest
import torch

from dismo_core import content_motion as cm
from dismo_core.cli.main import main
from dismo_core.content_motion.evaluation import is_moving, mean_frame, psnr
from dismo_core.content_motion.training.batches import DrawnSource
from dismo_core.content_motion.weights import tiny_files
from dismo_core.synthetic.moving_scenes import MovingScenes
from dismo_core.training.share import Share


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
def test_without_its_motion_a_clip_does_not(autoencoder, moving):
    content, motion = autoencoder.encode(moving)
    still = autoencoder.decode(content, torch.zeros_like(motion))
    assert (psnr(still, moving) < psnr(autoencoder.decode(content, motion), moving)).all()


def test_the_bundled_model_works_as_it_is(tmp_path):
    model = cm.load_content_motion("tiny")
    assert model.size in (None, (64, 64)) and model.frames in (None, 16)  # None = the autoencoder alone
    assert sum(path.stat().st_size for path in tiny_files().values()) < 24e6
    assert main(["content-motion", "demo", "-o", str(tmp_path / "demo")]) == 0
    assert (tmp_path / "demo" / "contact_sheet.png").is_file()


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
