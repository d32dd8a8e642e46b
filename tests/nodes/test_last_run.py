"""What `tests/comfyui/record.py` takes for a run that vouches for the files."""

from __future__ import annotations

import importlib.util
from types import SimpleNamespace

import pytest
from schema_reader import ROOT

FOLDER = "tests/browser"


@pytest.fixture
def record(tmp_path, monkeypatch):
    spec = importlib.util.spec_from_file_location("record_under_test", ROOT / "tests/comfyui/record.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    (tmp_path / FOLDER).mkdir(parents=True)
    (tmp_path / FOLDER / "test_page.py").write_text(
        "def test_one(page):\n    pass\n\n\ndef test_two(page):\n    pass\n"
    )
    (tmp_path / "__init__.py").write_text("")
    for folder in ("nodes", "subgraphs", "workflows"):
        (tmp_path / folder).mkdir()
    monkeypatch.setattr(module, "ROOT", tmp_path)
    return module


def run(record, version, **outcomes):
    """Write a run of these outcomes; a text is the reason of a skip."""
    written = record.Record(FOLDER)
    for name, outcome in outcomes.items():
        skipped = outcome not in ("passed", "failed")
        reason = ("file", 1, f"Skipped: {outcome}") if skipped else ""
        kind = "skipped" if skipped else outcome
        nodeid = f"{FOLDER}/test_page.py::{name}"
        written.add(SimpleNamespace(nodeid=nodeid, when="call", outcome=kind, longrepr=reason))
    written.comfyui = {"version": version}
    written.write()


def test_each_version_has_a_file(record):
    for version, name in (("0.3.64", "last_run.json"), ("0.21.0", "last_run_0.21.0.json")):
        assert record.Record(FOLDER, version).complaint() == f"there is no {name}"
        run(record, version, test_one="passed", test_two="passed")
        assert record.Record(FOLDER, version).file.name == name
        assert record.Record(FOLDER, version).complaint() is None
    assert [version for folder, version in record.RUNS if folder == "tests/comfyui"] == ["0.3.48", "0.3.64", "0.21.0"]


@pytest.mark.parametrize("change", ["nodes/made_up.json", "subgraphs/a.json", "workflows/a.json"])
def test_a_changed_file_wants_another_run(record, change):
    run(record, "0.3.64", test_one="passed", test_two="passed")
    (record.ROOT / change).write_text("{}")
    assert "changed since" in record.Record(FOLDER).complaint()


def test_a_skip_counts_only_where_an_older_version_lacks_the_thing(record):
    for version, reason, complaint in (
        ("0.3.64", record.lacks("app mode"), None),
        ("0.3.64", "there is no chromium", "the last run failed"),
        ("0.21.0", record.lacks("app mode"), "the last run failed"),
    ):
        run(record, version, test_one="passed", test_two=reason)
        assert record.Record(FOLDER, version).complaint() == complaint


def test_a_failed_or_partial_run_does_not_count(record):
    run(record, "0.3.64", test_one="passed", test_two="failed")
    assert record.Record(FOLDER).complaint() == "the last run failed"
    run(record, "0.3.64", test_one="passed")
    assert "left out test_two" in record.Record(FOLDER).complaint()
