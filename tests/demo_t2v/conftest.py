"""A toy of the whole model, once for all tests that only look at it."""

from __future__ import annotations

import pytest
from demo_toy import write_ours

from dismo_core import demo_t2v as demo


@pytest.fixture(scope="session")
def toy_folder(tmp_path_factory):
    return write_ours(tmp_path_factory.mktemp("demo"))


@pytest.fixture(scope="session")
def toy(toy_folder):
    return demo.load_demo(toy_folder)
