"""Options of the CogVideoX model that the adapter moves: its files, memory, precision, speed."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from ...cli.options import check_input

if TYPE_CHECKING:
    from ...runtime import Runtime
    from ..adapter.cogvideox_model import CogVideoXModel

RELEASED_ADAPTER = "cogvideox5b_i2v_large"
COGVIDEOX = ("base", "text_encoder", "vae", "memory", "precision", "attention", "compile", "cache")


def add_cogvideox(parser: argparse.ArgumentParser) -> None:
    """--base, and how CogVideoX is loaded: memory, precision, speed."""
    group = parser.add_argument_group("CogVideoX", "see docs/cogvideox.md")
    group.add_argument(
        "--base",
        metavar="DIR",
        help="folder or hub id of CogVideoX-5b-I2V (default: where `dismo weights download` puts it)",
    )
    group.add_argument("--text-encoder", metavar="FILE", help="a T5-XXL file to use instead of the base folder's")
    group.add_argument("--vae", metavar="FILE", help="a CogVideoX VAE file to use instead of the base folder's")
    group.add_argument(
        "--memory",
        default="auto",
        metavar="CHOICE",
        help="auto, full, 'model offload', 'group offload', sequential, disk: from most GPU memory to least (default auto)",
    )
    group.add_argument(
        "--precision", default="auto", metavar="CHOICE", help="auto, bf16, fp16, fp32, fp8, int8, nf4 (default auto)"
    )
    group.add_argument(
        "--attention",
        default="auto",
        metavar="KERNEL",
        help="auto, sdpa, cudnn, flash, 'flash 3', sage, xformers (default auto)",
    )
    group.add_argument("--compile", action="store_true", help="compile the blocks: slow to begin, then faster")
    group.add_argument(
        "--cache",
        default="off",
        metavar="CHOICE",
        help="off, 'first block', pyramid, faster: leave work out between similar steps (default off)",
    )


def check_cogvideox(arguments: argparse.Namespace, device: str) -> None:
    """Raise for a choice, a number of steps or a file of `add_cogvideox` that cannot be; asked before anything is loaded.

    Args:
        arguments: with `steps` (0 = the model's own), and `positions` where the command has it.
        device: where it will run.
    """
    from ...cogvideox.checks import require_steps
    from ..adapter.load import check_choices

    if arguments.steps:
        require_steps(arguments.steps, strict=True)
    check_choices(
        device,
        precision=arguments.precision,
        memory=arguments.memory,
        attention=arguments.attention,
        cache=arguments.cache,
        positions=getattr(arguments, "positions", "auto"),
    )
    for file in (arguments.text_encoder, arguments.vae):
        if file:
            check_input(file, "weights")


def load_cogvideox(
    arguments: argparse.Namespace, adapter: str, device: str, runtime: Runtime, **options: Any
) -> CogVideoXModel:
    """The video model of `add_cogvideox`'s options.

    Args:
        arguments: that `check_cogvideox` let through.
        adapter: released name or file.
        device: where it will run.
        runtime: is told the stages.
        options: further ones of `load_video_model`.

    Raises:
        DisMoError: as `load_video_model`.
    """
    from ...cogvideox.base import base_folder
    from ...cogvideox.weights import BASE
    from ..adapter.load import load_video_model

    files = {"text_encoder": arguments.text_encoder, "vae": arguments.vae}
    return load_video_model(
        "large" if adapter == RELEASED_ADAPTER else adapter,
        base_folder(arguments.base or BASE.repo, [part for part, file in files.items() if file]),
        device,
        memory=arguments.memory,
        precision=arguments.precision,
        attention=arguments.attention,
        compile=arguments.compile,
        cache=arguments.cache,
        stage=runtime.stage,
        **files,
        **options,
    )
