"""DEMO's nodes with a toy model, without ComfyUI."""

from __future__ import annotations

import asyncio
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

sys.path.append(str(Path(__file__).parents[1] / "demo_t2v"))
from demo_toy import write_ours  # noqa: E402

SAMPLE = dict(
    seed=3,
    steps=2,
    guidance=0.0,
    motion_guidance=-1.0,
    motion_strength=1.0,
    width=0,
    height=0,
    frames=0,
    batch=1,
    fps=0.0,
)
TEXTS = dict(prompt="a ball", motion_prompt="up", negative_prompt="", negative_motion="")


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return write_ours(tmp_path_factory.mktemp("demo_files"))


@pytest.fixture
def nodes(pack, tmp_path, files):
    """Function: module of DEMO's nodes by its name, with the toy's files in ComfyUI's folder."""
    shutil.copytree(files, tmp_path / "models/dismo/demo")
    asyncio.run(asyncio.run(pack().comfy_entrypoint()).get_node_list())
    return lambda name: pack(f"nodes.demo_t2v.{name}")


@pytest.fixture
def model(nodes):
    (loaded,) = nodes("demo_load").DemoLoad.execute("demo.safetensors", "auto", "auto", "fp32", "auto", False)
    return loaded


@pytest.fixture
def told(nodes, model):
    return nodes("demo_text").DemoTextEncode.execute(model, **TEXTS)[0]


def test_files_are_offered(nodes):
    files = nodes("demo_files")
    assert files.models()[:2] == ["tiny", "demo"] and "demo.safetensors" in files.models()
    assert files.autoencoders()[0] == "auto"


def test_the_model_takes_part_in_comfyuis_memory(model):
    assert model.patcher.plan is model.plan


def test_tiny_comes_with_the_pack(nodes, pack, monkeypatch, tmp_path):
    """Alone, or with another motion encoder; where it is missing, the error says so."""
    load = nodes("demo_load").DemoLoad
    (tiny,) = load.execute("tiny", "auto", "auto", "fp32", "auto", False)
    assert tiny.defaults.size == (64, 64) and tiny.content_encoder is not None
    parts = nodes("demo_files").find_parts("tiny", "motion_encoder.safetensors", "auto", False, None)
    assert parts["motion_encoder"].parent == tmp_path / "models/dismo/demo"
    assert parts["unet"].parent.name == "tiny" and {"content_encoder", "autoencoder"} < parts.keys()
    monkeypatch.setattr(pack("dismo_core.demo_t2v.bundled"), "TINY", tmp_path)
    with pytest.raises(Exception, match="not bundled"):
        load.execute("tiny", "auto", "auto", "fp32", "auto", False)


def test_a_clip_of_two_prompts(nodes, model, told):
    videos, images, latent = nodes("demo_sample").DemoSample.execute(model, told, **SAMPLE | dict(batch=2, frames=3))
    assert len(videos) == 2 and videos[0].get_components().frame_rate == 4
    assert images.shape == (6, 16, 32, 3) and 0 <= images.min() and images.max() <= 1
    assert latent["samples"].shape == (6, 4, 2, 4)
    decoded = model.autoencoder.decode(latent["samples"]).sample  # as ComfyUI's VAE Decode does
    assert ((decoded.movedim(1, -1) / 2 + 0.5).clamp(0, 1) - images).abs().max() < 2 / 255
    again = nodes("demo_text").DemoTextEncode.execute(model, **TEXTS | dict(motion_prompt="down"))[0]
    assert not torch.equal(
        nodes("demo_sample").DemoSample.execute(model, again, **SAMPLE | dict(batch=2, frames=3))[1], images
    )


def test_the_prompt_through_comfyuis_clip(nodes, model, told):
    states = told.positive.content
    clip = SimpleNamespace(
        tokenize=lambda text: text, encode_from_tokens=lambda text: states if text == "a ball" else 0 * states
    )
    (through,) = nodes("demo_text").DemoTextEncode.execute(model, **TEXTS, clip=clip)
    assert torch.equal(through.positive.content, states) and torch.equal(through.positive.motion, told.positive.motion)
    wide = SimpleNamespace(tokenize=lambda text: text, encode_from_tokens=lambda text: torch.zeros(1, 77, 768))
    with pytest.raises(Exception, match="states of width 768; this model reads 64"):
        nodes("demo_text").DemoTextEncode.execute(model, **TEXTS, clip=wide)


def test_a_clip_to_noise_and_back(nodes, model, told):
    torch.manual_seed(0)
    noise, fitted = nodes("demo_invert").DemoInvert.execute(model, told, 4, images=torch.rand(3, 40, 60, 3))
    assert noise["samples"].shape == (3, 4, 2, 4) and fitted.shape == (3, 16, 32, 3)
    videos, images, _ = nodes("demo_sample").DemoSample.execute(
        model, told, **SAMPLE | dict(steps=4, guidance=1.0), start_noise=noise
    )  # fmt: skip
    assert len(videos) == 1 and images.shape == (3, 16, 32, 3)
    with pytest.raises(Exception, match="exactly one clip"):
        nodes("demo_invert").DemoInvert.execute(model, told, 4)


def test_a_table(nodes, model):
    settings = {key: value for key, value in SAMPLE.items() if key != "steps"} | dict(steps=1, repeats=2, file="none")
    table = "prompt,motion_prompt,frames\na ball,up,2\na box,down,99\n"
    videos, names = nodes("demo_table").DemoPromptTable.execute(model, table=table, **settings)
    assert names == ["a_ball-0", "a_ball-1"] and len(videos[0].get_components().images) == 2
    with pytest.raises(Exception, match="No row of the table could be made: .*99"):
        nodes("demo_table").DemoPromptTable.execute(model, table="prompt,frames\nx,99\n", **settings)


def test_the_plot(nodes, model, told):
    (plot,) = nodes("demo_plot").DemoMotionPlot.execute(model, told, 3)
    assert plot.shape[0] == 1 and plot.shape[-1] == 3 and plot.std() > 0.05
