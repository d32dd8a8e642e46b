"""CogVideoX with the motion adapter in a real ComfyUI, on a toy base; the workflow files, but for the toy's names."""

from __future__ import annotations

import copy
import io
import json
from urllib.parse import urlencode

import pytest
import toy_base
from record import ROOT
from server import Refused

pytestmark = pytest.mark.usefixtures("toy")
NAMES = ("motion_transfer_cogvideox", "motion_transfer_cogvideox_long", "prompt_travel_long")
SHIPPED, LONG, TRAVEL = (json.loads((ROOT / f"tests/comfyui/{name}.api.json").read_text("utf-8")) for name in NAMES)
LOAD, EXTRACT, SAMPLE, SAVE = "2", "3", "4", "5"  # node ids of the first
TOY = {"adapter": toy_base.ADAPTER, "base": toy_base.BASE}
FRAMES = 9


def changed(prompt, **nodes):
    """A prompt with other inputs at some nodes, named n1, n2, ..."""
    prompt = copy.deepcopy(prompt)
    for node, inputs in nodes.items():
        prompt[node[1:]]["inputs"] |= inputs
    return prompt


# Numbers of the default file name belong to test_server.
WHOLE = changed(SHIPPED, n2=TOY, n4={"steps": 4}, n5={"filename_prefix": "video/toy"})
# libx264 does not repeat its bits, so frames that are compared are saved as PNG.
SHORT = changed(WHOLE, n3={"frame_count": FRAMES}, n4={"steps": 2})
SHORT[SAVE] = {"class_type": "SaveImage", "inputs": {"images": [SAMPLE, 1], "filename_prefix": "toy"}}


def saved(server, run, node):
    """Contents of the files that a node has saved."""
    assert run.events[-1]["type"] == "execution_success", run.events[-1]
    entries = next(event["output"]["images"] for event in run.data("executed") if event["node"] == node)
    return [io.BytesIO(server.get(f"/view?{urlencode(entry)}")) for entry in entries]


def video(server, run, node=SAVE):
    """The shape of the saved video, [T,H,W,3]."""
    import av

    with av.open(saved(server, run, node)[0]) as container:
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    return (len(frames), *frames[0].shape)


def frames(server, run, node=SAVE):
    """The frames that SaveImage has saved, [T,H,W,3]."""
    import numpy as np
    from PIL import Image

    return np.stack([np.asarray(Image.open(file)) for file in saved(server, run, node)]).astype(int)


def error(run):
    """(node id, kind, message) of a run that failed."""
    data = run.events[-1]["data"]
    assert run.events[-1]["type"] == "execution_error"
    return data["node_id"], data["exception_type"].rpartition(".")[2], data["exception_message"]


def rises(run, node, last):
    """Whether a node's progress rises from 1 to `last`; of steps in quick succession newer ComfyUIs tell only some."""
    told = [event["value"] for event in run.data("progress") if event["node"] == node]
    return told[0] == 1 and told[-1] == last and told == sorted(set(told))


def free(server):
    server.post("/free", {"unload_models": True, "free_memory": True})
    for _ in range(2):  # ComfyUI may do it after the next prompt; the one after that comes when it is done
        server.run({"1": {"class_type": "PreviewImage", "inputs": {"images": ["2", 1]}}, "2": SHIPPED["1"]})
    return server.json("/dismo_probe")


@pytest.fixture(scope="module")
def plain(server, toy):
    """The short video without any option."""
    return frames(server, server.run(SHORT))


@pytest.mark.parametrize("name", NAMES)
def test_workflows_are_served(server, name):
    assert name in server.json("/workflow_templates")["dismo-pack"]
    assert server.json(f"/api/workflow_templates/dismo-pack/{name}.json")["nodes"]
    assert server.get(f"/api/workflow_templates/dismo-pack/{name}.jpg")[:2] == b"\xff\xd8"


