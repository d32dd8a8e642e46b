"""`dismo 4d fit`: a fit by a preset and key=value words, with files under the published names."""

from __future__ import annotations

import argparse
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...cli.given import refuse
from ...cli.options import add_device, progress_runtime
from ...errors import DisMoError
from ..presets import PRESETS, settings_of
from .clip_options import guidance_folder, stem_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ...runtime import Runtime
    from ..model4d import Gaussians4D

log = logging.getLogger(__name__)


def add_parser(subparsers: Any) -> None:
    """Register the command."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "fit",
        help="fit by a preset, with key=value words",
        description="Fit a moving object to prepared frames. input=X.png takes the frames X_frames/000.png ...; input=FOLDER those in it.",
    )
    parser.add_argument(
        "assignments",
        nargs="*",
        metavar="KEY=VALUE",
        help="settings, side by side, such as input=fish.png iters=500 seed=1",
    )
    parser.add_argument(
        "--config", default="inflate", help=f"preset ({', '.join(PRESETS)}) or a .yaml file (default inflate)"
    )
    parser.add_argument(
        "--gaussians", type=Path, metavar="PLY", help="model at rest (default OUTDIR/NAME_model.ply where it is)"
    )
    parser.add_argument(
        "--guidance",
        type=Path,
        metavar="FOLDER",
        help="of a zero123 in diffusers' format, for presets that ask for one; or stable-zero123 or zero123-xl, once fetched",
    )
    parser.add_argument("--restart", action="store_true", help="do not take up a fit that was broken off")
    add_device(parser)
    parser.add_argument("--overwrite", action="store_true", help="replace results that are there")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Read, fit, write."""
    import shutil
    from dataclasses import replace

    from ..clip import prepare_clip, read_rgba
    from ..fit_clip import FitSettings, fit_clip
    from ..posed import read_posed

    s = settings_of(arguments.config, arguments.assignments)
    if not s["input"]:
        raise DisMoError(
            "fit needs the input: input=fish.png (with fish_frames/000.png ... beside it) or input=FOLDER."
        )
    judged = bool(s["lambda_zero123"] and s["n_views"])
    if judged and arguments.guidance is None:
        raise DisMoError(
            f"The settings of {arguments.config} ask for a zero123: give the folder of its weights with --guidance, use --config inflate "
            "or add lambda_zero123=0."
        )
    if not judged:
        refuse(
            arguments,
            ("guidance",),
            "changes nothing with these settings: they ask for no zero123 (lambda_zero123, n_views).",
        )
    source = Path(s["input"])
    name = s["save_path"] or stem_of(source)
    folder = frames_of(source, s["data_mode"])
    out, ply = Path(s["outdir"]), arguments.gaussians or (Path(s["load"]) if s["load"] else None)
    if ply is None and (out / f"{name}_model.ply").is_file():
        ply = out / f"{name}_model.ply"
    if ply is None and judged:
        raise DisMoError(
            f"There is no {out / f'{name}_model.ply'}, the model at rest that a zero123 judges. Run the static step first "
            f"(`dismo 4d static {source}`), or give --gaussians FILE."
        )
    _check_free(out, name, s, arguments.overwrite)
    posed = None if ply is None else read_posed(ply)
    if posed is not None and not any(word.startswith("radius=") for word in arguments.assignments):
        s["radius"] = posed.radius
    settings = FitSettings.of(s)
    checkpoints = out / f"{name}_fit"
    if arguments.restart:
        if not checkpoints.is_dir():
            log.info("There is no fit that was broken off in %s: --restart changes nothing.", out)
        shutil.rmtree(checkpoints, ignore_errors=True)
    with progress_runtime("Reading the frames", arguments.device) as runtime:
        rgba, fps = read_rgba(folder)
        rgba = _every(rgba, s["downsample_rate"], s["batch_size"], folder)
        clip = prepare_clip(rgba, fps / s["downsample_rate"], frames=len(rgba), source=name)
        zero123 = None
        if judged:
            from ..zero123 import load_zero123

            runtime.stage("loading the zero123")
            kind = "stable" if s["stable_zero123"] else "xl"
            zero123 = load_zero123(
                guidance_folder(arguments.guidance), kind, device=runtime.device, base_elevation=s["elevation"]
            )
        runtime.stage("fitting")
        four = fit_clip(
            clip,
            settings,
            gaussians=None if posed is None else posed.gaussians,
            surface=None if posed is None else replace(posed, frame=settings.frame).with_surface(clip).surface,
            zero123=zero123,
            runtime=runtime,
            folder=checkpoints,
        )
        if four.surface is None and (s["gui"] or s["mesh_format"] != "frames"):
            from ..surface import extract_mesh

            runtime.stage("extracting the surface")
            mesh = extract_mesh(four.gaussians, threshold=s["density_thresh"], radius=four.radius, fov_y=four.fov_y)
            four = replace(four, surface=mesh)
        _write(four, out, name, s, runtime, arguments.overwrite)
    shutil.rmtree(checkpoints, ignore_errors=True)
    print(f"{out / name}_4d.safetensors and what was asked for beside it. Sides and back are inferred.")
    if s["gui"]:
        import webbrowser

        webbrowser.open((out / f"{name}.html").resolve().as_uri())


