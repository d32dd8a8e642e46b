"""MotionDirector in a real ComfyUI, on a toy base: train, cancel, resume, keep, load, merge, sample."""

from __future__ import annotations

import copy
import io
import json
import sys
from pathlib import Path
from urllib.parse import urlencode

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))

BASE = "toy-text-to-video"
LOAD, EXAMPLE, CLIPS, TRAIN, SAMPLE, SAVE = "1", "2", "3", "4", "5", "6"
PROMPT = {
    LOAD: {
        "class_type": "DisMoLoadTextToVideo",
        "inputs": {"model": BASE, "precision": "auto", "memory": "auto", "download": False},
    },
    EXAMPLE: {"class_type": "DisMoExample", "inputs": {"example": "drawn"}},
    CLIPS: {
        "class_type": "DisMoMotionClips",
        "inputs": {
            "caption": "a thing moves", "video": [EXAMPLE, 0], "images_are": "clip", "fps": 8, "start": 0, "frame_count": 3,
            "width": 16, "height": 16, "fit": "crop",
        },
    },
    TRAIN: {
        "class_type": "DisMoTrainMotionDirector",
        "inputs": {
            "base": [LOAD, 0], "clips": [CLIPS, 0], "name": "toy", "mode": "both", "steps": 6, "learning_rate": 0.01, "rank": 2,
            "keep_inversion": True, "preview_prompt": "a fox", "preview_every": 3, "save_every": 2, "seed": 0,
            "single_appearance": False, "flip": 0.0, "dropout": 0.1, "weight_decay": 0.01, "optimizer": "adamw",
            "checkpointing": False, "resume": True,
        },
    },
    SAMPLE: {
        "class_type": "DisMoMotionDirectorSample",
        "inputs": {
            "base": [LOAD, 0], "prompt": "a fox", "negative_prompt": "", "motion_lora": [TRAIN, 0], "motion_strength": 1.0,
            "appearance_strength": 1.0, "noise_prior": 0.0, "width": 16, "height": 16, "frames": 3, "steps": 2, "guidance": 2.0,
            "seed": 0, "fps": 8.0, "motion_from": 0.0, "motion_until": 1.0,
        },
    },
    SAVE: {"class_type": "SaveImage", "inputs": {"images": [SAMPLE, 1], "filename_prefix": "md"}},
}  # fmt: skip


@pytest.fixture(scope="module")
def base(server):
    from toy_text_to_video import write_base

    folder = server.base / "models/diffusers"
    folder.mkdir(parents=True, exist_ok=True)
    write_base(folder / BASE)
    return folder / BASE


def changed(prompt=PROMPT, **nodes):
    """A prompt with other inputs at some nodes, named n1, n2, ..."""
    prompt = copy.deepcopy(prompt)
    for node, inputs in nodes.items():
        prompt[node[1:]]["inputs"] |= inputs
    return prompt


def frames(server, run, node=SAVE):
    """What SaveImage has saved, [T,H,W,3]."""
    import numpy as np
    from PIL import Image

    assert run.events[-1]["type"] == "execution_success", run.events[-1]
    entries = next(event["output"]["images"] for event in run.data("executed") if event["node"] == node)
    files = [io.BytesIO(server.get(f"/view?{urlencode(entry)}")) for entry in entries]
    return np.stack([np.asarray(Image.open(file)) for file in files]).astype(int)


def error(run):
    """(node id, message) of a run that failed."""
    assert run.events[-1]["type"] == "execution_error", run.events[-1]
    data = run.events[-1]["data"]
    return data["node_id"], data["exception_message"]


def steps_of(run, node):
    return [event["value"] for event in run.data("progress") if event["node"] == node]


def run_folders(server, name):
    return sorted((server.base / "output/motiondirector").glob(f"{name}_*"))


def logged(folder):
    return [json.loads(line)["step"] for line in (folder / "log.jsonl").read_text("utf-8").splitlines()]


def test_a_motion_is_learned_and_put_on_a_prompt(server, base):
    run = server.run(PROMPT)
    video = frames(server, run)
    assert video.shape == (3, 16, 16, 3)
    assert steps_of(run, TRAIN) and run.previews, "steps, and pictures of what was taken and made"
    (folder,) = run_folders(server, "toy")
    assert (folder / "temporal/lora/6_unet.safetensors").is_file() and (folder / "sampled.png").is_file()
    assert {path.name for path in (folder / "samples").iterdir()} == {"3_a_fox.mp4", "6_a_fox.mp4"}
    assert logged(folder) == [1, 2, 3, 4, 5, 6]
    without = frames(server, server.run(changed(n5={"motion_strength": 0.0})))
    assert (video != without).any()


