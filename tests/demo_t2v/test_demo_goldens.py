"""Figures of the published code (dismo_core/demo_t2v)."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
import torch
from demo_goldens import (
    IMAGE,
    TEXT,
    UNET,
    close,
    close_bytes,
    fill,
    flow,
    golden,
    goldens,
    listed,
    texts,
    toy_autoencoder,
    toy_unet,
)

from dismo_core import demo_t2v as demo

POSITIVE = demo.Conditioning(golden("unet.content"), golden("unet.motion"))
NEGATIVE = demo.Conditioning(golden("ddim.negative_content"), golden("ddim.negative_motion"))


@pytest.fixture(scope="module", autouse=True)
def tower_and_unet() -> None:
    torch.manual_seed(0)


def run(x: str = "unet.x", **options: Any) -> Any:
    with torch.no_grad():
        return toy_unet()(golden(x), golden("unet.t"), POSITIVE.content, POSITIVE.motion, **options)


def test_text_tower():
    with torch.no_grad():
        close(fill(demo.TextTower(**TEXT))(golden("text.tokens")), golden("text.states"))


def test_token_ids(caplog):
    assert torch.equal(demo.tokenize(listed("tokens.prompts")), golden("tokens.ids").long())
    assert "not read is its end: 'run run" in caplog.text


def test_image_tower_and_its_pictures():
    tower = fill(demo.ImageTower(**IMAGE), "visual.")
    prepared = demo.prepare_images(golden("image.frame_uint8"), 28)
    close(prepared, golden("image.prepared"), 1e-2)
    with torch.no_grad():
        close(tower(golden("image.prepared")), golden("image.embedding"))
        wrapped = demo.wrapped_frames(golden("image.frame"))
        assert torch.equal(wrapped, golden("image.wrapped_uint8"))
        close(tower(demo.prepare_images(wrapped, 28)), golden("image.embedding_wrapped"), 1e-2)


def test_unet():
    close(run(), golden("unet.out"), 5e-5)


def test_unet_tells_the_texts_apart():
    with torch.no_grad():
        swapped = toy_unet()(golden("unet.x"), golden("unet.t"), POSITIVE.motion, POSITIVE.content)
    assert float((swapped - golden("unet.out")).abs().max()) > 0.1


def test_unet_takes_other_shapes():
    with torch.no_grad():
        out = toy_unet()(golden("unet.wide_x"), golden("unet.t")[:1], POSITIVE.content[:1], POSITIVE.motion[:1])
    close(out, golden("unet.wide_out"))


@pytest.mark.parametrize("strength", [0.0, 0.5])
def test_motion_strength(strength):
    close(run(motion_strength=strength), golden(f"unet.out_strength_{strength}"))


def test_epsilons_of_norms():
    quiet = fill(demo.UNet(**UNET))
    state = quiet.state_dict()
    for name, value in state.items():
        if not name.startswith("out.") and (value.ndim >= 2 or name.endswith("bias")):
            state[name] = value * 0.01
    quiet.load_state_dict(state)
    with torch.no_grad():
        out = quiet(0.1 * golden("unet.x"), golden("unet.t"), POSITIVE.content, POSITIVE.motion)
    close(out, golden("unet.quiet_out"), 2e-5)


def test_maps():
    out, maps = run(eot_index=golden("unet.eot"))
    close(out, golden("unet.out"), 5e-5)
    assert len(maps) == int(texts()["unet.maps"])
    for number, found in enumerate(maps):
        close(found, golden(f"unet.map.{number}"))


def test_maps_of_all_tokens_sum_to_one():
    total = [torch.zeros(()) for _ in range(7)]
    for token in range(POSITIVE.motion.shape[1]):
        total = [a + b for a, b in zip(total, run(eot_index=torch.tensor([token, token]))[1], strict=True)]
    for summed in total:
        close(summed, torch.ones_like(summed))


def test_noise_levels_and_steps():
    at = [0, 1, 21, 250, 499, 981, 999]
    close(demo.alphas_cumprod()[at], golden("ddim.alphas_cumprod"), 1e-12)
    for steps in (50, 20, 30, 7, 3):
        assert demo.sampling_times(steps) == golden(f"ddim.timesteps.{steps}").tolist()


@pytest.mark.parametrize("together", [True, False])
def test_sampling(together):
    seen, clean = [], []
    options: dict[str, Any] = dict(together=together)
    for steps, guidance in ((4, 9.0), (3, 3.0)):
        out = demo.sample_ddim(
            toy_unet(), golden("ddim.noise"), POSITIVE, NEGATIVE, steps=steps, guidance=guidance,
            progress=lambda done, total, _: seen.append((done, total)), preview=clean.append, **options,
        )  # fmt: skip
        close(out, golden(f"ddim.latents.{steps}"))
    assert seen == [(k, 4) for k in range(1, 5)] + [(k, 4) for k in range(1, 5)]
    close(clean[0], golden("ddim.first_x0"))


@pytest.mark.parametrize("together", [True, False])
def test_decomposed_guidance(together):
    out = demo.sample_ddim(
        toy_unet(), golden("ddim.noise"), POSITIVE, NEGATIVE, steps=4, guidance=6.0, motion_guidance=12.0, together=together
    )  # fmt: skip
    close(out, golden("ddim.split"))


def test_inversion():
    close(demo.invert_ddim(toy_unet(), golden("invert.latents"), POSITIVE, steps=4), golden("invert.noise"))


def test_guidance_in_half_precision():
    assert torch.equal(demo.guide(golden("guide.u"), golden("guide.c"), 9.0), golden("guide.out"))


def test_autoencoder():
    model = toy_autoencoder()
    for at_once in (1, 4, 16):
        close_bytes(demo.decode_frames(model, golden("vae.latents"), at_once), golden("vae.uint8"))
    with torch.no_grad():
        flat = golden("vae.latents").transpose(1, 2).flatten(0, 1) / 0.18215
        close(model.decode(flat).sample, golden("vae.decoded"))
        close(
            torch.cat(model.encode(golden("vae.pixels")).latent_dist.parameters.chunk(2, 1), 1), golden("vae.moments")
        )
    close(demo.encode_frames(model, golden("vae.pixels"), golden("vae.noise")), golden("vae.encoded"))


def test_pixels_in_half_precision():
    found = demo.to_uint8(golden("vae.half").transpose(1, 2))
    assert torch.equal(found, golden("vae.half_uint8"))


def losses(unet: Any, **options: Any) -> dict[str, torch.Tensor]:
    video = golden("loss.video_small").repeat_interleave(16, -1).repeat_interleave(16, -2)
    return demo.training_losses(
        unet, golden("loss.x0"), golden("loss.t"), golden("loss.noise"), POSITIVE.content, POSITIVE.motion, golden("unet.eot"),
        video=video, flow=flow, **options,
    )  # fmt: skip


def test_losses():
    with torch.no_grad():
        found = losses(toy_unet())
        close(found["diffusion"], golden("loss.diffusion"))
        close(found["video_motion"], golden("loss.video_motion"))
        close(found["text_motion"], golden("loss.text_motion"), 2e-5)
        close(losses(toy_unet(), video_motion="x0")["video_motion"], golden("loss.video_motion_x0"))


def test_text_motion_of_maps():
    maps = [golden(f"unet.map.{number}") for number in range(7)]
    video = golden("loss.video_small").repeat_interleave(16, -1).repeat_interleave(16, -2)
    close(demo.text_motion_loss(maps, video, flow), golden("loss.text_motion_of_maps"), 2e-5)


def test_text_motion_is_least_where_the_flows_are_proportional():
    torch.manual_seed(1)
    video = torch.rand(2, 4, 3, 128, 128)
    grey = video[:, :, :1].expand(-1, -1, 3, -1, -1)
    found = demo.text_motion_loss([0.01 * grey[:, :, 0].permute(0, 2, 3, 1)], grey, lambda a, b: (b - a)[:, :2])
    close(found, torch.full((2,), -1.0))


@pytest.mark.parametrize("checkpointing", [False, True])
def test_gradients(checkpointing):
    unet = fill(demo.UNet(**UNET))
    unet.checkpointing = checkpointing
    for kind in ("diffusion", "video_motion", "text_motion"):
        names = [name.removeprefix(f"grad.{kind}.") for name in goldens() if name.startswith(f"grad.{kind}.")]
        weights = [unet.get_parameter(name).requires_grad_(True) for name in names]
        found = torch.autograd.grad(losses(unet)[kind].mean(), weights)
        for name, gradient in zip(names, found, strict=True):
            wanted = float(golden(f"grad.{kind}.{name}"))
            assert float(gradient.norm()) == pytest.approx(wanted, rel=1e-3)
            assert kind != "text_motion" or ".2." not in name[:17] or wanted > 0


def test_regularization():
    found = demo.regularization_loss(golden("loss.states"), golden("unet.eot"), golden("loss.image_embedding"))
    close(found, golden("loss.regularization"))


def test_published_rate():
    for step, rate, beta in golden("onecycle").tolist():
        assert demo.one_cycle(int(step)) == pytest.approx((rate, beta), rel=1e-9, abs=1e-12)


def test_clips():
    for (length, fps, start), wanted in zip(listed("clip.cases"), golden("clip.indices").tolist(), strict=True):
        assert demo.clip_indices(length, fps, start) == wanted
    close(demo.fit_frames(golden("fit.frames_uint8"), tuple(listed("fit.resolution"))), golden("fit.out"), 2e-5)


def test_prompt_tables_and_names(tmp_path):
    path = tmp_path / "prompts.csv"
    path.write_text(texts()["csv.text"], encoding="utf-8-sig")
    assert demo.read_prompts(path) == listed("csv.prompts_join")
    assert demo.read_prompts(path, overflow="cut") == listed("csv.prompts_cut")
    assert demo.output_names(listed("csv.prompts_join"), int(texts()["csv.repeat"])) == listed("csv.names")


def digest(lines: list[str]) -> str:
    return hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()[:16]


def names_and_shapes(module: torch.nn.Module, prefix: str = "") -> list[str]:
    return [f"{prefix}{name} {'x'.join(map(str, value.shape))}" for name, value in module.state_dict().items()]


def test_full_size_names_and_shapes():
    from dismo_core.demo_t2v.autoencoder import empty_autoencoder, ldm_name

    with torch.device("meta"):
        unet, text, image = demo.UNet(), demo.TextTower(), demo.ImageTower()
    assert digest(names_and_shapes(unet)) == "26ea0bd51399e71d"
    assert sum(weight.numel() for weight in unet.parameters()) == 1_684_862_980
    assert sum(w.numel() for module in unet.motion_modules() for w in module.parameters()) == 273_629_120
    assert digest(names_and_shapes(text)) == "686e675a147761b9"
    assert digest(names_and_shapes(image, "visual.")) == "a1fc3ba57f46fbd2"
    lines = []
    for name, value in empty_autoencoder().state_dict().items():
        ldm = ldm_name(name, 4)
        shape = (*value.shape, 1, 1) if "attn_1" in ldm and value.ndim == 2 else value.shape
        lines.append(f"{ldm} {'x'.join(map(str, shape))}")
    assert digest(lines) == "3f205d47927d4156"


def test_names_of_the_base():
    with torch.device("meta"):
        unet = demo.UNet().state_dict()
    names = listed("base.names")
    shifted = demo.from_modelscope({name: name for name in names})
    assert shifted.keys() == unet.keys()
    assert digest([f"{new} {old}" for new, old in shifted.items()]) == "972fca101baae720"
    base = {old: unet[new] for new, old in shifted.items()}
    assert digest([f"{name} {'x'.join(map(str, value.shape))}" for name, value in base.items()]) == "2fc535177373c928"
