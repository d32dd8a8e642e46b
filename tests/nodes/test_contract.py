"""What saved workflows and other packs rely on: ids, input order, types, defaults. Needs no ComfyUI."""

from __future__ import annotations

import json
import re

import pytest
from schema_reader import ROOT, contract_of_source, read_schemas, saved_contract

SCHEMAS = read_schemas()


def test_source_equals_the_snapshot_of_a_real_server():
    saved = saved_contract()
    source = contract_of_source()
    assert sorted(source) == sorted(saved)
    for node_id, contract in saved.items():
        assert source[node_id] == contract, node_id


def test_no_id_of_comfyui_itself():
    assert not set(SCHEMAS) & {"SaveVideo", "LoadVideo", "CreateVideo", "GetVideoComponents", "SaveWEBM"}


@pytest.mark.parametrize("node_id", SCHEMAS)
def test_every_port_is_explained_and_unique(node_id):
    ports = SCHEMAS[node_id]["inputs"] + SCHEMAS[node_id]["outputs"]
    assert all(port["tooltip"] for port in ports)
    ids = [port["id"] for port in ports]
    assert len(ids) == len(set(ids)), "V3 drops the whole pack when an id occurs twice"


@pytest.mark.parametrize("node_id", SCHEMAS)
def test_a_default_is_one_of_the_choices(node_id):
    for port in SCHEMAS[node_id]["inputs"]:
        if "options" in port:
            assert port["default"] in port["options"]


@pytest.mark.parametrize("node_id", SCHEMAS)
def test_help_page(node_id):
    text = (ROOT / f"web/docs/{node_id}.md").read_text("utf-8")
    for port in SCHEMAS[node_id]["inputs"] + SCHEMAS[node_id]["outputs"]:
        assert f"**{port['id']}**" in text, port["id"]
    (picture,) = re.findall(r"!\[.+\]\((.+)\)", text)
    assert (ROOT / "web/docs" / picture).is_file()
    assert "\n|" not in text, "the page shows help in a narrow strip, which a table does not fit"


@pytest.mark.parametrize("node_id", SCHEMAS)
def test_english_locale_says_what_the_source_says(node_id):
    assert _locale("en")[node_id] == _as_locale(SCHEMAS[node_id])


@pytest.mark.parametrize("node_id", SCHEMAS)
def test_chinese_locale_is_complete(node_id):
    english, chinese = _as_locale(SCHEMAS[node_id]), _locale("zh")[node_id]
    assert _keys(chinese) == _keys(english)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_texts_hold_no_sign_that_the_page_reads_as_a_placeholder(language):
    """It takes them for message formats; with one of these, the node is not drawn in what it calls Nodes 2.0."""
    assert not re.search("[{}|@]", "".join(_texts(_locale(language))))


def _texts(tree):
    return [text for part in tree.values() for text in (_texts(part) if isinstance(part, dict) else [part])]


def _locale(language):
    return json.loads((ROOT / f"locales/{language}/nodeDefs.json").read_text("utf-8"))


def _as_locale(schema):
    entry = {"display_name": schema["display_name"], "description": schema["description"]}
    entry["inputs"] = {port["id"]: {"name": port["id"], "tooltip": port["tooltip"]} for port in schema["inputs"]}
    if schema["outputs"]:
        entry["outputs"] = {
            str(slot): {"name": port["id"], "tooltip": port["tooltip"]} for slot, port in enumerate(schema["outputs"])
        }
    return entry


def _keys(tree):
    return {key: _keys(value) for key, value in tree.items()} if isinstance(tree, dict) else None
