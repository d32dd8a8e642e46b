"""`animate`, `edit` and loading, with a toy of random weights."""

import json
import logging

import numpy as np
import pytest
import torch
from mimo_goldens import CONFIG, pixels
from mimo_toy import make_image_encoder, make_vae, networks, pipeline
from safetensors.torch import save_file

from dismo_core import DisMoError, mimo
from dismo_core.mimo.crops.square import crop_square
from dismo_core.runtime import Runtime

REFERENCE = pixels("sample.reference", (90, 70, 3))
SMALL = dict(width=64, height=64, steps=1)


@pytest.fixture(scope="module")
def pipe():
    return pipeline()


def moving(frames=6, size=(72, 88)):
    """A gray box on black, which grows, over noise."""
    body = np.zeros((frames, *size, 3), np.uint8)
    for number in range(frames):
        body[number, 20 : 40 + 4 * number, 10 : 22 + 6 * number] = 180
    return mimo.Template(sdc=body, bk=pixels("scene", body.shape))


def test_edit_is_crops_network_and_composition(pipe):
    template = moving()
    found = mimo.edit(pipe, REFERENCE, template, seed=5, **SMALL)
    clips = mimo.plan_crops(template.sdc)
    assert len(clips) > 1
    poses, scenes = crop_square(template.sdc, clips, 0), crop_square(template.bk, clips, 255)
    made = pipe.sample(REFERENCE, poses, scenes, generator=torch.Generator().manual_seed(5), **SMALL)
    assert np.array_equal(found, mimo.compose(made, clips, template.bk))
    assert found.shape == (6, 72, 88, 3)


def test_animate_is_one_crop_on_white(pipe):
    template = moving()
    found = mimo.animate(pipe, REFERENCE, template, seed=5, **SMALL)
    x0, x1, y0, y1 = mimo.union_box(template.sdc)
    poses = [mimo.pad_square(body[y0:y1, x0:x1], 0)[0] for body in template.sdc]
    made = pipe.sample(REFERENCE, poses, None, generator=torch.Generator().manual_seed(5), **SMALL)
    assert np.array_equal(found, made)


def test_the_host_is_asked_for_memory(pipe):
    runtime, asked = Runtime.cpu(), []
    runtime.free_memory = asked.append
    pipe.plan.release()
    mimo.animate(pipe, REFERENCE, moving(), runtime=runtime, **SMALL)
    assert asked == [pipe.plan.choice.bytes_needed] and asked[0] > pipe.plan.bytes_of_weights()


def test_animate_makes_30_frames_a_second(pipe):
    template = mimo.Template(sdc=moving().sdc, fps=15)
    assert len(mimo.animate(pipe, REFERENCE, template, **SMALL)) == 12
    assert len(mimo.animate(pipe, REFERENCE, template, max_frames=3, **SMALL)) == 3


def test_files_and_memory_give_the_same(pipe, tmp_path):
    moving().save(tmp_path / "t")
    stored = mimo.Template.load(tmp_path / "t")
    from_files = mimo.edit(pipe, REFERENCE, stored, **SMALL)
    frames = stored.read()
    assert np.array_equal(from_files, mimo.edit(pipe, REFERENCE, frames, **SMALL))


def test_options_reach_the_sampling(pipe):
    template = moving()
    plain = mimo.edit(pipe, REFERENCE, template, **SMALL)
    assert np.array_equal(plain, mimo.edit(pipe, REFERENCE, template, **SMALL))
    for change in ({"seed": 1}, {"guidance": 1.0}, {"as_released": True}, {"ramp": 0.3}, {"min_area": 0.05}):
        assert not np.array_equal(plain, mimo.edit(pipe, REFERENCE, template, **SMALL | change)), change
    crossing = mimo.edit(pipe, REFERENCE, template, window=4, overlap=1, **SMALL)
    apart = mimo.edit(pipe, REFERENCE, template, window=4, overlap=1, window_per_clip=True, **SMALL)
    assert not np.array_equal(crossing, apart)


def test_templates_that_the_network_cannot_follow(pipe):
    black = np.zeros((3, 32, 32, 3), np.uint8)
    for make in (mimo.edit, mimo.animate):
        with pytest.raises(DisMoError, match="None of the 3 frames"):
            make(pipe, REFERENCE, mimo.Template(sdc=black), **SMALL)
        with pytest.raises(DisMoError, match="no body render"):
            make(pipe, REFERENCE, mimo.Template(mask=black[..., 0]), **SMALL)