@pytest.mark.parametrize("node", ["adapter", "base"])
def test_files_on_disk_stand_after_the_default(server, node):
    info = server.json("/object_info/LoadCogVideoXMotionAdapter")["LoadCogVideoXMotionAdapter"]["input"]["required"]
    kind, settings = info[node]
    options = settings["options"] if kind == "COMBO" else kind
    assert options[0] == SHIPPED[LOAD]["inputs"][node] == settings["default"]
    assert TOY[node] in options


def test_the_workflow_runs_and_saves_a_video(server):
    """The motion comes from the embedded extractor."""
    run = server.run(WHOLE)
    assert video(server, run) == (25, *toy_base.SIZE, 3)
    assert rises(run, SAMPLE, 4)


def test_the_long_workflow_runs_and_saves_a_video(server):
    prompt = changed(LONG, n2=TOY, n5={"steps": 2}, n6={"filename_prefix": "video/toy"})
    run = server.run(prompt)
    assert video(server, run, "6") == (73, *toy_base.SIZE, 3)
    assert rises(run, "5", 8)  # two steps in each of four segments


def test_prompts_travel_from_segment_to_segment(server):
    prompt = changed(TRAVEL, n2=TOY, n5={"steps": 2}, n6={"filename_prefix": "video/toy"})
    run = server.run(prompt)
    assert video(server, run, "6") == (73, *toy_base.SIZE, 3)
    said = [line for line in server.log_text().splitlines() if "its last frame against the picture" in line][-4:]
    assert [("palm leaves" in line, "dusk" in line, "night" in line) for line in said] == [
        (True, False, False),
        (False, True, False),
        (False, True, False),
        (False, False, True),
    ]


def test_a_batch_of_pictures_begins_the_segments(server):
    """The example's ten pictures and four segments: six have nothing to begin, and it is said."""
    prompt = changed(TRAVEL, n1={"example": "ten pictures"}, n2=TOY, n5={"steps": 1, "pictures": "one a segment"})
    run = server.run(changed(prompt, n6={"filename_prefix": "video/toy"}))
    assert video(server, run, "6") == (73, *toy_base.SIZE, 3)
    assert "of 10 pictures the first ones begin them" in server.log_text()


def test_the_picture_may_have_another_shape(server):
    """A square one in a wide model: padded, and cut back to a square."""
    run = server.run(changed(WHOLE, n1={"example": "drawn"}, n3={"frame_count": FRAMES}, n4={"fit": "pad"}))
    assert video(server, run) == (FRAMES, 64, 64, 3)


def test_a_motion_of_another_length_is_trimmed_and_it_says_so(server):
    prompt = changed(SHORT, n3={"frame_count": 16})
    assert len(frames(server, server.run(prompt))) == 9
    assert "motion trimmed from 16 to 9 frames" in server.log_text()
    node, kind, message = error(server.run(changed(prompt, n4={"length": "error"})))
    assert (node, kind) == (SAMPLE, "DisMoError") and "16 frames" in message


@pytest.mark.parametrize("memory", ["full", "model offload", "group offload", "sequential", "disk"])
def test_every_memory_setting_makes_the_same_video(server, plain, memory):
    assert (frames(server, server.run(changed(SHORT, n2={"memory": memory}))) == plain).all()


def test_a_text_encoder_of_other_models_serves(server, plain):
    inputs = {"base": f"{toy_base.BASE}-no-t5", "text_encoder": toy_base.TEXT_ENCODER}
    assert (frames(server, server.run(changed(SHORT, n2=inputs))) == plain).all()


def with_lora(prompt, strength=1.0):
    prompt = changed(prompt, n4={"model": ["20", 0]})
    inputs = {"model": [LOAD, 0], "lora": toy_base.LORA, "strength": strength}
    return prompt | {"20": {"class_type": "DisMoVideoLoRA", "inputs": inputs}}


