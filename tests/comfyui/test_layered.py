"""The layered model in a real ComfyUI: videos of any size, masks, tracks through ComfyUI's own node, the camera's way."""

from __future__ import annotations

import copy
import io
import json
import os
import subprocess
import sys
from urllib.parse import urlencode

import pytest
import toy_base
from record import ROOT


def prompt_of(name):
    return json.loads((ROOT / f"tests/comfyui/{name}.api.json").read_text("utf-8"))


TINY = prompt_of("motion_transfer_tiny")
LOAD, SAMPLE, SAVE = "4", "5", "6"  # node ids of that workflow
WAN = prompt_of("motion_to_wan_tracks")
TRACKS, PREVIEW, TRACK_TO_VIDEO = "5", "6", "15"  # of that one
PICTURE, MASK = "large.png", "mask.png"


@pytest.fixture(scope="module", autouse=True)
def files(server):
    """A picture of 768x512 px, and one of the same size whose left half is transparent, as the mask editor saves it."""
    import numpy as np
    from PIL import Image

    noise = np.random.default_rng(0).integers(0, 255, (16, 24, 3), dtype=np.uint8)
    picture = Image.fromarray(noise).resize((768, 512), Image.Resampling.BICUBIC)
    picture.save(server.base / "input" / PICTURE)
    alpha = np.full((512, 768), 255, dtype=np.uint8)
    alpha[:, :384] = 0
    picture.putalpha(Image.fromarray(alpha))
    picture.save(server.base / "input" / MASK)


def tiny(**changes):
    """The tiny workflow with the large picture; other inputs at nodes named n4, n5, ..."""
    prompt = copy.deepcopy(TINY)
    prompt["20"] = {"class_type": "LoadImage", "inputs": {"image": PICTURE}}
    prompt[SAMPLE]["inputs"]["image"] = ["20", 0]
    prompt[SAVE]["inputs"]["filename_prefix"] = "video/layered"
    for node, inputs in changes.items():
        prompt[node[1:]]["inputs"] |= inputs
    return prompt


def results(server, prompt, workflow=None):
    """node id -> what it has shown."""
    run = server.run(prompt, workflow)
    assert run.events[-1]["type"] == "execution_success", run.events[-1]
    return {event["node"]: event["output"] for event in run.data("executed")}


def pixels(server, entries):
    """[T,H,W,3] of saved pictures."""
    import numpy as np
    from PIL import Image

    files = [io.BytesIO(server.get(f"/view?{urlencode(entry)}")) for entry in entries]
    return np.stack([np.asarray(Image.open(file).convert("RGB")) for file in files]).astype(int)


def video(server, entries):
    """(frames, height, width, frames per second) of the one saved video."""
    import av

    (entry,) = entries
    with av.open(io.BytesIO(server.get(f"/view?{urlencode(entry)}"))) as container:
        stream = container.streams.video[0]
        return sum(1 for _ in container.decode(stream)), stream.height, stream.width, stream.average_rate


def error(run):
    data = run.events[-1]["data"]
    assert run.events[-1]["type"] == "execution_error"
    return data["node_id"], data["exception_type"].rpartition(".")[2], data["exception_message"]


@pytest.mark.parametrize("borders", ["mirror", "extend", "crop"])
def test_the_video_has_the_size_of_the_picture(server, borders):
    assert video(server, results(server, tiny(n4={"borders": borders}))[SAVE]["images"]) == (25, 512, 768, 8)


def test_more_frames_than_the_motion_has(server):
    said = results(server, tiny(n4={"fps": 24.0, "shutter": 180.0}))
    assert video(server, said[SAVE]["images"]) == (73, 512, 768, 24)


