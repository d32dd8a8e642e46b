"""ComfyUI's page, as a person uses it."""

from __future__ import annotations

import base64
import contextlib
import mimetypes
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
WRITE_PICTURES = bool(os.environ.get("DISMO_WRITE_PICTURES"))

TIMEOUT = 900_000  # ms; a machine may be busy
READY = "window.app?.vueAppReady && window.app.extensionManager && window.LiteGraph"
DROP = """([name, type, content]) => {
    const bytes = Uint8Array.from(atob(content), letter => letter.charCodeAt(0))
    const dataTransfer = new DataTransfer()
    dataTransfer.items.add(new File([bytes], name, {type}))
    const canvas = document.querySelector('#graph-canvas')
    const where = {bubbles: true, cancelable: true, dataTransfer, clientX: 800, clientY: 450}
    for (const kind of ['dragenter', 'dragover', 'drop']) canvas.dispatchEvent(new DragEvent(kind, where))
}"""
NODES = """app.graph.nodes.map(node => ({
    type: node.type,
    known: node.type in LiteGraph.registered_node_types,
    red: Boolean(node.has_errors),
    box: [node.pos[0], node.pos[1] - LiteGraph.NODE_TITLE_HEIGHT, node.size[0], node.size[1] + LiteGraph.NODE_TITLE_HEIGHT],
}))"""
IS_OPEN = "([title, count]) => app.graph.nodes.length == count && document.title.includes(title)"
PLAYABLE = (
    "count => [...document.querySelectorAll('video')].filter(v => v.readyState >= 2 && v.videoWidth).length >= count"
)
WIDGET = """([type, name]) => {
    const node = app.graph.nodes.find(node => node.type == type)
    const widget = node.widgets.find(widget => widget.name == name)
    const [x, y] = app.canvas.ds.convertOffsetToCanvas([node.pos[0] + node.size[0] / 2, node.pos[1] + widget.last_y + 10])
    const frame = app.canvas.canvas.getBoundingClientRect()
    return [x + frame.left, y + frame.top]
}"""
ADD = """type => {
    app.graph.clear()
    const node = LiteGraph.createNode(type)
    app.graph.add(node)
    app.canvas.ds.reset()
    node.pos = [500, 300]
    app.canvas.setDirty(true, true)
    const frame = app.canvas.canvas.getBoundingClientRect()
    return [frame.left + 580, frame.top + 285]
}"""
BOX = """types => {
    const boxes = app.graph.nodes.filter(node => types.includes(node.type)).map(node => node.boundingRect)
    const [x0, y0] = [Math.min(...boxes.map(b => b[0])) - 14, Math.min(...boxes.map(b => b[1])) - 24]
    const [x1, y1] = [Math.max(...boxes.map(b => b[0] + b[2])) + 14, Math.max(...boxes.map(b => b[1] + b[3])) + 14]
    const [left, top] = app.canvas.ds.convertOffsetToCanvas([x0, y0])
    const frame = app.canvas.canvas.getBoundingClientRect()
    const scale = app.canvas.ds.scale
    return {x: left + frame.left, y: top + frame.top, width: (x1 - x0) * scale, height: (y1 - y0) * scale}
}"""


