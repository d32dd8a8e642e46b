"""Files of CMD's weights: published layouts, bare weights, safetensors; what is refused."""

from __future__ import annotations

import argparse
import functools

import pytest
import torch
from cmd_toys import AUTOENCODER, autoencoder, content_model, filled, golden, motion_model
from safetensors.torch import load_file, save_file

from dismo_core import DisMoError
from dismo_core import content_motion as cm
from dismo_core.content_motion.checkpoints import save_model, save_published
from dismo_core.content_motion.kinds import AUTOENCODER as AE
from dismo_core.content_motion.kinds import MOTION_MODEL

ARGS = argparse.Namespace(image_size=[16, 16], n_frames=4, mode="pixel", embed_dim=4, lr=1e-4)
MOTION = [golden(f"motion.square.{n}") for n in ("x", "t", "content")]
CONTENT = [golden(f"content.square.{n}") for n in ("x", "t", "labels")]


def preset_motion_model(**sizes):
    return filled(cm.MotionDiT(**{**dict(width=384, depth=1, heads=6, channels=4), **sizes}))


def test_published_autoencoder(tmp_path):
    model, clip = autoencoder(), golden("ae.square.clip")
    content = {
        "autoenc": model.state_dict(),
        "opt": {"state": {0: torch.ones(3)}, "param_groups": [{"lr": 1e-5}]},
        "args": ARGS,
    }
    torch.save(content, tmp_path / "last.pt")
    torch.save(model.state_dict(), tmp_path / "bare.pt")
    torch.save({f"module.{k}": v for k, v in model.state_dict().items()}, tmp_path / "wrapped.pt")
    for name in ("last.pt", "bare.pt", "wrapped.pt"):
        loaded = cm.load_autoencoder(tmp_path / name)
        assert torch.equal(loaded(clip), model(clip)), name
        assert loaded.id == model.id and not loaded.training
    assert cm.load_autoencoder(tmp_path / "last.pt", dtype=torch.bfloat16).id == model.id


def test_latent_mode_and_positions_come_back(tmp_path):
    torch.save(autoencoder("latent").state_dict(), tmp_path / "latent.pt")
    assert cm.load_autoencoder(tmp_path / "latent.pt").mode == "latent"
    rotary = filled(cm.ContentMotionAutoencoder(**AUTOENCODER, positions="rotary"))
    save_model(rotary, tmp_path / "rotary.safetensors", metadata={"licence": "CC0"})
    loaded = cm.load_autoencoder(tmp_path / "rotary.safetensors")
    clip = golden("ae.square.clip")
    assert loaded.positions == "rotary" and torch.equal(loaded(clip), rotary(clip))
    torch.save(rotary.state_dict(), tmp_path / "rotary.pt")
    with pytest.raises(DisMoError, match="rotary tables of another size than the release"):
        cm.load_autoencoder(tmp_path / "rotary.pt")


def test_published_diffusion_models_sample_with_the_average(tmp_path):
    motion, content = motion_model(), content_model()
    other = {name: torch.zeros_like(value) for name, value in motion.state_dict().items()}
    torch.save({"mdiff_model": other, "ema": motion.state_dict(), "opt": {}, "args": ARGS}, tmp_path / "m.pt")
    assert torch.equal(cm.load_motion_model(tmp_path / "m.pt", heads=3)(*MOTION), motion(*MOTION))
    torch.save({"cdiff_model": {}, "ema": content.state_dict(), "opt": {}, "args": ARGS}, tmp_path / "c.pt")
    assert torch.equal(cm.load_content_model(tmp_path / "c.pt", heads=3)(*CONTENT), content(*CONTENT))


def test_bare_weights_ask_for_what_they_do_not_tell(tmp_path):
    model = preset_motion_model(latent_size=(4, 16), content_size=(16, 16))
    torch.save(model.state_dict(), tmp_path / "m.pt")
    with pytest.raises(DisMoError, match=r"256 values a channel, such as 16x16\). Give size="):
        cm.load_motion_model(tmp_path / "m.pt")
    with pytest.raises(DisMoError, match=r"Give frames="):
        cm.load_motion_model(tmp_path / "m.pt", size=(16, 16))
    loaded = cm.load_motion_model(tmp_path / "m.pt", size=(16, 16), frames=4)
    assert torch.equal(loaded(*MOTION), model(*MOTION)) and loaded.latent_size == (4, 16)