def test_a_changed_widget_runs_the_transfer_alone(server):
    """The motion and the picture come from ComfyUI's cache; how long it takes is in benchmarks/layered.py."""
    prompt = tiny()
    prompt["21"] = {
        "class_type": "ImageScale",
        "inputs": {"image": ["20", 0], "upscale_method": "bicubic", "width": 512, "height": 512, "crop": "center"},
    }
    prompt[SAMPLE]["inputs"]["image"] = ["21", 0]
    del prompt[SAVE]
    prompt["30"] = {"class_type": "PreviewAny", "inputs": {"source": [SAMPLE, 0]}}
    for number, strength in enumerate((1.0, 0.8)):
        prompt[SAMPLE]["inputs"]["strength"] = strength
        run = server.run(prompt)
        assert run.events[-1]["type"] == "execution_success", run.events[-1]
        ran = [event["node"] for event in run.data("executing") if event["node"]]
        assert ran[-2:] == [SAMPLE, "30"] and (len(ran) == 2) == (number > 0)


def test_a_painted_mask_says_what_moves(server):
    """As the mask editor gives it: what is painted is transparent."""
    prompt = tiny(n4={"moves": "thing"}, n5={"mask": ["22", 1], "image": ["20", 0]})
    prompt["22"] = {"class_type": "LoadImage", "inputs": {"image": MASK}}
    prompt["23"] = {"class_type": "SaveImage", "inputs": {"images": [SAMPLE, 1], "filename_prefix": "masked"}}
    frames = pixels(server, results(server, prompt)["23"]["images"])
    change = abs(frames[12] - frames[0]).mean(axis=(0, 2))
    assert change[:384].mean() > 3 * change[600:].mean()


def test_an_empty_mask_is_refused_in_words(server):
    prompt = tiny(n4={"moves": "thing"}, n5={"mask": ["20", 1]})  # a picture without transparency
    node, kind, message = error(server.run(prompt))
    assert (node, kind) == (SAMPLE, "DisMoError") and "empty" in message


def test_an_interrupt_stops_it(server):
    cancelled = []

    def cancel(event):
        if event["type"] == "progress" and event["data"]["node"] == SAMPLE and not cancelled:
            server.post("/interrupt")
            cancelled.append(event)

    run = server.run(tiny(n4={"fps": 240.0, "shutter": 360.0}), watch=cancel)
    assert run.events[-1]["type"] == "execution_interrupted" and run.events[-1]["data"]["node_id"] == SAMPLE


def wan(*kept, **changes):
    """The workflow of tracks without what needs Wan's weights; other inputs at nodes named n4, n5, ..."""
    own = ("1", "2", "3", "4", TRACKS, PREVIEW, *kept)
    prompt = {node: copy.deepcopy(WAN[node]) for node in own}
    for node, inputs in changes.items():
        prompt[node[1:]]["inputs"] |= inputs
    return prompt


def read_by_comfyui(server, prompt, source, length, width=832, height=480):
    """What ComfyUI's own functions make of tracks."""
    size = {"width": width, "height": height, "length": length}
    prompt["90"] = {"class_type": "DisMoProbeTracks", "inputs": {"tracks": source, **size}}
    said = results(server, prompt)
    return said, json.loads(said["90"]["text"][0])


@pytest.mark.parametrize("length", [49, 81])
def test_tracks_go_through_comfyuis_own_functions(server, length):
    said, made = read_by_comfyui(server, wan(), [TRACKS, 0], length)
    frames, points, numbers = made["shape"]
    assert (frames, numbers) == (length, 4) and 40 <= points <= 81
    for (time, x, y, visible), (end, *_) in zip(made["first"], made["last"], strict=True):
        assert (time, visible) == (-1, 1) and end > 0.97
        assert abs(x) < 832 / 480 and abs(y) < 1  # within the picture, in halves of its shorter side
    assert made["first"] != made["last"]
    assert pixels(server, said[PREVIEW]["images"]).shape == (1, 480, 832, 3)


def test_points_of_ones_own_and_another_size(server):
    inputs = {"own_points": "[[64, 32], [0, 0]]", "width": 128, "height": 64}
    _, made = read_by_comfyui(server, wan(n5=inputs), [TRACKS, 0], 81, 128, 64)
    assert made["first"] == [[-1, 0, 0, 1], [-1, -2, -1, 1]]


