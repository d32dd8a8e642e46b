"""Motions as objects in a real ComfyUI: saved, loaded, edited, mixed, drawn."""

from __future__ import annotations

import copy
import io
import json
import re
from urllib.parse import urlencode

import pytest
from record import ROOT
from server import Refused

LIBRARY = json.loads((ROOT / "tests/comfyui/motion_library_tiny.api.json").read_text("utf-8"))
LIBRARY["10"]["inputs"]["filename_prefix"] = "video/library"  # numbers of the default belong to test_server
ANALYSIS = json.loads((ROOT / "tests/comfyui/motion_analysis_tiny.api.json").read_text("utf-8"))
EXTRACT, SAVE, LOAD, MIX, SAMPLE, VIDEO = "3", "4", "5", "7", "9", "10"  # node ids of the library workflow


def files_of(server, run, node):
    """Contents of the files that a node has shown."""
    (entries,) = (event["output"]["images"] for event in run.data("executed") if event["node"] == node)
    return [server.get(f"/view?{urlencode(entry)}") for entry in entries]


def frame_count(data):
    import av

    with av.open(io.BytesIO(data)) as container:
        return sum(1 for _ in container.decode(video=0))


def library_names(server):
    info = server.json("/object_info/DisMoLoadMotion")
    kind, settings = info["DisMoLoadMotion"]["input"]["required"]["file"]
    return settings["options"] if kind == "COMBO" else kind


def test_a_motion_is_saved_loaded_edited_mixed_drawn_and_transferred(server):
    """One run through all the motion tools; the library workflow with an edit and a plot put in."""
    from PIL import Image
    from safetensors import safe_open

    prompt = copy.deepcopy(LIBRARY)
    edit = dict(motion=[LOAD, 0], operation="trim", start=4, frames=13, times=2, strength=1.0)
    prompt["20"] = {"class_type": "DisMoEditMotion", "inputs": edit}
    prompt[MIX]["inputs"] |= {"motion_1": ["20", 0], "mode": "chain"}
    plot = dict(motion_1=[EXTRACT, 0], motion_2=["20", 0], motion_3=[MIX, 0], plot="all", width=900)
    prompt["21"] = {"class_type": "DisMoPlotMotion", "inputs": plot}
    prompt["22"] = {"class_type": "PreviewImage", "inputs": {"images": ["21", 0]}}
    prompt[SAMPLE]["inputs"]["steps"] = 2
    run = server.run(prompt)
    assert run.events[-1]["type"] == "execution_success", run.events[-1]

    with safe_open(server.base / "models/dismo/motions/flying_00001_.safetensors", "pt") as file:
        assert file.metadata()["frames"] == "25"
    (video,) = files_of(server, run, VIDEO)
    assert frame_count(video) == 13 + 25 - 1 - 4
    (picture,) = files_of(server, run, "22")
    assert Image.open(io.BytesIO(picture)).width == 900


def test_a_saved_motion_can_be_chosen_by_name(server):
    from safetensors.torch import load_file

    assert "flying_00001_.safetensors" in library_names(server)
    prompt = {
        "1": {"class_type": "DisMoLoadMotion", "inputs": {"file": "flying_00001_.safetensors"}},
        "2": {
            "class_type": "DisMoSaveMotion",
            "inputs": {"motion": ["1", 0], "filename_prefix": "again/flying", "place": "output"},
        },
    }
    run = server.run(prompt)
    assert run.events[-1]["type"] == "execution_success", run.events[-1]
    first, second = (
        load_file(server.base / folder / "flying_00001_.safetensors")
        for folder in ("models/dismo/motions", "output/motions/again")
    )
    assert len(first["embeddings"]) == 21 and first["embeddings"].equal(second["embeddings"])
    assert "again/flying_00001_.safetensors [output]" in library_names(server)
    models = server.json("/object_info/LoadDisMoExtractor")["LoadDisMoExtractor"]["input"]["required"]["model"]
    assert "flying_00001_" not in json.dumps(models)


