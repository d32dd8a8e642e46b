"""`dismo motiondirector evaluate ADAPTER --clip CLIP -p PROMPT`, or `--tiny`: does the motion come over, does the appearance stay away?"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...cli.given import refuse
from ...cli.libraries import require_libraries
from ...cli.options import chosen_device, shown_runtime
from ...cli.progress import display
from ...errors import DisMoError
from .base_options import add_running, load
from .evaluate_tiny import OF_CLIP, STEPS, evaluate_tiny

if TYPE_CHECKING:
    from torch import Tensor

    from ...text_to_video.base import TextToVideoBase
    from ..clips import Size
    from ..dual_path import DualPathLoRA

HEADINGS = {
    "fidelity": "fidelity",
    "fidelity_of_base": "base alone",
    "leak": "leak",
    "leak_of_base": "base alone",
    "prompt_kept": "CLIP prompt",
    "prompt_of_base": "base alone",
}


def add_evaluate(actions: Any) -> None:
    """Register `evaluate`."""
    parser: argparse.ArgumentParser = actions.add_parser(
        "evaluate",
        help="motion fidelity and appearance leak of a motion adapter",
        description="Sample each prompt with the adapter and, from the same noise, without it. Fidelity: how videos move against the "
        "driving clip, -1 to 1. Leak: share of the clip's colors that they have. Both beside the base alone, the chance level. With "
        "--tiny the method itself is measured: twelve drawn clips are learned, also by an ordinary LoRA, and put on four prompts each.",
    )
    parser.add_argument("adapter", nargs="?", metavar="ADAPTER", help="folder of a run, or a file")
    parser.add_argument("--clip", metavar="VIDEO", help="the driving clip")
    parser.add_argument("-p", "--prompt", action="append", help="unrelated to the clip; may come several times")
    parser.add_argument("-m", "--model", default="tiny", help="`tiny`, a diffusers folder or a hub id (default tiny)")
    parser.add_argument("-W", "--width", type=int, default=0, help="px (default: the base's)")
    parser.add_argument("-H", "--height", type=int, default=0, help="likewise")
    parser.add_argument("-T", "--num-frames", type=int, default=16, help="of a video (default 16)")
    parser.add_argument("-s", "--num-steps", type=int, default=0, help="of the sampling (default: the base's own)")
    parser.add_argument("-g", "--guidance-scale", type=float, default=0.0, help="default: the base's own")
    parser.add_argument("-f", "--fps", type=float, default=8.0, help="at which the clip is sampled (default 8)")
    parser.add_argument("-r", "--seed", type=int, default=0, help="of the noise (default 0)")
    parser.add_argument(
        "-ls", "--lora_scale", "--lora-scale", type=float, default=1.0, help="of the adapter (default 1)"
    )
    parser.add_argument(
        "--clip-model", metavar="FOLDER", help="a CLIP model on this machine: also how well prompts are kept"
    )
    parser.add_argument(
        "-o", "--output", default="motiondirector.json", metavar="JSON", help="the numbers; plot and sheet go beside it"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace existing files")
    drawn = parser.add_argument_group("the method on drawn clips")
    drawn.add_argument(
        "--tiny", action="store_true", help="train and sample on drawn clips, one to two hours of a CPU core"
    )
    drawn.add_argument("--train-steps", type=int, default=STEPS, help=f"of each training (default {STEPS})")
    drawn.add_argument(
        "--appearances",
        type=int,
        default=4,
        metavar="N",
        help="clips that each motion is learned from, in different appearances (default 4; 1 = as published)",
    )
    drawn.add_argument("--clips", type=int, default=12, help="of the twelve (default 12)")
    drawn.add_argument(
        "--controls", action="store_true", help="also a negative scale, a part of the steps, noise priors and inversion"
    )
    add_running(parser, "-d")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Measure and report."""
    if arguments.tiny:
        refuse(arguments, OF_CLIP, "is for an adapter and its clip, not for --tiny.")
        if arguments.adapter:
            raise DisMoError(f"With --tiny adapters are trained: leave {arguments.adapter} out.")
        evaluate_tiny(arguments)
        return
    refuse(arguments, ("train_steps", "clips", "appearances", "controls"), "is for --tiny.")
    if not (arguments.adapter and arguments.clip and arguments.prompt):
        raise DisMoError("Give an adapter, its --clip, and a --prompt or several; or --tiny.")
    _evaluate(arguments)