def test_wan_track_to_video_itself_takes_them(server):
    """ComfyUI's node with a VAE whose latents are zero: 49 frames are 13 latent ones, of an eighth of the size."""
    prompt = wan(TRACK_TO_VIDEO)
    prompt["91"] = {"class_type": "DisMoProbeWanParts", "inputs": {}}
    prompt[TRACK_TO_VIDEO]["inputs"] |= {"positive": ["91", 0], "negative": ["91", 0], "vae": ["91", 1]}
    del prompt[TRACK_TO_VIDEO]["inputs"]["clip_vision_output"]
    inputs = {"conditions": [TRACK_TO_VIDEO, 0], "latent": [TRACK_TO_VIDEO, 2]}
    prompt["92"] = {"class_type": "DisMoProbeConditions", "inputs": inputs}
    said = json.loads(results(server, prompt)["92"]["text"][0])
    assert said["latent"] == said["concat_latent_image"] == [1, 16, 13, 60, 104]
    assert said["concat_mask"] == [1, 4, 13, 60, 104]


def has_opencv():
    """Whether the ComfyUI that runs has the package; it is none of those that the pack asks for."""
    command = [os.environ.get("COMFYUI_PYTHON", sys.executable), "-c", "import cv2"]
    return subprocess.run(command, capture_output=True).returncode == 0


@pytest.mark.parametrize("source", ["video", "images"])
def test_tracks_of_a_clip(server, source):
    """A file, and its frames; the camera clip has 25 frames at 8 a second. Without OpenCV the error says how to get it."""
    prompt = {"1": copy.deepcopy(WAN["1"])}
    widgets = {"points": 20, "own_points": "", "width": 256, "height": 256, "frames": 121, "fps": 24.0}
    given = {"video": ["1", 0]}
    if source == "images":
        prompt["2"] = {"class_type": "GetVideoComponents", "inputs": {"video": ["1", 0]}}
        given = {"images": ["2", 0]}
    prompt["3"] = {"class_type": "DisMoTracksFromVideo", "inputs": widgets | given}
    prompt["4"] = {"class_type": "PreviewImage", "inputs": {"images": ["3", 1]}}
    if not has_opencv():
        node, kind, message = error(server.run(prompt))
        assert (node, kind) == ("3", "DisMoError") and "pip install opencv-python-headless" in message
        return
    said, made = read_by_comfyui(server, prompt, ["3", 0], 81, 256, 256)
    assert made["shape"][0] == 81 and 1 <= made["shape"][1] <= 20 and made["first"] != made["last"]
    assert pixels(server, said["4"]["images"]).shape == (1, 256, 256, 3)


@pytest.mark.parametrize("format", ["json", "csv"])
def test_the_camera_path(server, format):
    prompt = {node: copy.deepcopy(WAN[node]) for node in ("1", "2", "3", "4")}
    inputs = {"model": ["4", 0], "motion": ["3", 0], "format": format}
    prompt["5"] = {"class_type": "DisMoCameraPath", "inputs": inputs}
    prompt["6"] = {"class_type": "PreviewAny", "inputs": {"source": ["5", 0]}}
    prompt["7"] = {"class_type": "PreviewImage", "inputs": {"images": ["5", 1]}}
    said = results(server, prompt)
    (text,) = said["6"]["text"]
    rows = json.loads(text)["frames"] if format == "json" else text.splitlines()[1:]
    assert len(rows) == 25
    assert pixels(server, said["7"]["images"]).shape[2] == 700


@pytest.mark.parametrize("source", ["video", "images"])
def test_what_moves(server, source):
    prompt = {"1": {"class_type": "DisMoExample", "inputs": {"example": "drawn"}}}
    given = {"video": ["1", 0]} if source == "video" else {"images": ["1", 1]}
    prompt["2"] = {"class_type": "DisMoWhatMoves", "inputs": {"feather": 2.0, **given}}
    prompt["3"] = {"class_type": "MaskToImage", "inputs": {"mask": ["2", 0]}}
    prompt["4"] = {"class_type": "PreviewImage", "inputs": {"images": ["3", 0]}}
    prompt["5"] = {"class_type": "PreviewImage", "inputs": {"images": ["2", 1]}}
    said = results(server, prompt)
    count = 25 if source == "video" else 1
    for node in ("4", "5"):
        assert pixels(server, said[node]["images"]).shape == (count, 64, 64, 3)


