"""The blueprints in `subgraphs/`, which the page lists among its nodes, checked against the node schemas."""

from __future__ import annotations

import json

import pytest
from schema_reader import ROOT, read_schemas

SCHEMAS = read_schemas()
FILES = sorted((ROOT / "subgraphs").glob("*.json"))
WIDGETS = {"INT", "FLOAT", "STRING", "BOOLEAN", "COMBO"}


def parts(file):
    """The node that is inserted, and what is inside it."""
    graph = json.loads(file.read_text("utf-8"))
    (node,), (inside,) = graph["nodes"], graph["definitions"]["subgraphs"]
    return graph, node, inside


def test_there_are_blueprints():
    assert FILES


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_the_page_finds_name_and_description(file):
    """It shows the name of the file, so this is a title."""
    graph, node, inside = parts(file)
    assert node["title"] == inside["name"] == file.stem
    assert graph["extra"]["BlueprintDescription"] and graph["extra"]["BlueprintSearchAliases"]
    assert inside["category"] == "DisMo"


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_the_node_outside_shows_what_is_inside(file):
    _, node, inside = parts(file)
    assert node["type"] == inside["id"]
    for outer, inner in ((node["inputs"], inside["inputs"]), (node["outputs"], inside["outputs"])):
        assert [(port["name"], port["type"]) for port in outer] == [(port["name"], port["type"]) for port in inner]
    types = {str(inner["id"]): inner["type"] for inner in inside["nodes"]}
    shown = node["properties"]["proxyWidgets"]
    assert [name for _, name in shown] == [port["name"] for port in node["inputs"] if "widget" in port]
    for inner, name in shown:
        assert name in {port["id"] for port in SCHEMAS[types[inner]]["inputs"]}
    assert node["properties"]["cnr_id"] == "dismo-motion-transfer" and node["properties"]["ver"]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_input_is_listed_as_the_page_reads_widget_values_by_that_list(file):
    """A node that lists some of its widgets only has its values dealt out to the wrong ones."""
    _, _, inside = parts(file)
    for node in inside["nodes"]:
        ports = SCHEMAS[node["type"]]["inputs"]
        widgets = [port for port in ports if port["type"] in WIDGETS]
        sockets = [port["id"] for port in ports if port not in widgets]
        assert [port["name"] for port in node["inputs"]] == sockets + [port["id"] for port in widgets]
        assert [port["widget"]["name"] for port in node["inputs"][len(sockets) :]] == [port["id"] for port in widgets]
        values = iter(node["widgets_values"])
        for port in widgets:
            value = next(values)
            if port.get("control_after_generate"):
                next(values)
            assert port["min"] <= value <= port["max"] if "min" in port else True
            assert value in port["options"] if "options" in port else True
        assert not list(values)
        assert node["properties"]["cnr_id"] == "dismo-motion-transfer" and node["properties"]["ver"]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_links_join_ports_of_one_type(file):
    _, _, inside = parts(file)
    nodes = {node["id"]: node for node in inside["nodes"]}
    entrance, exit_ = inside["inputNode"]["id"], inside["outputNode"]["id"]
    seen = set()
    for link in inside["links"]:
        at_entrance, at_exit = link["origin_id"] == entrance, link["target_id"] == exit_
        source = (inside["inputs"] if at_entrance else nodes[link["origin_id"]]["outputs"])[link["origin_slot"]]
        target = (inside["outputs"] if at_exit else nodes[link["target_id"]]["inputs"])[link["target_slot"]]
        assert link["id"] in source["linkIds" if at_entrance else "links"]
        assert [link["id"]] == target["linkIds"] if at_exit else link["id"] == target["link"]
        assert source["type"] == target["type"] == link["type"]
        if not at_entrance:
            schema = SCHEMAS[nodes[link["origin_id"]]["type"]]["outputs"][link["origin_slot"]]
            assert (schema["id"], schema["type"]) == (source["name"], source["type"])
        seen.add(link["id"])
    named = {number for port in inside["inputs"] + inside["outputs"] for number in port["linkIds"]}
    named |= {number for node in nodes.values() for port in node["outputs"] for number in port["links"]}
    named |= {port["link"] for node in nodes.values() for port in node["inputs"]} - {None}
    assert named == seen
