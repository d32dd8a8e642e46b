"""How long starting takes: `python benchmarks/start_up.py --help`.

The pack is loaded as ComfyUI does it, from its folder under a path-like module name, in a fresh interpreter that has
torch already; its nodes are loaded with their schemas beside all that ComfyUI has loaded by then, where the variable
COMFYUI_DIR names a ComfyUI (COMFYUI_PYTHON, COMFYUI_SHIM: as for tests/comfyui). `import dismo_core` must not bring torch;
`dismo --help` is a whole process; the demo counts from its start until its first video is written, which is after its
first frame. The limits are what Python alone takes to start, and for the demo Python with torch and PyAV, which it
computes and reads with. Processor time, the best of several runs: on a quiet machine waiting takes no longer, and the
others measure what else the machine was doing.
"""

from __future__ import annotations

import argparse
import os
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
LOAD = """
spec = importlib.util.spec_from_file_location("custom_nodes/pack", "__init__.py", submodule_search_locations=["."])
module = importlib.util.module_from_spec(spec)
sys.modules["custom_nodes/pack"] = module
spec.loader.exec_module(module)
"""
PACK = f"""
import importlib.util, sys, time
import torch
start = time.process_time()
{LOAD}
print(time.process_time() - start)
"""
NODES = f"""
import asyncio, importlib.util, os, sys, time
sys.path.insert(0, os.environ["COMFYUI_DIR"])
sys.argv[1:] = ["--cpu"]
import comfy.options
comfy.options.enable_args_parsing()
import nodes, comfy_api.latest
async def load():
    return [node.GET_SCHEMA() for node in await (await module.comfy_entrypoint()).get_node_list()]
before = set(sys.modules)
start = time.process_time()
{LOAD}
schemas = asyncio.run(load())
print(time.process_time() - start)
heavy = {{"diffusers", "transformers", "peft", "av", "torchcodec"}} & (set(sys.modules) - before)
print(*sorted(heavy))
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


def run(program: str, python: str = sys.executable, first_on_path: str = "") -> tuple[float, str]:
    """Run `program` in a fresh interpreter in the repository: the seconds it printed, and its second line."""
    environment = os.environ | ({"PYTHONPATH": first_on_path} if first_on_path else {})
    done = subprocess.run(
        [python, "-c", program], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
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
    if "COMFYUI_DIR" in os.environ:
        python, shim = os.environ.get("COMFYUI_PYTHON", sys.executable), os.environ.get("COMFYUI_SHIM", "")
        found["nodes"] = [run(NODES, python, shim) for _ in range(options.repeat)]
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
        "nodes": "the pack's nodes and schemas, beside ComfyUI",
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
