"""A hundred queued runs from two pages: none lost, order kept, memory and file handles flat. Takes minutes."""

from __future__ import annotations

import contextlib
import os
import statistics
from concurrent.futures import ThreadPoolExecutor

import psutil
import pytest
import toy_base
from graphs import TOY, graph, node
from pages import Page

pytestmark = pytest.mark.slow
RUNS = int(os.environ.get("DISMO_LOAD_RUNS", 100))
WARM = 0.3  # share of the runs after which caches have what they want


def with_lora(prompt):
    """A style LoRA beside the adapter."""
    inputs = {"model": [node(prompt, "LoadCogVideoXMotionAdapter"), 0], "lora": toy_base.LORA, "strength": 0.5}
    prompt[node(prompt, "MotionTransferSample")]["inputs"]["model"] = ["80", 0]
    return prompt | {"80": {"class_type": "DisMoVideoLoRA", "inputs": inputs}}


MIX = (  # in turn
    lambda: graph("motion_transfer_tiny"),
    lambda: graph("motion_transfer_cogvideox"),
    lambda: graph("motion_library_tiny"),
    lambda: with_lora(graph("motion_transfer_cogvideox")),
    lambda: graph(
        "frame_generator_tiny", DisMoSaveVideo={"format": "webm"}, MotionTransferSample={"fit": "pad", "steps": 4}
    ),
    lambda: graph("motion_transfer_cogvideox", LoadCogVideoXMotionAdapter=TOY | {"memory": "group offload"}),
)


def prompts():
    """One prompt after the other, each with its own seed."""
    for number in range(RUNS):
        prompt = MIX[number % len(MIX)]()
        prompt[node(prompt, "MotionTransferSample")]["inputs"]["seed"] = number
        yield prompt


@pytest.mark.parametrize("options", ["", "--cache-none"], ids=["cached", "cache-none"])
def test_a_hundred_runs_of_two_pages(start, options):
    with start(options) as server, contextlib.ExitStack() as stack:
        process, states = psutil.Process(server.process.pid), []

        def note():
            states.append((process.memory_info().rss, process.num_fds() if hasattr(process, "num_fds") else 0))

        pages = [Page(server), Page(server)]
        for page in pages:
            stack.callback(page.socket.close)
        order = [pages[number % 2].queue(prompt) for number, prompt in enumerate(prompts())]
        with ThreadPoolExecutor(2) as pool:
            for done in [pool.submit(page.follow, note) for page in pages]:
                done.result()
        history = server.json(f"/history?max_items={2 * RUNS}")
        files = [path for path in (server.base / "output/video").rglob("*") if path.is_file()]

    for page in pages:  # each has seen its own runs, in its own order, and no other
        assert page.ended == [(id, "execution_success") for id in page.queued]
    assert len(history) == RUNS and set(history) == set(order)
    messages = {id: dict(run["status"]["messages"]) for id, run in history.items()}
    assert sorted(order, key=lambda id: messages[id]["execution_start"]["timestamp"]) == order
    for before, after in zip(order, order[1:], strict=False):  # one at a time
        assert messages[before]["execution_success"]["timestamp"] <= messages[after]["execution_start"]["timestamp"]
    assert len(files) == RUNS and all(path.stat().st_size > 0 for path in files)

    warm = states[int(WARM * RUNS) :]
    third = len(warm) // 3
    first, last = ([rss for rss, _ in part] for part in (warm[:third], warm[-third:]))
    growth = statistics.mean(last) / statistics.mean(first) - 1
    handles = [count for _, count in warm]
    print(
        f"\n{RUNS} runs {options or 'with cache'}: {RUNS} succeeded in order; memory {statistics.mean(first) / 1e6:.0f} MB "
        f"-> {statistics.mean(last) / 1e6:.0f} MB ({growth:+.1%}); file handles {handles[0]} -> {handles[-1]} "
        f"({min(handles)}..{max(handles)})"
    )
    assert growth < 0.05, [rss for rss, _ in states]
    assert max(handles[-third:]) <= max(handles[:third]), handles