def test_a_finished_training_is_not_repeated_and_goes_on_with_more_steps(server, base):
    server.run(PROMPT)
    (folder,) = run_folders(server, "toy")
    before = (folder / "temporal/lora/6_unet.safetensors").stat().st_mtime_ns
    server.post("/free", {"unload_models": True, "free_memory": True})
    assert frames(server, server.run(changed(n5={"seed": 3}))).shape == (3, 16, 16, 3)
    assert logged(folder) == [1, 2, 3, 4, 5, 6]
    assert frames(server, server.run(changed(n4={"steps": 8}))).shape == (3, 16, 16, 3)
    assert run_folders(server, "toy") == [folder] and logged(folder) == [1, 2, 3, 4, 5, 6, 7, 8]
    back = server.run(changed(n4={"steps": 6}, n5={"seed": 4}))
    assert frames(server, back).shape == (3, 16, 16, 3)
    assert before and logged(folder) == [1, 2, 3, 4, 5, 6, 7, 8]


def test_cancelled_and_queued_again_it_ends_as_an_unbroken_training(server, base):
    from safetensors.torch import load_file

    whole = changed(n4={"name": "whole", "seed": 7, "steps": 12})
    assert frames(server, server.run(whole)).shape == (3, 16, 16, 3)
    cancelled = []

    def cancel(event):
        if event["type"] == "progress" and event["data"]["node"] == TRAIN and not cancelled:
            if event["data"]["max"] == 12 and event["data"]["value"] >= 4:
                server.post("/interrupt")
                cancelled.append(event["data"]["value"])

    parts = changed(whole, n4={"name": "parts"})
    run = server.run(parts, watch=cancel)
    assert run.events[-1]["type"] == "execution_interrupted" and run.events[-1]["data"]["node_id"] == TRAIN
    (broken,) = run_folders(server, "parts")
    assert not (broken / "temporal/lora/12_unet.safetensors").exists() and len(logged(broken)) < 12
    assert frames(server, server.run(parts)).shape == (3, 16, 16, 3)
    (unbroken,) = run_folders(server, "whole")
    for part in ("temporal", "spatial"):
        one, other = (
            load_file(place / part / "lora/12_unet.safetensors", device="cpu") for place in (unbroken, broken)
        )
        assert all((one[name] == other[name]).all() for name in one)


def test_kept_loaded_merged(server, base):
    keep = {
        **changed(),
        "7": {
            "class_type": "DisMoSaveMotionDirector",
            "inputs": {"adapter": [TRAIN, 0], "filename_prefix": "motiondirector/kept", "format": "safetensors"},
        },
        "8": {
            "class_type": "DisMoSaveMotionDirector",
            "inputs": {"adapter": [TRAIN, 1], "filename_prefix": "motiondirector/kept", "format": "published"},
        },
    }
    learned = frames(server, server.run(keep))
    names = {path.suffix: path.name for path in (server.base / "models/dismo/motiondirector").glob("kept*")}
    assert sorted(names) == [".pt", ".safetensors"]
    assert sorted(name[:10] for name in names.values()) == ["kept_00001", "kept_00002"]
    options = server.json("/object_info/DisMoLoadMotionDirector")["DisMoLoadMotionDirector"]["input"]["required"][
        "file"
    ]
    assert names[".safetensors"] in json.dumps(options)
    load = {"class_type": "DisMoLoadMotionDirector", "inputs": {"file": names[".safetensors"], "clip_index": -1}}
    loaded = {
        key: node for key, node in changed(n5={"motion_lora": ["7", 0]}).items() if key not in (CLIPS, TRAIN, EXAMPLE)
    }
    assert (frames(server, server.run(loaded | {"7": load})) == learned).all()
    merge = {
        "class_type": "DisMoMergeMotionDirector",
        "inputs": {"first": ["7", 0], "second": ["7", 0], "first_scale": 0.25, "second_scale": 0.75, "rank": 0},
    }
    merged = changed(loaded, n5={"motion_lora": ["8", 0]}) | {"7": load, "8": merge}
    assert abs(frames(server, server.run(merged)) - learned).max() <= 1


