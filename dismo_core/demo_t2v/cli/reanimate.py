"""`dismo demo-t2v reanimate`: a clip of one's own, moved as a prompt says."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...cli.options import check_input, check_range, chosen_device, shown_runtime
from ...cli.progress import display
from .running import add_running, load

if TYPE_CHECKING:
    from torch import Tensor

    from ...runtime import Runtime
    from ..model import DemoTextToVideo


def add_reanimate(actions: Any) -> None:
    """Register `reanimate`."""
    parser: argparse.ArgumentParser = actions.add_parser(
        "reanimate",
        help="move your own clip as a motion prompt says",
        description="Bring a clip back to noise under its own caption, and forward again under another motion prompt.",
    )
    parser.add_argument("clip", type=Path, metavar="VIDEO")
    parser.add_argument("-o", "--output", required=True, type=Path, metavar="VIDEO", help="the file to make")
    parser.add_argument("--caption", required=True, help="what the clip shows")
    parser.add_argument("--motion-caption", default="", metavar="TEXT", help="how it moves now (default: the caption)")
    parser.add_argument("--motion-prompt", default="", metavar="TEXT", help="how it shall move (default: as now)")
    parser.add_argument(
        "--start",
        type=float,
        default=1.0,
        metavar="SHARE",
        help="of the way to noise, 0 to 1 (default 1); less keeps more of the clip",
    )
    parser.add_argument("--steps", type=int, default=50, help="of the way there, and as many back (default 50)")
    parser.add_argument("--guidance", type=float, default=1.0, help="towards the caption (default 1: none)")
    parser.add_argument(
        "--motion-guidance", type=float, metavar="SCALE", help="towards the motion prompt (default: as --guidance)"
    )
    parser.add_argument(
        "--frames", type=int, default=0, help="of the clip, at the model's frames per second (default: the model's)"
    )
    parser.add_argument("--width", type=int, default=0, help="px (default: the model's)")
    parser.add_argument("--height", type=int, default=0, help="px (default: the model's)")
    parser.add_argument("--overwrite", action="store_true", help="replace an existing file")
    add_running(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Invert, sample, write."""
    from ...files import check_free
    from ...video.write import check_output, write_video

    check_input(arguments.clip, "video")
    check_output(arguments.output, 8.0)
    check_free(arguments.output, overwrite=arguments.overwrite)
    check_range(arguments, "start", 0.01, 1)
    device = chosen_device(arguments.device)
    with display("Loading DEMO") as shown:
        model = load(arguments.weights, {}, device, arguments.precision, arguments.memory, shown)
        frames = reanimated(model, arguments, shown_runtime(shown, device))
        write_video(arguments.output, frames, model.defaults.fps, overwrite=arguments.overwrite)
        shown.line(str(arguments.output))


def reanimated(model: DemoTextToVideo, arguments: argparse.Namespace, runtime: Runtime) -> Tensor:
    """Frames uint8 [F, H, W, 3]."""
    from ...video import read_video

    height, width = model.defaults.size
    size = model.check_size((arguments.height or height, arguments.width or width))
    clip = read_video(arguments.clip, fps=model.defaults.fps, frames=arguments.frames or model.defaults.frames)
    fitted = model.fit(clip.frames, size)
    now = model.encode(arguments.caption, arguments.motion_caption)
    noise = model.invert(fitted, now, steps=arguments.steps, share=arguments.start, runtime=runtime)
    latents = model.sample_latents(
        model.encode(arguments.caption, arguments.motion_prompt or arguments.motion_caption),
        model.negative(),
        noise,
        steps=arguments.steps,
        guidance=arguments.guidance,
        motion_guidance=arguments.motion_guidance,
        share=arguments.start,
        runtime=runtime,
    )
    return model.decode(latents, runtime)[0]
