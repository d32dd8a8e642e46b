"""`dismo demo`: see it work, without a GPU and without a download."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ...cli.libraries import require_libraries
from ...cli.options import check_demo_folder, progress_runtime

SHOWN = {"cutout": "mirror", "camera": "crop"}  # example -> borders
SMOOTH = 24  # frames per second of the results, three times as many as the clips are read at
HEIGHT = 256  # px of a frame on the sheet
COLUMNS = 5


def add_parser(subparsers: Any) -> None:
    """Register the command."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "demo",
        help="see it work in seconds, no GPU and no download",
        description="Move two photographs as two clips move: a flower as a drawn shape, and the camera of a real clip over an animal. "
        "Some seconds on a CPU.",
    )
    parser.add_argument(
        "-o", "--out", type=Path, default=Path("dismo_demo"), metavar="FOLDER", help="default dismo_demo"
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Both examples, then the sheet and the plot."""
    from ...assets.examples import example, example_mask
    from ...video import read_image, write_video
    from ...video.picture import to_uint8
    from ...video.sheets import contact_sheet, save_picture
    from ..extract import extract_motion
    from ..plots import save_motion_plot
    from ..weights import load_layered_model, load_motion_extractor

    out: Path = arguments.out
    check_demo_folder(out)
    require_libraries("matplotlib")
    rows, motions = [], {}
    with progress_runtime("Loading the models", "cpu") as runtime:
        extractor = load_motion_extractor("tiny")
        for name, borders in SHOWN.items():
            model = load_layered_model("tiny", fps=SMOOTH, borders=borders)
            clip, picture = example(name)
            runtime.stage(f"{name}: reading the motion")
            motion, driving = extract_motion(extractor, clip, runtime=runtime, return_frames=True)
            image, masked = read_image(picture), example_mask(name)
            mask = None if masked is None else read_image(masked)[..., 0]
            runtime.stage(f"{name}: moving the picture")
            result = model.transfer(motion, image, mask=mask, runtime=runtime)
            folder = out / name
            save_picture(to_uint8(image, 0), folder / "picture.png", overwrite=True)
            write_video(folder / "driving.mp4", driving, motion.fps, overwrite=True)
            write_video(folder / "result.mp4", result, SMOOTH, overwrite=True)
            motion.save(folder / "motion.safetensors", overwrite=True)
            rows += [driving, result]
            motions[name] = motion
        runtime.stage("drawing the sheet and the plot")
        save_picture(contact_sheet(rows, COLUMNS, HEIGHT), out / "contact_sheet.png", overwrite=True)
        save_motion_plot(motions, out / "motion.png", overwrite=True)
    print(
        f"Done. Open {out / 'contact_sheet.png'}: rows 1 and 3 are the driving clips, rows 2 and 4 the moved photographs."
    )
    results = ", ".join(str(out / name / "result.mp4") for name in motions)
    print(f"Videos: {results}; motion plot: {out / 'motion.png'}.")
