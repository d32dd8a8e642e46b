"""DEMO's files in every layout, and what is said of wrong ones (dismo_core/demo_t2v/loading.py)."""

from __future__ import annotations

import pickle
import shutil

import pytest
import torch
from demo_toy import GEOMETRY, TOWER, ldm_weights
from safetensors.torch import load_file, save_file
from toy_text_to_video import UNET as BASE_CONFIG
from toy_text_to_video import toy_text_encoder, toy_unet

from dismo_core import demo_t2v as demo
from dismo_core.demo_t2v import bundled
from dismo_core.demo_t2v.base_names import from_diffusers, from_modelscope, geometry_of_diffusers
from dismo_core.demo_t2v.loading import read_autoencoder, read_base_unet, read_unet
from dismo_core.demo_t2v.tower_files import read_image_tower, read_text_tower
from dismo_core.errors import DisMoError
from dismo_core.weights.convert import convert


def same(a: torch.nn.Module, b: torch.nn.Module) -> bool:
    left, right = a.state_dict(), b.state_dict()
    return left.keys() == right.keys() and all(torch.equal(left[name], right[name]) for name in left)


def test_release_and_ours_hold_the_same(toy, toy_folder):
    release = demo.load_demo(toy_folder / "release")
    for part in ("unet", "motion_encoder", "content_encoder", "autoencoder"):
        assert same(getattr(toy, part), getattr(release, part)), part
    assert toy.defaults.steps == 4 and toy.defaults.size == (16, 32)
    assert release.defaults.steps == 50 and release.defaults.size == (256, 256)


def test_release_folders_below_the_working_folder(toy, toy_folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "models/demo").mkdir(parents=True)
    (tmp_path / "models/modelscopet2v").mkdir()
    for name, folder in (("demo.pth", "demo"), ("motion_encoder.pth", "demo"), ("VQGAN_autoencoder.pth", "modelscopet2v"),
                         ("open_clip_pytorch_model.bin", "modelscopet2v")):  # fmt: skip
        shutil.copy(toy_folder / "release" / name, tmp_path / "models" / folder / name)
    found = demo.load_demo("demo")
    assert same(found.unet, toy.unet) and same(found.content_encoder, toy.content_encoder)


@pytest.mark.parametrize(
    "name", ["demo.pth", "motion_encoder.pth", "open_clip_pytorch_model.bin", "VQGAN_autoencoder.pth"]
)
def test_each_converts(name, toy, toy_folder, tmp_path):
    convert(toy_folder / "release" / name, tmp_path / "a.safetensors")
    assert len(load_file(tmp_path / "a.safetensors")) > 10
    part = {"d": "unet", "m": "motion_encoder", "o": "content_encoder", "V": "autoencoder"}[name[0]]
    parts = {other: toy_folder / f"{other if other != 'unet' else 'demo'}.safetensors" for other in
             ("unet", "motion_encoder", "content_encoder", "autoencoder")}  # fmt: skip
    found = demo.load_demo(parts | {part: tmp_path / "a.safetensors"})
    assert same(getattr(found, part), getattr(toy, part))


def test_an_ldm_autoencoder_without_prefix(tmp_path, toy):
    save_file(ldm_weights(), tmp_path / "vae.safetensors")
    assert same(read_autoencoder(tmp_path / "vae.safetensors", torch.float32), toy.autoencoder)


def test_a_tower_in_the_clothes_of_transformers_gives_the_same_states(toy_base_folder):
    """CLIPTextModel whose last block is cut off already, as in diffusers' folder of ModelScope."""
    theirs = toy_text_encoder()
    ours = read_text_tower(toy_base_folder / "text_encoder", torch.float32)
    ours.transformer.resblocks[0].attn.heads = ours.transformer.resblocks[1].attn.heads = (
        2  # heads of the toy are 8 wide
    )
    tokens = torch.arange(77)[None] % 120
    with torch.no_grad():
        torch.testing.assert_close(ours(tokens), theirs(tokens)[0], atol=2e-5, rtol=0)


def test_a_whole_checkpoint_of_stable_diffusion_2_holds_the_tower(tmp_path, toy):
    state = {f"cond_stage_model.model.{name}": value for name, value in toy.content_encoder.state_dict().items()}
    save_file(state | {"model.diffusion_model.out.0.bias": torch.zeros(1)}, tmp_path / "sd2.safetensors")
    assert same(read_text_tower(tmp_path / "sd2.safetensors", torch.float32), toy.content_encoder)


def test_the_image_tower_is_read_by_itself(toy_folder):
    tower = read_image_tower(toy_folder / "release" / "open_clip_pytorch_model.bin")
    assert tower.image_size == 28 and len(tower.transformer.resblocks) == 1
    with pytest.raises(DisMoError, match="no image tower"):
        read_image_tower(toy_folder / "release" / "motion_encoder.pth")