def test_another_video_model_is_refused(server):
    prompt = wan()
    prompt["4"] = {"class_type": "DisMoLoadFrameGenerator", "inputs": {"model": "tiny", "precision": "fp32"}}
    node, kind, message = error(server.run(prompt))
    assert (node, kind) == (TRACKS, "DisMoError") and "Load Layered Model" in message


def test_a_head_file_that_is_no_weights_is_refused(server):
    """The empty file that stands for one in these tests."""
    node, kind, _ = error(server.run(tiny(n4={"head": "layered_large.safetensors"})))
    assert (node, kind) == (LOAD, "DisMoError")


@pytest.mark.parametrize(
    "name", ["motion_to_wan_tracks", "layered_draft_beside_cogvideox", "frame_generator_tiny", "ten_pictures"]
)
def test_workflows_are_served(server, name):
    assert server.json(f"/api/workflow_templates/dismo-pack/{name}.json")["nodes"]
    assert server.get(f"/api/workflow_templates/dismo-pack/{name}.jpg")[:2] == b"\xff\xd8"


def test_ten_pictures_give_ten_videos(server):
    """One extraction; a list of pictures in place of the batch gives the same number."""
    prompt = prompt_of("ten_pictures")
    prompt[SAVE]["inputs"]["filename_prefix"] = "video/ten"
    run = server.run(prompt)
    assert run.events[-1]["type"] == "execution_success", run.events[-1]
    saved = [
        e["filename"] for event in run.data("executed") if event["node"] == SAVE for e in event["output"]["images"]
    ]
    assert len(set(saved)) == 10
    prompt["21"] = {"class_type": "RebatchImages", "inputs": {"images": ["1", 1], "batch_size": 4}}
    prompt[SAMPLE]["inputs"] |= {"image": ["21", 0], "mask": ["22", 0]}
    prompt["22"] = {"class_type": "SolidMask", "inputs": {"value": 1.0, "width": 256, "height": 256}}
    run = server.run(prompt)
    assert run.events[-1]["type"] == "execution_success", run.events[-1]
    saved = [
        e["filename"] for event in run.data("executed") if event["node"] == SAVE for e in event["output"]["images"]
    ]
    assert len(set(saved)) == 10


def test_a_ready_made_motion_is_shown_on_its_node(server):
    prompt = prompt_of("camera_presets_tiny")
    (preset,) = (node for node, entry in prompt.items() if entry["class_type"] == "DisMoMotionPreset")
    (save,) = (entry for entry in prompt.values() if entry["class_type"] == "DisMoSaveVideo")
    save["inputs"]["filename_prefix"] = "video/preset"
    (picture,) = results(server, prompt)[preset]["images"]
    assert server.get(f"/view?{urlencode(picture)}")[1:4] == b"PNG"


def test_the_workflow_of_tracks_is_taken_whole(server):
    """All its nodes and values are known; it fails at an empty file that stands for Wan's weights."""
    run = server.run(WAN)
    assert run.events[-1]["type"] == "execution_error"
    kind = WAN[run.events[-1]["data"]["node_id"]]["class_type"]
    assert kind in ("UNETLoader", "CLIPLoader", "VAELoader", "CLIPVisionLoader")


def test_a_draft_beside_cogvideox(server, toy):
    """The toy base follows the tiny extractor, and so does the tiny head."""
    prompt = prompt_of("layered_draft_beside_cogvideox")
    changes = {
        "2": {"model": "tiny"},
        "4": {"head": "tiny"},
        "5": {"adapter": toy_base.ADAPTER, "base": toy_base.BASE},
        "7": {"steps": 2},
        "8": {"filename_prefix": "video/side_draft"},
        "9": {"filename_prefix": "video/side_result"},
    }
    for node, inputs in changes.items():
        prompt[node]["inputs"] |= inputs
    said = results(server, prompt)
    frames, height, width, rate = video(server, said["8"]["images"])
    assert (frames, rate) == (25, 8) and width >= 256
    assert video(server, said["9"]["images"]) == (25, *toy_base.SIZE, 8)
    beside = video(server, said["12"]["images"])
    assert beside == (25, height, width + 4 + round(height * toy_base.SIZE[1] / toy_base.SIZE[0]), 8)
