"""Options of the CogVideoX model that the adapter moves: its files, memory, precision, speed."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from ...cli.options import check_device

if TYPE_CHECKING:
    from ..adapter.cogvideox_model import CogVideoXModel

RELEASED_ADAPTER = "cogvideox5b_i2v_large"


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


def load_cogvideox(
    arguments: argparse.Namespace, adapter: str, device: str, steps: int, **options: Any
) -> CogVideoXModel:
    """The video model of `add_cogvideox`'s options; further `options` as of `load_video_model`.

    Raises:
        DisMoError: as `load_video_model`, or `steps` (0 = the model's own) that it could not make.
    """
    from ...cogvideox.base import base_folder
    from ...cogvideox.checks import require_steps
    from ...cogvideox.weights import BASE
    from ..adapter.load import load_video_model

    if steps:
        require_steps(steps, strict=True)
    files = {"text_encoder": arguments.text_encoder, "vae": arguments.vae}
    return load_video_model(
        "large" if adapter == RELEASED_ADAPTER else adapter,
        base_folder(arguments.base or BASE.repo, [part for part, file in files.items() if file]),
        check_device(device),
        memory=arguments.memory,
        precision=arguments.precision,
        attention=arguments.attention,
        compile=arguments.compile,
        cache=arguments.cache,
        **files,
        **options,
    )
