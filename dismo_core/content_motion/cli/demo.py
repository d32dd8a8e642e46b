"""`dismo content-motion demo`: two clips whose motions are exchanged."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ...cli.options import check_demo_folder, progress_runtime
from .shared import add_model, load, save_content

CLIPS = ("drawn", "camera")  # examples


def add_parser(actions: Any) -> None:
    """Register the command."""
    parser: argparse.ArgumentParser = actions.add_parser(
        "demo",
        help="two clips whose motions are exchanged",
        description="Take two bundled clips apart, put each together with the other's motion, and write a contact sheet.",
    )
    parser.add_argument(
        "-o",
        "--out",
        type=Path,
        default=Path("content_motion_demo"),
        metavar="FOLDER",
        help="default content_motion_demo",
    )
    add_model(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Encode, exchange, decode, write."""
    from ...assets.examples import example
    from ...video import read_video, write_video
    from ...video.picture import to_uint8
    from ...video.sheets import contact_sheet, save_picture
    from ..clips import clip_tensor
    from ..encoding import decode_frames, encode_frames

    out: Path = arguments.out
    check_demo_folder(out)
    with progress_runtime("Loading the model", arguments.device) as runtime:
        model = load(arguments)
        size = model.size or (64, 64)
        clips, motions, rows = [], [], []
        with model.using("autoencoder", runtime) as autoencoder:
            for name in CLIPS:
                runtime.stage(f"{name}: taking it apart")
                frames = read_video(example(name)[0], fps=8.0, frames=16).frames
                clips.append(to_uint8(clip_tensor(frames, size).permute(1, 2, 3, 0)))
                motions.append(encode_frames(autoencoder, frames, size, 8.0, name))
            runtime.stage("putting them together")
            for number, name in enumerate(CLIPS):
                own, other = motions[number], motions[1 - number]
                swapped = decode_frames(autoencoder, other, own.content)
                rows += [clips[number], decode_frames(autoencoder, own), swapped]
                save_content(own, out / f"{name}_content.png", overwrite=True)
                own.save(out / f"{name}.safetensors", overwrite=True)
                write_video(out / f"{name}_swapped.mp4", swapped, 8.0, overwrite=True)
        save_picture(contact_sheet(rows), out / "contact_sheet.png", overwrite=True)
    print(
        f"Done. Open {out / 'contact_sheet.png'}: of each clip the clip, its reconstruction, and its content frame with the motion of the "
        "other."
    )
