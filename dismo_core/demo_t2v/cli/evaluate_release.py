"""`dismo evaluate release-demo`: numbers of DEMO's published weights, in a file to send back."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ...cli.options import chosen_device, progress_runtime
from ...memory.choices import MEMORY


def add_release(actions: Any) -> None:
    """Register `release-demo`."""
    parser: argparse.ArgumentParser = actions.add_parser(
        "release-demo",
        help="what DEMO's published weights give here, as a JSON file to send back",
        description="Checksums and tensor names of DEMO's weights, and a clip in numbers. The file holds no paths and no pictures. Minutes "
        "on a GPU; on a CPU hours.",
    )
    parser.add_argument(
        "--weights", type=Path, metavar="FOLDER", help="that holds the files (default: where `generate` finds them)"
    )
    parser.add_argument(
        "-o", "--out", default="release_demo.json", metavar="JSON", help="file (default release_demo.json)"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace an existing file")
    parser.add_argument("--steps", type=int, default=0, metavar="N", help="denoising steps (default 50)")
    parser.add_argument("--frames", type=int, default=0, metavar="N", help="of the clip (default 16)")
    parser.add_argument(
        "--precision", choices=("auto", "fp32", "bf16", "fp16", "fp8"), default="auto", help="of the weights"
    )
    parser.add_argument("--memory", choices=MEMORY, default="auto", help="where the weights wait (default auto)")
    parser.add_argument("--device", help="cuda, mps, cpu (default: a GPU where there is one)")
    parser.set_defaults(run=release)


def release(arguments: argparse.Namespace) -> None:
    """Load, run, write."""
    import json

    from ...files import atomic_write, check_free
    from ..loading import find_files, load_demo, search_folders
    from ..release import release_report

    check_free(arguments.out, overwrite=arguments.overwrite)
    paths = find_files(search_folders() if arguments.weights is None else [arguments.weights])
    device = chosen_device(arguments.device)
    with progress_runtime("Loading the weights", device) as runtime:
        model = load_demo(paths, device=device, precision=arguments.precision, memory=arguments.memory)
        report = release_report(model, paths, arguments.steps, runtime, arguments.frames)
    with atomic_write(arguments.out, overwrite=arguments.overwrite) as temporary:
        temporary.write_text(json.dumps(report, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    print(f"{arguments.out}: written. Please send it back; it holds numbers and names of files only.")
