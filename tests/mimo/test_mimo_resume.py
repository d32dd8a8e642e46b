"""Jobs that were stopped go on; the VAE in bands; networks that are told what stands in front. With a toy of random weights."""

import dataclasses

import numpy as np
import pytest
import torch
from mimo_goldens import CONFIG, filled, pixels
from mimo_toy import make_vae, networks, pipeline

from dismo_core import DisMoError, Runtime, mimo
from dismo_core.mimo.job_store import JobStore
from dismo_core.mimo.vae_bands import decode_in_bands, encode_in_bands

REFERENCE = pixels("sample.reference", (90, 70, 3))
SMALL = dict(width=32, height=32, steps=2, window=4, overlap=1)
ONE = dict(width=32, height=32, steps=1)


@pytest.fixture(scope="module")
def pipe():
    return pipeline()


@pytest.fixture(scope="module")
def template():
    body = np.zeros((6, 72, 88, 3), np.uint8)
    for number in range(6):
        body[number, 20 : 40 + 4 * number, 10 : 22 + 6 * number] = 180
    occluder = np.zeros((6, 72, 88), np.uint8)
    occluder[:, :, 20:26] = 255
    return mimo.Template(sdc=body, bk=pixels("scene", body.shape), vid=pixels("clip", body.shape), occ=occluder)


class Stopped(Exception):
    pass


def counted(calls, stop_at=None):
    """A runtime that counts progress of denoising, and stops after so many."""

    def progress(done, total, preview):
        calls.append((done, total))
        if len(calls) == stop_at:
            raise Stopped

    return dataclasses.replace(Runtime.on("cpu"), progress=progress)


def test_a_stopped_job_goes_on_behind_its_last_window(pipe, tmp_path):
    poses = pixels("poses", (6, 32, 32, 3))
    whole = pipe.sample_latents(REFERENCE, poses, None, generator=torch.Generator().manual_seed(1), **SMALL)
    again = lambda runtime, **change: pipe.sample_latents(  # noqa: E731
        REFERENCE,
        poses,
        None,
        generator=torch.Generator().manual_seed(1),
        store=JobStore(tmp_path),
        runtime=runtime,
        **SMALL | change,
    )
    for stop in (1, 1, 1):  # in the middle of a step, at its end, and in the next
        with pytest.raises(Stopped):
            again(counted([], stop))
    calls = []
    assert torch.equal(again(counted(calls)), whole)
    assert calls == [(4, 4)]
    calls.clear()
    assert torch.equal(again(counted(calls)), whole) and calls == [], "finished: nothing is computed"
    again(counted(calls), guidance=2.0)
    assert calls[0] == (1, 4), "another job begins at the beginning"


def test_what_a_job_is_told_by(pipe, tmp_path):
    poses = pixels("poses", (2, 32, 32, 3))

    def kept(**change):
        given = dict(picture=REFERENCE, poses=poses, backgrounds=None, seed=1, store=JobStore(tmp_path)) | ONE | change
        pipe.sample_latents(generator=torch.Generator().manual_seed(given.pop("seed")), **given)
        return len(list(tmp_path.glob("denoising-*")))

    other = poses.copy()
    other[1, 5, 5] ^= 1
    for number, change in enumerate(
        ({}, {"seed": 2}, {"poses": other}, {"picture": REFERENCE[:-1]}, {"backgrounds": poses}, {"steps": 2}), 1
    ):
        assert kept(**change) == number, change
    assert kept() == 6
    weight = pipe.denoising_unet.conv_out.weight
    weight.data[0, 0, 0, 0] += 1
    assert kept() == 7, "other weights"
    weight.data[0, 0, 0, 0] -= 1


def test_frames_are_kept_by_their_content(pipe, template, tmp_path):
    store = JobStore(tmp_path / "parts")
    options = dict(seed=5, **ONE)
    plain = mimo.edit(pipe, REFERENCE, template, **options)
    assert np.array_equal(mimo.edit(pipe, REFERENCE, template, store=store, **options), plain)
    frames = list((tmp_path / "parts").glob("frame-*.png"))
    assert len(frames) >= 6
    soft = mimo.edit(pipe, REFERENCE, template, ramp=0.3, **options)
    decode, pipe._decoded = pipe._decoded, None  # nothing may be decoded
    assert np.array_equal(mimo.edit(pipe, REFERENCE, template, ramp=0.3, store=store, **options), soft)
    pipe._decoded = decode
    frames[0].write_bytes(b"no picture")
    with pytest.raises(DisMoError, match="no kept frame"):
        mimo.edit(pipe, REFERENCE, template, store=store, **options)
    (kept,) = (tmp_path / "parts").glob("denoising-*")
    kept.write_bytes(b"no tensors")
    with pytest.raises(DisMoError, match="no kept piece"):
        mimo.edit(pipe, REFERENCE, template, store=store, **options)


@pytest.mark.parametrize("rows", [5, 16, 64])
def test_the_vae_in_bands_is_the_whole_vae(rows):
    vae = filled(make_vae(), "vae.")
    with torch.no_grad():
        latent = torch.randn(1, 4, 11, 8, generator=torch.Generator().manual_seed(0))
        wanted = vae.decode(latent).sample
        assert (decode_in_bands(vae, latent, rows) - wanted).abs().max() <= 1e-5 * wanted.abs().max().clamp_min(1)
        picture = torch.rand(1, 3, 88, 64, generator=torch.Generator().manual_seed(0)) * 2 - 1
        wanted = vae.encode(picture).latent_dist.mean
        assert (encode_in_bands(vae, picture, rows) - wanted).abs().max() <= 1e-5 * wanted.abs().max().clamp_min(1)


def test_bands_are_used_where_memory_is_short():
    pipe = pipeline()  # planned for frames of 784 px
    latent = torch.randn(1, 4, 1, 9, 8, generator=torch.Generator().manual_seed(0))

    def found():
        pipe.plan.release()
        encoded = pipe.encode_background(REFERENCE, width=64, height=72)
        return encoded, pipe.decode(latent), "vae" in pipe.plan.choice.low_memory

    plain = found()
    pipe.plan.available = lambda: 1e8
    short = found()
    pipe.plan.available = None
    pipe.plan.release()
    assert (plain[2], short[2]) == (False, True)
    assert all(torch.allclose(a, b, atol=1e-5) for a, b in zip(plain[:2], short[:2], strict=True))


def test_a_network_of_12_channels_sees_what_stands_in_front(pipe, template):
    reference, _, guider = networks()
    wide = filled(mimo.DenoisingUNet(**CONFIG, in_channels=12), "denoising.")
    told = mimo.MimoPipeline(reference, wide, guider, pipe.vae, pipe.image_encoder)
    plain = mimo.edit(told, REFERENCE, template, seed=5, **ONE)
    free = mimo.edit(told, REFERENCE, dataclasses.replace(template, occ=None), seed=5, **ONE)
    seen = np.asarray(template.occ) == 0
    assert (plain != free)[seen].any(), "also where nothing stands in front"
    assert mimo.animate(told, REFERENCE, template, max_frames=1, **ONE).shape == (1, 32, 32, 3)
    with pytest.raises(DisMoError, match="2 body pictures and 3 of what stands in front"):
        told.sample_latents(REFERENCE, template.sdc[:2], None, template.bk[:3], **ONE)
