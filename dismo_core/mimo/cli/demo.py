"""`dismo mimo demo`: a character in a drawn scene, without a GPU and without a download."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ...cli.options import check_demo_folder, progress_runtime

COLUMNS, HEIGHT = 6, 160
FRAMES = 24  # that the tiny model makes


def add_parser(actions: Any) -> None:
    """Register the command."""
    parser: argparse.ArgumentParser = actions.add_parser(
        "demo",
        help="see it work in a minute or two, no GPU and no download",
        description="Put the bundled character into the bundled template: its own frames, and its one picture by the tiny model.",
    )
    parser.add_argument("-o", "--out", type=Path, default=Path("mimo_demo"), metavar="FOLDER", help="default mimo_demo")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Insert, edit, animate; write the videos and a strip of pictures."""
    import numpy as np
    import torch

    from ...video import write_video
    from ...video.sheets import contact_sheet, save_picture
    from ..crops.square import prepare_reference
    from ..generate import animate, edit
    from ..insertion.character import read_character
    from ..insertion.insert import insert_character
    from ..load_pipeline import load_mimo
    from ..weights import EXAMPLE_CHARACTER, example_template

    out: Path = arguments.out
    check_demo_folder(out)
    template = example_template()
    with progress_runtime("Reading the template", "cpu") as runtime:
        frames = template.read()
        character = read_character(EXAMPLE_CHARACTER)
        runtime.stage("inserting the character")
        inserted = insert_character(character.frames, character.alpha, frames, runtime=runtime)
        reference = prepare_reference(character.frames[0], character.alpha[0])
        tiny = load_mimo("tiny")
        made = {
            "inserted": inserted,
            "edited": edit(tiny, reference, template, max_frames=FRAMES, runtime=runtime),
            "animated": animate(tiny, reference, template, max_frames=FRAMES, runtime=runtime),
        }
        rows = [frames.vid, frames.sdc, frames.bk, np.repeat(np.asarray(frames.occ)[..., None], 3, 3), *made.values()]
        sheet = contact_sheet([torch.from_numpy(np.asarray(row)) for row in rows], COLUMNS, HEIGHT)
        save_picture(sheet, out / "contact_sheet.png", overwrite=True)
        for name, video in made.items():
            write_video(out / f"{name}.mp4", torch.from_numpy(video), template.fps, overwrite=True)
    print(
        f"Done. Open {out / 'contact_sheet.png'}: the clip, its body, the scene without the person, what stands in front; then another "
        "character in the person's place, by its own frames, and by one picture and the tiny model; last, that alone on white. "
        f"Videos: {', '.join(f'{name}.mp4' for name in made)}."
    )
