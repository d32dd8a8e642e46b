"""Options and displays that several commands share."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ..errors import DisMoError

if TYPE_CHECKING:
    from PIL.Image import Image

    from ..cogvideox.video_model import CogVideoXModel
    from ..models.extractor import MotionExtractor
    from ..motion import Motion
    from ..runtime import Runtime

RELEASED_ADAPTER = "cogvideox5b_i2v_large"


def add_sampling_of_clip(parser: argparse.ArgumentParser) -> None:
    """--fps --start --frames --reverse: which frames of a clip are looked at."""
    parser.add_argument(
        "--fps", type=float, default=8.0, help="frames per second at which the clip is sampled (default 8)"
    )
    parser.add_argument(
        "--start", type=float, default=0.0, metavar="SECONDS", help="where in the clip to begin (default 0)"
    )
    parser.add_argument(
        "--frames", type=int, default=25, help="how many frames, at least 5; 0 = to the end (default 25)"
    )
    parser.add_argument("--reverse", action="store_true", help="read the clip backwards")


def add_device(parser: argparse.ArgumentParser) -> None:
    """--device: cpu, cuda, cuda:1, mps."""
    parser.add_argument("--device", default="cpu", help="cpu, cuda, mps (default cpu; the tiny model needs no more)")


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
    from ..cogvideox.checks import require_steps
    from ..cogvideox.load import load_video_model
    from ..weights.hub import require_base

    if steps:
        require_steps(steps, strict=True)
    files = {"text_encoder": arguments.text_encoder, "vae": arguments.vae}
    return load_video_model(
        "large" if adapter == RELEASED_ADAPTER else adapter,
        arguments.base or require_base(without=[part for part, file in files.items() if file]),
        check_device(device),
        memory=arguments.memory,
        precision=arguments.precision,
        attention=arguments.attention,
        compile=arguments.compile,
        cache=arguments.cache,
        **files,
        **options,
    )


def best_device() -> str:
    """A GPU where there is one."""
    import torch

    return "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"


def motion_of(clip: str, arguments: argparse.Namespace, extractor: MotionExtractor | None = None) -> Motion:
    """The motion of a clip by the sampling options, with a bar; by `--extractor` on `--device` if none is given."""
    from ..extract import extract_motion
    from ..weights import load_motion_extractor

    if extractor is None:
        extractor = load_motion_extractor(arguments.extractor, check_device(arguments.device))
    with progress_runtime("Extracting the motion", arguments.device) as runtime:
        return extract_motion(
            extractor,
            clip,
            fps=arguments.fps,
            start=arguments.start,
            frames=arguments.frames,
            reverse=arguments.reverse,
            runtime=runtime,
        )


def check_device(name: str) -> str:
    """The name, where torch has such a device.

    Raises:
        DisMoError: unknown, or not on this machine.
    """
    import torch

    try:
        torch.zeros(1, device=name)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).splitlines()[0]
        raise DisMoError(
            f"The device {name!r} cannot be used here ({reason}). Choose another --device, for example cpu."
        ) from error
    return name


@contextlib.contextmanager
def progress_runtime(label: str, device: str) -> Iterator[Runtime]:
    """A `Runtime` on `device` whose progress is a bar in the terminal."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    from ..runtime import Runtime

    runtime = Runtime.on(check_device(device))
    columns = (TextColumn("{task.description:<28}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns) as bars:
        task = bars.add_task(label, total=None)

        def progress(done: int, total: int, preview: Image | None) -> None:
            bars.update(task, completed=done, total=total)

        runtime.progress = progress
        yield runtime
