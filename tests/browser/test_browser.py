"""The pack in the page of a real ComfyUI: what a person sees and does."""

from __future__ import annotations

import json
from itertools import combinations
from urllib.error import HTTPError

import pytest
from comfy_page import ROOT
from record import lacks
from schema_reader import read_schemas, saved_newer

PACK = "dismo-pack"
FILES = sorted((ROOT / "workflows").glob("*.json"))
TINY = json.loads((ROOT / "workflows/motion_transfer_tiny.json").read_text("utf-8"))


def saved_parts(graph):
    """What a saved graph is made of, whichever program wrote it."""
    nodes = {
        node["id"]: (node["type"], node.get("widgets_values") or [], node["properties"].get("cnr_id"))
        for node in graph["nodes"]
    }
    links = {(link[1], link[2], link[3], link[5]) for link in graph["links"]}
    return nodes, links


def overlap(one, other):
    return all(one[i] < other[i] + other[i + 2] and other[i] < one[i] + one[i + 2] for i in (0, 1))


def test_three_actions_to_a_video(page):
    """A newcomer who has the pack opens the template and presses Run; its video shows, and holds the graph."""
    page.open_template(PACK, "motion_transfer_tiny")
    page.tab.wait_for_timeout(1000)
    page.picture("docs/screens/templates.jpg")
    page.choose("motion_transfer_tiny")
    page.wait_until_open("motion_transfer_tiny", len(TINY["nodes"]))
    page.run()
    page.wait_for_videos(1)
    assert not any(node["red"] for node in page.nodes())
    page.picture("docs/screens/result.jpg")
    page.picture("web/docs/save_video.jpg", "DisMoSaveVideo")
    page.picture("web/docs/load_models.jpg", "LoadDisMoExtractor", "ExtractMotion", "DisMoLoadLayeredModel")

    saved = page.server.base / "output/video/dismo_00001_.mp4"
    assert page.tab.locator("video").get_attribute("src").count(saved.name) == 1
    page.new_graph()
    page.drop(saved.name, saved.read_bytes())
    page.wait_until_open("dismo_00001_", len(TINY["nodes"]))
    assert saved_parts(page.graph()) == saved_parts(TINY)
    assert page.faults == []


@pytest.mark.parametrize("format", ["webm", "webp"])
def test_other_formats_hold_the_graph_too(server, page, format):
    prompt = json.loads((ROOT / "tests/comfyui/motion_transfer_tiny.api.json").read_text("utf-8"))
    (save,) = (node for node in prompt.values() if node["class_type"] == "DisMoSaveVideo")
    save["inputs"] |= {"format": format, "filename_prefix": f"video/as_{format}"}
    assert server.run(prompt, TINY).events[-1]["type"] == "execution_success"
    saved = server.base / f"output/video/as_{format}_00001_.{format}"
    page.new_graph()
    page.drop(saved.name, saved.read_bytes())
    page.wait_until_open(saved.stem, len(TINY["nodes"]))
    assert saved_parts(page.graph()) == saved_parts(TINY)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_dropped_workflow_opens_whole(page, file):
    """Nothing is missing or red, values and links are the file's, and no node hides another."""
    graph = json.loads(file.read_text("utf-8"))
    later = {node["type"] for node in graph["nodes"]} & set(saved_newer())
    if missing := later - set(page.server.json("/object_info")):
        pytest.skip(lacks(min(missing)))
    page.drop(file.name, file.read_bytes())
    page.wait_until_open(file.stem, len(graph["nodes"]))
    nodes = page.nodes()
    assert all(node["known"] and not node["red"] for node in nodes)
    assert page.tab.get_by_role("dialog").count() == 0, "a dialog tells of missing nodes or models"
    assert saved_parts(page.graph()) == saved_parts(graph)
    for one, other in combinations(nodes, 2):
        assert not overlap(one["box"], other["box"]), (one["type"], other["type"])
    page.picture(f"docs/screens/{file.stem}.jpg")
    if file.stem == "motion_transfer_cogvideox":
        page.picture("web/docs/load_cogvideox.jpg", "LoadCogVideoXMotionAdapter", "ExtractMotion")
    if file.stem == "frame_generator_tiny":
        page.picture("web/docs/load_generator.jpg", "DisMoLoadFrameGenerator")
    if file.stem == "motion_library_tiny":
        page.picture("web/docs/motion_library.jpg", "ExtractMotion", "DisMoSaveMotion", "DisMoLoadMotion")
    assert page.faults == []


