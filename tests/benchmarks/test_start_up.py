"""The benchmark of the start: what is imported when."""

from benchmarks import start_up


def test_start_up_reports_heavy_libraries() -> None:
    assert start_up.run("print(0.5)\nprint('torch')") == (0.5, "torch")
    for program in (start_up.CORE, start_up.HELP):
        _, heavy = start_up.run(program)
        assert "torch" not in heavy.split()
