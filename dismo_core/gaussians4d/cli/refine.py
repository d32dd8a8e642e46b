"""`dismo 4d refine`: sharper textures of the meshes of a fit, with files under the published names."""

from __future__ import annotations

import argparse
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...cli.given import refuse
from ...cli.options import add_device, progress_runtime
from ...errors import DisMoError
from ..presets import REFINE, settings_of
from .clip_options import stem_of
from .fit import frames_of

if TYPE_CHECKING:
    from ...runtime import Runtime
    from ..clip import Clip4D
    from ..model4d import Gaussians4D
    from ..moving_mesh import MovingMesh

log = logging.getLogger(__name__)
FRAMES = 5  # pictures of the video, times the frames


def add_parser(subparsers: Any) -> None:
    """Register the command."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "refine",
        help="sharper textures of the meshes of a fit",
        description="Fit the textures of OUTDIR/NAME_meshes, or of the surface of OUTDIR/NAME_4d.safetensors, to the frames and, with "
        "--svd, to what a Stable Video Diffusion makes of other sides. How many frames there are is read off the meshes.",
    )
    parser.add_argument(
        "assignments",
        nargs="*",
        metavar="KEY=VALUE",
        help="settings, side by side, such as input=fish.png iters_refine=50",
    )
    parser.add_argument("--config", default="refine", help="refine, or a .yaml file (default refine)")
    parser.add_argument(
        "--svd",
        type=Path,
        metavar="FOLDER",
        help="a Stable Video Diffusion in diffusers' format, for what no frame shows",
    )
    add_device(parser)
    parser.add_argument("--overwrite", action="store_true", help="replace results that are there")
    parser.set_defaults(run=run)


@dataclass(frozen=True)
class _Source:
    """What is refined; `four` where it is the surface of a model."""

    moving: MovingMesh
    four: Gaussians4D | None


def run(arguments: argparse.Namespace) -> None:
    """Read, refine, write."""
    from ..refine import RefineSettings, refine_texture
    from ..svd import Redrawing, load_svd

    s = settings_of(arguments.config, arguments.assignments, REFINE)
    if not s["input"]:
        raise DisMoError("refine needs the input of the fit: input=fish.png or input=FOLDER.")
    if not s["lambda_svd"]:
        refuse(arguments, ("svd",), "changes nothing with lambda_svd=0.")
    source = Path(s["input"])
    name, out = s["save_path"] or stem_of(source), Path(s["outdir"])
    found = _source(s, out, name)
    count = len(found.moving.frames)
    if s["batch_size"] not in (0, count):
        raise DisMoError(
            f"batch_size is {s['batch_size']}, but there are {count} meshes. Leave it out: it is read off them."
        )
    _check_free(found, out, name, s["visdir"], arguments.overwrite)
    clip = _clip(frames_of(source, s["data_mode"]), count, s["downsample_rate"], name)
    settings = RefineSettings(
        steps=s["iters_refine"],
        size=s["ref_size"],
        texture_rate=s["texture_lr"],
        geometry_rate=s["geom_lr"] if s["train_geo"] else 0.0,
        weight=s["lambda_svd"],
        window=s["oom_hack"],
        elevation=s["elevation"],
        seed=s["seed"],
    )
    with progress_runtime("Reading the meshes", arguments.device) as runtime:
        redraw = None
        if arguments.svd is not None:
            runtime.stage("loading Stable Video Diffusion")
            redraw = Redrawing(load_svd(arguments.svd, runtime.device))
        runtime.stage("refining the texture")
        refined = refine_texture(found.moving, clip, settings, redraw=redraw, runtime=runtime)
        written = _write(refined, found.four, out, name, arguments.overwrite)
        _video(refined, Path(s["visdir"]) / f"{name}_refined.mp4", clip.fps, runtime, arguments.overwrite)
    print(f"{written}. {'' if redraw else 'Without --svd what no frame shows keeps its color.'}".rstrip())


def _source(s: dict[str, Any], out: Path, name: str) -> _Source:
    """The meshes: those that `mesh` names, else a folder of them, else the surface of the model."""
    from ..cameras import FOV_Y
    from ..export import read_mesh_sequence
    from ..model4d import Gaussians4D
    from ..moving_mesh import moving_mesh

    folder, file = out / f"{name}_meshes", out / f"{name}_4d.safetensors"
    four = Gaussians4D.load(file) if file.is_file() else None
    radius, fov_y = s["radius"] or (four.radius if four else 1.5), s["fovy"] or (four.fov_y if four else FOV_Y)
    asked = Path(s["mesh"]) if s["mesh"] else folder if folder.is_dir() else file
    if asked.is_dir():
        return _Source(read_mesh_sequence(asked, radius, fov_y), None)
    if not asked.is_file():
        raise DisMoError(
            f"There are neither meshes {folder} nor a model {file}. `dismo 4d fit input=... mesh_format=obj` makes them; or give "
            "mesh=FOLDER or mesh=MODEL."
        )
    four = Gaussians4D.load(asked)
    return _Source(moving_mesh(four), four)


def _clip(folder: Path, count: int, rate: int, name: str) -> Clip4D:
    """As many frames as there are meshes, of every nth, as the fit took them."""
    from ..clip import prepare_clip, read_rgba

    rgba, fps = read_rgba(folder)
    rate = rate or max(1, len(rgba) // count)
    taken = rgba[::rate][:count]
    if len(taken) < count:
        raise DisMoError(
            f"There are {count} meshes, but of every {rate}th of the {len(rgba)} frames in {folder} only {len(taken)}. Set downsample_rate "
            "to that of the fit."
        )
    return prepare_clip(taken, fps / rate, frames=count, source=name)


def _names(found: _Source, name: str) -> list[str]:
    if found.four is not None:
        return [f"{name}_refined_4d.safetensors", f"{name}_refined.glb"]
    return [f"{name}_{k:03d}.{kind}" for k in range(len(found.moving.frames)) for kind in ("obj", "glb")]


def _check_free(found: _Source, out: Path, name: str, visdir: str, overwrite: bool) -> None:
    from ...files import check_free

    for file in _names(found, name):
        check_free(out / file, overwrite=overwrite)
    check_free(Path(visdir) / f"{name}_refined.mp4", overwrite=overwrite)


def _write(refined: MovingMesh, four: Gaussians4D | None, out: Path, name: str, overwrite: bool) -> str:
    """Returns what was written, in words."""
    from dataclasses import replace

    from ..mesh import write_mesh
    from ..morph_glb import animated_glb

    names = _names(_Source(refined, four), name)
    if four is not None:
        four = replace(four, surface=refined.rest)
        four.save(out / names[0], overwrite=overwrite)
        animated_glb(out / names[1], four, overwrite=overwrite)
        return f"{out / names[1]}: one animated mesh"
    for number, file in enumerate(names):
        write_mesh(out / file, refined.frames[number // 2], overwrite=overwrite)
    return f"{out / names[0]} to {names[-1]}: {len(refined.frames)} meshes"


def _video(refined: MovingMesh, path: Path, fps: float, runtime: Runtime, overwrite: bool) -> None:
    """Once around while the clip plays five times, as published."""
    import torch

    from ...video import write_video
    from ..cameras import orbit_views
    from ..refine import SIDE
    from ..textured import Surface, draw_textured, texture_places

    runtime.stage("drawing the video")
    count, frames = len(refined.frames), []
    for number in range(FRAMES * count):
        mesh = refined.frames[number % count]
        assert mesh.texture is not None
        view = orbit_views([0.0], [360 * number / (FRAMES * count)], [refined.radius])[0].to(runtime.device)
        places = texture_places(Surface.of(mesh, runtime.device), view, SIDE, refined.fov_y)
        picture = draw_textured(torch.from_numpy(mesh.texture).movedim(-1, 0).to(runtime.device), places)
        frames.append((picture * 255).to(torch.uint8).movedim(0, -1).cpu())
        runtime.progress(number + 1, FRAMES * count, None)
        runtime.check_cancel()
    write_video(path, frames, fps, overwrite=overwrite)
