"""Twenty runs in a row leave the server's memory as it was."""

from __future__ import annotations

import copy
import json
import statistics

import pytest
import toy_base
from record import ROOT

RUNS, WARM = 20, 4  # after the first few, allocators and caches have what they want
CHANGES = {
    "motion_transfer_tiny": {
        "ExtractMotion": {"frame_count": 9},
        "DisMoSaveVideo": {"filename_prefix": "video/memory"},
    },
    "frame_generator_tiny": {
        "ExtractMotion": {"frame_count": 9},
        "MotionTransferSample": {"steps": 4},
        "DisMoSaveVideo": {"filename_prefix": "video/memory"},
    },
    "motion_transfer_cogvideox": {
        "LoadCogVideoXMotionAdapter": {"adapter": toy_base.ADAPTER, "base": toy_base.BASE},
        "ExtractMotion": {"frame_count": 9},
        "MotionTransferSample": {"steps": 4},
        "DisMoSaveVideo": {"filename_prefix": "video/memory"},
    },
}


@pytest.mark.parametrize("name", CHANGES)
def test_twenty_runs_leave_memory_flat(server, toy, name):
    """9 frames, 4 steps, each its own seed; modules and tensors exactly, resident memory within 32 MB."""
    prompt = json.loads((ROOT / f"tests/comfyui/{name}.api.json").read_text("utf-8"))
    for node in prompt.values():
        node["inputs"] |= CHANGES[name].get(node["class_type"], {})
    states = []
    for seed in range(RUNS):
        prompt = copy.deepcopy(prompt)
        (sample,) = (node for node in prompt.values() if node["class_type"] == "MotionTransferSample")
        sample["inputs"]["seed"] = seed
        run = server.run(prompt)
        assert run.events[-1]["type"] == "execution_success", run.events[-1]
        assert run.data("progress"), "nothing was computed"
        states.append(server.json("/dismo_probe"))
    warm = states[WARM:]
    assert len({state["modules"] for state in warm}) == 1
    assert len({state["tensor_bytes"] for state in warm}) == 1
    assert len({json.dumps(state["registered"]) for state in warm}) == 1
    sizes = [state["rss"] for state in warm]  # some are read while frames are still held: medians
    half = len(sizes) // 2
    assert statistics.median(sizes[half:]) - statistics.median(sizes[:half]) < 32e6, sizes
