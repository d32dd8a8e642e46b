"""Opens the page of a real ComfyUI in a real browser, and writes down how the tests went.

COMFYUI_DIR and its companions: as in `tests/comfyui/conftest.py`. CHROMIUM: the browser's program (default: `chromium`, as
Debian installs it). DISMO_WRITE_PICTURES=1 takes the screenshots of `docs/` and `web/docs/` again.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS / "comfyui"), str(TESTS / "nodes")]  # server, record; schema_reader

from record import Record  # noqa: E402

RECORD = Record("tests/browser")
SIZE = {"width": 1600, "height": 900}


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    """A running server with the pack; skips where there is no ComfyUI."""
    folder = os.environ.get("COMFYUI_DIR")
    if not folder:
        pytest.skip("COMFYUI_DIR is not set: no ComfyUI whose page could be opened")
    from server import Server

    offline = os.environ | {"HF_HUB_OFFLINE": "1"}
    with Server(Path(folder), tmp_path_factory.mktemp("comfyui"), offline) as running:
        yield running


@pytest.fixture(scope="session")
def browser(server):
    """A running Chromium; skips where there is none."""
    program = shutil.which(os.environ.get("CHROMIUM", "chromium"))
    if not program:
        pytest.skip("there is no chromium: apt-get install chromium, or set CHROMIUM")
    playwright = pytest.importorskip("playwright.sync_api", reason="no playwright: pip install playwright")
    with playwright.sync_playwright() as driver:
        running = driver.chromium.launch(executable_path=program, args=["--no-sandbox"])
        RECORD.comfyui = server.description() | {"browser": f"Chromium {running.version}"}
        yield running
        running.close()


@pytest.fixture(scope="session")
def page(server, browser):
    """ComfyUI's page. It is slow to load, so there is one for all tests; each opens its graph in a tab of the page."""
    from comfy_page import ComfyPage

    return ComfyPage(browser.new_page(viewport=SIZE), server)


def pytest_runtest_logreport(report):
    """Collect outcomes of the tests in this folder."""
    RECORD.add(report)


def pytest_sessionfinish():
    """Write `last_run.json`, if a browser ran."""
    RECORD.write()
