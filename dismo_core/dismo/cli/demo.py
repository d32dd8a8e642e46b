"""`dismo demo`: see it work, without a GPU and without a download."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ...cli.libraries import require_libraries
from ...cli.options import progress_runtime
from ...errors import DisMoError


def add_parser(subparsers: Any) -> None:
    """Register the command."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "demo",
        help="see it work in a minute, no GPU and no download",
        description="Move two pictures as two clips move: a drawn scene, and the camera of a real clip on a photograph.",
    )
    parser.add_argument(
        "-o", "--out", type=Path, default=Path("dismo_demo"), metavar="FOLDER", help="default dismo_demo"
    )
    parser.add_argument("--seed", type=int, default=0, help="same seed, same videos (default 0)")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Both examples, then the sheet and the plot."""
    from ...assets.examples import example, example_names
    from ...video import read_image, write_video
    from ...video.picture import fit_image, to_uint8
    from ...video.sheets import contact_sheet, save_picture, side_by_side
    from ..extract import extract_motion
    from ..plots import save_motion_plot
    from ..rollout import FrameGeneratorModel
    from ..weights import load_frame_generator, load_motion_extractor

    out: Path = arguments.out
    if out.exists() and not out.is_dir():
        raise DisMoError(f"{out} is a file; the demo needs a folder. Choose another with --out.")
    require_libraries("matplotlib")
    rows, motions = [], {}
    with progress_runtime("Loading the models", "cpu") as runtime:
        extractor = load_motion_extractor("tiny")
        model = FrameGeneratorModel(load_frame_generator("tiny"))
        for name in example_names():
            clip, picture = example(name)
            runtime.stage(f"{name}: reading the motion")
            motion, driving = extract_motion(extractor, clip, runtime=runtime, return_frames=True)
            image = fit_image(read_image(picture), model.defaults.size, "crop")
            runtime.stage(f"{name}: moving the picture")
            result = model.transfer(motion, image, seed=arguments.seed, runtime=runtime)
            still = to_uint8(image, 0)
            folder = out / name
            save_picture(still, folder / "target.png", overwrite=True)
            write_video(folder / "driving.mp4", driving, motion.fps, overwrite=True)
            write_video(folder / "result.mp4", result, motion.fps, overwrite=True)
            write_video(folder / "side_by_side.mp4", side_by_side([driving, result]), motion.fps, overwrite=True)
            motion.save(folder / "motion.safetensors", overwrite=True)
            rows += [driving, result]
            motions[name] = motion
        runtime.stage("drawing the sheet and the plot")
        save_picture(contact_sheet(rows), out / "contact_sheet.png", overwrite=True)
        save_motion_plot(motions, out / "motion.png", overwrite=True)
    print(
        f"Done. Open {out / 'contact_sheet.png'}: rows 1 and 3 are the driving clips, rows 2 and 4 the moved pictures."
    )
    print(
        f"Videos: {', '.join(str(out / name / 'side_by_side.mp4') for name in motions)}; motion plot: {out / 'motion.png'}."
    )