@pytest.mark.parametrize("memory", ["full", "group offload"])
def test_a_lora_changes_only_what_is_connected_to_it(server, plain, memory):
    """With it, in another branch of the same graph, and afterwards without the node."""
    prompt = changed(SHORT, n2={"memory": memory})
    branches = with_lora(prompt) | {
        "21": {"class_type": "MotionTransferSample", "inputs": prompt[SAMPLE]["inputs"]},
        "22": {"class_type": "SaveImage", "inputs": prompt[SAVE]["inputs"] | {"images": ["21", 1]}},
    }
    run = server.run(branches)
    assert abs(frames(server, run) - plain).mean() > 5
    assert (frames(server, run, "22") == plain).all()
    again = server.run(changed(prompt, n4={"negative_prompt": " "}))  # the same, but not in ComfyUI's cache
    assert [event["node"] for event in again.data("progress")] == [SAMPLE] * 2
    assert (frames(server, again) == plain).all()


def test_loras_add_up(server, plain):
    """Two of strengths 1 and -1 are none; each of them alone is not."""
    prompt = with_lora(SHORT, strength=-1.0)
    assert abs(frames(server, server.run(prompt)) - plain).mean() > 5
    prompt["20"]["inputs"]["model"] = ["21", 0]
    prompt["21"] = with_lora(SHORT)["20"]
    assert abs(frames(server, server.run(prompt)) - plain).mean() < 0.1


def test_a_lora_beside_weights_stored_in_float8(server):
    prompt = changed(SHORT, n2={"precision": "fp8"})
    without = frames(server, server.run(prompt))
    assert abs(frames(server, server.run(with_lora(prompt))) - without).mean() > 5


@pytest.mark.parametrize(
    ("inputs", "messages"),
    [
        (SHIPPED[LOAD]["inputs"], ["cogvideox5b_i2v_large.pt (3.16 GB; CC BY-NC 4.0", "models/dismo", "`download`"]),
        ({"base": "CogVideoX-5b-I2V"}, ["CogVideoX-5b-I2V (about 21.2 GB", "models/diffusers", "`download`"]),
        ({"adapter": "gone.safetensors"}, ["no file gone.safetensors in", "models/dismo"]),
        ({"base": "../../somewhere"}, ["no CogVideoX base '../../somewhere'", toy_base.BASE]),
        ({"base": "toy-CogVideoX-1.5"}, ["CogVideoX 1.5"]),
        ({"base": "toy-CogVideoX-T2V"}, ["text-to-video"]),
        ({"adapter": toy_base.NO_ADAPTER}, ["is a VAE, not a motion adapter"]),
        ({"text_encoder": "gone.safetensors"}, ["no file gone.safetensors in", "models/text_encoders"]),
    ],
)
def test_what_is_missing_or_wrong_is_one_clear_message(server, inputs, messages):
    try:
        node, kind, text = error(server.run(changed(SHORT, n2=inputs)))
    except Refused as refusal:  # newer ComfyUIs look themselves whether a choice is on the list
        assert refusal.kinds == {LOAD: "value_not_in_list"} and all(value in str(refusal) for value in inputs.values())
        return
    assert (node, kind) == (LOAD, "DisMoError")
    assert all(message in text for message in messages), text


def test_the_released_extractor_is_fetched_only_when_asked(server):
    prompt = changed(SHORT, n3={"extractor": ["20", 0]})
    inputs = {"model": "motion_extractor_large", "precision": "fp32", "download": False}
    node, kind, text = error(server.run(prompt | {"20": {"class_type": "LoadDisMoExtractor", "inputs": inputs}}))
    assert (node, kind) == ("20", "DisMoError")
    assert "motion_extractor_large.pt (2.38 GB; CC BY-NC 4.0" in text and "`download`" in text