def test_safetensors_know_their_sizes(tmp_path):
    model = motion_model("rect")
    save_model(model, tmp_path / "m.safetensors")
    loaded = cm.load_motion_model(tmp_path / "m.safetensors")
    assert loaded.geometry == model.geometry
    inputs = [golden(f"motion.rect.{n}") for n in ("x", "t", "content")]
    assert torch.equal(loaded(*inputs), model(*inputs))
    content = content_model("rect")
    save_model(content, tmp_path / "c.safetensors")
    assert cm.load_content_model(tmp_path / "c.safetensors").geometry == content.geometry


def test_tables_of_the_checkpoint_win(tmp_path):
    model = motion_model()
    state = model.state_dict()
    state["pos_embed"] = torch.randn_like(state["pos_embed"])
    torch.save({"mdiff_model": state, "ema": state, "args": ARGS}, tmp_path / "m.pt")
    assert torch.equal(cm.load_motion_model(tmp_path / "m.pt", heads=3).pos_embed, state["pos_embed"])


@pytest.mark.parametrize(
    "kind, entry, make", [(AE, "autoenc", autoencoder), (MOTION_MODEL, "mdiff_model", motion_model)]
)
def test_published_checkpoints_are_written(tmp_path, kind, entry, make):
    model, path = make(), tmp_path / "last.pt"
    save_published(kind, model.state_dict(), path, options=vars(ARGS))
    with torch.serialization.safe_globals([argparse.Namespace]):
        content = torch.load(path, weights_only=True)
    assert set(content) == {entry, "opt", "args"} | ({"ema"} if kind is MOTION_MODEL else set())
    assert content["args"] == ARGS
    assert {k: v.shape for k, v in content[entry].items()} == {k: v.shape for k, v in model.state_dict().items()}


def test_the_weights_commands_know_the_files(tmp_path):
    from dismo_core.weights.verify import verify

    save_model(autoencoder(), tmp_path / "a.safetensors")
    save_model(content_model(), tmp_path / "c.safetensors")
    assert verify(tmp_path / "a.safetensors").startswith("CMD autoencoder, 92 tensors")
    assert verify(tmp_path / "c.safetensors").startswith("CMD content model")


def _no_class(path):
    torch.save({"autoenc": autoencoder().state_dict(), "args": functools.partial(print, "ran")}, path)


def _stage(path):
    torch.save({"cdiff_model": {}, "ema": content_model().state_dict(), "opt": {}, "args": ARGS}, path)


def _truncated(path):
    torch.save(autoencoder().state_dict(), path)
    path.write_bytes(path.read_bytes()[:-5000])


def _nan(path):
    state = dict(autoencoder().state_dict())
    state["pre_xt.bias"] = state["pre_xt.bias"] * float("nan")
    torch.save({"autoenc": state, "args": ARGS}, path)


def _missing(path):
    state = dict(autoencoder().state_dict())
    del state["decoder.layers.1.0.norm.bias"]
    torch.save(state, path)


def _other(path):
    torch.save({"a": torch.zeros(2)}, path)


BAD = {
    _no_class: "loading it would have to run code, which is refused",
    _stage: "checkpoint of a CMD content model, not of a CMD autoencoder .*'cdiff_model'",
    _truncated: "not a whole PyTorch weight file",
    _nan: "NaN or infinite values in 1 tensors, as in pre_xt.bias",
    _missing: "1 missing: decoder.layers.1.0.norm.bias",
    _other: "no such entry for to_logit.1.weight",
    lambda path: None: "There is no weight file",
}


@pytest.mark.parametrize("make", BAD, ids=lambda make: make.__name__)
def test_bad_files(tmp_path, make):
    make(tmp_path / "a.pt")
    with pytest.raises(DisMoError, match=BAD[make]):
        cm.load_autoencoder(tmp_path / "a.pt")


