"""What is shown while a command works: bars in a terminal, plain lines in a file."""

import io
import sys
import time

import pytest

from dismo_core.cli import progress
from dismo_core.cli.options import shown_runtime
from dismo_core.cli.progress import display, duration
from dismo_core.cli.training_report import TrainingReport


@pytest.fixture
def impatient(monkeypatch):
    """Lines come at once, and often."""
    monkeypatch.setattr(progress, "QUIET", 0.0)
    monkeypatch.setattr(progress, "PAUSE", 0.2)


def test_quick_work_is_silent(capsys):
    with display("Reading") as shown:
        shown.progress(1, 2)
    assert capsys.readouterr().out == ""


def test_a_file_gets_lines_without_control_characters(impatient, capsys):
    with display("Loading") as shown:
        time.sleep(0.6)  # silent work, as loading is
        shown.stage("Denoising")
        for done in (1, 2, 3):
            shown.progress(done, 40)
            time.sleep(0.3)
        shown.line("a row")
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith("Loading ... (") for line in lines) and "a row" in lines
    assert any(line.startswith("Denoising: 3 of 40, about") and line.endswith(" left") for line in lines)
    assert all(line.isprintable() for line in lines) and len(lines) < 15


def test_sizes_are_megabytes_and_what_was_there_before_does_not_count_for_the_speed(impatient, capsys):
    with display("Downloading", unit="bytes") as shown:
        shown.progress(900_000_000, 1_000_000_000)  # kept of an earlier run
        time.sleep(0.3)
        shown.progress(901_000_000, 1_000_000_000)
        time.sleep(0.5)
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.startswith("Downloading: 901 of 1,000 MB, about ") and float(last.split()[-3]) > 20


def test_a_terminal_gets_a_bar_for_each_stage(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setattr(sys, "stdout", Terminal())
    with display("Loading") as shown:
        runtime = shown_runtime(shown, "cpu")
        for segment in range(2):  # of a long video: the stages come again
            runtime.stage("encoding the picture")
            runtime.stage("denoising")
            runtime.progress(segment + 1, 2, None)
        shown.line("a row that stays")
    out = sys.stdout.getvalue()
    last = out[out.rindex("Loading") :]
    assert last.count("Encoding the picture") == last.count("Denoising") == 1
    assert "2/2" in last and "a row that stays" in out


def test_of_several_processes_the_first_shows_what_it_does(monkeypatch, impatient, capsys):
    monkeypatch.setenv("RANK", "1")
    with display("Loading") as shown:
        shown.line("a row")
        time.sleep(0.5)
    assert capsys.readouterr().out == ""


def test_training_says_soon_how_long_it_takes(monkeypatch, capsys):
    now = [0.0]
    monkeypatch.setattr("dismo_core.cli.training_report.time.monotonic", lambda: now[0])
    with display("Training") as shown:
        report = TrainingReport(shown, {"first": 100, "second": 50}, {"first": 1.0, "second": 4.0})
        for done in range(1, 31):
            now[0] += 500 if done == 1 else 12  # the first step compiles
            report("first", done, 100, {"loss": 0.5} if done == 20 else {})
    out = capsys.readouterr().out
    # after 7 steps more than a minute has passed: 93 steps of 12 s, and 50 of 48 s
    assert out.count("to go, for everything") == 1 and "about 59 min to go" in out
    assert "first            20/100  loss 0.5" in out


@pytest.mark.parametrize(("seconds", "text"), [(4, "4 s"), (600, "10 min"), (50_000, "13.9 h")])
def test_times_are_for_people(seconds, text):
    assert duration(seconds) == text