def test_a_lora_for_another_model_is_refused_and_nothing_is_left_of_it(server, plain):
    prompt = with_lora(changed(SHORT, n4={"seed": 5}))
    prompt["20"]["inputs"]["lora"] = toy_base.WRONG_LORA
    node, kind, text = error(server.run(prompt))
    assert (node, kind) == (SAMPLE, "DisMoError") and "LoRA for another model" in text
    assert server.run(changed(SHORT, n4={"seed": 5})).events[-1]["type"] == "execution_success"


def test_cancelled_again_and_again_it_leaves_nothing_behind(server):
    """A run of many steps stops early, the plan lets go of the weights, and no module or tensor stays."""
    server.run(SHORT)
    states = []
    for seed in range(1, 6):
        cancelled = []

        def cancel(event, cancelled=cancelled):
            if event["type"] == "progress" and event["data"]["node"] == SAMPLE and not cancelled:
                server.post("/interrupt")
                cancelled.append(event)

        run = server.run(changed(SHORT, n4={"steps": 1000, "seed": seed}), watch=cancel)
        assert run.events[-1]["type"] == "execution_interrupted" and run.events[-1]["data"]["node_id"] == SAMPLE
        assert run.data("progress")[-1]["value"] < 500
        states.append(server.json("/dismo_probe"))
        assert ["PlanPatcher", 0] in states[-1]["registered"]
    assert len({state["modules"] for state in states[1:]}) == 1
    assert states[-1]["tensor_bytes"] <= states[1]["tensor_bytes"]
    assert states[-1]["rss"] < states[1]["rss"] + 64e6
    assert server.run(SHORT).events[-1]["type"] == "execution_success"


def test_an_error_in_the_midst_of_a_run_lets_go_of_the_weights(server):
    """A step cache that finds out in the transformer that it cannot work without guidance."""
    node, kind, message = error(server.run(changed(SHORT, n2={"cache": "faster"}, n4={"prompt": ""})))
    assert (node, kind) == (SAMPLE, "DisMoError") and "both guidance halves" in message
    assert ["PlanPatcher", 0] in server.json("/dismo_probe")["registered"]


def test_steps_that_the_solver_cannot_take_are_refused(server):
    node, kind, message = error(server.run(changed(SHORT, n4={"steps": 7})))
    assert (node, kind) == (SAMPLE, "DisMoError") and "7 steps" in message


def test_download_fetches_a_missing_base_once(server, hub, plain):
    """From a server that speaks the hub's endpoints; until now nobody has asked it for anything."""
    from dismo_core.cogvideox.weights import BASE

    prompt = changed(SHORT, n2={"base": BASE.name, "download": True})
    source, target = (server.base / "models/diffusers" / name for name in (toy_base.BASE, BASE.name))
    assert hub.asked == [] and not target.exists()
    paths = [path for path in source.rglob("*") if path.is_file()]
    hub.files |= {f"{BASE.repo}/{path.relative_to(source).as_posix()}": path.read_bytes() for path in paths}
    run = server.run(prompt)
    assert (frames(server, run) == plain).all()
    done = [event for event in run.data("progress") if event["node"] == LOAD]
    assert done[-1]["value"] == done[-1]["max"] == sum(path.stat().st_size for path in paths)
    assert {path.relative_to(target) for path in target.rglob("*") if path.is_file()} == {
        path.relative_to(source) for path in paths
    }
    hub.asked.clear()
    again = changed(prompt, n2={"memory": "full", "download": False}, n4={"negative_prompt": " "})
    assert (frames(server, server.run(again)) == plain).all() and hub.asked == []


def test_free_unloads_and_forgets(server):
    server.run(changed(SHORT, n4={"seed": 8}))
    before = server.json("/dismo_probe")
    assert any(name == "PlanPatcher" and size > 0 for name, size in before["registered"])
    after = free(server)
    assert after["registered"] == []
    assert after["modules"] < before["modules"] - 100
    assert after["tensor_bytes"] < before["tensor_bytes"] - 5e6  # the adapter's file alone has 6 MB
