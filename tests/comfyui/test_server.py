"""The pack in a real ComfyUI."""

from __future__ import annotations

import copy
import io
import json
import os
import re
import time
from urllib.error import HTTPError
from urllib.parse import urlencode

import pytest
from record import ROOT, lacks
from schema_reader import CONTRACT, NEWER, OBJECT_INFO, contract_of_server, read_schemas, saved_contract

GRAPH = json.loads((ROOT / "workflows/motion_transfer_tiny.json").read_text("utf-8"))
PROMPT = json.loads((ROOT / "tests/comfyui/motion_transfer_tiny.api.json").read_text("utf-8"))
GENERATOR = json.loads((ROOT / "tests/comfyui/frame_generator_tiny.api.json").read_text("utf-8"))
EXTRACT, SAMPLE, SAVE = "3", "5", "6"  # node ids in all


def changed(node, whole=PROMPT, **inputs):
    """A prompt with other inputs at one node."""
    prompt = copy.deepcopy(whole)
    prompt[node]["inputs"] |= inputs
    return prompt


def saved_file(server, run):
    """Name and bytes of the one file that a run saved."""
    (entry,) = next(event["output"]["images"] for event in run.data("executed") if event["node"] == SAVE)
    return entry["filename"], server.get(f"/view?{urlencode(entry)}")


def test_all_nodes_are_there_and_nothing_failed(server):
    info = server.json("/object_info")
    for node_id, schema in read_schemas().items():
        assert info[node_id]["python_module"] == "custom_nodes.dismo-pack"
        assert info[node_id]["display_name"] == schema["display_name"]
    assert "dismo-pack (IMPORT FAILED)" not in server.log_text()


def test_import_is_quick(server):
    """Wall clock of a machine that may be busy; tests/nodes measures processor time against the 0.1 s allowed."""
    (seconds,) = re.findall(r"([\d.]+) seconds: \S+dismo-pack", server.log_text())
    assert float(seconds) <= 0.5


def test_contract(server):
    """DISMO_WRITE_CONTRACT=1 takes the snapshots again: for added inputs and nodes, never for changed ones; =newer, on a newer
    ComfyUI, that of the core nodes which came later."""
    info = server.json("/object_info")
    live, saved = contract_of_server(info, sorted(read_schemas())), saved_contract()
    assert_only_added(saved, live)
    if os.environ.get("DISMO_WRITE_CONTRACT"):
        graphs = [json.loads(file.read_text("utf-8")) for file in (ROOT / "workflows").glob("*.json")]
        used = {node["type"] for graph in graphs for node in graph["nodes"]}
        if os.environ["DISMO_WRITE_CONTRACT"] == "newer":
            later = sorted(used - set(json.loads(OBJECT_INFO.read_text("utf-8"))))
            NEWER.write_text(json.dumps({name: info[name] for name in later if name in info}, indent=1) + "\n", "utf-8")
            return
        kept = {name: info[name] for name in sorted(used | set(live)) if name in info}
        CONTRACT.write_text(json.dumps(live, indent=1) + "\n", "utf-8")
        OBJECT_INFO.write_text(json.dumps(kept, indent=1) + "\n", "utf-8")
        saved = live
    assert live == saved


def assert_only_added(saved, live):
    """Nodes and inputs stay as and where they were; new inputs stand after them."""
    for node_id, old in saved.items():
        for group, ports in old.items():
            assert live[node_id][group][: len(ports)] == ports, f"{group} of {node_id}"


def test_help_locales_and_template_are_served(server):
    for node_id in read_schemas():
        assert server.get(f"/extensions/dismo-pack/docs/{node_id}.md")
        for language in ("en", "zh"):
            assert server.json("/i18n")[language]["nodeDefs"][node_id]["display_name"]
    assert "motion_transfer_tiny" in server.json("/workflow_templates")["dismo-pack"]
    assert server.json("/api/workflow_templates/dismo-pack/motion_transfer_tiny.json") == GRAPH
    assert server.get("/api/workflow_templates/dismo-pack/motion_transfer_tiny.jpg")[:2] == b"\xff\xd8"


def test_the_blueprint_is_served(server):
    """The page lists it among its nodes; what is inside it is made of nodes and inputs that this server has."""
    try:
        listed = server.json("/global_subgraphs")
    except HTTPError:
        pytest.skip(lacks("blueprints"))
    (key,) = (key for key, entry in listed.items() if entry["info"]["node_pack"] == "custom_nodes.dismo-pack")
    assert listed[key]["name"] == "Motion Transfer (DisMo)"
    graph = json.loads(server.json(f"/global_subgraphs/{key}")["data"])
    (inside,) = graph["definitions"]["subgraphs"]
    info = server.json("/object_info")
    for node in inside["nodes"]:
        known = info[node["type"]]["input"]
        assert {port["name"] for port in node["inputs"]} == set(known["required"]) | set(known.get("optional", {}))
        assert [port["type"] for port in node["outputs"]] == info[node["type"]]["output"]