class ComfyPage:
    """The page in a tab of a browser."""

    def __init__(self, tab: Any, server: Any) -> None:
        self.tab, self.server = tab, server
        tab.set_default_timeout(TIMEOUT)
        server.post("/settings/Comfy.TutorialCompleted", True)  # else the page offers its templates, sooner or later
        tab.goto(f"http://{server.address}")
        tab.wait_for_function(READY)
        tab.locator(".side-bar-button-label", has_text="Templates").wait_for()
        self.faults: list[str] = []  # errors in the page's scripts from here on: 0.3.64 has one of its own as it starts
        tab.on("pageerror", lambda error: self.faults.append(str(error)))

    def drop(self, name: str, content: bytes) -> None:
        """Drop a file on the canvas."""
        kind = mimetypes.guess_type(name)[0]
        self.tab.evaluate(DROP, [name, kind, base64.b64encode(content).decode()])

    def open_template(self, pack: str, name: str) -> None:
        """Templates, the pack, the workflow."""
        self.tab.locator(".side-bar-button-label", has_text="Templates").click()
        self.tab.get_by_role("dialog").get_by_text(pack, exact=True).first.click()
        shown = self.tab.get_by_role("dialog").get_by_text(name, exact=True).first
        for _ in range(40):  # a long list is filled as it is scrolled
            if shown.is_visible():
                break
            self.tab.mouse.move(900, 600)
            self.tab.mouse.wheel(0, 1500)
            self.tab.wait_for_timeout(500)
        shown.wait_for()

    def choose(self, name: str) -> None:
        """Take a template of the list that is shown."""
        self.tab.get_by_role("dialog").get_by_text(name, exact=True).first.click()

    def wait_until_open(self, title: str, nodes: int) -> None:
        """Until a graph of so many nodes is in the tab of this title, and in full view."""
        self.tab.wait_for_function(IS_OPEN, arg=[title, nodes])
        self.fit_view()

    def fit_view(self) -> None:
        """Show the whole graph."""
        self.tab.mouse.click(800, 870)
        self.tab.keyboard.press(".")  # fit the view to the graph
        self.tab.wait_for_timeout(800)  # the view glides there

    def come_close(self, node_type: str) -> None:
        """To a node, in its own size: what newer pages show in nodes far away is left out."""
        self.tab.evaluate(
            "type => { const {canvas, graph} = app; canvas.ds.scale = 1; "
            "canvas.centerOnNode(graph.nodes.find(node => node.type == type)); canvas.setDirty(true, true) }",
            node_type,
        )

    def nodes(self) -> list[dict[str, Any]]:
        """Type, whether known, whether red, and box with title of each node."""
        return self.tab.evaluate(NODES)

    def graph(self) -> dict[str, Any]:
        """As the page would save it."""
        return self.tab.evaluate("app.graph.serialize()")

    def run(self) -> None:
        """Press Run."""
        self.tab.get_by_role("button", name="Run", exact=True).first.click()

    def wait_for_videos(self, count: int) -> None:
        """Until so many videos can be played."""
        self.tab.wait_for_function(PLAYABLE, arg=count)
        self.tab.wait_for_timeout(500)

    def hover(self, node_type: str, widget: str) -> str:
        """Rest on a widget; the text that appears."""
        x, y = self.tab.evaluate(WIDGET, [node_type, widget])
        self.tab.mouse.move(x, y)
        self.tab.mouse.move(x + 2, y)
        self.tab.locator(".node-tooltip").wait_for()
        return self.tab.locator(".node-tooltip").inner_text()

    def new_graph(self) -> None:
        """An empty graph in a new tab."""
        self.tab.evaluate("app.extensionManager.command.execute('Comfy.NewBlankWorkflow')")
        self.tab.wait_for_function("app.graph.nodes.length == 0")

    def add(self, node_type: str) -> None:
        """Put a node into the graph, alone, and select it by a click on its title."""
        x, y = self.tab.evaluate(ADD, node_type)
        self.tab.wait_for_timeout(500)
        self.tab.mouse.click(x, y)

    def knows_command(self, command: str) -> bool:
        """Whether this version of the page has a command."""
        return self.tab.evaluate("id => app.extensionManager.command.commands.some(c => c.id == id)", command)

    def setting(self, name: str) -> Any:
        """The value of a setting; None where this version has no such setting."""
        return self.tab.evaluate("name => app.extensionManager.setting.get(name) ?? null", name)

    @contextlib.contextmanager
    def with_setting(self, name: str, value: Any) -> Iterator[None]:
        """Another value of a setting, for a while."""
        before = self.setting(name)
        change = "([name, value]) => app.extensionManager.setting.set(name, value)"
        self.tab.evaluate(change, [name, value])
        try:
            yield
        finally:
            self.tab.evaluate(change, [name, before])

    @contextlib.contextmanager
    def app_mode(self) -> Iterator[Any]:
        """The graph as an app, for a while; what lists its inputs."""
        toggle = "app.extensionManager.command.execute('Comfy.ToggleLinear')"
        self.tab.evaluate(toggle)
        try:
            self.tab.get_by_test_id("linear-run-button").wait_for()
            yield self.tab.get_by_test_id("app-mode-widget-item")
        finally:
            self.tab.evaluate(toggle)
            self.tab.get_by_test_id("linear-run-button").wait_for(state="hidden")

    def insert(self, name: str) -> None:
        """Take what has this name from the library of nodes, and put it into the graph."""
        library = self.tab.locator(".side-bar-button-label", has_text="Nodes")
        count = len(self.nodes())
        library.click()
        self.tab.get_by_placeholder("Search").first.fill(name)
        self.tab.get_by_text(name, exact=True).last.click()
        self.tab.mouse.move(1000, 300)
        self.tab.mouse.click(1000, 300)
        self.tab.wait_for_function("count => app.graph.nodes.length > count", arg=count)
        library.click()

    def open_help(self) -> Any:
        """Press the (i) above the selected node; the element that shows the help page."""
        self.tab.get_by_test_id("info-button").click()
        return self.tab.locator(".node-help-content")

    def picture(self, path: str, *types: str) -> None:
        """Write a screenshot as JPEG, of the whole page or of the nodes of some types; only where it is asked for."""
        if not WRITE_PICTURES:
            return
        self.tab.evaluate("app.extensionManager.setting.set('Comfy.Minimap.Visible', false)")
        self.tab.evaluate(
            "app.extensionManager.setting.set('LiteGraph.Canvas.MinFontSizeForLOD', 0)"
        )  # small texts, too
        self.tab.wait_for_timeout(300)
        clip = self.tab.evaluate(BOX, list(types)) if types else None
        file = ROOT / path
        file.parent.mkdir(exist_ok=True)
        self.tab.screenshot(path=file, type="jpeg", quality=80, clip=clip)
        assert file.stat().st_size < 250_000
        if types:
            with Image.open(file) as picture:
                picture.thumbnail((900, 900))
                picture.save(file, quality=85)
