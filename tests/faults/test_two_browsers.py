"""Two people at two browsers, one server: each sees their own runs through to the end. Takes a minute or two."""

from __future__ import annotations

import json
import os
import shutil
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from comfy_page import ROOT, ComfyPage

RUNS = 4  # of each browser
WORKFLOWS = {"first": "frame_generator_tiny", "second": "camera_motion_to_photo_tiny"}  # by browser
SIZE = {"width": 1600, "height": 900}

# What the page is told of its runs, and what it shows of them, noted from here on.
WATCH = """() => {
    window.seen = {ended: [], shown: {}}
    for (const end of ['execution_success', 'execution_error', 'execution_interrupted'])
        app.api.addEventListener(end, event => seen.ended.push([event.detail.prompt_id, end]))
    const note = () => document.querySelectorAll('video').forEach(video => seen.shown[video.src] = true)
    new MutationObserver(note).observe(document, {subtree: true, childList: true, attributeFilter: ['src']})
}"""
# As a person sets the widgets: fewer frames and steps, and the files of this browser under its own name.
SET = """([browser, seed]) => {
    const values = {frame_count: 9, steps: 2, seed}
    for (const node of app.graph.nodes)
        for (const widget of node.widgets ?? []) {
            if (widget.name in values) widget.value = values[widget.name]
            if (widget.name == 'filename_prefix') widget.value = `video/${browser}_${node.id}`
        }
}"""


@pytest.fixture
def browsers(start) -> Any:
    """A server, and the page of each browser: contexts that share neither storage nor session."""
    program = shutil.which(os.environ.get("CHROMIUM", "chromium"))
    if os.environ.get("COMFYUI_DIR") and not program:
        pytest.skip("there is no chromium: apt-get install chromium, or set CHROMIUM")
    with start() as server:
        playwright = pytest.importorskip("playwright.sync_api", reason="no playwright: pip install playwright")
        with playwright.sync_playwright() as driver:
            running = driver.chromium.launch(executable_path=program, args=["--no-sandbox"])
            yield server, {name: ComfyPage(running.new_context(viewport=SIZE).new_page(), server) for name in WORKFLOWS}
            running.close()


def queue(server: Any, page: ComfyPage, name: str, seed: int) -> str:
    """Set the widgets and press Run; the id of the run."""
    page.tab.evaluate(SET, [name, seed])
    with page.tab.expect_response(lambda answer: urlsplit(answer.url).path == "/api/prompt") as answer:
        page.run()
    return answer.value.json()["prompt_id"]


def test_two_browsers_at_once(browsers):
    server, pages = browsers
    graphs = {name: ROOT / f"workflows/{file}.json" for name, file in WORKFLOWS.items()}
    for name, page in pages.items():
        page.drop(graphs[name].name, graphs[name].read_bytes())
        page.wait_until_open(WORKFLOWS[name], len(json.loads(graphs[name].read_text("utf-8"))["nodes"]))
        page.tab.evaluate(WATCH)

    order, seeds = [], {}
    for _ in range(RUNS):  # in turn, the one while the runs of the other are under way
        for name, page in pages.items():
            order.append((name, queue(server, page, name, seed=len(order))))
            seeds[order[-1][1]] = len(order) - 1
    queued_together = len(server.json("/queue")["queue_pending"])

    own = {name: [id for browser, id in order if browser == name] for name in pages}
    for page in pages.values():
        page.tab.wait_for_function("count => seen.ended.length >= count", arg=RUNS)
        page.wait_for_videos(1)
    history = server.json("/history")

    assert queued_together >= 2, "the runs did not come together: too small a machine's load to tell anything"
    assert set(history) == {id for _, id in order} and len(history) == 2 * RUNS
    assert sorted(history, key=lambda id: started(history[id])) == [id for _, id in order]
    for name, page in pages.items():
        seen = page.tab.evaluate("seen")
        assert seen["ended"] == [[id, "execution_success"] for id in own[name]], "another's run, or not all of its own"
        made = {id: files(history[id]) for id in own[name]}
        assert all(file.startswith(f"{name}_") for names in made.values() for file in names)
        shown = [parse_qs(urlsplit(address).query)["filename"][0] for address in seen["shown"]]
        assert sorted(shown) == sorted({file for names in made.values() for file in names}), (
            "shown is not what its runs made"
        )
        for id in own[name]:
            assert seed(history[id]) == seeds[id]
            assert all((server.base / "output/video" / file).stat().st_size > 0 for file in made[id])
        assert page.tab.get_by_role("dialog").count() == 0, page.tab.get_by_role("dialog").first.inner_text()
        assert page.tab.locator(".p-toast-message-error").count() == 0
        assert not any(node["red"] for node in page.nodes()) and page.faults == []


def started(run: dict[str, Any]) -> int:
    """When, in milliseconds."""
    return dict(run["status"]["messages"])["execution_start"]["timestamp"]


def files(run: dict[str, Any]) -> list[str]:
    """Names of the videos it saved."""
    return [entry["filename"] for output in run["outputs"].values() for entry in output.get("images", [])]


def seed(run: dict[str, Any]) -> int:
    """That it ran with."""
    (found,) = (node["inputs"]["seed"] for node in run["prompt"][2].values() if "seed" in node["inputs"])
    return found
