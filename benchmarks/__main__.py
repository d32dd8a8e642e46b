"""All benchmarks that this machine can run, in one table: `python -m benchmarks --help`."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.compare import change, compare
from benchmarks.report import OUT, table, write_json
from benchmarks.suite import BENCHMARKS, Benchmark, read

LAST = Path(__file__).parent / "last.json"


def run(benchmark: Benchmark, arguments: Sequence[str], out: Path) -> tuple[dict[str, Any], str]:
    """Run one in a process of its own: its JSON, as far as it came, and what stopped it, where something did."""
    path = out / f"{benchmark.title}.json"
    path.unlink(missing_ok=True)
    given = [*benchmark.arguments, *arguments]
    command = [sys.executable, "-m", f"benchmarks.{benchmark.name}", *given, "--out", str(path)]
    done = subprocess.run(command, cwd=Path(__file__).parents[1], stderr=subprocess.PIPE, text=True)
    result: dict[str, Any] = json.loads(path.read_text()) if path.is_file() else {}
    if done.returncode == 0 and result:
        return result, ""
    return result, (done.stderr.strip().splitlines() or ["no result"])[-1]


def has_gpu() -> bool:
    """Whether torch sees a CUDA GPU."""
    import torch

    return torch.cuda.is_available()


def main(arguments: Sequence[str] | None = None) -> None:
    """Run, print the table, write the JSON."""
    names = list(dict.fromkeys(benchmark.name for benchmark in BENCHMARKS))
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description="Run benchmarks and compare with the last results."
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of: {', '.join(names)} (default: all)")
    parser.add_argument("--device", choices=("cpu", "cuda"), help="tables of the processor or of the GPU alone")
    parser.add_argument("--quick", action="store_true", help="short runs; not compared with the last results")
    parser.add_argument("--save", action="store_true", help="make these the last results (benchmarks/last.json)")
    parser.add_argument("--out", type=Path, default=OUT, metavar="FOLDER")
    options = parser.parse_args(arguments)
    if unknown := sorted(set(options.names) - set(names)):
        parser.error(f"no benchmark is called {unknown[0]}; choose of: {', '.join(names)}")
    if options.quick and options.save:
        parser.error("--save keeps full runs only; leave --quick out")
    gpu = options.device != "cpu" and has_gpu()
    if options.device == "cuda" and not gpu:
        parser.error("--device cuda: torch sees no CUDA GPU here")
    devices = {"": options.device != "cuda", "cuda": gpu}
    options.out.mkdir(parents=True, exist_ok=True)
    last: dict[str, dict[str, Any]] = json.loads(LAST.read_text()) if LAST.is_file() else {}
    rows, found, missing = [], {}, []
    for benchmark in BENCHMARKS:
        if not devices[benchmark.device] or (options.names and benchmark.name not in options.names):
            continue
        print(f"== {benchmark.title}", flush=True)
        result, stopped = run(benchmark, benchmark.quick if options.quick else (), options.out)
        if stopped:
            missing.append(f"{'stopped' if result else 'not run'}: {benchmark.title}: {stopped}")
        for figure in benchmark.figures:
            value, limit = read(result, figure.path), read(result, figure.limit) if figure.limit else None
            if value is None:
                continue
            before = last.get(figure.what, {}).get("value") if not options.quick else None
            sign = "" if figure.wanted is None else f"{'<=' if figure.at_most else '>='} {figure.wanted:g}"
            rows.append((
                figure.what, f"{value:.3g}", sign, figure.word(value), "" if limit is None else f"{limit:.2f}",
                "" if before is None else f"{before:.3g}", "" if before is None else change(figure, before, value),
            ))  # fmt: skip
            found[figure.what] = {"value": value, "limit": limit, "date": result["date"], "machine": result["machine"]}
    headings = ("figure", "value", "wanted", "", "of its limit", "last", "")
    print(table("", headings, rows), *missing, sep="\n")
    compared = [] if options.quick else compare([f for b in BENCHMARKS for f in b.figures], found, last)
    print(*compared, sep="\n")
    result = {"quick": options.quick, "figures": found, "not_run": missing, "compared": compared}
    write_json(options.out / "all.json", "all", result)
    if options.save:
        LAST.write_text(json.dumps(last | found, indent=1) + "\n")


if __name__ == "__main__":
    main()