@pytest.mark.parametrize(
    "name",
    [
        "camera_motion_to_photo_tiny",
        "motion_library_tiny",
        "motion_analysis_tiny",
        "frame_generator_tiny",
        "camera_presets_tiny",
        "drawn_path_tiny",
        "demo_tiny",
        "demo_swap_motion_tiny",
        "ten_pictures",
    ],
)
def test_other_workflows_run_in_the_page(page, name):
    """What they show keeps clear of other nodes, too."""
    file = ROOT / f"workflows/{name}.json"
    graph = json.loads(file.read_text("utf-8"))
    page.drop(file.name, file.read_bytes())
    page.wait_until_open(name, len(graph["nodes"]))
    page.run()
    if name == "motion_analysis_tiny":
        page.tab.wait_for_function("app.graph.nodes.some(node => node.imgs?.[0]?.naturalWidth > 1000)")
    else:
        page.wait_for_videos(sum(node["type"] == "DisMoSaveVideo" for node in graph["nodes"]))
    nodes = page.nodes()
    assert not any(node["red"] for node in nodes)
    for one, other in combinations(nodes, 2):
        assert not overlap(one["box"], other["box"]), (one["type"], other["type"])
    page.picture(f"docs/screens/{name}.jpg")


@pytest.mark.parametrize("name", ["4d_video_tiny", "4d_moved_picture_tiny"])
def test_a_moving_object_is_made_in_the_page(page, name):
    """By a fit of few steps; the 3D preview is given the file that was saved."""
    graph = json.loads((ROOT / f"workflows/{name}.json").read_text("utf-8"))
    for node in graph["nodes"]:
        if node["type"] == "DisMo4DFit":
            node["widgets_values"][1] = 8
    page.drop(f"{name}.json", json.dumps(graph).encode())
    page.wait_until_open(name, len(graph["nodes"]))
    page.run()
    page.come_close("Preview3D")
    page.wait_for_videos(1)
    page.tab.wait_for_function(
        "app.graph.nodes.some(n => n.type == 'Preview3D' && n.widgets.some(w => String(w.value).endsWith('.glb')))"
    )
    assert not any(node["red"] for node in page.nodes())


def test_every_widget_says_what_it_is_for(page):
    file = ROOT / "workflows/motion_transfer_cogvideox.json"
    page.drop(file.name, file.read_bytes())
    page.wait_until_open(file.stem, len(json.loads(file.read_text("utf-8"))["nodes"]))
    for node, widgets in (("LoadCogVideoXMotionAdapter", ("adapter", "cache")), ("MotionTransferSample", ("steps",))):
        tooltips = {port["id"]: port["tooltip"] for port in read_schemas()[node]["inputs"]}
        for widget in widgets:
            assert page.hover(node, widget) == tooltips[widget]
            page.tab.mouse.move(5, 895)
            page.tab.wait_for_timeout(300)


def test_a_lora_goes_between_loader_and_transfer(page):
    """Two links, drawn from output to input; the page sends what they say to the server."""
    page.new_graph()
    types = ("LoadCogVideoXMotionAdapter", "DisMoVideoLoRA", "MotionTransferSample")
    page.tab.evaluate(
        """types => {
            const [loader, lora, sample] = types.map(type => app.graph.add(LiteGraph.createNode(type)) ?? app.graph.nodes.at(-1))
            const places = [[40, 60], [440, 60], [840, 60]]
            for (const [i, node] of [loader, lora, sample].entries()) node.pos = places[i]
            loader.connect(0, lora, 0)
            lora.connect(0, sample, 0)
        }""",
        types,
    )
    page.fit_view()
    sent = page.tab.evaluate("app.graphToPrompt().then(prompt => prompt.output)")
    by_type = {node["class_type"]: (number, node["inputs"]) for number, node in sent.items()}
    loader, lora, sample = (by_type[node_type] for node_type in types)
    assert (lora[1]["model"], sample[1]["model"]) == ([loader[0], 0], [lora[0], 0])
    page.picture("web/docs/video_lora.jpg", "DisMoVideoLoRA")


def test_every_help_page_shows_its_picture(page):
    page.new_graph()
    for node_type, schema in read_schemas().items():
        page.add(node_type)
        help_page = page.open_help()
        help_page.get_by_text(schema["description"][:20]).or_(
            help_page.get_by_text(schema["display_name"])
        ).first.wait_for()
        picture = help_page.locator("img").first.element_handle()
        page.tab.wait_for_function("image => image.complete && image.naturalWidth > 200", arg=picture)
        if node_type == "ExtractMotion":
            page.picture("docs/screens/help.jpg")


BLUEPRINT = json.loads((ROOT / "subgraphs/Motion Transfer (DisMo).json").read_text("utf-8"))
JOIN = """() => {
    const add = type => app.graph.add(LiteGraph.createNode(type)) ?? app.graph.nodes.at(-1)
    const [blueprint, example, save] = [app.graph.nodes[0], add('DisMoExample'), add('DisMoSaveVideo')]
    example.connect(0, blueprint, 0)
    example.connect(1, blueprint, 1)
    blueprint.connect(0, save, 0)
    for (const [i, node] of [example, blueprint, save].entries()) node.pos = [40 + 440 * i, 60]
    return blueprint.widgets.map(widget => [widget.name, widget.value])
}"""