# --- weights ---


@pytest.fixture(scope="module")
def released(tmp_path_factory):
    """The release's folder, with weights of toy size in float16; the denoising UNet without its motion modules."""
    folder = tmp_path_factory.mktemp("pretrained_weights")
    reference, denoising, guider = networks()
    state = {name: tensor.half() for name, tensor in denoising.state_dict().items()}
    motion = {name: tensor for name, tensor in state.items() if ".motion_modules." in name}
    torch.save({n: t.half() for n, t in reference.state_dict().items()}, folder / "reference_unet.pth")
    torch.save({n: t.half() for n, t in guider.state_dict().items()}, folder / "pose_guider.pth")
    torch.save(motion, folder / "motion_module.pth")
    torch.save(
        {n: t for n, t in state.items() if n not in motion and not n.startswith("conv_out")},
        folder / "denoising_unet.pth",
    )
    stable = {n: t for n, t in state.items() if n not in motion} | {
        "conv_in.weight": state["conv_in.weight"][:, :4].clone()
    }
    (folder / "stable-diffusion-v1-5" / "unet").mkdir(parents=True)
    save_file(stable, folder / "stable-diffusion-v1-5" / "unet" / "diffusion_pytorch_model.safetensors")
    make_vae().save_pretrained(folder / "sd-vae-ft-mse")
    make_image_encoder().save_pretrained(folder / "image_encoder")
    return folder


def copy_of(released, tmp_path, **changed):
    """The folder with other weights: name -> state, or None to leave it out."""
    import shutil

    folder = tmp_path / "weights"
    shutil.copytree(released, folder)
    for name, state in changed.items():
        (folder / f"{name}.pth").unlink()
        if state is not None:
            torch.save(state, folder / f"{name}.pth")
    return folder


def test_the_folder_of_the_release(released, caplog):
    with caplog.at_level(logging.INFO, "dismo_core"):
        pipe = mimo.load_mimo(released)
    assert "588 come from motion_module.pth" in caplog.text and "2 come from stable-diffusion-v1-5" in caplog.text
    wanted = {name: tensor.half().float() for name, tensor in networks()[1].state_dict().items()}
    for name, tensor in pipe.denoising_unet.state_dict().items():
        assert torch.equal(tensor, wanted[name]), name
    assert mimo.animate(pipe, REFERENCE, moving(frames=2), **SMALL).shape == (2, 64, 64, 3)


def test_the_yaml_file_and_paths(released, tmp_path):
    from dismo_core.mimo.weight_layout import PLACES

    paths = {key: str(released / place) for key, place in PLACES.items()}
    (tmp_path / "animation.yaml").write_text(json.dumps(paths | {"weight_dtype": "fp16", "inference_config": "x.yaml"}))
    assert mimo.load_mimo(tmp_path / "animation.yaml").dtype == torch.float16
    assert mimo.load_mimo(paths, dtype=torch.bfloat16).dtype == torch.bfloat16


def test_safetensors_of_the_same_names(released, tmp_path):
    from dismo_core.weights.convert import convert

    folder = copy_of(released, tmp_path)
    for name in ("reference_unet", "denoising_unet", "pose_guider", "motion_module"):
        convert(folder / f"{name}.pth", folder / f"{name}.safetensors")
        (folder / f"{name}.pth").unlink()
    first, second = (mimo.load_mimo(place).denoising_unet.state_dict() for place in (released, folder))
    assert all(torch.equal(first[name], second[name]) for name in first)


def read(path):
    return torch.load(path, weights_only=True)


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("reference_unet", lambda s: s.pop("conv_in.bias"), "1 missing: conv_in.bias"),
        ("reference_unet", lambda s: s.update(extra=torch.zeros(1)), "1 unknown: extra"),
        ("pose_guider", lambda s: s.update({"blocks.2.bias": torch.zeros(5)}), "of another shape: blocks.2.bias"),
        (
            "denoising_unet",
            lambda s: s.update({"conv_in.weight": s["conv_in.weight"][:, :4].clone()}),
            "for 4 channels",
        ),
        ("motion_module", lambda s: s.clear() or s.update(x=torch.zeros(1)), "no motion modules"),
    ],
)
def test_weights_that_do_not_fit(released, tmp_path, name, change, message):
    state = read(released / f"{name}.pth")
    change(state)
    with pytest.raises(DisMoError, match=message):
        mimo.load_mimo(copy_of(released, tmp_path, **{name: state}))


