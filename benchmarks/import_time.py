"""How long importing takes: `python benchmarks/import_time.py --help`.

The pack is loaded as ComfyUI does it, from its folder under a path-like module name, in a fresh interpreter that has
torch already; and `import dismo_core` must not bring torch. The best of several runs counts: the others measure what
else the machine was doing.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.report import OUT, write_json

ROOT = Path(__file__).resolve().parents[1]
LIMIT = 0.1  # s
PACK = """
import importlib.util, sys, time
import torch
start = time.perf_counter()
spec = importlib.util.spec_from_file_location("custom_nodes/pack", "__init__.py", submodule_search_locations=["."])
module = importlib.util.module_from_spec(spec)
sys.modules["custom_nodes/pack"] = module
spec.loader.exec_module(module)
print(time.perf_counter() - start)
"""
CORE = """
import sys, time
start = time.perf_counter()
import dismo_core
print(time.perf_counter() - start)
print(*sorted({"torch", "numpy", "diffusers", "transformers", "peft", "av", "torchcodec", "PIL"} & set(sys.modules)))
"""


def run(program: str) -> tuple[float, str]:
    """Run `program` in a fresh interpreter in the repository: the seconds it printed, and its second line."""
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    seconds, _, rest = done.stdout.partition("\n")
    return float(seconds), rest.strip()


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print the table, write the JSON."""
    parser = argparse.ArgumentParser(description="Time of importing the pack into ComfyUI, and of `import dismo_core`.")
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--out", type=Path, default=OUT / "import_time.json", metavar="JSON")
    options = parser.parse_args(arguments)
    pack = min(run(PACK)[0] for _ in range(options.repeat))
    core = [run(CORE) for _ in range(options.repeat)]
    heavy = core[0][1].split()
    table = Table(title=f"importing, best of {options.repeat}")
    for heading in ("what", "seconds", "wanted", "heavy libraries loaded"):
        table.add_column(heading)
    table.add_row("the pack, beside torch", f"{pack:.3f}", f"< {LIMIT}", "")
    table.add_row("import dismo_core", f"{min(c[0] for c in core):.3f}", "no torch", " ".join(heavy) or "none")
    Console().print(table)
    seconds = {"pack_seconds": pack, "core_seconds": min(c[0] for c in core)}
    result = seconds | {"heavy": heavy, "reached": pack < LIMIT and "torch" not in heavy}
    write_json(options.out, "import_time", result)
    print(f"written: {options.out}")


if __name__ == "__main__":
    main()
