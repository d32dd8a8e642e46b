"""`dismo 4d text`: a clip from a sentence, made a moving object."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...cli.options import check_range, progress_runtime
from ...errors import DisMoError
from ..choices import MATTING
from .model_options import add_model_options, check_model_options, modelled

if TYPE_CHECKING:
    from torch import Tensor

    from ...runtime import Runtime

ON_WHITE = ", on white"  # what a subject is easily told from
CLIP = "clip.mp4"


def add_parser(subparsers: Any) -> None:
    """Register the command."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "text",
        help="a sentence as a moving object",
        description="Make a clip of a sentence with a text-to-video base, and fit a moving object to it.",
    )
    parser.add_argument("prompt", help='what it shows, one subject, such as "a paper fish swims"')
    parser.add_argument("--base", default="tiny", help="`tiny` or a diffusers folder (default tiny)")
    parser.add_argument(
        "--motion-adapter", type=Path, metavar="FILE", help="a motion learned by `dismo motiondirector`"
    )
    parser.add_argument("--as-it-is", action="store_true", help=f"do not add {ON_WHITE!r} to the prompt")
    parser.add_argument("--frames", type=int, default=16, help="of the clip (default 16)")
    parser.add_argument("--sampling-steps", type=int, default=0, help="default: the base's own")
    parser.add_argument(
        "--guidance", type=float, default=0.0, help="how closely to follow the prompt (default: the base's own)"
    )
    parser.add_argument("--fps", type=float, default=8.0, help="frames per second of the clip (default 8)")
    parser.add_argument(
        "--matting", choices=MATTING, default="auto", help="how the subject is told from the background (default auto)"
    )
    add_model_options(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Sample, prepare, fit, write."""
    import torch

    from ...files import check_free
    from ...video import write_video
    from ..clip import prepare_clip

    if not arguments.prompt.strip():
        raise DisMoError('The prompt is empty. Give a sentence of one subject, such as "a paper fish swims".')
    check_range(arguments, "frames", 2, 128)
    check_range(arguments, "sampling_steps", 0, 1000)
    check_range(arguments, "fps", 1, 120)
    check_model_options(arguments)
    check_free(arguments.out / CLIP, overwrite=arguments.overwrite)
    with progress_runtime("Loading the base", arguments.device) as runtime:
        frames = sampled(arguments, runtime)
        write_video(arguments.out / CLIP, frames, arguments.fps, overwrite=arguments.overwrite)
        opaque = torch.nn.functional.pad(frames, (0, 1), value=255).cpu().numpy()
        clip = prepare_clip(opaque, arguments.fps, frames=len(opaque), matting=arguments.matting, source=CLIP)
        print(modelled(clip, arguments, runtime))


def sampled(arguments: argparse.Namespace, runtime: Runtime) -> Tensor:
    """The clip, uint8 [T,H,W,3]."""
    from ...motiondirector.adapter_file import find_adapter
    from ...motiondirector.dual_path import DualPathLoRA
    from ...motiondirector.sampling import VideoSettings, sample_videos
    from ...text_to_video.base import load_text_to_video

    base = load_text_to_video(arguments.base, device=runtime.device, stage=runtime.stage)
    settings = VideoSettings(
        prompt=arguments.prompt + ("" if arguments.as_it_is else ON_WHITE),
        frames=arguments.frames,
        steps=arguments.sampling_steps,
        guidance=arguments.guidance,
        seed=arguments.seed,
    )
    lora = None
    if arguments.motion_adapter is not None:
        lora = DualPathLoRA.from_files(base.unet, motion=find_adapter(arguments.motion_adapter, "motion"))
    runtime.stage("making the clip")
    videos: list[Tensor] = list(sample_videos(base, settings, lora, runtime=runtime))
    return videos[0]
