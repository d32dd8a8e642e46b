"""How long starting takes: `python benchmarks/start_up.py --help`.

The pack is loaded as ComfyUI does it, from its folder under a path-like module name, in a fresh interpreter that has
torch already; `import dismo_core` must not bring torch; `dismo --help` is a whole process; the demo counts from its start
until its first video is written, which is after its first frame. The limits are what Python alone takes to start, and for
the demo Python with torch and PyAV, which it computes and reads with. Processor time, the best of several runs: on a quiet
machine waiting takes no longer, and the others measure what else the machine was doing.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.report import OUT, table, write_json
from benchmarks.suite import verdict

ROOT = Path(__file__).resolve().parents[1]
PACK = """
import importlib.util, sys, time
import torch
start = time.process_time()
spec = importlib.util.spec_from_file_location("custom_nodes/pack", "__init__.py", submodule_search_locations=["."])
module = importlib.util.module_from_spec(spec)
sys.modules["custom_nodes/pack"] = module
spec.loader.exec_module(module)
print(time.process_time() - start)
"""
CORE = """
import sys, time
start = time.process_time()
import dismo_core
print(time.process_time() - start)
print(*sorted({"torch", "numpy", "diffusers", "transformers", "peft", "av", "torchcodec", "PIL"} & set(sys.modules)))
"""
HELP = """
import contextlib, io, sys, time
from dismo_core.cli.main import main
with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):
    main(["--help"])
print(time.process_time())
print(*sorted({"torch", "numpy", "diffusers", "transformers", "peft", "av", "torchcodec", "PIL"} & set(sys.modules)))
"""
PYTHON = "import time; print(time.process_time())"
LIBRARIES = "import time, av, torch; print(time.process_time())"


def run(program: str) -> tuple[float, str]:
    """Run `program` in a fresh interpreter in the repository: the seconds it printed, and its second line."""
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    seconds, _, rest = done.stdout.partition("\n")
    return float(seconds), rest.strip()


def demo() -> float:
    """Processor seconds of `dismo demo` until its first video is there."""
    import psutil

    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "dismo_core", "demo", "--out", folder]
        process = psutil.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            while not list(Path(folder).glob("*/result.mp4")):
                if process.poll() is not None:
                    raise SystemExit("dismo demo ended without a video; run it by itself to see why.")
                time.sleep(0.02)
            spent = process.cpu_times()
            return float(spent.user + spent.system)
        finally:
            process.terminate()
            process.wait()


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print the table, write the JSON."""
    parser = argparse.ArgumentParser(
        description="Time of importing the pack, of `dismo --help` and of the demo's start."
    )
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--no-demo", action="store_true", help="leave the demo out")
    parser.add_argument("--out", type=Path, default=OUT / "start_up.json", metavar="JSON")
    options = parser.parse_args(arguments)
    seconds = {"pack": min(run(PACK)[0] for _ in range(options.repeat))}
    found = {name: [run(program) for _ in range(options.repeat)] for name, program in (("core", CORE), ("help", HELP))}
    seconds |= {name: min(s for s, _ in runs) for name, runs in found.items()}
    limits = {"help": min(run(PYTHON)[0] for _ in range(options.repeat))}
    heavy = {name: runs[0][1].split() for name, runs in found.items()}
    if not options.no_demo:
        seconds["demo"] = min(demo() for _ in range(2))
        limits["demo"] = run(LIBRARIES)[0]
    fractions = {name: limit / seconds[name] for name, limit in limits.items()}
    names = {
        "pack": "the pack, beside torch",
        "core": "import dismo_core",
        "help": "dismo --help (limit: Python alone)",
        "demo": "dismo demo, first video (limit: Python, torch and PyAV alone)",
    }
    rows = [
        (names[name], f"{s:.3f}", f"{limits[name]:.3f} ({fractions[name]:.2f})" if name in limits else "",
         " ".join(heavy[name]) or "none" if name in heavy else "") for name, s in seconds.items()
    ]  # fmt: skip
    print(table(f"processor time, best of {options.repeat}", ("what", "seconds", "limit", "heavy libraries"), rows))
    result = {"seconds": seconds, "limits": limits, "fractions": fractions, "heavy": heavy}
    print(verdict("start_up", result))
    write_json(options.out, "start_up", result)
    print(f"written: {options.out}")


if __name__ == "__main__":
    main()
