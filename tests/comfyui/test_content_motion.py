"""The nodes of CMD in a real ComfyUI, on small made models: taken apart, edited, drawn, put together, kept, cancelled."""

from __future__ import annotations

import copy
import io
import json
import statistics
import time
from urllib.parse import urlencode

import numpy as np
import pytest
from cmd_models import FRAMES, SIDE, made_models
from PIL import Image
from record import ROOT

from dismo_core.content_motion.weights import tiny_files

ENCODE = dict(video=["1", 0], fps=8.0, start=0.0, frame_count=FRAMES, fit="crop", refine=0)
CLIP = {
    "1": {"class_type": "DisMoExample", "inputs": {"example": "drawn"}},
    "2": {"class_type": "DisMoCMDLoadModel", "inputs": {"model": "made", "precision": "fp32"}},
    "3": {"class_type": "DisMoCMDEncode", "inputs": {"model": ["2", 0], **ENCODE}},
    "4": {"class_type": "PreviewImage", "inputs": {"images": ["3", 2]}},
    "5": {
        "class_type": "DisMoCMDEdit",
        "inputs": dict(motion=["3", 1], operation="reverse", amount=1.0, frames=16, x=0.0, y=0.0),
    },
    "6": {"class_type": "DisMoCMDMix", "inputs": dict(first=["3", 1], second=["5", 0], mode="interpolate", amount=0.5)},
    "7": {"class_type": "ImageInvert", "inputs": {"image": ["3", 0]}},
    "8": {
        "class_type": "DisMoCMDDecode",
        "inputs": dict(model=["2", 0], content=["7", 0], motion=["6", 0], strength=1.5),
    },
    "9": {
        "class_type": "DisMoSaveVideo",
        "inputs": dict(video=["8", 0], filename_prefix="video/cmd", format="mp4", crf=18),
    },
    "10": {
        "class_type": "DisMoCMDSave",
        "inputs": dict(motion=["6", 0], filename_prefix="motion/cmd", content=["7", 0]),
    },
}
# Workflow -> what each node that saves a video makes: frames, height, width.
TINY = {
    "content_motion_tiny": {"7": (16, 64, 64)},
    "content_motion_paint_tiny": {"11": (16, 64, 64)},
    "content_motion_swap_tiny": {"10": (16, 64, 64), "11": (16, 64, 64)},
    "content_motion_predict_tiny": {"12": (16, 64, 3 * 64)},
}
DRAWN = {
    "2": CLIP["2"],
    "11": {
        "class_type": "DisMoCMDSampleContent",
        "inputs": dict(model=["2", 0], label=1, guidance=4.0, steps=3, sampler="ddim", seed=1, batch_size=1),
    },
    "12": {
        "class_type": "DisMoCMDSampleMotion",
        "inputs": dict(model=["2", 0], content=["11", 0], seed=1, steps=3, sampler="ancestral", eta=0.0, frames=FRAMES),
    },
    "13": {
        "class_type": "DisMoCMDDecode",
        "inputs": dict(model=["2", 0], content=["11", 0], motion=["12", 0], strength=1.0),
    },
    "14": {"class_type": "PreviewImage", "inputs": {"images": ["13", 1]}},
}


@pytest.fixture(scope="module")
def models(server):
    made_models(server.base / "models/dismo/content_motion/made")
    return server


def done(run):
    assert run.events[-1]["type"] == "execution_success", run.events[-1]
    return run


def videos_of(server, run, node):
    """Frames uint8 [T,H,W,3] of what a node has saved."""
    import av

    found = []
    for entry in (entry for e in run.data("executed") if e["node"] == node for entry in e["output"]["images"]):
        with av.open(io.BytesIO(server.get(f"/view?{urlencode(entry)}"))) as container:
            found.append(np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]))
    return found


def clips_of(server, prompt, decodes):
    """Frames uint8 [T,H,W,3] of clips whose pictures the node 1<node> shows, as they are, of each that decodes."""
    run, clips = done(server.run(prompt)), []
    for node in decodes:
        (images,) = (e["output"]["images"] for e in run.data("executed") if e["node"] == f"1{node}")
        files = [io.BytesIO(server.get(f"/view?{urlencode(entry)}")) for entry in images]
        clips.append(np.stack([np.asarray(Image.open(file).convert("RGB")) for file in files]))
    return clips


def test_a_clip_taken_apart_and_put_together_otherwise(models):
    from safetensors import safe_open

    server = models
    run = done(server.run(CLIP))
    (video,) = videos_of(server, run, "9")
    assert video.shape == (FRAMES, SIDE, SIDE, 3)
    assert any(e["node"] == "10" for e in run.data("executed"))  # it shows the picture
    with safe_open(server.base / "output/motion/cmd_00001_.safetensors", "pt") as file:
        assert file.metadata()["format"] == "content-motion" and "content" in set(file.keys())
    again = done(server.run(CLIP))
    assert {"2", "3", "8"} <= set(again.data("execution_cached")[0]["nodes"])
    listed = server.json("/object_info/DisMoCMDLoad")["DisMoCMDLoad"]["input"]["required"]["file"]
    options = listed[1]["options"] if listed[0] == "COMBO" else listed[0]
    assert "motion/cmd_00001_.safetensors [output]" in options
    done(
        server.run(
            {
                "2": CLIP["2"],
                "20": {"class_type": "DisMoCMDLoad", "inputs": {"file": "motion/cmd_00001_.safetensors [output]"}},
                "21": {
                    "class_type": "DisMoCMDDecode",
                    "inputs": dict(model=["2", 0], content=["20", 1], motion=["20", 0], strength=1.0),
                },
                "22": {"class_type": "PreviewImage", "inputs": {"images": ["21", 1]}},
            }
        )
    )


