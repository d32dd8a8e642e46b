"""`dismo evaluate release-4d`: numbers of the released weights that 4D uses, in a file to send back."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ...cli.given import refuse
from ...cli.options import add_device, check_range, progress_runtime
from ...errors import DisMoError


def add_release(actions: Any) -> None:
    """Register `release-4d`."""
    parser: argparse.ArgumentParser = actions.add_parser(
        "release-4d",
        help="what the released weights of 4D give here, as a JSON file to send back",
        description="Checksums and tensor names of the weights, and what they make of the bundled fish, in numbers. Name those that you "
        "have. The file holds no paths and no pictures. Minutes on a GPU; on a CPU hours.",
    )
    for option, what in (("--lgm", "FILE"), ("--imagedream", "FOLDER")):
        parser.add_argument(option, type=Path, metavar=what, help="both: Gaussians of a picture")
    for option in ("--stable-zero123", "--zero123-xl"):
        parser.add_argument(option, type=Path, metavar="FOLDER", help="a judge of other sides, in diffusers' format")
    parser.add_argument("--svd", type=Path, metavar="FOLDER", help="a Stable Video Diffusion in diffusers' format")
    parser.add_argument("--steps", type=int, default=25, help="of Stable Video Diffusion (default 25)")
    parser.add_argument("--size", type=int, default=512, metavar="PX", help="of its clip (default 512)")
    parser.add_argument("-o", "--out", default="release_4d.json", metavar="JSON", help="default release_4d.json")
    add_device(parser)
    parser.add_argument("--overwrite", action="store_true", help="replace an existing file")
    parser.set_defaults(run=release)


def release(arguments: argparse.Namespace) -> None:
    """Load, run, write."""
    import json

    from ...files import atomic_write, check_free
    from ..release import Places, release_report

    check_free(arguments.out, overwrite=arguments.overwrite)
    check_range(arguments, "steps", 1, 1000)
    if (arguments.lgm is None) != (arguments.imagedream is None):
        raise DisMoError("An LGM and an ImageDream belong together: give both --lgm and --imagedream.")
    if arguments.svd is None:
        refuse(arguments, ("steps", "size"), "is for --svd.")
    places = Places(arguments.lgm, arguments.imagedream, arguments.stable_zero123, arguments.zero123_xl, arguments.svd)
    with progress_runtime("Reading the weights", arguments.device) as runtime:
        report = release_report(places, arguments.steps, arguments.size, runtime)
    with atomic_write(arguments.out, overwrite=arguments.overwrite) as temporary:
        temporary.write_text(json.dumps(report, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    print(f"{arguments.out}: written. Please send it back; it holds numbers and names of files only.")
