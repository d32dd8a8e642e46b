"""UNet, VAE, text encoder, schedule, sampling, inversion and noise prior: the numbers of the published code."""

import torch
from toy_text_to_video import close, toy_scheduler, toy_text_encoder, toy_unet, toy_vae

from dismo_core.diffusion.ddim import ddim_path
from dismo_core.text_to_video import (
    decode_frames,
    encode_frames,
    invert_ddim,
    mix_noise_prior,
    start_noise,
)

TIMES = torch.tensor([981, 120])


def test_the_unet(published):
    found = toy_unet()(published["x"], TIMES, encoder_hidden_states=published["ctx"]).sample
    close(found, published["unet.out"])


def test_the_text_encoder(published):
    close(toy_text_encoder()(published["text.ids"])[0], published["text.out"])


def test_a_clip_through_the_vae(published):
    vae = toy_vae()
    latents = encode_frames(vae, published["pixels"], noise=published["vae.eps"])
    close(latents, published["vae.latents"])
    frames = decode_frames(vae, published["vae.latents"])
    expected = ((published["vae.decoded"] / 2 + 0.5).clamp(0, 1) * 255).to(torch.uint8).permute(0, 2, 3, 4, 1)
    assert frames.dtype == torch.uint8 and (frames.int() - expected.int()).abs().max() <= 1
    assert (frames != expected).float().mean() < 0.01


def test_the_schedule(published):
    scheduler = toy_scheduler()
    alphas = scheduler.alphas_cumprod[torch.tensor([0, 1, 500, 998, 999])]
    torch.testing.assert_close(alphas, published["schedule.alphas_cumprod"], atol=1e-6, rtol=0)
    for steps in (50, 30, 4):
        times = [step.time for step in ddim_path(scheduler, steps).steps]
        assert times == published[f"schedule.timesteps{steps}"].tolist()


def test_inversion(published):
    unet, scheduler, latents, text = toy_unet(), toy_scheduler(), published["latents"], published["ctx"][:1]
    close(invert_ddim(unet, scheduler, latents, text, steps=4), published["inversion.steps4"][-1:])
    close(invert_ddim(unet, scheduler, latents, text, steps=50), published["inversion.steps50"], 1e-3)


def test_the_noise_prior(published):
    inversion = published["prior.inversion_noise"][None]
    close(mix_noise_prior(inversion, published["prior.same.noise"], 0.5), published["prior.same.out"], 2e-3)
    resized = mix_noise_prior(inversion, published["prior.resized.noise"], 0.3, renormalise=False)
    close(resized, published["prior.resized.out"], 2e-3)


def test_the_start_noise_of_a_seed(published):
    noise = start_noise((1, 4, 16, 48, 48), 7192280).flatten()
    assert noise.dtype == torch.float16
    assert torch.equal(noise[:32], published["cpu_half_noise.first"])
    assert torch.equal(noise[-32:], published["cpu_half_noise.last"])
