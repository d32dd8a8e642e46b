"""The workflow files in `workflows/`, checked against the node schemas without ComfyUI."""

from __future__ import annotations

import json

import pytest
from schema_reader import (
    ROOT,
    contract_of_server,
    read_schemas,
    saved_contract,
    saved_object_info,
    schema_of_server,
)

OWN = read_schemas()
OBJECT_INFO = saved_object_info()
CORE = {name: schema_of_server(info) for name, info in OBJECT_INFO.items() if name not in OWN}
SCHEMAS = OWN | CORE
FILES = sorted((ROOT / "workflows").glob("*.json"))
PAGE_ONLY = {"MarkdownNote", "Note"}
VIEWERS = {"Preview3D"}  # the page adds a widget, of which it stores an empty value


def api_form(graph):
    """What the page sends to the server for a graph of this pack's nodes."""
    links = {link[0]: link for link in graph["links"]}
    prompt = {}
    for node in graph["nodes"]:
        if node["type"] in PAGE_ONLY:
            continue
        widgets, inputs = iter(node["widgets_values"]), {}
        sockets = {port["name"]: port["link"] for port in node["inputs"] if "widget" not in port}
        linked = {port["name"]: port["link"] for port in node["inputs"] if port["link"] is not None}
        for port in SCHEMAS[node["type"]]["inputs"]:
            if port["id"] not in sockets:
                inputs[port["id"]] = next(widgets)
                if port.get("control_after_generate"):
                    next(widgets)  # the page stores what happens to the seed after a run
            if port["id"] in linked:
                _, source, slot, *_ = links[linked[port["id"]]]
                inputs[port["id"]] = [str(source), slot]
        if node["type"] in VIEWERS:
            assert next(widgets) == ""
        assert not list(widgets), f"{node['type']} has more widget values than widgets"
        prompt[str(node["id"])] = {
            "class_type": node["type"],
            "inputs": inputs,
            "_meta": {"title": SCHEMAS[node["type"]]["display_name"]},
        }
    return prompt


def test_there_are_workflows():
    assert FILES


def test_the_saved_object_info_is_that_of_these_nodes():
    """`comfy workflow validate` reads it, see docs/development.md."""
    assert contract_of_server(OBJECT_INFO, sorted(OWN)) == saved_contract()
    used = {node["type"] for file in FILES for node in json.loads(file.read_text("utf-8"))["nodes"]} - PAGE_ONLY
    assert used - set(OWN) == set(CORE)
    for node_id, schema in OWN.items():
        info = OBJECT_INFO[node_id]
        assert (info["display_name"], info["description"]) == (schema["display_name"], schema["description"])
        inputs = info["input"]["required"] | info["input"].get("optional", {})
        assert {key: spec[1].get("tooltip") for key, spec in inputs.items()} == {
            port["id"]: port["tooltip"] for port in schema["inputs"]
        }


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_thumbnail_beside_the_file(file):
    assert file.with_suffix(".jpg").is_file()


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_links_join_ports_of_one_type(file):
    graph = json.loads(file.read_text("utf-8"))
    nodes = {node["id"]: node for node in graph["nodes"]}
    for link, source, source_slot, target, target_slot, kind in graph["links"]:
        output, socket = nodes[source]["outputs"][source_slot], nodes[target]["inputs"][target_slot]
        assert link in output["links"] and link == socket["link"]
        assert output["type"] == socket["type"] == kind
        schema = SCHEMAS[nodes[source]["type"]]["outputs"][source_slot]
        assert (schema["id"], schema["type"]) == (output["name"], kind)
        assert kind == next(p["type"] for p in SCHEMAS[nodes[target]["type"]]["inputs"] if p["id"] == socket["name"])


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_widget_values_lie_within_the_schema(file):
    for node in api_form(json.loads(file.read_text("utf-8"))).values():
        for port in SCHEMAS[node["class_type"]]["inputs"]:
            value = node["inputs"].get(port["id"])
            if "min" in port:
                assert port["min"] <= value <= port.get("max", value)
            if "options" in port:
                assert value in port["options"]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_nodes_name_the_pack_so_that_the_manager_can_offer_it(file):
    for node in json.loads(file.read_text("utf-8"))["nodes"]:
        if node["type"] in OWN:
            assert node["properties"]["cnr_id"] == "dismo-motion-transfer" and node["properties"]["ver"]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_workflow_is_what_the_server_test_runs(file):
    twin = json.loads((ROOT / f"tests/comfyui/{file.stem}.api.json").read_text("utf-8"))
    assert api_form(json.loads(file.read_text("utf-8"))) == twin


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_app_mode_shows_inputs_and_outputs_that_there_are(file):
    """`extra.linearData` names what the page's app mode shows: [node id, widget] pairs, and nodes that save or show."""
    graph = json.loads(file.read_text("utf-8"))
    types = {str(node["id"]): node["type"] for node in graph["nodes"]}
    linked = {str(node["id"]): {port["name"] for port in node["inputs"] if port["link"]} for node in graph["nodes"]}
    shown = graph["extra"]["linearData"]
    assert shown["inputs"] and shown["outputs"]
    for number, widget in shown["inputs"]:
        assert widget in {port["id"] for port in SCHEMAS[types[number]]["inputs"]}, (types[number], widget)
        assert widget not in linked[number]
    assert len(set(map(tuple, shown["inputs"]))) == len(shown["inputs"])
    saving = {"DisMoSaveVideo", "DisMoSaveMotion", "DisMo4DSave", "PreviewImage"}
    assert {types[number] for number in shown["outputs"]} <= saving
