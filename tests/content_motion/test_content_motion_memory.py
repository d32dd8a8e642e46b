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


def bfloat16(make):
    with torch.device("meta"):
        return make().to(torch.bfloat16).eval().requires_grad_(False)


def held(model: torch.nn.Module) -> int:
    return sum(p.nbytes for p in model.parameters())


@torch.no_grad()
def test_each_part_of_latent_mode_within_6_gb_in_bfloat16():
    """512 x 1024 px: what is on the device at a time, with its weights."""
    from diffusers import AutoencoderKL

    from dismo_core.content_motion.training.vae import latent_clips, pixel_clips

    latents, motion_size, one = (64, 128), (16, 96), torch.zeros(1, dtype=torch.int64, device="meta")
    stable_diffusion = dict(
        block_out_channels=(128, 256, 512, 512), layers_per_block=2, latent_channels=4,
        down_block_types=("DownEncoderBlock2D",) * 4, up_block_types=("UpDecoderBlock2D",) * 4,
    )  # fmt: skip
    vae = bfloat16(lambda: AutoencoderKL(**stable_diffusion))
    motion = bfloat16(
        lambda: cm.MotionDiT.preset(
            "XL/2", latent_size=motion_size, content_size=latents, content_channels=4, table="grid"
        )
    )
    content = bfloat16(lambda: cm.ContentDiT.preset("L/2", image_size=latents, channels=4, table="grid"))
    frame = torch.empty(1, 4, *latents, dtype=torch.bfloat16, device="meta")
    pixels = torch.empty(1, 3, 2, 512, 1024, dtype=torch.bfloat16, device="meta")  # one after the other
    runs = {
        "vae": (vae, lambda: pixel_clips(vae, latent_clips(vae, pixels))),
        "motion model": (
            motion,
            lambda: motion(torch.empty(1, 8, *motion_size, dtype=torch.bfloat16, device="meta"), one, frame),
        ),
        "content model": (content, lambda: content.guided(frame, one, one, 4.0)),
    }
    for name, (model, run) in runs.items():
        with LiveBytes() as count:
            run()
        assert 0.1e9 < held(model) + count.peak < 6e9, name


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
            assert model.plan.bytes_on_device() == held(used) + sum(b.nbytes for b in used.buffers())
    assert model.plan.bytes_on_device() == 0