def test_workflow_runs_and_saves_a_video_with_its_graph(server):
    import av
    from PIL import Image

    from dismo_core.assets.examples import example

    run = server.run(PROMPT, GRAPH)
    assert run.events[-1]["type"] == "execution_success", run.events[-1]

    steps = [event for event in run.data("progress") if event["node"] == SAMPLE]
    assert [step["value"] for step in steps] == sorted(step["value"] for step in steps)
    assert steps[-1]["value"] == steps[-1]["max"] == 25
    (size,) = {Image.open(io.BytesIO(preview)).size for preview in run.previews}
    width, height = Image.open(example(PROMPT["1"]["inputs"]["example"])[1]).size
    assert max(size) <= 512 and size[0] / size[1] == pytest.approx(width / height, rel=0.01), "the shape of the picture"

    name, data = saved_file(server, run)
    assert name == "dismo_00001_.mp4"
    with av.open(io.BytesIO(data)) as container:
        assert container.streams.video[0].average_rate == 8
        tags = dict(container.metadata)
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    assert len(frames) == 25
    assert frames[0].shape == (height + height % 2, width + width % 2, 3), "its size, but for what H.264 asks for"
    assert json.loads(tags["workflow"]) == GRAPH
    prompt = json.loads(tags["prompt"])
    for node in prompt.values():
        node.pop("is_changed", None)  # ComfyUI's own note for its cache
    assert prompt == PROMPT


def test_a_second_run_is_cached(server):
    run = server.run(PROMPT, GRAPH)
    assert run.data("progress") == []
    assert sorted(run.data("execution_cached")[0]["nodes"]) == sorted(PROMPT)


def test_the_frame_generator_runs_too(server):
    """Each of its steps shows, with a preview in the size of the video."""
    import av
    from PIL import Image

    run = server.run(GENERATOR)
    assert run.events[-1]["type"] == "execution_success", run.events[-1]
    steps = [event for event in run.data("progress") if event["node"] == SAMPLE]
    assert len(steps) == steps[-1]["max"] > 1
    assert [step["value"] for step in steps] == sorted(step["value"] for step in steps)
    assert len(run.previews) >= len(steps)
    previews = [Image.open(io.BytesIO(preview)) for preview in run.previews]
    assert {(preview.format, preview.size) for preview in previews} == {("JPEG", (64, 64))}
    name, data = saved_file(server, run)
    assert name == "frame_generator_00001_.mp4"
    with av.open(io.BytesIO(data)) as container:
        assert sum(1 for _ in container.decode(video=0)) == 25


@pytest.mark.parametrize("format", ["webm", "webp", "gif"])
def test_other_formats(server, format):
    from PIL import Image

    name, data = saved_file(server, server.run(changed(SAVE, format=format), GRAPH))
    assert name.endswith(f".{format}")
    if format == "webm":
        assert data[:4] == b"\x1a\x45\xdf\xa3" and b"WORKFLOW" in data
    else:
        with Image.open(io.BytesIO(data)) as picture:  # equal neighbours may be one longer frame
            duration = 0
            for index in range(picture.n_frames):
                picture.seek(index)
                picture.load()
                duration += picture.info["duration"]
        assert duration == pytest.approx(25 / 8 * 1000, abs=10)


def test_interrupt_half_way(server):
    """A run of many steps stops within seconds of the cancel, saves nothing, and the server goes on."""
    cancelled = []

    def cancel(event):
        if event["type"] == "progress" and event["data"]["node"] == SAMPLE and event["data"]["value"] >= 5:
            if not cancelled:
                server.post("/interrupt")
                cancelled.append(time.monotonic())

    before = sorted((server.base / "output").rglob("*.*"))
    run = server.run(changed(SAMPLE, GENERATOR, steps=1000, seed=1), watch=cancel)
    assert run.events[-1]["type"] == "execution_interrupted"
    assert run.events[-1]["data"]["node_id"] == SAMPLE
    assert time.monotonic() - cancelled[0] < 5
    last = run.data("progress")[-1]
    assert last["value"] < last["max"] / 2
    assert sorted((server.base / "output").rglob("*.*")) == before
    assert server.run(PROMPT).events[-1]["type"] == "execution_success"


@pytest.mark.parametrize(
    ("node", "inputs", "message"),
    [
        (EXTRACT, {"images": ["1", 1]}, "both are connected"),
        (EXTRACT, {"frame_count": 4}, "4"),
        (EXTRACT, {"start": 1000.0}, "1000"),
        (SAMPLE, {"start_percent": 0.5, "end_percent": 0.5}, "from 0.5 to 0.5 of the steps"),
        (SAMPLE, {"curve": "0:1, 99:0"}, "key at frame 99"),
    ],
)
def test_bad_input_is_a_clear_error(server, node, inputs, message):
    run = server.run(changed(node, **inputs))
    assert run.events[-1]["type"] == "execution_error"
    error = run.events[-1]["data"]
    assert error["node_id"] == node
    assert error["exception_type"].endswith("DisMoError")
    assert message in error["exception_message"]


def test_no_model_is_left_loaded_after_free(server):
    """The small ones of this graph are not registered, see `SMALL` in `nodes/shared/host.py`; they go with the cache."""
    again = changed(SAMPLE, seed=77)
    assert server.run(again).events[-1]["type"] == "execution_success"
    held = server.json("/dismo_probe")["modules"]
    server.post("/free", {"unload_models": True, "free_memory": True})
    deadline = time.monotonic() + 60
    while (now := server.json("/dismo_probe"))["registered"] or now["modules"] >= held:
        assert time.monotonic() < deadline, "models are still held"
        time.sleep(0.5)
    run = server.run(again)
    assert run.events[-1]["type"] == "execution_success" and run.data("progress"), "it is computed again"