def frames_of(source: Path, mode: str) -> Path:
    """The folder, or the video, that holds the frames of an input.

    Raises:
        DisMoError: there is none.
    """
    if source.is_dir():
        return source
    beside = source.with_name(f"{source.stem}_frames")
    if beside.is_dir():
        return beside
    if source.is_file() and mode == "svd" and source.suffix.lower() not in (".png", ".jpg", ".jpeg"):
        return source
    raise DisMoError(
        f"There are no frames of {source}: neither a folder {source} nor {beside}. `dismo 4d prepare CLIP -o {beside}` makes them."
    )


def _every(rgba: NDArray[np.uint8], rate: int, count: int, folder: Path) -> NDArray[np.uint8]:
    taken: NDArray[np.uint8] = rgba[::rate][:count]
    if len(taken) < min(count, 2) or (len(taken) < count and rate > 1 and len(rgba) < count):
        raise DisMoError(
            f"{folder} has {len(rgba)} frames; of every {rate}th there are {len(taken)}, but batch_size is {count}. "
            "Set batch_size and downsample_rate to what is there."
        )
    return taken


def _outputs(s: dict[str, Any], name: str) -> list[str]:
    names = [f"{name}_4d.safetensors", f"{name}.glb", f"{name}.html"]
    return names + ([f"{name}_4d_model.ply", f"{name}_deformation.pth"] if s["save_model"] else [])


def _check_free(out: Path, name: str, s: dict[str, Any], overwrite: bool) -> None:
    from ...files import check_free
    from ..export import check_folder

    for file in _outputs(s, name):
        check_free(out / file, overwrite=overwrite)
    check_folder(out / _sequence(s, name), overwrite=overwrite)
    check_free(Path(s["visdir"]) / f"{name}.mp4", overwrite=overwrite)


def _sequence(s: dict[str, Any], name: str) -> str:
    return f"{name}_frames" if s["mesh_format"] == "frames" else f"{name}_meshes"


def _write(four: Gaussians4D, out: Path, name: str, s: dict[str, Any], runtime: Runtime, overwrite: bool) -> None:
    import torch

    from ...video import write_video
    from ..export import write_mesh_sequence, write_ply_sequence
    from ..morph_glb import animated_glb
    from ..moving_mesh import moving_mesh
    from ..viewer import html_viewer
    from ..views import plan, render

    four.save(out / f"{name}_4d.safetensors", overwrite=overwrite)
    if s["save_model"]:
        four.save_released(out, name, overwrite=overwrite)
    if four.surface is not None:
        animated_glb(out / f"{name}.glb", four, overwrite=overwrite)
        html_viewer(out / f"{name}.html", out / f"{name}.glb", title=name, overwrite=overwrite)
    runtime.stage("writing the sequence")

    def progress(done: int, total: int) -> None:
        runtime.progress(done, total, None)

    if s["mesh_format"] == "frames":
        write_ply_sequence(out / _sequence(s, name), four, end=s["end"], overwrite=overwrite, progress=progress)
    else:
        moving = moving_mesh(four, threshold=s["density_thresh"])
        folder = out / _sequence(s, name)
        write_mesh_sequence(folder, moving, s["mesh_format"], overwrite=overwrite, progress=progress)
    runtime.stage("drawing the video")
    shots = plan("published", four.frames)
    size = min(512, 4 * s["ref_size"])  # published: 512
    frames = []
    for number, (rgb, _, _) in enumerate(render(four, shots, size, size)):
        frames.append((rgb * 255).to(torch.uint8))
        progress(number + 1, len(shots))
        runtime.check_cancel()
    write_video(Path(s["visdir"]) / f"{name}.mp4", frames, four.fps, overwrite=overwrite)
