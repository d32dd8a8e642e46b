"""Which weights run, and how: options of several commands."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...cli.options import stages_of
from ...memory.choices import MEMORY

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ...cli.progress import Display
    from ..model import DemoTextToVideo

PRECISIONS = ("auto", "fp32", "bf16", "fp16", "fp8")


def add_running(parser: Any) -> None:
    """--weights --precision --memory --device."""
    parser.add_argument(
        "--weights", default="demo", metavar="FOLDER",
        help="tiny (bundled, drawn objects), a folder with DEMO's files, or `demo` (default): models/demo and models/modelscopet2v below "
        "this folder, then downloads",
    )  # fmt: skip
    parser.add_argument(
        "--precision", choices=PRECISIONS, default="auto",
        help="auto (default): fp32 on a CPU, else bf16; fp8 stores the UNet's large matrices in fewer bits",
    )  # fmt: skip
    parser.add_argument(
        "--memory", choices=MEMORY, default="auto",
        help="how the model lies in memory; auto (default) takes the fastest that fits",
    )  # fmt: skip
    parser.add_argument("--device", help="cpu, cuda, mps (default: a GPU where there is one)")


def load(
    weights: str, parts: Mapping[str, str], device: str, precision: str, memory: str, shown: Display
) -> DemoTextToVideo:
    """A model, while `shown` says what is loaded.

    Args:
        weights: `tiny`, `demo` or a folder.
        parts: files that a configuration names; they are looked for first, where no folder is given.
        device: where it runs.
        precision: see `load_demo`.
        memory: likewise.
        shown: of the command.
    """
    from pathlib import Path

    from ..loading import load_demo

    there = {part: path for part, path in parts.items() if Path(path).exists()}
    source = there if weights == "demo" and there else weights
    return load_demo(source, device=device, precision=precision, memory=memory, stage=stages_of(shown))