@pytest.mark.parametrize("name", TINY)
def test_workflows_of_the_bundled_model_run(server, name):
    """As they are, with its own weights; every video shows something, and so does every picture."""
    assert name in server.json("/workflow_templates")["dismo-pack"]
    prompt = json.loads((ROOT / f"tests/comfyui/{name}.api.json").read_text("utf-8"))
    run = done(server.run(prompt))
    for node, shape in TINY[name].items():
        (video,) = videos_of(server, run, node)
        assert video.shape == (*shape, 3) and video.std((1, 2, 3)).min() > 5
    previews = {node for node, entry in prompt.items() if entry["class_type"] == "PreviewImage"}
    assert previews <= {event["node"] for event in run.data("executed")}


def test_three_seeds_give_three_clips_of_one_picture(server):
    """As the workflow is; with one seed given twice, those two are alike to the bit."""
    prompt = json.loads((ROOT / "tests/comfyui/content_motion_predict_tiny.api.json").read_text("utf-8"))
    samples = [node for node, entry in prompt.items() if entry["class_type"] == "DisMoCMDSampleMotion"]
    decodes = [node for node, entry in prompt.items() if entry["class_type"] == "DisMoCMDDecode"]
    assert [prompt[node]["inputs"]["motion"] for node in decodes] == [[node, 0] for node in samples]
    for node in decodes:
        prompt[f"1{node}"] = {"class_type": "PreviewImage", "inputs": {"images": [node, 1]}}
    first, second, third = drawn = clips_of(server, prompt, decodes)
    assert len(drawn) == len(samples) and all(clip.shape == (16, 64, 64, 3) for clip in drawn)
    for one, other in ((first, second), (first, third), (second, third)):
        assert (one != other).any()
    prompt[samples[2]]["inputs"]["seed"] = prompt[samples[0]]["inputs"]["seed"]
    first, second, third = clips_of(server, prompt, decodes)
    assert (first == third).all() and (first != second).any()


def test_a_clip_from_nothing_shows_progress_and_previews(models):
    run = done(models.run(DRAWN))
    steps = {node: [e["value"] for e in run.data("progress") if e["node"] == node] for node in ("11", "12")}
    assert steps["11"][-1] == steps["12"][-1] == 3
    assert run.previews
    (images,) = (e["output"]["images"] for e in run.data("executed") if e["node"] == "14")
    assert len(images) == FRAMES


def test_refinement_and_sampling_are_cancelled_within_a_step(models):
    server = models
    refined = copy.deepcopy(CLIP)
    refined["3"]["inputs"]["refine"] = 500
    sampled = copy.deepcopy(DRAWN)
    sampled["12"]["inputs"] |= {"steps": 1000, "seed": 2}
    for prompt, node in ((refined, "3"), (sampled, "12")):
        cancelled = []

        def cancel(event, node=node, cancelled=cancelled):
            if event["type"] == "progress" and event["data"]["node"] == node and not cancelled:
                server.post("/interrupt")
                cancelled.append(time.monotonic())

        run = server.run(prompt, watch=cancel)
        assert run.events[-1]["type"] == "execution_interrupted", run.events[-1]
        assert run.data("progress")[-1]["value"] < run.data("progress")[-1]["max"] / 2
    done(server.run(DRAWN))


def test_repeated_and_interrupted_runs_leave_memory_flat(models):
    """Each run refines and draws with another seed, a third is interrupted; modules and tensors exactly, resident memory within 32 MB."""
    server, states = models, []

    def cancel(event):
        if event["type"] == "progress" and event["data"]["node"] == "12":
            server.post("/interrupt")

    for number in range(18):
        prompt = copy.deepcopy(CLIP | DRAWN)
        prompt["3"]["inputs"]["refine"] = 1 + number % 2
        for node in ("11", "12"):
            prompt[node]["inputs"]["seed"] = 100 + number
        if number % 3 == 2:
            prompt["12"]["inputs"]["steps"] = 1000
            assert server.run(prompt, watch=cancel).events[-1]["type"] == "execution_interrupted"
        else:
            done(server.run(prompt))
            states.append(server.json("/dismo_probe"))
    warm = states[4:]
    for what in ("modules", "tensor_bytes", "registered"):
        assert len({json.dumps(state[what]) for state in warm}) == 1, what
    sizes = [state["rss"] for state in warm]
    half = len(sizes) // 2
    assert statistics.median(sizes[half:]) - statistics.median(sizes[:half]) < 32e6, sizes


BAD = [
    ("3", {"images": ["1", 1]}, "both are connected"),
    ("6", {"mode": "transplant"}, "needs a mask"),
    *([] if tiny_files() else [("2", {"model": "tiny"}, "tiny CMD model is not in this version")]),
]


@pytest.mark.parametrize(("node", "inputs", "told"), BAD)
def test_bad_input_is_a_clear_error(models, node, inputs, told):
    prompt = copy.deepcopy(CLIP)
    prompt[node]["inputs"] |= inputs
    error = models.run(prompt).events[-1]
    assert error["type"] == "execution_error" and told in error["data"]["exception_message"]
