"""`dismo mimo demo`: a character in a drawn scene, without a GPU and without a download."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ...cli.options import check_demo_folder, progress_runtime

COLUMNS, HEIGHT = 6, 160


def add_parser(actions: Any) -> None:
    """Register the command."""
    parser: argparse.ArgumentParser = actions.add_parser(
        "demo",
        help="see it work in seconds, no GPU and no download",
        description="Put the bundled character into the bundled template. Some seconds on a CPU.",
    )
    parser.add_argument("-o", "--out", type=Path, default=Path("mimo_demo"), metavar="FOLDER", help="default mimo_demo")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Insert, write the video and a strip of pictures."""
    import numpy as np
    import torch

    from ...video import write_video
    from ...video.sheets import contact_sheet, save_picture
    from ..insertion.character import read_character
    from ..insertion.insert import insert_character
    from ..weights import EXAMPLE_CHARACTER, example_template

    out: Path = arguments.out
    check_demo_folder(out)
    template = example_template()
    with progress_runtime("Reading the template", "cpu") as runtime:
        frames = template.read()
        character = read_character(EXAMPLE_CHARACTER)
        runtime.stage("inserting the character")
        inserted = insert_character(character.frames, character.alpha, frames, runtime=runtime)
        rows = [frames.vid, frames.sdc, frames.bk, np.repeat(np.asarray(frames.occ)[..., None], 3, 3), inserted]
        sheet = contact_sheet([torch.from_numpy(np.asarray(row)) for row in rows], COLUMNS, HEIGHT)
        save_picture(sheet, out / "contact_sheet.png", overwrite=True)
        write_video(out / "inserted.mp4", torch.from_numpy(inserted), template.fps, overwrite=True)
    print(
        f"Done. Open {out / 'contact_sheet.png'}: the clip, its body, the scene without the person, what stands in front, and another "
        f"character in the person's place. Video: {out / 'inserted.mp4'}."
    )
