"""Saved graphs are easy to read: nodes stand apart, wires run beside them and from left to right."""

from __future__ import annotations

import json

import pytest
from layout import bent, box_of, faults, input_point, output_point, passes, straight
from schema_reader import ROOT

FILES = sorted((ROOT / "workflows").glob("*.json"))
BLUEPRINTS = sorted((ROOT / "subgraphs").glob("*.json"))

ROOM = {
    "MotionTransferSample": 600,
    "DisMoMotionDirectorSample": 800,
    "DisMoTrainMotionDirector": 850,
    "DisMoSaveVideo": 340,
    "PreviewImage": 400,
}
ROOM |= {"DisMoDemoSample": 800, "DisMo4DFit": 400, "DisMo4DRender": 600, "Preview3D": 400}


def faults_of(graph):
    nodes = {node["id"]: node for node in graph["nodes"]}
    boxes = {node_id: box_of(node) for node_id, node in nodes.items()}
    return faults(
        boxes,
        [
            (source, output_point(nodes[source], slot), target, input_point(nodes[target], target_slot))
            for _, source, slot, target, target_slot, _ in graph["links"]
        ],
    )


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_wires_run_beside_nodes(file):
    assert faults_of(json.loads(file.read_text("utf-8"))) == []


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_node_lies_within_a_group_or_outside(file):
    graph = json.loads(file.read_text("utf-8"))
    for group in graph["groups"]:
        left, top, width, height = group["bounding"]
        edges = straight((left, top), (left + width, top)) + straight(
            (left, top + height), (left + width, top + height)
        )
        edges += straight((left, top), (left, top + height)) + straight(
            (left + width, top), (left + width, top + height)
        )
        for node in graph["nodes"]:
            assert not passes(edges, box_of(node)), (group["title"], node["type"])


@pytest.mark.parametrize("file", BLUEPRINTS, ids=lambda file: file.stem)
def test_wires_run_beside_nodes_within_a_blueprint(file):
    (inside,) = json.loads(file.read_text("utf-8"))["definitions"]["subgraphs"]
    nodes = {node["id"]: node for node in inside["nodes"]}
    ends = {inside[name]["id"]: inside[name]["bounding"] for name in ("inputNode", "outputNode")}
    boxes = {node_id: box_of(node) for node_id, node in nodes.items()}
    boxes |= {key: (x, y, x + width, y + height) for key, (x, y, width, height) in ends.items()}
    wires = []
    for link in inside["links"]:
        source, target = link["origin_id"], link["target_id"]
        inlet, outlet = link["origin_slot"], link["target_slot"]
        start = tuple(inside["inputs"][inlet]["pos"]) if source in ends else output_point(nodes[source], inlet)
        end = tuple(inside["outputs"][outlet]["pos"]) if target in ends else input_point(nodes[target], outlet)
        wires.append((source, start, target, end))
    assert faults(boxes, wires) == []


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_there_is_room_for_what_a_node_shows_as_it_runs(file):
    """Else it grows over what is below: a preview stands under the widgets of a transfer, a video under those of a save."""
    for node in json.loads(file.read_text("utf-8"))["nodes"]:
        assert node["size"][1] >= ROOM.get(node["type"], 0), node["type"]


def test_a_hidden_wire_is_found():
    graph = json.loads((ROOT / "workflows/motion_transfer_tiny.json").read_text("utf-8"))
    assert faults_of(graph) == []
    extract = next(node for node in graph["nodes"] if node["type"] == "ExtractMotion")
    extract["pos"][1] = 60
    assert any("behind" in fault for fault in faults_of(graph))


def test_a_bent_wire_leaves_to_the_right():
    assert all(x >= 0 for x, _ in bent((0, 0), (100, 0)))
    assert max(x for x, _ in bent((0, 0), (40, 600))) > 40
