"""Which base runs, and how: options of several commands."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...cli.options import stages_of
from ...memory.choices import MEMORY

if TYPE_CHECKING:
    from ...cli.progress import Display
    from ...text_to_video.base import TextToVideoBase

PRECISIONS = ("auto", "bf16", "fp16", "fp32", "fp8", "int8", "nf4")


def add_running(parser: Any, *names: str) -> None:
    """--precision --memory --device.

    Args:
        parser: takes the options.
        names: other ways to write --device.
    """
    parser.add_argument(
        "--precision", choices=PRECISIONS, default="auto",
        help="auto (default): fp32 on a CPU, else bf16; fp8, int8 and nf4 store the UNet's large matrices in fewer bits",
    )  # fmt: skip
    parser.add_argument(
        "--memory", choices=MEMORY, default="auto",
        help="how the base lies in memory; auto (default) takes the fastest that fits",
    )  # fmt: skip
    parser.add_argument(*names, "--device", help="cpu, cuda, mps (default: a GPU where there is one)")


def load(base: str, device: str, precision: str, memory: str, shown: Display) -> TextToVideoBase:
    """A base, while `shown` says what is loaded; see `load_text_to_video`."""
    from ...text_to_video.base import load_text_to_video

    return load_text_to_video(base, device=device, precision=precision, memory=memory, stage=stages_of(shown))
