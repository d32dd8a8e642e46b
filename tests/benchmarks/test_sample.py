"""The benchmark of the CogVideoX adapter: its ways to sample are what they are called, and its command runs."""

import json
from pathlib import Path

import pytest
import torch

from benchmarks import sample
from benchmarks.random_cogvideox import random_adapter
from benchmarks.video_jobs import Bench, Measured

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def bench() -> Bench:
    torch.manual_seed(0)
    return Bench(random_adapter(True, CPU), CPU, 9, with_bare=True)


def test_all_loops_make_the_same_video_but_the_bare_one(bench: Bench) -> None:
    row = {row.name: row for row in sample.SPEED + sample.MEMORY}
    expected = bench.run(row["adapter"], 2)
    assert expected.shape == (9, 96, 160, 3) and expected.float().std() > 1
    for name in ("straightforward loop", "adapter, fused", "adapter, guidance halves in turn"):
        difference = (bench.run(row[name], 2).int() - expected.int()).abs()
        assert difference.max() <= 1, name
    assert (bench.run(row["bare base"], 2).int() - expected.int()).abs().float().mean() > 1
    bench.adapter.set_conditions(None)


def test_calls_are_counted_by_guidance_halves(bench: Bench) -> None:
    row = {row.name: row for row in sample.SPEED}
    found = {name: Measured() for name in ("adapter", "adapter, guidance halves in turn", "adapter, cache: pyramid")}
    for name, measured in found.items():
        bench.run(row[name], 4, measured)
    for name in ("adapter", "adapter, guidance halves in turn"):
        assert found[name].ran == {"attention": 1, "feed_forward": 1}
    ran = found["adapter, cache: pyramid"].ran
    assert ran["attention"] < 1 == ran["feed_forward"]


def test_flops_of_the_linears_are_those_of_their_shapes(bench: Bench) -> None:
    flops = bench.flops()
    tokens, width, layers, rank = 32 + 3 * 60, 192, 4, 8
    adapted = 12 * width**2  # numbers in the six linears of a block
    added = rank * (4 * 2 * width + 2 * 5 * width)
    assert flops["bare"] == pytest.approx(2 * 2 * tokens * layers * adapted, rel=0.1)  # norms and embeddings beside
    assert flops["adapter"] - flops["bare"] == pytest.approx(2 * 2 * tokens * layers * added, rel=0.01)


def test_command(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "sample.json"
    monkeypatch.setattr(sample, "SPEED", sample.SPEED[:3])  # a few rows are enough here
    monkeypatch.setattr(sample, "MEMORY", sample.MEMORY[::5])
    threads = torch.get_num_threads()
    arguments = "--tables speed memory --device cpu --steps 2 --repeats 1 --frames 9 --out"
    sample.main([*arguments.split(), str(out)])
    torch.set_num_threads(threads)
    result = json.loads(out.read_text())
    assert {name: list(rows) for name, rows in result["tables"].items()} == {
        "speed": [row.name for row in sample.SPEED],
        "memory": [row.name for row in sample.MEMORY],
    }
    for rows in result["tables"].values():
        assert next(iter(rows.values()))["ratio"] == 1
        assert all("seconds_a_step" not in row and row["ratio"] > 0 for row in rows.values()), "ratios only"
    assert 0 < result["limits"]["adapter_fraction"] < 1
    printed = capsys.readouterr().out
    assert torch.__version__ in printed and "straightforward" in printed


def test_at_the_deadline_only_whole_turns_are_kept(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(100))
    monkeypatch.setattr(sample.time, "monotonic", lambda: next(clock))
    rows = sample.SPEED[:3]
    found = sample.measure(bench, rows, steps=2, repeats=3, deadline=7)  # asked before each of 3 + 3 + 2 videos
    assert {name: len(m.seconds) for name, m in found.items()} == {row.name: 1 for row in rows}
