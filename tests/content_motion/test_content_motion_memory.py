"""What a clip takes beside the weights, counted without computing anything."""

from __future__ import annotations

import pytest
import torch

from benchmarks.live_bytes import LiveBytes
from dismo_core import content_motion as cm


def peak(frames: int, size: tuple[int, int] = (64, 64), dtype: torch.dtype = torch.float32, **geometry) -> int:
    """Most bytes held while a clip is taken apart and put together; published width and depth."""
    with torch.device("meta"):
        model = cm.ContentMotionAutoencoder(**geometry).to(dtype)
        clip = torch.empty(1, model.channels, frames, *size, dtype=dtype)
    with LiveBytes() as count:
        model(clip)
    return count.peak


def test_the_published_size_within_0_6_gb():
    assert peak(16) < 0.6e9


def test_the_peak_grows_with_the_frames_by_their_storage_alone():
    """Of each frame there are the tokens, their copies at the ends, and the pixels; no layer keeps more than a slice."""
    tokens = 32 * 32 * 384 * 4
    grown = (peak(48) - peak(16)) / 32
    assert grown < 3 * tokens


@pytest.mark.parametrize("positions", ["none", "rotary"])
def test_latents_of_512_by_1024_px_within_half_a_gb_in_bfloat16(positions):
    assert peak(16, (64, 128), torch.bfloat16, channels=4, mode="latent", positions=positions) < 0.5e9
