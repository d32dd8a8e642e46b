"""DEMO in a real ComfyUI: the workflows on the bundled weights; on toy weights two prompts to a video, a clip to noise and back, a table,
the maps."""

from __future__ import annotations

import copy
import io
import json
import sys
from pathlib import Path
from urllib.parse import urlencode

import av
import numpy as np
import pytest

TESTS = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS), str(TESTS / "demo_t2v")]

LOAD, TEXT, SAMPLE, SAVE, IMAGES, EXAMPLE, INVERT, TABLE, PLOT = map(str, range(1, 10))
SAMPLING = {
    "seed": 3, "steps": 2, "guidance": 0.0, "motion_guidance": -1.0, "motion_strength": 1.0, "width": 0, "height": 0, "frames": 0,
    "batch": 1, "fps": 0.0,
}  # fmt: skip
PROMPT = {
    LOAD: {
        "class_type": "DisMoDemoLoad",
        "inputs": {
            "model": "demo.safetensors", "motion_encoder": "auto", "autoencoder": "auto", "precision": "auto", "memory": "auto",
            "download": False,
        },
    },
    TEXT: {
        "class_type": "DisMoDemoTextEncode",
        "inputs": {"model": [LOAD, 0], "prompt": "a ball", "motion_prompt": "up", "negative_prompt": "", "negative_motion": ""},
    },
    SAMPLE: {"class_type": "DisMoDemoSample", "inputs": {"model": [LOAD, 0], "conditioning": [TEXT, 0], **SAMPLING}},
    SAVE: {
        "class_type": "DisMoSaveVideo",
        "inputs": {"video": [SAMPLE, 0], "filename_prefix": "video/demo", "format": "mp4", "crf": 18},
    },
    IMAGES: {"class_type": "SaveImage", "inputs": {"images": [SAMPLE, 1], "filename_prefix": "demo"}},
}  # fmt: skip


@pytest.fixture(scope="module")
def files(server):
    from demo_toy import write_ours

    return write_ours(server.base / "models/dismo/demo")


def saved(run, node):
    assert run.events[-1]["type"] == "execution_success", run.events[-1]
    return next(event["output"]["images"] for event in run.data("executed") if event["node"] == node)


# Workflow of the bundled weights -> frames, height and width of its video.
TINY = {
    "demo_tiny": (16, 64, 64),
    "demo_swap_motion_tiny": (16, 64, 192),
    "demo_guidance_grid_tiny": (16, 128, 128),
    "demo_reanimate_tiny": (16, 64, 64),
    "demo_to_motion_transfer": (16, 64, 64),
}


@pytest.mark.parametrize("name", ["demo_256", *TINY])
def test_workflows_are_served(server, name):
    assert name in server.json("/workflow_templates")["dismo-pack"]
    assert server.json(f"/api/workflow_templates/dismo-pack/{name}.json")["nodes"]
    assert server.get(f"/api/workflow_templates/dismo-pack/{name}.jpg")[:2] == b"\xff\xd8"


@pytest.mark.parametrize("name", TINY)
def test_workflows_of_the_bundled_weights_run_as_they_are(server, name):
    """Nothing has to be fetched, and something moves or differs in what is saved."""
    prompt = json.loads((TESTS / "comfyui" / f"{name}.api.json").read_text("utf-8"))
    run = server.run(prompt)
    (save,) = (number for number, node in prompt.items() if node["class_type"] == "DisMoSaveVideo")
    (entry,) = saved(run, save)
    with av.open(io.BytesIO(server.get(f"/view?{urlencode(entry)}"))) as container:
        frames = np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])
    assert frames.shape == (*TINY[name], 3) and frames.std((1, 2, 3)).min() > 5
    assert run.previews


def test_the_published_workflow_is_accepted_and_says_what_its_text_encoder_is(server, files):
    """With an empty file in the place of SD 2.x's text encoder, that is where it stops."""
    prompt = json.loads((TESTS / "comfyui" / "demo_256.api.json").read_text("utf-8"))
    failed = server.run(prompt).events[-1]
    assert failed["type"] == "execution_error" and failed["data"]["node_type"] in ("CLIPLoader", "VAELoader")


def test_two_prompts_make_a_video(server, files):
    run = server.run(PROMPT)
    assert len(saved(run, SAVE)) == 1 and len(saved(run, IMAGES)) == 5


def test_a_clip_goes_to_noise_and_back(server, files):
    prompt = copy.deepcopy(PROMPT)
    prompt[EXAMPLE] = {"class_type": "DisMoExample", "inputs": {"example": "drawn"}}
    prompt[INVERT] = {
        "class_type": "DisMoDemoInvert",
        "inputs": {"model": [LOAD, 0], "conditioning": [TEXT, 0], "video": [EXAMPLE, 0], "steps": 2},
    }
    prompt[SAMPLE]["inputs"] |= {"start_noise": [INVERT, 0], "guidance": 1.0}
    assert len(saved(server.run(prompt), IMAGES)) == 5


def test_a_table_and_the_maps(server, files):
    prompt = {LOAD: PROMPT[LOAD], TEXT: PROMPT[TEXT]}
    prompt[TABLE] = {
        "class_type": "DisMoDemoPromptTable",
        "inputs": {
            "model": [LOAD, 0],
            "table": "prompt,frames\na ball,2\na box,3\n",
            "file": "none",
            "repeats": 1,
            **SAMPLING,
        },
    }
    prompt[SAVE] = copy.deepcopy(PROMPT[SAVE])
    prompt[SAVE]["inputs"]["video"] = [TABLE, 0]
    prompt[PLOT] = {
        "class_type": "DisMoDemoMotionPlot",
        "inputs": {"model": [LOAD, 0], "conditioning": [TEXT, 0], "frames": 3},
    }
    prompt[IMAGES] = {"class_type": "SaveImage", "inputs": {"images": [PLOT, 0], "filename_prefix": "plot"}}
    run = server.run(prompt)
    assert len(saved(run, IMAGES)) == 1 and run.events[-1]["type"] == "execution_success"