def test_pictures_give_an_appearance_and_a_clip_its_noise(server, base):
    pictures = changed(
        n2={"example": "ten pictures"},
        n3={"images_are": "pictures"},
        n4={"mode": "appearance", "name": "looks", "steps": 2, "flip": 0.5},
    )
    pictures[CLIPS]["inputs"]["images"] = [EXAMPLE, 1]
    del pictures[CLIPS]["inputs"]["video"], pictures[SAMPLE]["inputs"]["motion_lora"]
    pictures[SAMPLE]["inputs"]["appearance_lora"] = [TRAIN, 1]
    assert frames(server, server.run(pictures)).shape == (3, 16, 16, 3)
    node, text = error(server.run(changed(pictures, n4={"mode": "both"})))
    assert node == TRAIN and "mode appearance" in text
    plain = frames(server, server.run(PROMPT))
    kept = frames(server, server.run(changed(n5={"noise_prior": 0.5})))
    given = changed(n5={"noise_prior": 0.5, "prior_clips": [CLIPS, 0]})
    assert (kept != plain).any() and (frames(server, server.run(given)) != plain).any()


def run_workflow(server, name, few):
    """Run a workflow of this pack with other inputs at nodes of some classes; it saves one video."""
    assert name in server.json("/workflow_templates")["dismo-pack"]
    prompt = json.loads((ROOT / f"tests/comfyui/{name}.api.json").read_text("utf-8"))
    for node in prompt.values():
        node["inputs"] |= few.get(node["class_type"], {})
    run = server.run(prompt)
    assert run.events[-1]["type"] == "execution_success", run.events[-1]
    (save,) = (number for number, node in prompt.items() if node["class_type"] == "DisMoSaveVideo")
    assert any(event["node"] == save and event["output"] for event in run.data("executed"))


@pytest.mark.parametrize("name", ["motiondirector_tiny", "motiondirector_train_tiny", "motiondirector_appearance_tiny"])
def test_workflows_of_the_bundled_base_run(server, name):
    few = {"DisMoTrainMotionDirector": {"steps": 2, "name": name}, "DisMoMotionDirectorSample": {"steps": 4}}
    run_workflow(server, name, few)


@pytest.mark.parametrize("name", ["motiondirector_train", "motiondirector_appearance"])
def test_workflows_of_a_published_base_run_with_a_toy_in_its_place(server, base, name):
    small = {"width": 16, "height": 16}
    few = {
        "DisMoLoadTextToVideo": {"model": BASE},
        "DisMoMotionClips": {**small, "frame_count": 3},
        "DisMoTrainMotionDirector": {"steps": 2, "rank": 2, "name": name, "checkpointing": False},
        "DisMoMotionDirectorSample": {**small, "frames": 3, "steps": 2},
    }
    run_workflow(server, name, few)


REFUSED = {
    "needs exactly one clip": (CLIPS, {"images": [EXAMPLE, 1]}),
    "The clip has 1 frames": (CLIPS, {"frame_count": 1}),
    "is an adapter of the appearance, and is connected as motion_lora": (SAMPLE, {"motion_lora": [TRAIN, 1]}),
    "multiple of 8": (SAMPLE, {"width": 20}),
    "acts from 0.6 until 0.5": (SAMPLE, {"motion_from": 0.6, "motion_until": 0.5}),
    "leads out of the folder": (TRAIN, {"name": "../../out"}),
}


@pytest.mark.parametrize("words", REFUSED)
def test_what_cannot_be_is_said(server, base, words):
    at, inputs = REFUSED[words]
    node, text = error(server.run(changed(**{f"n{at}": inputs})))
    assert node == at and words in text, text


def test_runs_in_a_row_leave_memory_flat(server, base):
    """Trainings of two steps, each with another seed, and samplings: modules and tensors exactly."""
    states = []
    for seed in range(8):
        prompt = changed(n4={"name": "memory", "steps": 2, "seed": seed, "preview_every": 0}, n5={"seed": seed})
        assert server.run(prompt).events[-1]["type"] == "execution_success"
        states.append(server.json("/dismo_probe"))
    warm = states[3:]
    assert len({state["modules"] for state in warm}) == 1
    assert len({state["tensor_bytes"] for state in warm}) == 1
    assert max(state["rss"] for state in warm) - min(state["rss"] for state in warm) < 48e6