def test_a_base_of_diffusers_is_the_same_network_at_strength_0(toy_base_folder):
    theirs = toy_unet()
    ours = read_base_unet(toy_base_folder)
    torch.manual_seed(0)
    x, text = torch.randn(2, 4, 3, 8, 8), torch.randn(2, 7, BASE_CONFIG["cross_attention_dim"])
    t = torch.tensor([700, 20])
    with torch.no_grad():
        wanted = theirs(x, t, text).sample
        found = ours(x, t, text, text, motion_strength=0.0)
        assert (found - wanted).abs().max() <= 2e-4 * max(1, float(wanted.abs().max()))
        assert (ours(x, t, text, text) - wanted).abs().max() > 1e-3
    m, s = ours.input_blocks[1][2].proj_in.weight, ours.input_blocks[1][1].proj_in.weight
    assert torch.equal(m, s) and m.data_ptr() != s.data_ptr()


def test_the_shape_of_the_tiny_base_has_its_place():
    """Widths that are no multiples of the first, other groups: as the base that is trained by this project."""
    from dismo_core.text_to_video.training.parts import new_unet

    theirs = new_unet()
    geometry = geometry_of_diffusers(theirs.config)
    with torch.device("meta"):
        wanted = {name: value.shape for name, value in demo.UNet(**geometry).state_dict().items()}
    found = from_modelscope(from_diffusers(theirs.state_dict(), theirs.config["layers_per_block"]))
    assert {name: value.shape for name, value in found.items()} == wanted


def test_weights_of_demo_are_no_base(toy):
    with pytest.raises(DisMoError, match="motion modules in them"):
        from_modelscope(toy.unet.state_dict())


class Hostile:
    def __reduce__(self):
        return print, ("run",)


def spoil(folder, case):
    if case == "base as unet":
        state = torch.load(folder / "demo.pth")["unet_state_dict"]
        mark = ("input_blocks.1.3.", "middle_block.3.transformer_blocks.")
        base = {n: v for n, v in state.items() if not n.startswith(mark)}
        torch.save(base, folder / "demo.pth")
    elif case == "truncated":
        whole = (folder / "demo.pth").read_bytes()
        (folder / "demo.pth").write_bytes(whole[: len(whole) // 2])
    elif case == "hostile":
        (folder / "motion_encoder.pth").write_bytes(pickle.dumps({"a": Hostile()}))
    elif case == "objects in the autoencoder":
        torch.save({"state_dict": ldm_weights(), "callbacks": Hostile()}, folder / "VQGAN_autoencoder.pth")
    elif case == "foreign":
        torch.save({"a.weight": torch.ones(2)}, folder / "motion_encoder.pth")
    elif case == "tower of another width":
        torch.save(demo.TextTower(**{**TOWER, "width": 128}).state_dict(), folder / "open_clip_pytorch_model.bin")
    elif case == "missing":
        (folder / "motion_encoder.pth").unlink()


WRONG = {
    "base as unet": "is the base: it lacks the motion tensors",
    "truncated": "not a whole PyTorch weight file",
    "hostile": "would have to run code",
    "objects in the autoencoder": "Any SD 1.x VAE file does instead",
    "foreign": "holds no text tower",
    "tower of another width": "of width 128, and the UNet reads 64",
    "missing": r"lacks motion_encoder \(reads the motion prompt\).*CC BY-NC",
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_said_of_wrong_files(case, toy_folder, tmp_path):
    shutil.copytree(toy_folder / "release", tmp_path / "a")
    spoil(tmp_path / "a", case)
    with pytest.raises(DisMoError, match=WRONG[case]):
        demo.load_demo(tmp_path / "a")


def test_one_tower_for_both_is_noted(toy_folder, tmp_path, caplog):
    shutil.copytree(toy_folder / "release", tmp_path / "a")
    shutil.copy(tmp_path / "a" / "open_clip_pytorch_model.bin", tmp_path / "a" / "motion_encoder.pth")
    demo.load_demo(tmp_path / "a")
    assert "motion_encoder.pth and open_clip_pytorch_model.bin hold the same text tower" in caplog.text


def test_tiny_is_whole_or_says_what_it_lacks(tmp_path, monkeypatch):
    """The bundled files load by their own defaults; damaged ones and an empty folder are named."""
    model = demo.load_demo("tiny")
    assert (model.name, model.defaults.size, model.defaults.frames, model.defaults.steps) == ("tiny", (64, 64), 16, 20)
    assert not torch.equal(model.encode_motion(["moving left"]), model.encode_motion(["moving right"]))
    shutil.copytree(bundled.TINY, tmp_path / "tiny")
    again = demo.load_demo(tmp_path / "tiny")  # a folder as training leaves it: the autoencoder is the base's
    assert same(again.unet, model.unet) and same(again.autoencoder, model.autoencoder)
    monkeypatch.setattr(bundled, "TINY", tmp_path / "tiny")
    (tmp_path / "tiny" / "motion_encoder.safetensors").write_bytes(b"damaged")
    with pytest.raises(DisMoError, match="motion_encoder"):
        demo.load_demo("tiny")
    monkeypatch.setattr(bundled, "TINY", tmp_path)
    with pytest.raises(DisMoError, match="not bundled"):
        demo.load_demo("tiny")


def test_half_precision(toy_folder):
    unet, _ = read_unet(toy_folder / "demo.safetensors", torch.bfloat16)
    assert {weight.dtype for weight in unet.parameters()} == {torch.bfloat16}
    assert unet.geometry["width"] == GEOMETRY["width"]
