"""`dismo mimo animate` and `dismo mimo edit`: the release's two scripts, with their options."""

from __future__ import annotations

import argparse
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...cli.options import add_device, check_device, progress_runtime
from ...errors import DisMoError
from ...memory.choices import MEMORY
from .shared import add_result, add_template, check_result, open_template, write_result

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ..job_store import JobStore

log = logging.getLogger(__name__)

# Options of the release's scripts that change nothing, there and here, and why.
WITHOUT_EFFECT = {
    "L": "the template's length counts; --max-frames limits it",
    "fps": "the template's rate counts",
    "clip_length": "the template's length counts; --max-frames limits it",
    "ref_pad": "the reference is always padded to a square",
    "use_bk": "edit always uses the template's background",
    "assets_dir": "nothing of it is needed; --template, --ref and --blend-masks name files",
}


def add_parser(actions: Any) -> None:
    """Register both commands."""
    for name, text, run in (
        ("animate", "a character of one picture, alone on white, doing what a template's body does", animate),
        ("edit", "a character of one picture in a template's scene, behind what stands in front", edit),
    ):
        parser: argparse.ArgumentParser = actions.add_parser(name, help=text, description=f"Make {text}.")
        _add_options(parser)
        if name == "animate":
            parser.add_argument(
                "--transparent",
                type=Path,
                metavar="FOLDER",
                help="also write the frames without the white, as PNG files; `dismo mimo insert --video FOLDER` takes them",
            )
        else:
            parser.add_argument(
                "--as-released", action="store_true", help="plan the crops as the release does, faults included"
            )
            parser.add_argument(
                "--feather", type=float, default=0.08, help="ramp at the crop's edges, 0 to 0.5 of it (default 0.08)"
            )
            parser.add_argument(
                "--blend-masks", type=Path, metavar="FOLDER", help="the release's alpha2_*.png instead of the ramp"
            )
        parser.set_defaults(run=run)


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--weights",
        "--config",
        default="tiny",
        metavar="PLACE",
        help="folder of the weights, or the release's YAML file (default tiny, which is bundled)",
    )
    parser.add_argument(
        "--lora", type=Path, metavar="FILE", help="low-rank updates of one character, from `dismo mimo train lora`"
    )
    parser.add_argument(
        "--ref", type=Path, metavar="PICTURE", help="the character, on transparent or white (default the bundled one)"
    )
    parser.add_argument("--alpha", type=Path, metavar="FILE", help="its mask, white where the character is")
    add_template(parser, "the bundled one")
    parser.add_argument(
        "-W", "--width", type=int, metavar="PX", help="of what the network makes (default 784; tiny: 64)"
    )
    parser.add_argument("-H", "--height", type=int, metavar="PX", help="likewise")
    parser.add_argument("--seed", type=int, default=42, help="of the noise (default 42)")
    parser.add_argument("--cfg", "--guidance", type=float, help="guidance; 1 = none (default 3.5; tiny: 2)")
    parser.add_argument("--steps", type=int, help="denoising steps (default 25; tiny: 20)")
    parser.add_argument("--window", type=int, default=24, help="frames denoised together (default 24)")
    parser.add_argument("--open-windows", action="store_true", help="do not join the end to the beginning")
    parser.add_argument("--clip-windows", action="store_true", help="no window crosses a change of crop")
    parser.add_argument(
        "--resume",
        type=Path,
        nargs="?",
        const=Path(),
        metavar="FOLDER",
        help="keep what is finished in FOLDER (default beside the result, .parts), and go on with what is there; remove it when done",
    )
    parser.add_argument("--precision", choices=("auto", "fp16", "bf16", "fp32"), default="auto", help="(default auto)")
    parser.add_argument(
        "--memory",
        choices=MEMORY,
        default="auto",
        help="where the weights wait (default auto)",
    )
    add_device(parser)
    add_result(parser, "output/TEMPLATE_REFERENCE.mp4")
    published = parser.add_argument_group("options of the release without effect")
    published.add_argument("-L", type=int, metavar="N", help=argparse.SUPPRESS)
    published.add_argument("--fps", type=int, metavar="N", help=argparse.SUPPRESS)
    published.add_argument("--clip_length", type=int, metavar="N", help=argparse.SUPPRESS)
    published.add_argument("--ref_pad", metavar="X", nargs="?", const="1", help=argparse.SUPPRESS)
    published.add_argument("--use_bk", metavar="X", nargs="?", const="1", help=argparse.SUPPRESS)
    published.add_argument("--assets_dir", metavar="X", help=argparse.SUPPRESS)


