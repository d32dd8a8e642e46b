"""MIMO's nodes in a real ComfyUI: the workflows, templates as files, the networks with toy weights."""

from __future__ import annotations

import copy
import io
import json

import numpy as np
import pytest
from record import ROOT
from server import Refused

INSERT, BUILD, EDIT, EDIT_TINY, ANIMATE_TINY = (
    json.loads((ROOT / f"tests/comfyui/mimo_{name}.api.json").read_text("utf-8"))
    for name in ("insert_character", "template_from_video", "edit", "edit_tiny", "animate_tiny")
)


@pytest.fixture(scope="module")
def weights(server):
    """Toy weights in the place of the released ones."""
    import toy_mimo

    toy_mimo.make_toy(server.base / "models")


def succeeded(server, prompt):
    run = server.run(prompt)
    assert run.events[-1]["type"] == "execution_success", run.events[-1]
    return run


def frames_of(server, run, node):
    """The frames of the video that a node has saved, and its rate."""
    from urllib.parse import urlencode

    import av

    (entry,) = next(event["output"]["images"] for event in run.data("executed") if event["node"] == node)
    with av.open(io.BytesIO(server.get(f"/view?{urlencode(entry)}"))) as container:
        rate = float(container.streams.video[0].average_rate)
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]), rate


def test_a_character_is_inserted(server):
    """The workflow; then its character as a video, mirrored: the same path through the clip."""
    run = succeeded(server, INSERT)
    frames, rate = frames_of(server, run, "3")
    assert frames.shape == (36, 208, 320, 3) and rate == 30
    steps = [event["value"] for event in run.data("progress") if event["node"] == "2"]
    assert steps == sorted(steps) and steps[-1] == 36 and run.previews
    prompt = copy.deepcopy(INSERT)
    prompt["10"] = {"class_type": "CreateVideo", "inputs": {"images": ["1", 2], "fps": 30.0}}
    del prompt["2"]["inputs"]["character"]
    prompt["2"]["inputs"] |= {"character_video": ["10", 0], "flip": True}
    again, _ = frames_of(server, succeeded(server, prompt), "3")
    changed = np.abs(again.astype(int) - frames).mean()
    assert 0.05 < changed < 5


def test_a_template_is_built_saved_and_used(server):
    """The workflow; then what it has saved is chosen by name."""
    prompt = copy.deepcopy(BUILD)
    prompt["5"]["inputs"]["zip"] = True
    succeeded(server, prompt)
    assert (server.base / "models/dismo/mimo/templates/template.zip").is_file()
    info = server.json("/object_info/DisMoMimoLoadTemplate")
    assert "template.zip" in json.dumps(info["DisMoMimoLoadTemplate"]["input"]["required"]["file"])
    prompt = copy.deepcopy(INSERT)
    loaded = {"file": "template.zip", "max_frames": 5, "start": 2}
    prompt["10"] = {"class_type": "DisMoMimoLoadTemplate", "inputs": loaded}
    prompt["2"]["inputs"]["template"] = ["10", 0]
    frames, _ = frames_of(server, succeeded(server, prompt), "3")
    assert frames.shape == (5, 208, 320, 3)


def test_a_character_of_one_picture_with_toy_weights(server, weights):
    """The workflow of the released weights; then the same in single steps, with a VAE of ComfyUI's beside."""
    prompt = copy.deepcopy(EDIT)
    prompt["10"] = {
        "class_type": "DisMoMimoLoadTemplate",
        "inputs": {"file": "gym [example]", "max_frames": 3, "start": 0},
    }
    prompt["3"]["inputs"] |= {"template": ["10", 0], "size": 64, "steps": 2}
    run = succeeded(server, prompt)
    frames, rate = frames_of(server, run, "4")
    assert frames.shape == (3, 208, 320, 3) and rate == 30 and run.previews
    single = {node: prompt[node] for node in ("1", "2", "4", "10")}
    planned = {"template": ["10", 0], "size": 64, "overlap": 4, "min_area": 0.5, "as_released": False}
    options = {"steps": 2, "guidance": 0.0, "seed": 0, "window": 24, "overlap": 4, "closed_loop": True}
    sampled = {"model": ["2", 0], "reference": ["1", 1], "poses": ["11", 1], "backgrounds": ["11", 2], **options}
    sampled["occlusions"] = ["11", 4]  # weights of 8 channels leave it out
    composed = {"frames": ["12", 0], "crops": ["11", 0], "template": ["10", 0], "feather": 0.08, "blend_masks": ""}
    single["11"] = {"class_type": "DisMoMimoPlanCrops", "inputs": planned}
    single["12"] = {"class_type": "DisMoMimoSample", "inputs": sampled}
    single["13"] = {"class_type": "DisMoMimoCompose", "inputs": composed}
    single["4"] = {"class_type": "DisMoSaveVideo", "inputs": prompt["4"]["inputs"] | {"video": ["13", 0]}}
    steps, _ = frames_of(server, succeeded(server, single), "4")
    assert np.array_equal(steps, frames)


