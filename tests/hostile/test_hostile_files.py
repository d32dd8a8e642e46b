"""Files from strangers end as a clean result or as a `DisMoError`, watched in a process of their own (`watched_child.py`)."""

from __future__ import annotations

import pytest
from watched import survey

# suite, cases in every run, cases with `pytest -m slow`
SUITES = {
    "videos": (2000, 20_000),
    "pictures": (1000, 10_000),
    "weights": (400, 4000),
    "loras": (400, 4000),
    "motions": (800, 8000),
    "texts": (600, 6000),
    "shards": (400, 4000),
}


@pytest.fixture
def survived(counts, tmp_path):
    """Function: run a suite, note the counts, fail on what did not survive."""

    def run(suite: str, cases: int) -> None:
        found = survey(f"hostile_{suite}", tmp_path, cases)
        counts[suite] = str(found)
        assert not found.failures, "\n".join(found.failures)
        assert found.tried == cases

    return run


@pytest.mark.parametrize("suite", SUITES)
def test_every_file_is_read_or_refused(survived, suite):
    survived(suite, SUITES[suite][0])


@pytest.mark.slow
@pytest.mark.parametrize("suite", SUITES)
def test_ten_times_as_many(survived, suite):
    survived(suite, SUITES[suite][1])


def test_the_watch_sees_every_misdeed(tmp_path, monkeypatch):
    from hostile_misdeeds import MISDEEDS

    monkeypatch.setenv("HOSTILE_SECONDS", "1")
    found = survey("hostile_misdeeds", tmp_path, len(MISDEEDS) + 2)
    assert len(found.failures) == len(MISDEEDS), found.failures
    for failure, misdeed in zip(found.failures, MISDEEDS, strict=True):
        assert misdeed in failure
    assert found.refusals == {len(MISDEEDS): "this is why"} and found.read == 1
