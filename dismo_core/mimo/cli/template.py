"""`dismo mimo template`: make, look at, check and zip driving templates."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...cli.options import add_device, check_device, check_input, progress_runtime
from ...errors import DisMoError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from ..templates.template import Template

COLUMNS = 7  # frames of a sheet


def add_parser(actions: Any) -> None:
    """Register the commands."""
    text = "make, look at, check and zip driving templates"
    parser: argparse.ArgumentParser = actions.add_parser("template", help=text, description=f"{text.capitalize()}.")
    commands = parser.add_subparsers(required=True, dest="template_command", metavar="COMMAND")
    _add_build(commands)
    for name, text, run in (
        ("info", "what a template holds", info),
        ("check", "whether a template can be used, and for what", check),
    ):
        one = commands.add_parser(name, help=text, description=f"Say {text}.")
        one.add_argument("template", type=Path, help="folder or zip file")
        if name == "info":
            one.add_argument(
                "--sheet", type=Path, metavar="PNG", help="picture to write: some frames, a row for each video"
            )
            one.add_argument("--overwrite", action="store_true", help="replace an existing picture")
        one.set_defaults(run=run)
    packed = commands.add_parser(
        "zip", help="one file of a template's folder", description="Make one file of a template's folder."
    )
    packed.add_argument("template", type=Path, help="folder")
    packed.add_argument(
        "-o", "--out", type=Path, metavar="FILE", help="zip file to write (default the folder's name with .zip)"
    )
    packed.add_argument("--overwrite", action="store_true", help="replace an existing file")
    packed.set_defaults(run=pack)


def _add_build(commands: Any) -> None:
    parser: argparse.ArgumentParser = commands.add_parser(
        "build",
        help="from a clip and a mask of the person",
        description="Make a template from a clip and a mask of the person in it; the background is filled where none is given.",
    )
    parser.add_argument("clip", type=Path, help="video with a person")
    parser.add_argument("--mask", type=Path, metavar="FILE", help="video, white where the person is")
    parser.add_argument(
        "--segment",
        metavar="WHAT",
        help="find the mask: words such as person, by SAM 3, or x,y, a point on the person in the first frame, by SAM 2; of transformers",
    )
    parser.add_argument(
        "--segmenter",
        metavar="PLACE",
        help="folder or name of that model, downloaded before (default facebook/sam3, of a point facebook/sam2.1-hiera-small)",
    )
    add_device(parser)
    parser.add_argument(
        "--body", type=Path, metavar="FILE", help="video of the body on black, which the network follows"
    )
    parser.add_argument("--background", type=Path, metavar="FILE", help="video of the scene without the person")
    parser.add_argument("--occlusion", type=Path, metavar="FILE", help="video, white where something stands in front")
    parser.add_argument(
        "--start", type=float, default=0.0, metavar="SECONDS", help="where in the clip to begin (default 0)"
    )
    parser.add_argument(
        "--max-frames", type=int, default=150, metavar="N", help="frames at most, at 30 fps (default 150)"
    )
    parser.add_argument(
        "--align",
        choices=("none", "translation", "homography"),
        default="none",
        help="how the camera moves, for filling the background (default none: it stands still)",
    )
    parser.add_argument(
        "--dilate", type=int, default=4, metavar="PX", help="px by which the mask grows for filling (default 4)"
    )
    parser.add_argument(
        "-o",
        "--out",
        type=Path,
        default=Path("template"),
        metavar="FOLDER",
        help="folder or .zip to write (default template)",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace an existing template")
    parser.set_defaults(run=build)


def build(arguments: argparse.Namespace) -> None:
    """Read, fill, write."""
    from ..templates.build import build_template
    from ..templates.save_template import check_target
    from ..templates.segment import segment_person

    _check_person(arguments)
    named = {"clip": arguments.clip, "mask": arguments.mask, "body": arguments.body}
    named |= {"background": arguments.background, "occlusion": arguments.occlusion}
    for what, path in named.items():
        if path is not None:
            check_input(path, f"video ({what})")
    if arguments.background is not None and ("align" in arguments.given or "dilate" in arguments.given):
        raise DisMoError(
            "--align and --dilate are for filling a background, and --background gives one. Leave one of them out."
        )
    check_target(arguments.out, overwrite=arguments.overwrite)
    device = check_device(arguments.device)
    with progress_runtime("Reading the clip", device) as runtime:

        def find(frames: NDArray[np.uint8]) -> NDArray[np.uint8]:
            return segment_person(
                frames,
                arguments.segment,
                arguments.segmenter,
                device,
                lambda done, total: runtime.progress(done, total, None),
            )

        template = build_template(
            arguments.clip,
            arguments.mask or find,
            body=arguments.body,
            background=arguments.background,
            occlusion=arguments.occlusion,
            start=arguments.start,
            max_frames=arguments.max_frames,
            align=arguments.align,
            dilate=arguments.dilate,
            name=arguments.out.stem,
            stage=runtime.stage,
        )
        runtime.stage("writing the template")
        template.save(arguments.out, overwrite=arguments.overwrite)
    print(f"{arguments.out}: {_described(arguments.out)}")


def _check_person(arguments: argparse.Namespace) -> None:
    """Raise unless one thing says where the person is."""
    if arguments.segment is None and arguments.mask is None:
        raise DisMoError(
            "Nothing says where the person is. Give --mask, a video that is white there, or --segment, what a segmenter looks for."
        )
    if arguments.mask is not None:
        for name in ("segment", "segmenter", "device"):
            if name in arguments.given:
                raise DisMoError(f"--{name} is for finding a mask, and --mask gives one. Leave one of them out.")


def info(arguments: argparse.Namespace) -> None:
    """Print what there is; draw it."""
    from ...files import check_free
    from ...video.sheets import save_picture
    from ..templates.template import Template

    if arguments.sheet is not None:
        check_free(arguments.sheet, overwrite=arguments.overwrite)
    elif arguments.overwrite:
        raise DisMoError("--overwrite is for a picture, and there is no --sheet. Leave it out.")
    print(f"{arguments.template}: {_described(arguments.template)}")
    template = Template.load(arguments.template)
    end = "the end" if template.end is None else f"frame {template.end}"
    print(f"Used from frame {template.start} to {end}, counted at 30 fps.")
    if arguments.sheet is not None:
        save_picture(_drawn(template), arguments.sheet, overwrite=arguments.overwrite)
        print(f"{arguments.sheet}: written.")


def check(arguments: argparse.Namespace) -> None:
    """Read every frame; print what it can be used for."""
    import numpy as np

    from ..templates.build import INVERTED
    from ..templates.template import NAMES, Template

    template = Template.load(arguments.template)
    with progress_runtime("Reading the frames", "cpu") as runtime:
        opened = template.open(None)
        person = opened.person
        shares = []
        for index in range(len(opened)):
            for name in template.videos:
                getattr(opened, name)[index]
            shares.append(float((person[index] > 127).mean()))
            runtime.progress(index + 1, len(opened), None)
    empty = sum(share == 0 for share in shares)
    print(f"{arguments.template}: {_described(arguments.template)}")
    if template.mask is not None and float(np.mean(shares)) > INVERTED:
        print("The person mask covers more than 60 % of the frame: is it inverted?")
    if empty:
        print(f"{empty} frames show no person.")
    missing = [f"{name}.mp4" for name in NAMES[:3] if name not in template.videos]
    print("`dismo mimo insert` can use it.")
    print(
        "`dismo mimo edit` and `animate` can use it."
        if template.sdc is not None
        else "Without sdc.mp4 the network cannot follow it."
    )
    print(f"The release needs {', '.join(missing)}, too." if missing else "The release can use it.")


def pack(arguments: argparse.Namespace) -> None:
    """Folder to zip file."""
    from ..templates.template import Template

    if not arguments.template.is_dir():
        raise DisMoError(f"{arguments.template} is no folder. Give the folder of a template.")
    target = arguments.out or arguments.template.with_name(arguments.template.name + ".zip")
    if target.suffix.lower() != ".zip":
        raise DisMoError(f"{target} has the suffix {target.suffix!r}. Give a name that ends in .zip.")
    Template.load(arguments.template).save(target, overwrite=arguments.overwrite)
    print(f"{target}: {target.stat().st_size / 1e6:.1f} MB.")


def _drawn(template: Template) -> Tensor:
    """Evenly spaced frames of a template's videos, one row each: uint8 [h, w, 3]."""
    import numpy as np
    import torch

    from ...video.sheets import contact_sheet

    opened = template.open(None)
    columns = min(COLUMNS, len(opened))
    rows = []
    for name in template.videos:
        frames = getattr(opened, name)
        shown = np.stack([frames[index] for index in np.linspace(0, len(opened) - 1, columns).round().astype(int)])
        rows.append(torch.from_numpy(shown if shown.ndim == 4 else np.repeat(shown[..., None], 3, 3)))
    return contact_sheet(rows, columns)


def _described(path: Path) -> str:
    from ..templates.template import Template

    template = Template.load(path)
    opened = template.open(None)
    width, height = opened.size
    return f"{', '.join(template.videos)}; {len(opened)} frames of {width}x{height} px at {template.fps:g} fps."
