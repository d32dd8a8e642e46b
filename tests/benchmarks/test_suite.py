"""The suite: its one list names real commands, its table and JSON hold their figures, and limits are counted right."""

import importlib
import json
from pathlib import Path

import pytest
import torch

from benchmarks import __main__ as command
from benchmarks import compare, extraction, extraction_memory
from benchmarks.limits import Rates, Work, count
from benchmarks.suite import BENCHMARKS, Benchmark, Figure, read, verdict

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def extractor() -> extraction.MotionExtractor:
    return extraction.random_extractor(64, 2, CPU)


@pytest.mark.parametrize("benchmark", BENCHMARKS, ids=lambda b: b.title)
def test_every_benchmark_is_a_command(benchmark: Benchmark, capsys: pytest.CaptureFixture[str]) -> None:
    module = importlib.import_module(f"benchmarks.{benchmark.name}")
    with pytest.raises(SystemExit) as ended:
        module.main(["--help"])
    assert ended.value.code == 0
    options = capsys.readouterr().out
    assert all(word in options for word in ("--out", *benchmark.arguments, *benchmark.quick) if word.startswith("--"))


def test_names_of_figures_are_unique() -> None:
    names = [figure.what for benchmark in BENCHMARKS for figure in benchmark.figures]
    titles = [benchmark.title for benchmark in BENCHMARKS]
    assert len(names) == len(set(names)) and len(titles) == len(set(titles))


def test_a_figure_is_read_and_judged() -> None:
    result = {"deep": {"value": 2}, "word": "none"}
    assert read(result, "deep/value") == 2
    assert read(result, "deep/other") is None and read(result, "word") is None
    assert Figure("", "", 0.8).word(0.8) == "reached" == Figure("", "", 0.8, at_most=True).word(0.7)
    assert Figure("", "", 0.8).word(0.7) == "NOT reached" == Figure("", "", 0.8, at_most=True).word(0.9)
    assert "reached" not in Figure("", "").word(1)
    assert "0.5, wanted at least 0.9: NOT reached" in verdict("decoding", {"of_ffmpeg": 0.5})


def test_the_command_makes_one_table_and_says_what_did_not_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (start_up,) = (b for b in BENCHMARKS if b.name == "start_up")
    quick = Benchmark("start_up", start_up.figures, ("--repeat", "1", "--no-demo"))
    monkeypatch.setattr(command, "BENCHMARKS", (quick, Benchmark("no_such_module", ())))
    command.main(["--quick", "--out", str(tmp_path)])
    found = json.loads((tmp_path / "all.json").read_text())
    assert set(found["figures"]) == {"pack import, s", "dismo --help, s"} and found["quick"] is True
    assert "no_such_module" in found["not_run"][0]
    printed = capsys.readouterr().out
    assert "dismo --help, s" in printed and "not run: no_such_module" in printed


def test_changes_are_told_in_words() -> None:
    rate, ceiling, plain = Figure("rate", "", 0.8), Figure("ceiling", "", 1.0, at_most=True), Figure("plain", "")
    figures = [rate, ceiling, plain, Figure("other", ""), Figure("not run", "")]

    def results(machine: str, **values: float) -> dict[str, dict[str, object]]:
        return {name: {"value": value, "date": "2026-01-02", "machine": machine} for name, value in values.items()}

    last = results("this", rate=0.9, ceiling=0.001, plain=1.0)
    found = results("this", rate=0.7, ceiling=0.04, plain=1.2, other=3.0)
    lines = compare.compare(figures, found, last)
    assert lines[0].startswith("Against the last results (2026-01-02): 1 better, 1 worse, 1 the same, 1 new")
    assert lines[1:] == ["  worse: rate: 0.7, was 0.9 (no longer as wanted)", "  better: plain: 1.2, was 1"]
    back = ["  worse: plain: 1, was 1.2", "  better: rate: 0.9, was 0.7 (as wanted now)"]
    assert compare.compare(figures, last, found)[1:] == back
    assert "another machine (that)" in compare.compare(figures, found, results("that", rate=0.7))[-1]
    assert compare.compare(figures, found, {}) == ["There are no last results to compare with."]
    assert compare.change(ceiling, 2.0, 1.0) == "better" and compare.change(rate, 2.0, 1.0) == "worse"