@pytest.mark.parametrize("name", ["../../../secret.safetensors", "../../secret.safetensors [output]"])
@pytest.mark.parametrize("port", ["file", "saved"])
def test_no_file_outside_is_read(server, port, name):
    """0.3.64 does not compare a V3 node's choices with its list, so `file` can hold anything, too; 0.21.0 does."""
    prompt = {
        "1": {"class_type": "DisMoLoadMotion", "inputs": {"file": "drawn [example]"} | {port: name}},
        "2": {"class_type": "DisMoPlotMotion", "inputs": {"motion_1": ["1", 0], "plot": "energy", "width": 400}},
        "3": {"class_type": "PreviewImage", "inputs": {"images": ["2", 0]}},
    }
    try:
        error = server.run(prompt).events[-1]
    except Refused as refusal:
        assert port == "file" and refusal.kinds == {"1": "value_not_in_list"}
        return
    assert error["type"] == "execution_error" and "leads out" in error["data"]["exception_message"]


CAMERA = json.loads((ROOT / "tests/comfyui/camera_motion_to_photo_tiny.api.json").read_text("utf-8"))


def size_of(data):
    import av

    with av.open(io.BytesIO(data)) as container:
        return container.streams.video[0].width, container.streams.video[0].height


def test_the_camera_workflow_is_served_and_runs(server):
    """The photo moved, in its own size; and the same beside the square clip, as high as the photo, with a gap of 4 px."""
    from PIL import Image

    from dismo_core.assets.examples import example

    assert server.json("/api/workflow_templates/dismo-pack/camera_motion_to_photo_tiny.json")["nodes"]
    run = server.run(CAMERA)
    assert run.events[-1]["type"] == "execution_success", run.events[-1]
    (result,), (beside,) = files_of(server, run, "7"), files_of(server, run, "10")
    assert frame_count(result) == frame_count(beside) == 25
    width, height = Image.open(example("camera")[1]).size
    assert min(width, height) >= 768
    assert size_of(result) == (width, height) and size_of(beside) == (height + 4 + width, height)


@pytest.mark.parametrize("name", ["motion_library_tiny", "motion_analysis_tiny"])
def test_a_motion_workflow_is_served_and_runs(server, name):
    assert server.json(f"/api/workflow_templates/dismo-pack/{name}.json")["nodes"]
    assert server.get(f"/api/workflow_templates/dismo-pack/{name}.jpg")[:2] == b"\xff\xd8"
    run = server.run(LIBRARY if name == "motion_library_tiny" else ANALYSIS)
    assert run.events[-1]["type"] == "execution_success", run.events[-1]
    if name == "motion_library_tiny":
        assert frame_count(files_of(server, run, VIDEO)[0]) == 25
    else:
        assert len(files_of(server, run, "7")[0]) > 20_000


@pytest.mark.parametrize("name", ["camera_presets_tiny", "drawn_path_tiny"])
def test_a_motion_without_a_clip_moves_a_picture(server, name):
    """Ready-made, or along a path; 25 frames at 8 a second are 73 at 24."""
    assert server.json(f"/api/workflow_templates/dismo-pack/{name}.json")["nodes"]
    assert server.get(f"/api/workflow_templates/dismo-pack/{name}.jpg")[:2] == b"\xff\xd8"
    prompt = json.loads((ROOT / f"tests/comfyui/{name}.api.json").read_text("utf-8"))
    prompt["5"]["inputs"]["filename_prefix"] = f"video/{name}"
    run = server.run(prompt)
    assert run.events[-1]["type"] == "execution_success", run.events[-1]
    assert frame_count(files_of(server, run, "5")[0]) == 73
    if name == "drawn_path_tiny":
        assert len(files_of(server, run, "7")) == 25


def test_a_preset_that_there_is_not_is_refused(server):
    """0.21.0 compares with the list itself; before, the core says what there is."""
    prompt = json.loads((ROOT / "tests/comfyui/camera_presets_tiny.api.json").read_text("utf-8"))
    prompt["5"]["inputs"]["filename_prefix"] = "video/refused"
    prompt["2"]["inputs"]["preset"] = "no such move"
    try:
        error = server.run(prompt).events[-1]
    except Refused as refusal:
        assert refusal.kinds == {"2": "value_not_in_list"}
        return
    assert "no ready-made move" in error["data"]["exception_message"]


def test_each_help_page_has_a_picture(server):
    from PIL import Image

    for page in (ROOT / "web/docs").glob("*.md"):
        (picture,) = re.findall(r"!\[.+\]\((.+)\)", page.read_text("utf-8"))
        served = server.get(f"/extensions/dismo-pack/docs/{picture}")
        assert Image.open(io.BytesIO(served)).width > 200
