"""Frames to a motion latent and back, and its refinement."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from cmd_toys import autoencoder, golden

from dismo_core import DisMoError, Runtime
from dismo_core import content_motion as cm
from dismo_core.video.picture import to_uint8


def frames() -> torch.Tensor:
    """uint8 [8,16,16,3]."""
    return to_uint8(golden("ae.square.clip")[0].permute(1, 2, 3, 0))


def error(clip: torch.Tensor, latents: cm.Latents) -> list[float]:
    return (autoencoder().decode(*latents) - clip).square().mean((1, 2, 3, 4)).tolist()


def test_there_and_back():
    model = autoencoder()
    latent = cm.encode_frames(model, frames(), (16, 16), 8.0, "a.mp4")
    assert (latent.frames, latent.autoencoder, latent.content.shape) == (8, model.id, (3, 16, 16))
    clip = cm.clip_tensor(frames(), (16, 16))[None]
    assert torch.equal(cm.decode_frames(model, latent), to_uint8(model(clip)[0].permute(1, 2, 3, 0)))
    still = cm.decode_frames(model, latent.scaled(0)).int()
    assert (still - still[:1]).abs().max() <= 1
    assert cm.decode_frames(model, latent.retimed(5)).shape == (5, 16, 16, 3)


def test_refinement_never_loses_and_gains_on_each_clip():
    clip = golden("ae.square.clip")
    before = error(clip, autoencoder().encode(clip))
    after = error(clip, autoencoder().encode(clip, refine=15))
    assert all(b < 0.95 * a for a, b in zip(before, after, strict=True))
    together = autoencoder().encode(clip, refine=3)
    torch.testing.assert_close(autoencoder().encode(clip[:1], refine=3).motion, together.motion[:1], atol=1e-3, rtol=0)
    assert together.motion.abs().max() <= 1 and together.content.abs().max() <= 1
    assert all(parameter.grad is None for parameter in autoencoder().parameters())


def test_refinement_keeps_the_best():
    """Where the decoder makes the clip exactly, every step can only lose."""
    from dismo_core.content_motion.refine import refined

    latents = autoencoder().encode(golden("ae.square.clip"))
    kept = refined(autoencoder(), autoencoder().decode(*latents) + 1e-4, latents, 4)
    assert torch.equal(kept.content, latents.content) and torch.equal(kept.motion, latents.motion)


def test_refinement_reports_and_stops():
    told = []
    runtime = dataclasses.replace(Runtime.cpu(), progress=lambda *given: told.append(given[:2]))
    cm.encode_frames(autoencoder(), frames(), (16, 16), 8.0, refine=2, runtime=runtime)
    assert told == [(1, 2), (2, 2)]


def latent(**changes) -> cm.MotionLatent:
    return dataclasses.replace(cm.encode_frames(autoencoder(), frames(), (16, 16), 8.0), **changes)


BAD = {
    "latents": (lambda: cm.encode_frames(autoencoder("latent"), frames(), (16, 16), 8.0), "latents of 4 channels"),
    "one frame": (lambda: cm.encode_frames(autoencoder(), frames()[:1], (16, 16), 8.0), "1 frames has no motion"),
    "size": (lambda: cm.encode_frames(autoencoder(), frames(), (16, 15), 8.0), "16x15 .* multiples of 2"),
    "refine": (lambda: cm.encode_frames(autoencoder(), frames(), (16, 16), 8.0, refine=-1), "0 steps or more, not -1"),
    "autoencoder": (lambda: cm.decode_frames(autoencoder(), latent(autoencoder="0" * 16)), "made by autoencoder 0{16}"),
    "no content": (lambda: cm.decode_frames(autoencoder(), latent(content=None)), "holds no content frame"),
    "content": (lambda: cm.decode_frames(autoencoder(), latent(), torch.zeros(3, 8, 16)), "is 8x16 .* at 16x16"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input(case):
    act, message = BAD[case]
    with pytest.raises(DisMoError, match=message):
        act()
