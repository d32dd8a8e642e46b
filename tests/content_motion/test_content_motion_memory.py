"""What a clip takes beside the weights, counted without computing anything."""

from __future__ import annotations

import pytest
import torch

from benchmarks.content_motion_memory import autoencoder_peak, latent_mode_peaks
from dismo_core import content_motion as cm


def test_the_published_size_within_0_6_gb():
    assert autoencoder_peak(16) < 0.6e9


def test_the_peak_grows_with_the_frames_by_their_storage_alone():
    """Of each frame there are the tokens, their copies at the ends, and the pixels; no layer keeps more than a slice."""
    tokens = 32 * 32 * 384 * 4
    grown = (autoencoder_peak(48) - autoencoder_peak(16)) / 32
    assert grown < 3 * tokens


@pytest.mark.parametrize("positions", ["none", "rotary"])
def test_latents_of_512_by_1024_px_within_half_a_gb_in_bfloat16(positions):
    assert autoencoder_peak(16, (64, 128), torch.bfloat16, channels=4, mode="latent", positions=positions) < 0.5e9


def test_each_part_of_latent_mode_within_6_gb_in_bfloat16():
    for name, peak in latent_mode_peaks().items():
        assert 0.1e9 < peak < 6e9, name


def test_one_model_at_a_time_is_on_the_device():
    sizes = dict(width=16, depth=1, heads=2, table="grid")
    model = cm.ContentMotionModel(
        cm.ContentMotionAutoencoder(width=16, depth=1),
        cm.MotionDiT(latent_size=(4, 8), content_size=(8, 8), **sizes),
        cm.ContentDiT(image_size=(8, 8), **sizes),
        device="cpu",
    )
    for name in ("autoencoder", "motion_model", "content_model"):
        with model.using(name) as used:
            assert used is getattr(model, name)
            assert model.plan.bytes_on_device() == sum(x.nbytes for x in used.state_dict().values())
    assert model.plan.bytes_on_device() == 0