def _evaluate(arguments: argparse.Namespace) -> None:
    from rich.console import Console
    from rich.table import Table

    from ...evaluation.plots import bar_plot
    from ...evaluation.report import check_report, write_report
    from ...evaluation.similarity import ClipSimilarity
    from ...files import check_free
    from ...video.sheets import contact_sheet, save_picture
    from ..adapter_file import find_adapter
    from ..clips import Size
    from ..judge import judge_adapter, mean_of
    from ..sampling import VideoSettings, check_settings

    sheet = Path(arguments.output).with_name(f"{Path(arguments.output).stem}_sheet.png")
    check_report(arguments.output, overwrite=arguments.overwrite)
    check_free(sheet, overwrite=arguments.overwrite)
    place = find_adapter(arguments.adapter, "motion")
    require_libraries("cv2", "matplotlib")
    device = chosen_device(arguments.device)
    similarity = ClipSimilarity(arguments.clip_model, device) if arguments.clip_model else None
    with display("Loading the base") as shown:
        base = load(arguments.model, device, arguments.precision, arguments.memory, shown)
        own_width, own_height = base.size
        size = Size(arguments.width or own_width, arguments.height or own_height)
        settings = VideoSettings(
            width=size.width,
            height=size.height,
            frames=arguments.num_frames,
            steps=arguments.num_steps,
            guidance=arguments.guidance_scale,
            seed=arguments.seed,
        )
        check_settings(settings)
        clip = driving_clip(arguments.clip, size, frames=settings.frames, fps=arguments.fps)
        lora = adapted(base, place, arguments.lora_scale)
        runtime = shown_runtime(shown, device)
        rows, videos = judge_adapter(
            base, lora, clip, arguments.prompt, settings, similarity=similarity, runtime=runtime
        )
    mean = mean_of(rows)
    named = [name for name in HEADINGS if mean[name] is not None]
    table = Table(
        "prompt", *(HEADINGS[name] for name in named), title=f"{len(rows)} prompts, {settings.frames} frames each"
    )
    for label, numbers in [*((row.prompt, row.numbers()) for row in rows), ("mean", mean)]:
        table.add_row(label, *(f"{numbers[name]:.2f}" for name in named), style="bold" if label == "mean" else "")
    Console().print(table)
    series = {name.replace("_", " "): [row.numbers()[name] for row in rows] for name in list(HEADINGS)[:4]}
    figure = bar_plot([row.prompt[:24] for row in rows], series, "Does the motion come over?", "fidelity, leak")
    result = {
        "evaluation": "motiondirector",
        "adapter": place.name,
        "scale": arguments.lora_scale,
        "prompts": [{"prompt": row.prompt, **row.numbers()} for row in rows],
        "mean": mean,
    }
    write_report(arguments.output, result, figure, overwrite=arguments.overwrite)
    save_picture(contact_sheet(videos), sheet, overwrite=arguments.overwrite)
    print(f"{arguments.output}: the numbers; {sheet}: the clip, then each prompt with the adapter and without.")


def driving_clip(path: str, size: Size, *, frames: int, fps: float) -> Tensor:
    """The clip at the size of the videos, uint8 [T,H,W,3]."""
    import torch

    from ..clips import video_clip

    clip = video_clip(path, "", frames=frames, fps=fps).read()
    return ((size.fitted(clip) + 1) * 127.5).round().to(torch.uint8).movedim(1, -1)


def adapted(base: TextToVideoBase, place: Path, scale: float) -> DualPathLoRA:
    """The motion adapter of a file in the base."""
    from ..dual_path import DualPathLoRA

    lora = DualPathLoRA.from_files(base.unet, motion=place)
    lora.set_scales(motion=scale)
    return lora