def test_weights_that_are_missing_or_damaged(released, tmp_path):
    with pytest.raises(DisMoError, match="pose_guider.pth .pose_guider_path."):
        mimo.load_mimo(copy_of(released, tmp_path / "a", pose_guider=None))
    with pytest.raises(DisMoError, match="588 missing"):
        mimo.load_mimo(copy_of(released, tmp_path / "b", motion_module=None))
    folder = copy_of(released, tmp_path / "c")
    (folder / "reference_unet.pth").write_bytes(b"<!DOCTYPE html>")
    with pytest.raises(DisMoError, match="reference_unet.pth"):
        mimo.load_mimo(folder)
    torch.save({"model": [object]}, folder / "reference_unet.pth")
    with pytest.raises(DisMoError, match="more than tensors"):
        mimo.load_mimo(folder)
    alone = tmp_path / "d"
    (alone / "stable-diffusion-v1-5").mkdir(parents=True)
    with pytest.raises(DisMoError, match="Stable Diffusion 1.5 alone"):
        mimo.load_mimo(alone)
    with pytest.raises(DisMoError, match="no folder"):
        mimo.load_mimo(tmp_path / "nowhere")
    with pytest.raises(DisMoError, match="Unknown key 'vae'"):
        mimo.load_mimo({"vae": str(released)})
    with pytest.raises(DisMoError, match="does not load as AutoencoderKL"):
        broken = copy_of(released, tmp_path / "e")
        (broken / "sd-vae-ft-mse" / "config.json").write_text("{")
        mimo.load_mimo(broken)


def test_sizes_are_told_from_the_tensors():
    from dismo_core.mimo.load_pipeline import guider_sizes, unet_sizes

    reference, denoising, guider = (module.state_dict() for module in networks())
    assert unet_sizes(reference) == unet_sizes(denoising) == {**CONFIG, "channels": [32, 64, 96, 96], "layers": 2}
    assert guider_sizes(guider) == {"channels": [4, 8, 12, 16], "out_channels": 32}


@pytest.mark.parametrize(
    ("make", "kept", "what"),
    [
        (mimo.PoseGuider, "", "MIMO's pose guider, 16 tensors"),
        (mimo.ReferenceUNet, "", "MIMO's reference UNet, 682 tensors"),
        (mimo.DenoisingUNet, "", "MIMO's denoising UNet, 1,274 tensors"),
        (mimo.DenoisingUNet, ".motion_modules.", "motion modules of AnimateDiff v2, 588 tensors"),
    ],
)
def test_files_of_the_released_size_are_known(make, kept, what, tmp_path, monkeypatch):
    from dismo_core.cli.methods import WEIGHTS
    from dismo_core.weights import verify
    from dismo_core.weights.files import WeightFile

    assert "mimo.weights" in WEIGHTS
    import dismo_core.mimo.weights  # noqa: F401

    with torch.device("meta"):
        state = {name: tensor for name, tensor in make().state_dict().items() if kept in name}
    monkeypatch.setattr(verify, "read_unwrapped", lambda path: WeightFile(path, state, {}))
    assert verify.verify(tmp_path / "weights.pth").startswith(what)
    state.pop(sorted(state)[0])
    with pytest.raises(DisMoError, match="1 missing"):
        verify.verify(tmp_path / "weights.pth")


# --- single files, as ComfyUI keeps them ---

VAE_NAMES = (  # diffusers' names -> the original ones, for a VAE of two levels
    (r"^(encoder|decoder)\.mid_block\.resnets\.0\.", r"\1.mid.block_1."),
    (r"^(encoder|decoder)\.mid_block\.resnets\.1\.", r"\1.mid.block_2."),
    (r"^(encoder|decoder)\.mid_block\.attentions\.0\.group_norm\.", r"\1.mid.attn_1.norm."),
    (r"^(encoder|decoder)\.mid_block\.attentions\.0\.to_(q|k|v)\.", r"\1.mid.attn_1.\2."),
    (r"^(encoder|decoder)\.mid_block\.attentions\.0\.to_out\.0\.", r"\1.mid.attn_1.proj_out."),
    (r"^encoder\.down_blocks\.(\d)\.resnets\.(\d)\.", r"encoder.down.\1.block.\2."),
    (r"^encoder\.down_blocks\.(\d)\.downsamplers\.0\.", r"encoder.down.\1.downsample."),
    (r"^decoder\.up_blocks\.0\.resnets\.(\d)\.", r"decoder.up.1.block.\1."),
    (r"^decoder\.up_blocks\.1\.resnets\.(\d)\.", r"decoder.up.0.block.\1."),
    (r"^decoder\.up_blocks\.0\.upsamplers\.0\.", r"decoder.up.1.upsample."),
    (r"conv_shortcut", "nin_shortcut"),
    (r"conv_norm_out", "norm_out"),
)