def test_what_contradicts_the_file(tmp_path):
    path = tmp_path / "m.pt"
    model = preset_motion_model(latent_size=(4, 16), content_size=(16, 16))
    torch.save({"mdiff_model": {}, "ema": model.state_dict(), "args": ARGS}, path)
    cases = {
        "1 blocks of width 384 and patches of 2; L/2 has 24, 1024 and 2": dict(preset="L/2"),
        "256 values a channel, not on 32x32": dict(size=(32, 32)),
        "64 positions in all, which 5 frames do not divide": dict(frames=5),
    }
    for message, given in cases.items():
        with pytest.raises(DisMoError, match=message):
            cm.load_motion_model(path, **given)
    narrow = motion_model().state_dict()
    torch.save({"mdiff_model": narrow, "ema": narrow, "args": ARGS}, path)
    with pytest.raises(DisMoError, match=r"width 48, which is none of the presets' .* Give heads="):
        cm.load_motion_model(path)
    save_file({k: v.contiguous() for k, v in content_model().state_dict().items()}, tmp_path / "c.safetensors")
    with pytest.raises(DisMoError, match="c.safetensors is a CMD content model, not a CMD motion model"):
        cm.load_motion_model(tmp_path / "c.safetensors")


def test_whole_models(tmp_path):
    save_model(autoencoder(), tmp_path / "autoencoder.safetensors")
    alone = cm.load_content_motion(tmp_path)
    assert alone.motion_model is None and alone.size is None and alone.frames is None
    save_model(motion_model(), tmp_path / "motion_model.safetensors")
    save_model(content_model(), tmp_path / "content_model.safetensors")
    model = cm.load_content_motion(tmp_path)
    assert (model.size, model.frames) == ((16, 16), 4) and model.content_model.num_classes == 5
    save_model(motion_model("rect"), tmp_path / "motion_model.safetensors", overwrite=True)
    with pytest.raises(DisMoError, match="the autoencoder needs 4, 20 and 3"):
        cm.load_content_motion(tmp_path)
    with pytest.raises(DisMoError, match="holds no autoencoder"):
        (tmp_path / "empty").mkdir()
        cm.load_content_motion(tmp_path / "empty")
    with pytest.raises(DisMoError, match="There is no folder .*nowhere"):
        cm.load_content_motion(tmp_path / "nowhere")


def test_lpips_from_one_file_or_from_heads_and_vgg16(tmp_path):
    model = filled(cm.LPIPS())
    state = model.state_dict()
    heads = {name: value for name, value in state.items() if name.startswith("lin")}
    vgg = {f"features.{n.split('.', 2)[2]}": v for n, v in state.items() if n.startswith("net.")}
    torch.save(state, tmp_path / "whole.pt")
    torch.save(heads, tmp_path / "heads.pt")
    save_file(vgg, tmp_path / "vgg16.safetensors")
    a, b = golden("lpips.a"), golden("lpips.b")
    for loaded in (
        cm.load_lpips(tmp_path / "whole.pt"),
        cm.load_lpips(tmp_path / "heads.pt", vgg16=tmp_path / "vgg16.safetensors"),
    ):
        assert torch.equal(loaded.train()(a, b), model(a, b)) and not loaded.training
    with pytest.raises(DisMoError, match=r"26 missing: net.slice1.0.bias.*VGG16 as well"):
        cm.load_lpips(tmp_path / "heads.pt")


def test_dismo_weights_convert(tmp_path):
    """A published checkpoint becomes safetensors that load like it."""
    from dismo_core.cli.main import main

    torch.save({"autoenc": autoencoder().state_dict(), "opt": {}, "args": ARGS}, tmp_path / "last.pt")
    assert main(["weights", "convert", str(tmp_path / "last.pt"), str(tmp_path / "a.safetensors")]) == 0
    assert load_file(tmp_path / "a.safetensors").keys() == autoencoder().state_dict().keys()
    clip = golden("ae.square.clip")
    assert torch.equal(cm.load_autoencoder(tmp_path / "a.safetensors")(clip), autoencoder()(clip))
    model = preset_motion_model(latent_size=(4, 16), content_size=(16, 16))
    torch.save({"mdiff_model": {}, "ema": model.state_dict(), "opt": {}, "args": ARGS}, tmp_path / "m.pt")
    assert main(["weights", "convert", str(tmp_path / "m.pt"), str(tmp_path / "m.safetensors")]) == 0
    assert cm.load_motion_model(tmp_path / "m.safetensors").latent_size == (4, 16)
