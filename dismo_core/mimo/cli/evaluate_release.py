"""`dismo evaluate release-mimo`: numbers of MIMO's released weights, in a file to send back."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ...cli.options import chosen_device, progress_runtime
from ...memory.choices import MEMORY


def add_release(actions: Any) -> None:
    """Register `release-mimo`."""
    parser: argparse.ArgumentParser = actions.add_parser(
        "release-mimo",
        help="what MIMO's released weights give here, as a JSON file to send back",
        description="Checksums and tensor names of MIMO's weights, and an edit of the bundled template in numbers. The file holds no "
        "paths and no pictures. Minutes on a GPU; on a CPU hours.",
    )
    parser.add_argument(
        "--weights", type=Path, required=True, metavar="PLACE", help="folder of the weights, or its YAML file"
    )
    parser.add_argument(
        "-o", "--out", default="release_mimo.json", metavar="JSON", help="file (default release_mimo.json)"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace an existing file")
    parser.add_argument("--steps", type=int, metavar="N", help="denoising steps (default 25)")
    parser.add_argument("--size", type=int, metavar="PX", help="of what the network makes (default 784)")
    parser.add_argument(
        "--precision", choices=("auto", "fp16", "bf16", "fp32"), default="auto", help="of the weights (default auto)"
    )
    parser.add_argument(
        "--memory",
        choices=MEMORY,
        default="auto",
        help="where the weights wait (default auto)",
    )
    parser.add_argument("--device", help="cuda, mps, cpu (default: a GPU where there is one)")
    parser.set_defaults(run=release)


def release(arguments: argparse.Namespace) -> None:
    """Load, run, write."""
    import json

    from ...files import atomic_write, check_free
    from ...memory.precision import DTYPES
    from ..load_pipeline import load_mimo
    from ..release import release_report
    from ..weight_layout import find_layout

    check_free(arguments.out, overwrite=arguments.overwrite)
    layout = find_layout(arguments.weights)
    device = chosen_device(arguments.device)
    dtype = None if arguments.precision == "auto" else DTYPES[arguments.precision]
    with progress_runtime("Loading the weights", device) as runtime:
        pipeline = load_mimo(arguments.weights, device, dtype, arguments.memory)
        report = release_report(pipeline, layout, arguments.steps, arguments.size, runtime)
    with atomic_write(arguments.out, overwrite=arguments.overwrite) as temporary:
        temporary.write_text(json.dumps(report, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    print(f"{arguments.out}: written. Please send it back; it holds numbers and names of files only.")