def originally_named(state):
    import re

    renamed = {}
    for name, tensor in state.items():
        for pattern, replacement in VAE_NAMES:
            name = re.sub(pattern, replacement, name)
        attention = ".attn_1." in name and name.endswith("weight") and tensor.ndim == 2
        renamed[name] = (tensor[..., None, None] if attention else tensor).contiguous()
    return renamed


@pytest.mark.parametrize("original", [False, True])
def test_a_vae_in_one_file(tmp_path, original):
    from diffusers import AutoencoderKL

    from dismo_core.mimo.single_files import vae_from_file

    vae = AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        block_out_channels=(32, 64),
        latent_channels=4,
    )
    state = vae.state_dict()
    save_file(originally_named(state) if original else state, tmp_path / "vae.safetensors")
    loaded = vae_from_file(tmp_path / "vae.safetensors", torch.float32).state_dict()
    assert loaded.keys() == state.keys() and all(torch.equal(loaded[name], state[name]) for name in state)


def test_an_image_encoder_in_one_file(tmp_path):
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

    from dismo_core.mimo.single_files import image_encoder_from_file

    encoder = CLIPVisionModelWithProjection(
        CLIPVisionConfig(
            hidden_size=128,
            intermediate_size=96,
            num_hidden_layers=2,
            num_attention_heads=2,
            image_size=56,
            patch_size=14,
            projection_dim=24,
        )
    ).eval()
    state = {name: tensor for name, tensor in encoder.state_dict().items() if "position_ids" not in name}
    save_file(state, tmp_path / "clip.safetensors")
    loaded = image_encoder_from_file(tmp_path / "clip.safetensors", torch.float32)
    picture = torch.rand(1, 3, 56, 56, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert torch.allclose(loaded(picture).image_embeds, encoder(picture).image_embeds, atol=1e-5)


def test_files_that_hold_no_such_part(tmp_path):
    from dismo_core.mimo import single_files

    path = tmp_path / "x.safetensors"
    save_file({"x": torch.zeros(1)}, path)
    with pytest.raises(DisMoError, match="no VAE"):
        single_files.vae_from_file(path, torch.float32)
    with pytest.raises(DisMoError, match="no CLIP vision model"):
        single_files.image_encoder_from_file(path, torch.float32)
    with pytest.raises(DisMoError, match="no UNet of Stable Diffusion"):
        single_files.unet_from_file(path)


def test_names_of_a_checkpoint_of_stable_diffusion(tmp_path):
    from dismo_core.mimo.single_files import unet_from_file

    part, own = "model.diffusion_model.", {}
    wanted = {
        "input_blocks.0.0": "conv_in",
        "input_blocks.1.0.in_layers.2": "down_blocks.0.resnets.0.conv1",
        "input_blocks.1.1.transformer_blocks.0.attn1.to_q": "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q",
        "middle_block.0.in_layers.2": "mid_block.resnets.0.conv1",
        "output_blocks.0.0.skip_connection": "up_blocks.0.resnets.0.conv_shortcut",
        "time_embed.0": "time_embedding.linear_1",
        "out.2": "conv_out",
    }
    for number, name in enumerate(wanted):
        own |= {f"{part}{name}.weight": torch.full((2, 2), float(number)), f"{part}{name}.bias": torch.zeros(2)}
    for missing in ("time_embed.2", "out.0"):
        own |= {f"{part}{missing}.weight": torch.zeros(2, 2), f"{part}{missing}.bias": torch.zeros(2)}
    save_file(own, tmp_path / "sd.safetensors")
    found = unet_from_file(tmp_path / "sd.safetensors")
    assert [float(found[f"{name}.weight"][0, 0]) for name in wanted.values()] == list(range(len(wanted)))
