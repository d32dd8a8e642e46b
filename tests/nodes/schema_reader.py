"""Reads the node schemas from the source text alone, as ComfyUI-Manager's scanner does: every value a literal."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
CONTRACT = Path(__file__).with_name("contract.json")
OBJECT_INFO = ROOT / "tests/comfyui/object_info.json"
NEWER = ROOT / "tests/comfyui/object_info_0.21.0.json"  # of core nodes that came later
IO_TYPES = {"Int": "INT", "Float": "FLOAT", "String": "STRING", "Boolean": "BOOLEAN", "Combo": "COMBO"}
IO_TYPES |= {"Image": "IMAGE", "Mask": "MASK", "Video": "VIDEO", "Audio": "AUDIO", "Mesh": "MESH", "Vae": "VAE"}
IO_TYPES |= {"Clip": "CLIP", "Latent": "LATENT"}
LIMITS = ("default", "min", "max", "step")


def read_schemas() -> dict[str, dict[str, Any]]:
    """node id -> display_name, description, inputs, outputs, in source order."""
    types = IO_TYPES | _socket_types()
    schemas = {}
    for path in sorted((ROOT / "nodes").rglob("*.py")):
        for node_class in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node_class, ast.ClassDef) and any(ast.unparse(b) == "io.ComfyNode" for b in node_class.bases):
                schema = _schema_call(node_class)
                schemas[schema["node_id"].value] = {
                    "class": node_class.name,
                    "display_name": schema["display_name"].value,
                    "description": schema["description"].value,
                    "inputs": [_port(port, types) for port in schema["inputs"].elts],
                    "outputs": [_port(port, types) for port in schema["outputs"].elts],
                }
    return schemas


def contract_of_source() -> dict[str, Any]:
    """What saved workflows rely on, in the form of `contract.json`."""
    contract = {}
    for node_id, schema in read_schemas().items():
        groups: dict[str, Any] = {"required": [], "optional": []}
        for port in schema["inputs"]:
            groups["optional" if port.get("optional") else "required"].append(
                [port["id"], port["type"], {key: port[key] for key in LIMITS if key in port}]
            )
        contract[node_id] = groups | {"outputs": [[port["display_name"], port["type"]] for port in schema["outputs"]]}
    return contract


def contract_of_server(object_info: dict[str, Any], node_ids: list[str]) -> dict[str, Any]:
    """The same, from a running server's `/object_info`."""
    contract = {}
    for node_id in node_ids:
        info = object_info[node_id]
        groups = {
            group: [
                [
                    key,
                    info["input"][group][key][0],
                    {k: v for k, v in info["input"][group][key][1].items() if k in LIMITS},
                ]
                for key in info["input_order"].get(group, [])
            ]
            for group in ("required", "optional")
        }
        contract[node_id] = groups | {
            "outputs": [list(pair) for pair in zip(info["output_name"], info["output"], strict=True)]
        }
    return contract


def saved_contract() -> dict[str, Any]:
    """The committed snapshot of a real server."""
    return json.loads(CONTRACT.read_text("utf-8"))


def saved_object_info() -> dict[str, Any]:
    """What real servers said of this pack's nodes and of ComfyUI's own nodes in the workflow files."""
    return saved_newer() | json.loads(OBJECT_INFO.read_text("utf-8"))


def saved_newer() -> dict[str, Any]:
    """The same of the nodes that only a newer ComfyUI has."""
    return json.loads(NEWER.read_text("utf-8"))


def schema_of_server(info: dict[str, Any]) -> dict[str, Any]:
    """One entry of `/object_info` in the form of `read_schemas`."""
    ports = []
    for group in ("required", "optional"):
        for key in info["input_order"].get(group, []):
            kind, *settings = info["input"][group][key]
            port = {"id": key, "type": kind, "optional": group == "optional"} | dict(*settings)
            if isinstance(kind, list):  # a combo of the old node interface
                port |= {"type": "COMBO", "options": kind}
            ports.append(port)
    outputs = [{"id": name, "type": kind} for name, kind in zip(info["output_name"], info["output"], strict=True)]
    return {"display_name": info["display_name"], "inputs": ports, "outputs": outputs}


def _socket_types() -> dict[str, str]:
    """Names in `nodes/shared/sockets.py` -> socket types."""
    tree = ast.parse((ROOT / "nodes/shared/sockets.py").read_text("utf-8"))
    return {
        statement.targets[0].id: statement.value.args[0].value
        for statement in tree.body
        if isinstance(statement, ast.Assign)
    }


def _schema_call(node_class: ast.ClassDef) -> dict[str, Any]:
    for call in ast.walk(node_class):
        if isinstance(call, ast.Call) and ast.unparse(call.func) == "io.Schema":
            return {keyword.arg: keyword.value for keyword in call.keywords if keyword.arg}
    raise AssertionError(f"{node_class.name} has no io.Schema(...) call")


def _port(call: ast.Call, types: dict[str, str]) -> dict[str, Any]:
    if ast.unparse(call.func) == "compat.advanced":
        call = call.args[0]
    name = ast.unparse(call.func).removeprefix("io.").split(".")[0]
    port = {"id": call.args[0].value, "type": types[name]}
    for keyword in call.keywords:
        if keyword.arg == "options" and not isinstance(keyword.value, ast.List):
            continue  # choices that depend on the files on disk
        port[keyword.arg] = ast.literal_eval(keyword.value)
    return port
