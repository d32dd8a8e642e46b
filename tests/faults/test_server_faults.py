"""Interrupts and lack of memory at every stage, in a real ComfyUI: it stops at once, tells what to do, and goes on as before."""

from __future__ import annotations

import contextlib
import copy
import io
import json
import time
from urllib.parse import urlencode

import pytest
from graphs import graph, node, with_frames
from pages import ENDS, Page

COGVIDEOX, TINY = (
    with_frames(graph(name, DisMoSaveVideo={"filename_prefix": "video/faults"}))
    for name in ("motion_transfer_cogvideox", "frame_generator_tiny")
)
TEXT = 3  # binary websocket event
NODE = {"extract": "ExtractMotion", "save": "DisMoSaveVideo"}  # of a stage; of the others MotionTransferSample
STAGES = [  # prompt, stage, at which unit of it; units that may still begin after an interrupt
    *((COGVIDEOX, stage, at, 0) for stage, at in [("text", 2), ("encode", 1), ("denoise", 5), ("decode", 1)]),
    (COGVIDEOX, "extract", 1, 1),  # the first frame held still, and the one piece of nine frames
    (COGVIDEOX, "save", 4, 0),
    (TINY, "extract", 1, 1),
    (TINY, "generate", 3, 1),  # the second half of a guided step
    (TINY, "save", 4, 0),
]
every_stage = pytest.mark.parametrize(
    ("prompt", "stage", "at", "more"),
    STAGES,
    ids=[f"{'cogvideox' if prompt is COGVIDEOX else 'tiny'}-{stage}" for prompt, stage, *_ in STAGES],
)


@pytest.fixture(scope="module")
def server(start):
    with start() as running:
        yield running


def forget(server):
    """Nothing is left of earlier runs, no cached result and no model; the cache holds the example, as after every `forget`."""
    server.post("/free", {"unload_models": True, "free_memory": True})
    # Else it may be served after the next run, or the probe may meet a model that is just being thrown away.
    wait_while(lambda: server.json("/dismo_pending"), "the request to free was not served")
    inputs = {"images": ["2", 1], "filename_prefix": "nothing"}
    server.run({"1": {"class_type": "SaveImage", "inputs": inputs}, "2": COGVIDEOX["1"]})
    wait_while(lambda: server.json("/dismo_probe")["registered"], "models are still registered")


def wait_while(condition, complaint):
    deadline = time.monotonic() + 30
    while condition():
        assert time.monotonic() < deadline, complaint
        time.sleep(0.2)


def pictures(server, run):
    """The bytes of the frames, as PNG."""
    assert run.events[-1]["type"] == "execution_success", run.events[-1]
    entries = next(event["output"]["images"] for event in run.data("executed") if event["node"] == "90")
    assert len(entries) == 9
    return [pixels(server.get(f"/view?{urlencode(entry)}")) for entry in entries]


def pixels(png):
    from PIL import Image

    return Image.open(io.BytesIO(png)).tobytes()


def videos(server):
    return sorted(path for path in (server.base / "output/video").glob("*"))


@pytest.fixture(scope="module")
def expected(server):
    """The frames of both prompts, in runs that nothing disturbs."""
    found = {}
    for prompt in (COGVIDEOX, TINY):
        forget(server)
        found[id(prompt)] = pictures(server, server.run(prompt))
    return found


def fail(server, prompt, stage, at, fault):
    """Run a prompt into a fault: (run, units of work that began after it, what the process held before)."""
    forget(server)
    before = server.json("/dismo_probe")
    server.post("/dismo_fault", {"stage": stage, "fault": fault, "at": at})
    files = videos(server)
    run = server.run(prompt)
    state = server.json("/dismo_fault")
    server.post("/dismo_fault", {})
    assert state["come"], f"{stage} was never reached"
    assert videos(server) == files, "a file of a run that failed"
    assert run.events[-1]["data"]["node_id"] == node(prompt, NODE.get(stage, "MotionTransferSample"))
    return run, state["after"], before


def goes_on(server, prompt, stage, expected, before):
    """The weights of what failed are off the device, the same prompt gives the same bits, and nothing stays of it."""
    if stage != "save":  # then the model had ended its work, and may wait there for the next
        assert all(size == 0 for name, size in server.json("/dismo_probe")["registered"] if name == "PlanPatcher")
    assert pictures(server, server.run(prompt)) == expected[id(prompt)]
    forget(server)
    after = server.json("/dismo_probe")
    assert after["registered"] == before["registered"] == []
    assert after["modules"] == before["modules"]
    assert after["tensor_bytes"] == before["tensor_bytes"]


@every_stage
def test_interrupt(server, expected, prompt, stage, at, more):
    run, after, before = fail(server, prompt, stage, at, "interrupt")
    assert run.events[-1]["type"] == "execution_interrupted"
    assert after <= more
    goes_on(server, prompt, stage, expected, before)


@every_stage
def test_out_of_memory(server, expected, prompt, stage, at, more):
    fault = "out of main memory" if stage == "save" else "out of memory"
    run, after, before = fail(server, prompt, stage, at, fault)
    error = run.events[-1]["data"]
    assert run.events[-1]["type"] == "execution_error"
    assert after == 0 and "20.00 GiB" in error["exception_message"]
    if stage != "save":
        assert error["exception_type"].endswith("OutOfMemoryError")
        assert "ran out of memory on your GPU" in error["exception_message"], "ComfyUI did not see it"
        log = server.log_text()
        assert log.count("Got an OOM, unloading all loaded models.") == log.count(
            "DisMo: Out of memory. Make fewer frames"
        )
    goes_on(server, prompt, stage, expected, before)


def test_the_advice_stands_on_the_node_until_a_run_is_fine(server):
    """What the page is sent, beside ComfyUI's own message."""
    server.post("/dismo_fault", {"stage": "generate", "fault": "out of memory", "at": 1})
    first = texts(server, with_seed(TINY, 1))
    server.post("/dismo_fault", {})
    second = texts(server, with_seed(TINY, 2))
    assert len(first) == 1 and "Out of memory. Make fewer frames" in first[0]
    assert second == [" "]


def with_seed(prompt, seed):
    prompt = copy.deepcopy(prompt)
    prompt[node(prompt, "MotionTransferSample")]["inputs"]["seed"] = seed
    return prompt


def texts(server, prompt):
    """The texts that a run sends for its Transfer Motion node, to the page that queued it."""
    page, found = Page(server), []
    with contextlib.closing(page.socket):
        page.queue(prompt)
        while True:
            message = page.socket.recv()
            if isinstance(message, bytes) and int.from_bytes(message[:4], "big") == TEXT:
                length = int.from_bytes(message[4:8], "big")
                assert message[8 : 8 + length].decode() == node(prompt, "MotionTransferSample")
                found.append(message[8 + length :].decode())
            elif isinstance(message, str) and json.loads(message)["type"] in ENDS:
                return found
