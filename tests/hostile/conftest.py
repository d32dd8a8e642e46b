"""The counts of what was tried, printed at the end of a run."""

from __future__ import annotations

import pytest

_COUNTS: dict[str, str] = {}


@pytest.fixture(scope="session")
def counts():
    """Suite -> what to print of it; fill it in."""
    return _COUNTS


def pytest_terminal_summary(terminalreporter):
    if _COUNTS:
        terminalreporter.section("hostile input")
        for suite, text in _COUNTS.items():
            terminalreporter.write_line(f"{suite}: {text}")