def test_another_model_takes_the_crops_and_its_pictures_go_back(server):
    """The documented graph with an image model of the core: all of it fits, and only the models are missing. Then the same way round
    with a core node that needs none."""
    planned = {"template": ["1", 0], "size": 512, "overlap": 4, "min_area": 0.5, "as_released": False}
    composed = {"frames": ["10", 0], "crops": ["2", 0], "template": ["1", 0], "feather": 0.08, "blend_masks": ""}
    guided = {"positive": ["4", 0], "negative": ["5", 0], "control_net": ["6", 0], "image": ["2", 1]}
    sampled = {"model": ["3", 0], "positive": ["7", 0], "negative": ["7", 1], "latent_image": ["8", 0]}
    nodes = {
        "1": ("DisMoMimoLoadTemplate", {"file": "gym [example]", "max_frames": 3, "start": 0}),
        "2": ("DisMoMimoPlanCrops", planned),
        "3": ("CheckpointLoaderSimple", {"ckpt_name": "an SD 1.5 that is not here"}),
        "4": ("CLIPTextEncode", {"clip": ["3", 1], "text": "an astronaut"}),
        "5": ("CLIPTextEncode", {"clip": ["3", 1], "text": ""}),
        "6": ("ControlNetLoader", {"control_net_name": "one that is not here"}),
        "7": ("ControlNetApplyAdvanced", {**guided, "strength": 1.0, "start_percent": 0.0, "end_percent": 1.0}),
        "8": ("VAEEncode", {"pixels": ["2", 2], "vae": ["3", 2]}),
        "9": (
            "KSampler",
            {
                **sampled,
                "seed": 0,
                "steps": 20,
                "cfg": 6.0,
                "sampler_name": "euler",
                "scheduler": "normal",
                "denoise": 0.8,
            },
        ),
        "10": ("VAEDecode", {"samples": ["9", 0], "vae": ["3", 2]}),
        "11": ("DisMoMimoCompose", composed),
        "12": ("DisMoSaveVideo", copy.deepcopy(EDIT["4"]["inputs"]) | {"video": ["11", 0]}),
    }
    prompt = {node: {"class_type": name, "inputs": inputs} for node, (name, inputs) in nodes.items()}
    with pytest.raises(Refused) as refusal:
        server.run(prompt)
    assert refusal.value.kinds == {"3": "value_not_in_list", "6": "value_not_in_list"}
    scaled = {"image": ["2", 2], "upscale_method": "area", "width": 256, "height": 256, "crop": "disabled"}
    around = {node: prompt[node] for node in ("1", "2", "11", "12")}
    around["10"] = {"class_type": "ImageScale", "inputs": scaled}
    frames, _ = frames_of(server, succeeded(server, around), "12")
    assert frames.shape == (3, 208, 320, 3)


def test_animate_on_white_and_what_is_missing(server, weights):
    prompt = {node: copy.deepcopy(EDIT[node]) for node in ("1", "2", "4")}
    inputs = {"model": ["2", 0], "reference": ["1", 1], "template": ["1", 0]}
    inputs |= {"size": 32, "steps": 1, "guidance": 1.0, "seed": 3, "max_frames": 2}
    prompt["3"] = {"class_type": "DisMoMimoAnimate", "inputs": inputs}
    prompt["4"]["inputs"]["video"] = ["3", 0]
    frames, rate = frames_of(server, succeeded(server, prompt), "4")
    assert frames.shape == (2, 32, 32, 3) and rate == 30
    prompt["10"] = {
        "class_type": "DisMoMimoLoadTemplate",
        "inputs": {"file": "template.zip", "max_frames": 2, "start": 900},
    }
    prompt["3"]["inputs"]["template"] = ["10", 0]
    error = server.run(prompt).events[-1]
    assert error["type"] == "execution_error" and "Lower start" in error["data"]["exception_message"]


@pytest.mark.parametrize(("prompt", "size"), [(EDIT_TINY, (208, 320)), (ANIMATE_TINY, (64, 64))])
def test_the_tiny_model_makes_a_character_of_one_picture_move(server, prompt, size):
    """The workflow as it is: its own weights, all frames of the example."""
    run = succeeded(server, prompt)
    frames, rate = frames_of(server, run, "4")
    assert frames.shape == (36, *size, 3) and rate == 30 and run.previews
    steps = [event["value"] for event in run.data("progress") if event["node"] == "3"]
    assert steps and frames.std((1, 2, 3)).min() > 5