def animate(arguments: argparse.Namespace) -> None:
    """On white, 30 fps."""
    from ..templates.config import CONFIG_FPS

    _generate(arguments, "animate", CONFIG_FPS)


def edit(arguments: argparse.Namespace) -> None:
    """In the scene, at the template's rate."""
    _generate(arguments, "edit", None)


def _generate(arguments: argparse.Namespace, kind: str, fps: float | None) -> None:
    import torch

    from ...memory.precision import DTYPES
    from ...video.png_frames import check_frames_folder, write_frames
    from ..compositing.blend import load_blend_masks
    from ..generate import NetworkOptions, animated_frames, edited_frames
    from ..insertion.white import off_white
    from ..load_pipeline import load_mimo
    from ..weights import EXAMPLE_CHARACTER

    for name, why in WITHOUT_EFFECT.items():
        if name in arguments.given:
            log.warning("%s has no effect: %s.", arguments.given[name], why)
    template = open_template(arguments.template)
    reference = arguments.ref or EXAMPLE_CHARACTER
    path = arguments.out or Path("output") / f"{template.name}_{reference.stem}.mp4"
    rate = fps or template.fps
    check_result(arguments, path, rate)
    cutouts: Path | None = getattr(arguments, "transparent", None)
    if cutouts is not None:
        check_frames_folder(cutouts, overwrite=arguments.overwrite)
    picture = _reference(reference, arguments.alpha)
    masks = None
    if kind == "edit" and arguments.blend_masks is not None:
        if "feather" in arguments.given:
            raise DisMoError("--feather and --blend-masks both say how the crop fades. Leave one of them out.")
        masks = load_blend_masks(arguments.blend_masks)
    options = NetworkOptions(
        arguments.width,
        arguments.height,
        arguments.steps,
        arguments.cfg,
        arguments.seed,
        arguments.window,
        closed_loop=not arguments.open_windows,
        window_per_clip=arguments.clip_windows,
        store=_store(arguments.resume, path),
    )
    device = check_device(arguments.device)
    with progress_runtime("Loading the weights", arguments.device) as runtime:
        pipeline = load_mimo(
            arguments.weights,
            device,
            None if arguments.precision == "auto" else DTYPES[arguments.precision],
            arguments.memory,
            lora=arguments.lora,
        )
        if kind == "animate":
            frames = animated_frames(pipeline, picture, template, options, arguments.max_frames, runtime)
            sound = None
            if cutouts is not None:
                made = list(frames)
                off = [torch.from_numpy(off_white(frame)) for frame in made]
                write_frames(cutouts, off, overwrite=arguments.overwrite)
                frames = iter(made)
        else:
            frames = edited_frames(
                pipeline,
                picture,
                template,
                options,
                arguments.max_frames,
                masks=masks,
                as_released=arguments.as_released,
                ramp=arguments.feather,
                runtime=runtime,
            )
            sound = template.audio(len(template.open(arguments.max_frames)))
        line = write_result(arguments, path, frames, rate, sound, runtime)
    print(line)


def _store(folder: Path | None, result: Path) -> JobStore | None:
    """Where pieces of the job are kept; None = nowhere."""
    from ..job_store import JobStore

    if folder is None:
        return None
    folder = result.with_suffix(".parts") if folder == Path() else folder
    if folder.is_file():
        raise DisMoError(f"{folder} is a file. Give --resume a folder.")
    return JobStore(folder)


def _reference(path: Path, alpha: Path | None) -> NDArray[np.uint8]:
    """The reference picture as the network takes it."""
    from ..crops.square import prepare_reference
    from ..insertion.character import read_character

    character = read_character(path, alpha, max_frames=1)
    return prepare_reference(character.frames[0], character.alpha[0])
