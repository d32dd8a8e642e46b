"""Schedule and whole samplings against the published ones."""

import dataclasses

import numpy as np
import pytest
import torch
from mimo_goldens import draw, golden, goldens, pixels
from mimo_toy import pipeline

from dismo_core import DisMoError, Runtime, mimo

SIZES = [(40, 64), (64, 40), (80, 80), (33, 47)]
CASES = {  # frames, steps, guidance, window, overlap
    "one_window": (4, 3, 3.5, 24, 4),
    "unguided": (3, 2, 1.0, 24, 4),
    "windows": (7, 7, 2.0, 4, 1),
    "wrap": (9, 3, 3.5, 6, 2),
}


def pictures(kind, count):
    return [pixels(f"sample.{kind}.{i}", (*SIZES[i % 4], 3)) for i in range(count)]


REFERENCE = pixels("sample.reference", (90, 70, 3))


@pytest.fixture(scope="module")
def pipe():
    return pipeline()


def options(case):
    frames, steps, guidance, window, overlap = CASES[case]
    return dict(
        width=96,
        height=80,
        steps=steps,
        guidance=guidance,
        window=window,
        overlap=overlap,
        noise=draw(f"sample.{case}.noise", (1, 4, frames, 10, 12)),
    )


@pytest.mark.parametrize("name", [name for name in goldens() if name.startswith("ddim.") and ".step" in name])
def test_steps_of_the_schedule(name):
    count, number = int(name.split(".")[1]), int(name.split("step")[1])
    schedule = mimo.DDIM(count)
    assert schedule.timesteps == golden(f"ddim.{count}.timesteps").tolist()
    shape = (1, 4, 2, 3, 3)
    after = schedule.step(draw("ddim.velocity", shape), schedule.timesteps[number], draw("ddim.sample", shape))
    assert np.abs(after.numpy() - golden(name)).max() <= 1e-6


def test_signal_of_the_schedule():
    schedule = mimo.DDIM(25)
    assert np.abs(schedule.alphas_cumprod[::37].numpy() - golden("ddim.alphas")).max() <= 1e-6
    x, noise, times = draw("x", (2, 4, 3)), draw("noise", (2, 4, 3)), torch.tensor([499, 999])
    noisy, velocity = schedule.add_noise(x, noise, times), schedule.velocity(x, noise, times)
    for row, time in enumerate(times.tolist()):
        assert torch.allclose(schedule.clean(velocity[row], time, noisy[row]), x[row], atol=1e-6)
    with pytest.raises(DisMoError, match="1001"):
        mimo.DDIM(1001)


def test_windows_are_the_published_ones():
    for name in goldens():
        if name.startswith("windows."):
            assert mimo.context_windows(*map(int, name.split(".")[1:])) == golden(name).tolist()


def test_what_the_networks_get(pipe):
    assert np.abs(pipe.encode_picture(REFERENCE)[0].numpy() - golden("sample.clip")).max() <= 5e-5
    latent = pipe.encode_background(pictures("background", 1)[0], width=96, height=80)
    assert np.abs(latent.numpy() - golden("sample.background_latent")).max() <= 5e-5


@pytest.mark.parametrize("case", CASES)
def test_whole_samplings(pipe, case):
    frames = CASES[case][0]
    latents = pipe.sample_latents(REFERENCE, pictures("pose", frames), pictures("background", frames), **options(case))
    assert np.abs(latents[0].numpy() - golden(f"sample.{case}.latents")).max() <= 2e-4
    decoded = pipe.decode(latents)
    assert np.abs(decoded[-1:].numpy() - golden(f"sample.{case}.frames")).max() <= 2e-4
    assert np.array_equal(np.stack(list(pipe.decoded_frames(latents))), (decoded.numpy() * 255).astype(np.uint8))


@pytest.mark.parametrize("memory", ["full", "model offload", "group offload", "sequential"])
def test_all_memory_settings_give_the_same(memory):
    pipe = pipeline(memory=memory)
    pipe.plan._low_memory = memory != "full"
    found = pipe.sample_latents(REFERENCE, pictures("pose", 4), pictures("background", 4), **options("one_window"))
    assert np.abs(found[0].numpy() - golden("sample.one_window.latents")).max() <= 5e-5
    pipe.plan.release()
    assert pipe.plan.bytes_on_device() == 0