def test_last_results_are_of_the_figures_that_are() -> None:
    last = json.loads(command.LAST.read_text())
    assert set(last) <= {figure.what for benchmark in BENCHMARKS for figure in benchmark.figures}
    assert all({"value", "date", "machine"} <= set(result) for result in last.values())


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_gpu_tables_need_a_gpu(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        command.main(["--device", "cuda"])
    assert "no CUDA GPU" in capsys.readouterr().err


def test_unknown_names_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        command.main(["nothing"])
    assert "extraction_memory" in capsys.readouterr().err


def test_work_is_counted_by_shape() -> None:
    x, linear = torch.empty(3, 5, device="meta"), torch.nn.Linear(5, 7, bias=False, device="meta")
    assert count(lambda: linear(x)) == Work(products=2 * 3 * 5 * 7, bytes=4 * (15 + 35 + 21))
    image, kernel = torch.empty(1, 3, 28, 28, device="meta"), torch.empty(2, 3, 14, 14, device="meta")
    assert count(lambda: torch.nn.functional.conv2d(image, kernel, stride=14)).products == 2 * 8 * 3 * 14**2
    q = torch.empty(2, 4, 100, 8, device="meta")
    found = count(lambda: torch.nn.functional.scaled_dot_product_attention(q, q, q))
    assert found == Work(attention=4 * 2 * 4 * 100**2 * 8, bytes=4 * q.nbytes)


def test_work_of_a_window_is_that_of_its_layers(extractor: extraction.MotionExtractor) -> None:
    width, tokens, queries, depth = 64, 2052, 4, 2
    more = extraction.work(extractor, 10, 1) + (-1) * extraction.work(extractor, 9, 1)  # a window and a frame
    attended = 4 * width * (tokens**2 + queries * tokens) + 2 * 4 * width * 261**2  # whole layer, last layer, encoder
    assert more.attention == pytest.approx(attended, rel=1e-6)
    layers = 26 * width**2 * tokens + 4 * width**2 * tokens + 22 * width**2 * queries
    beside = 256 * width * (2 * 3 * 14**2 + 2 * width)  # patches and the projection of the tokens
    assert more.products == pytest.approx(layers + depth * 24 * width**2 * 261 + beside, rel=0.01)  # and the head


def test_limits_are_seconds_at_the_rates() -> None:
    rates = Rates(CPU, torch.float32, 1, 16, 8)
    rates.readings = {"products": [2.0, 1.0, 9.0], "attention": [1.0], "copy": [4.0]}
    assert rates.limits(Work(products=6, attention=2, bytes=8)) == {"products": 4, "parts": 5, "copy": 2}


@torch.no_grad()
def test_the_published_procedure_gives_the_same_embeddings(extractor: extraction.MotionExtractor) -> None:
    clip = torch.rand(1, 10, 64, 64, 3, generator=torch.Generator().manual_seed(0)) * 2 - 1
    torch.testing.assert_close(
        extraction.published(extractor, clip), extractor.forward_sliding(clip), atol=1e-4, rtol=0
    )


def test_extraction_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(extraction, "CLIPS", ("carphone_pristine.mp4",))
    out, threads = tmp_path / "e.json", torch.get_num_threads()
    arguments = [
        "--width",
        "64",
        "--depth",
        "1",
        "--frames",
        "9",
        "--long",
        "0",
        "--forms",
        "graphs",
        "--out",
        str(out),
    ]
    extraction.main([*arguments, "--device", "cpu"])
    torch.set_num_threads(threads)
    result = json.loads(out.read_text())
    assert 0 < result["first"]["fractions"]["products"] < 2
    assert result["rows"]["exact, bf16 weights, 9 frames"]["cosine"] > 0.99
    assert result["ratios"]["stride_4_limit"] == 1 and result["ratios"]["published"] > 0
    assert result["left_out"][0].startswith("exact, fp32, 9 frames, graphs: ")
    assert result["cosines"]["bf16 autocast"]["least"] > max(0.999, result["cosines"]["stride 4"]["least"])
    assert "share of the product limit" in capsys.readouterr().out


def test_tensors_alive_at_once_do_not_grow_with_the_clip() -> None:
    assert extraction_memory.alive(24) == pytest.approx(extraction_memory.alive(32), rel=0.02)


def test_memory_of_the_published_procedure_grows_and_ours_does_not() -> None:
    ours, theirs = extraction_memory.peak("sliding", 30), extraction_memory.peak("published", 30)
    assert 0.3 * extraction_memory.alive() < ours < theirs / 5