def test_the_blueprint_is_one_node_and_makes_a_video(page):
    """Clip, picture and prompt in, video out; found by its title among the nodes."""
    try:
        page.server.json("/global_subgraphs")
    except HTTPError:
        pytest.skip(lacks("blueprints"))
    page.new_graph()
    page.insert("Motion Transfer (DisMo)")
    (node,) = page.graph()["nodes"]
    assert [port["name"] for port in node["inputs"]] == [port["name"] for port in BLUEPRINT["nodes"][0]["inputs"]]
    assert page.tab.evaluate(JOIN) == [["prompt", ""], ["frame_count", 25], ["strength", 1], ["seed", 0]]
    page.fit_view()
    page.run()
    page.wait_for_videos(1)
    assert not any(node["red"] for node in page.nodes())
    assert page.faults == []


NEW_STRENGTH = """() => {
    const sample = app.graph.nodes.find(node => node.type == 'MotionTransferSample')
    sample.widgets.find(widget => widget.name == 'strength').value = 0.7
}"""


def test_app_mode_shows_the_inputs_that_matter(page):
    """The page's app mode: no graph, a few inputs, Run, and the video."""
    if not page.knows_command("Comfy.ToggleLinear"):
        pytest.skip(lacks("app mode"))
    for file in FILES:
        graph = json.loads(file.read_text("utf-8"))
        page.drop(file.name, file.read_bytes())
        page.wait_until_open(file.stem, len(graph["nodes"]))
        shown = [widget for _, widget in graph["extra"]["linearData"]["inputs"]]
        if graph == TINY:
            page.tab.evaluate(NEW_STRENGTH)  # else all is in the cache
        with page.app_mode() as inputs:
            inputs.nth(len(shown) - 1).wait_for()
            assert [text.split("\n")[0] for text in inputs.all_inner_texts()] == shown
            if graph == TINY:
                page.tab.get_by_test_id("linear-run-button").get_by_role("button", name="Run", exact=True).click()
                page.wait_for_videos(1)
    assert page.faults == []


def test_a_linked_input_greys_its_widget(page):
    page.new_graph()
    page.tab.evaluate("""() => {
        const add = type => app.graph.add(LiteGraph.createNode(type)) ?? app.graph.nodes.at(-1)
        const [number, extract] = [add('PrimitiveFloat'), add('ExtractMotion')]
        extract.pos = [400, 60]
        number.connect(0, extract, extract.inputs.findIndex(input => input.name == 'fps'))
    }""")
    page.fit_view()
    grey = "app.graph.nodes[1].widgets.filter(widget => widget.computedDisabled).map(widget => widget.name)"
    assert page.tab.evaluate(grey) == ["fps"]


def test_advanced_inputs_are_folded_and_nodes_stand_apart_in_the_newer_look(page):
    """What the page calls Nodes 2.0: nodes are taller there, and fold what is marked as advanced."""
    if page.setting("Comfy.Node.AlwaysShowAdvancedWidgets") is None:
        pytest.skip(lacks("folded inputs"))
    with page.with_setting("Comfy.VueNodes.Enabled", True):
        for file in FILES:
            page.drop(file.name, file.read_bytes())
            page.wait_until_open(file.stem, len(json.loads(file.read_text("utf-8"))["nodes"]))
            page.tab.locator("[data-node-id]").first.wait_for()
            page.tab.wait_for_timeout(1000)
            for one, other in combinations(page.nodes(), 2):
                assert not overlap(one["box"], other["box"]), (file.stem, one, other)
        page.new_graph()
        page.add("LoadCogVideoXMotionAdapter")
        node = page.tab.locator("[data-node-id]", has_text="cogvideox5b_i2v_large")
        node.get_by_text("memory", exact=True).wait_for()
        assert node.get_by_text("compile", exact=True).count() == 0
        node.get_by_text("Show advanced inputs").click()
        node.get_by_text("compile", exact=True).wait_for()
    assert page.faults == []


def test_the_nodes_speak_the_language_of_the_page(server, page):
    """Chinese; the last test, as it loads the page again."""
    server.post("/settings/Comfy.Locale", "zh")
    page.tab.reload()
    page.tab.wait_for_function("window.app?.vueAppReady && 'ExtractMotion' in window.LiteGraph.registered_node_types")
    chinese = json.loads((ROOT / "locales/zh/nodeDefs.json").read_text("utf-8"))
    title = page.tab.evaluate("LiteGraph.createNode('ExtractMotion').title")
    assert title == chinese["ExtractMotion"]["display_name"] != "Extract Motion"