def test_backgrounds_left_out_are_white(pipe):
    white = [np.full((9, 9, 3), 255, np.uint8)] * 4
    with_white, without = (
        pipe.sample_latents(REFERENCE, pictures("pose", 4), scene, **options("one_window")) for scene in (white, None)
    )
    assert torch.allclose(with_white, without, atol=1e-5)


def test_the_same_seed_gives_the_same_frames(pipe):
    first, second, third = (
        pipe.sample(
            REFERENCE,
            pictures("pose", 2),
            None,
            width=64,
            height=64,
            steps=1,
            generator=torch.Generator().manual_seed(seed),
        )
        for seed in (3, 3, 4)
    )
    assert first.dtype == np.uint8 and first.shape == (2, 64, 64, 3)
    assert np.array_equal(first, second) and not np.array_equal(first, third)


def test_no_window_crosses_a_change_of_crop(pipe):
    poses = pictures("pose", 7)
    arguments = dict(width=64, height=64, steps=1, guidance=1.0, window=4, overlap=1)
    noise = draw("clips", (1, 4, 7, 8, 8))
    whole = pipe.sample_latents(REFERENCE, poses, None, noise=noise, clip_lengths=[3, 4], **arguments)
    for part in (slice(0, 3), slice(3, 7)):
        alone = pipe.sample_latents(REFERENCE, poses[part], None, noise=noise[:, :, part], **arguments)
        assert torch.allclose(whole[:, :, part], alone, atol=1e-5)


def test_progress_preview_and_cancel(pipe):
    seen, checks = [], []
    runtime = dataclasses.replace(
        Runtime.cpu(), progress=lambda *p: seen.append(p), check_cancel=lambda: checks.append(1)
    )
    pipe.sample_latents(REFERENCE, pictures("pose", 9), None, runtime=runtime, **options("wrap"))
    denoising = [p for p in seen if p[1] == 9]
    assert [p[0] for p in denoising] == list(range(1, 10))
    assert [p[2].size for p in denoising if p[2] is not None] == [(12, 10)] * 3

    class Cancelled(Exception):
        pass

    def stop():
        checks.append(1)
        if len(checks) > 5:
            raise Cancelled

    checks.clear()
    with pytest.raises(Cancelled):
        pipe.sample_latents(
            REFERENCE,
            pictures("pose", 9),
            None,
            runtime=dataclasses.replace(Runtime.cpu(), check_cancel=stop),
            **options("wrap"),
        )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (dict(window=33), "33 frames is longer than the 32"),
        (dict(window=4, overlap=4), "does not move on"),
        (dict(width=90), "90x80"),
        (dict(steps=0), "not 0"),
        (dict(noise=torch.zeros(1, 4, 4, 9, 9)), r"\[1, 4, 4, 9, 9\]"),
        (dict(clip_lengths=[1, 2]), "3 frames together"),
    ],
)
def test_bad_options(pipe, change, message):
    with pytest.raises(DisMoError, match=message):
        pipe.sample_latents(REFERENCE, pictures("pose", 4), None, **options("one_window") | change)


def test_bad_pictures_of_a_sampling(pipe):
    with pytest.raises(DisMoError, match="4 body pictures and 3"):
        pipe.sample_latents(REFERENCE, pictures("pose", 4), pictures("background", 3), **options("one_window"))
    with pytest.raises(DisMoError, match="float64"):
        pipe.sample_latents(np.zeros((4, 4, 3)), pictures("pose", 4), None, **options("one_window"))


def test_nan_is_told_with_its_step():
    pipe = pipeline()
    noise = draw("n", (1, 4, 2, 8, 8))
    noise[0, 0, 0, 0, 0] = float("nan")
    with pytest.raises(DisMoError, match="step 1 of 2, in torch.float32"):
        pipe.sample_latents(REFERENCE, pictures("pose", 2), None, width=64, height=64, steps=2, noise=noise)
