"""`dismo motiondirector sample`: videos of a prompt with trained adapters; options as in the two published scripts."""

from __future__ import annotations

import argparse
import logging
import random
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...cli.given import refuse
from ...cli.options import chosen_device, shown_runtime
from ...cli.progress import Display, display
from ...errors import DisMoError
from .base_options import add_running, load

if TYPE_CHECKING:
    from torch import Tensor

    from ...runtime import Runtime
    from ...text_to_video.base import TextToVideoBase
    from ..dual_path import DualPathLoRA
    from ..sampling import VideoSettings

log = logging.getLogger(__name__)

PUBLISHED_SIDE = 384  # px; default of the published scripts


def add_sample(actions: Any) -> None:
    """Register `sample`."""
    parser: argparse.ArgumentParser = actions.add_parser(
        "sample",
        help="make videos of a prompt with trained adapters",
        description="Make videos: a motion adapter by -cf or -tlp, an appearance adapter by -slp, or both. Names and meaning of the "
        "options are those of the published scripts; folders are theirs or those of `dismo motiondirector train`.",
    )
    parser.add_argument("-m", "--model", default="tiny", help="`tiny`, a diffusers folder or a hub id (default tiny)")
    parser.add_argument("-p", "--prompt", required=True, help="what the video shows")
    parser.add_argument("-n", "--negative-prompt", default="", help="what it should not show")
    parser.add_argument(
        "-o",
        "--output_dir",
        "--output-dir",
        default="outputs/inference",
        metavar="FOLDER",
        help="default outputs/inference",
    )
    parser.add_argument("-B", "--batch-size", type=int, default=1, help="videos of one seed (default 1)")
    parser.add_argument(
        "-W", "--width", type=int, default=0, help="px (default 384 for the published bases, else the base's)"
    )
    parser.add_argument("-H", "--height", type=int, default=0, help="likewise")
    parser.add_argument("-T", "--num-frames", type=int, default=16, help="of the video (default 16)")
    parser.add_argument(
        "-s", "--num-steps", type=int, default=0, help="of the sampling (default: the base's own; published 30)"
    )
    parser.add_argument(
        "-g",
        "--guidance-scale",
        type=float,
        default=0.0,
        help="how closely to follow the prompt; 1 = not (default: the base's own; published 12)",
    )
    parser.add_argument("-f", "--fps", type=float, default=8.0, help="frames per second of the file (default 8)")
    parser.add_argument("-r", "--seed", type=int, help="of the noise (default: random, and said)")
    parser.add_argument(
        "-rn", "--repeat_num", "--repeat-num", type=int, default=1, help="videos with seed, seed + 1, ... (default 1)"
    )
    files = parser.add_argument_group("adapters")
    files.add_argument(
        "-cf", "--checkpoint_folder", "--checkpoint-folder", metavar="RUN", help="folder of a run: its motion adapter, or a file"
    )  # fmt: skip
    files.add_argument(
        "-ci", "--checkpoint_index", "--checkpoint-index", metavar="N", help="its checkpoint-N (default: the last)"
    )
    files.add_argument(
        "-ls", "--lora_scale", "--lora-scale", type=float, help="of the motion adapter of -cf (default 1)"
    )
    files.add_argument(
        "-tlp",
        "--temporal_path_folder",
        "--temporal-path-folder",
        metavar="PATH",
        help="motion adapter: folder or file",
    )
    files.add_argument(
        "-tps", "--temporal_path_scale", "--temporal-path-scale", type=float, help="its scale (default 1)"
    )
    files.add_argument(
        "-slp",
        "--spatial_path_folder",
        "--spatial-path-folder",
        metavar="PATH",
        help="appearance adapter: folder or file",
    )
    files.add_argument("-sps", "--spatial_path_scale", "--spatial-path-scale", type=float, help="its scale (default 1)")
    files.add_argument(
        "--appearance-index",
        type=int,
        metavar="K",
        help="the one of several appearance adapters (default: their average)",
    )
    files.add_argument(
        "--motion-from", type=float, default=0.0, metavar="SHARE", help="of the steps before which the motion is off"
    )
    files.add_argument(
        "--motion-until", type=float, default=1.0, metavar="SHARE", help="of the steps after which the motion is off"
    )
    files.add_argument("-lr", "--lora_rank", "--lora-rank", type=int, help="changes nothing: the file tells the rank")
    prior = parser.add_argument_group("noise prior")
    prior.add_argument(
        "-np", "--noise_prior", "--noise-prior", type=float, default=0.0, metavar="SHARE",
        help="of a clip's own noise, 0 to 1 (default 0; 0.1 to 0.5 suits motions of one clip)",
    )  # fmt: skip
    prior.add_argument("--prior-clip", metavar="VIDEO", help="the clip (default: one of the run's cached latents)")
    prior.add_argument("--prior-cache", metavar="FOLDER", help="folder of cached latents")
    prior.add_argument(
        "--keep-variance",
        action="store_true",
        help="do not restore the deviation of a prior that is resized, as published",
    )
    more = parser.add_argument_group("running")
    more.add_argument("--tile", action="store_true", help="videos of a batch side by side in one file, as published")
    more.add_argument(
        "--gif", action="store_true", help="also write a .gif, as the published script for two adapters does"
    )
    more.add_argument("-x", "--xformers", action="store_true", help="changes nothing: PyTorch's own attention is used")
    more.add_argument("-S", "--sdp", action="store_true", help="changes nothing: PyTorch's own attention is used")
    add_running(more, "-d")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Sample and write."""
    from ..sampling import check_settings

    for name, why in {
        "lora_rank": "changes nothing: the file tells the rank.",
        "xformers": "changes nothing: PyTorch's own attention is used.",
        "sdp": "changes nothing: PyTorch's own attention is used.",
    }.items():
        if name in arguments.given:
            log.warning("%s %s", arguments.given[name], why)
    _check(arguments)
    places = _adapters(arguments)
    device = chosen_device(arguments.device)
    seed = random.randint(100, 10_000_000) if arguments.seed is None else arguments.seed
    with display("Loading the base") as shown:
        base = load(arguments.model, device, arguments.precision, arguments.memory, shown)
        settings = _settings(arguments, base, seed)
        check_settings(settings)
        runtime = shown_runtime(shown, device)
        inversion = _inversion(arguments, base, settings, places, runtime) if settings.noise_prior > 0 else None
        shown.stage("Loading the adapters")
        motion = next((s for s in (arguments.lora_scale, arguments.temporal_path_scale) if s is not None), 1.0)
        appearance = 1.0 if arguments.spatial_path_scale is None else arguments.spatial_path_scale
        lora = _adapted(base, places, motion, appearance, arguments.appearance_index) if places else None
        for path in _sampled(arguments, base, settings, lora, inversion, runtime, shown):
            shown.line(str(path))


def _check(arguments: argparse.Namespace) -> None:
    from ...video.write import check_output

    check_output("a.mp4", arguments.fps)
    if arguments.gif:
        check_output("a.gif", arguments.fps)
    if arguments.repeat_num < 1:
        raise DisMoError(f"--repeat_num must be at least 1, not {arguments.repeat_num}.")
    if arguments.noise_prior == 0:
        refuse(
            arguments, ("prior_clip", "prior_cache", "keep_variance"), "is for a noise prior: give --noise_prior, too."
        )
    if arguments.prior_clip:
        refuse(arguments, ["prior_cache"], "does not go with --prior-clip: give one of the two.")
    own, other = arguments.checkpoint_folder is not None, arguments.temporal_path_folder is not None
    if own:
        both = "does not go with --checkpoint_folder: both name a motion adapter."
        refuse(arguments, ("temporal_path_folder", "temporal_path_scale"), both)
    else:
        refuse(arguments, ("checkpoint_index", "lora_scale"), "is for --checkpoint_folder.")
    if not (own or other):
        refuse(arguments, ("temporal_path_scale", "motion_from", "motion_until"), "is for a motion adapter: give one.")
    if arguments.spatial_path_folder is None:
        refuse(
            arguments, ("spatial_path_scale", "appearance_index"), "is for an appearance adapter: give one with -slp."
        )
    if arguments.batch_size == 1:
        refuse(arguments, ["tile"], "is for several videos: give --batch-size, too.")


def _adapters(arguments: argparse.Namespace) -> dict[str, Path]:
    """Part -> file."""
    from ..adapter_file import find_adapter

    found = {}
    if arguments.checkpoint_folder is not None:
        place = Path(arguments.checkpoint_folder)
        if arguments.checkpoint_index is not None:
            place = place / f"checkpoint-{arguments.checkpoint_index}"
        found["motion"] = find_adapter(place, "motion")
    if arguments.temporal_path_folder is not None:
        found["motion"] = find_adapter(arguments.temporal_path_folder, "motion")
    if arguments.spatial_path_folder is not None:
        found["appearance"] = find_adapter(arguments.spatial_path_folder, "appearance")
    return found


def _settings(arguments: argparse.Namespace, base: TextToVideoBase, seed: int) -> VideoSettings:
    from ...text_to_video.weights import SIZES
    from ..sampling import VideoSettings

    side = PUBLISHED_SIDE if base.name in SIZES else 0
    return VideoSettings(
        prompt=arguments.prompt,
        negative_prompt=arguments.negative_prompt,
        width=arguments.width or side,
        height=arguments.height or side,
        frames=arguments.num_frames,
        steps=arguments.num_steps,
        guidance=arguments.guidance_scale,
        seed=seed,
        batch=arguments.batch_size,
        noise_prior=arguments.noise_prior,
        renormalise=not arguments.keep_variance,
        motion_from=arguments.motion_from,
        motion_until=arguments.motion_until,
    )


def _adapted(
    base: TextToVideoBase, places: dict[str, Path], motion: float, appearance: float, index: int | None
) -> DualPathLoRA:
    """The adapters in the base, with their scales; of several appearance adapters the one called `index`, or their average."""
    from ..dual_path import DualPathLoRA

    lora = DualPathLoRA.from_files(base.unet, appearance=places.get("appearance"), motion=places.get("motion"))
    count = lora.appearances
    if index is not None and not 0 <= index < count:
        raise DisMoError(f"--appearance-index must be 0 to {count - 1} for this file, not {index}.")
    each = [appearance / count if index is None else appearance * (k == index) for k in range(count)]
    lora.set_scales(appearance=each or None, motion=motion if lora.has_motion else None)
    return lora


def _inversion(
    arguments: argparse.Namespace,
    base: TextToVideoBase,
    settings: VideoSettings,
    places: dict[str, Path],
    runtime: Runtime,
) -> Tensor:
    """The noise of the clip that the options name, or of one of the run's; which one goes by the seed."""
    from ..cache import FOLDER, cache_beside, encoded_clip, read_cache, with_inversion
    from ..clips import Size, video_clip

    runtime.stage("inverting the clip")
    if arguments.prior_clip:
        clip = video_clip(arguments.prior_clip, "", frames=settings.frames, fps=arguments.fps)
        own_width, own_height = base.size
        size = Size(settings.width or own_width, settings.height or own_height)
        cached = encoded_clip(base, clip, size)
    else:
        folder = arguments.prior_cache or ("motion" in places and cache_beside(places["motion"])) or None
        if folder is None:
            raise DisMoError(
                f"--noise_prior {settings.noise_prior:g} needs a clip, and no {FOLDER} lies beside the motion adapter. Give the clip with "
                "--prior-clip, or the folder with --prior-cache."
            )
        several = read_cache(folder)
        cached = several[settings.seed % len(several)]
    inversion = with_inversion(base, cached, runtime=runtime).inversion
    assert inversion is not None
    return inversion


def _sampled(
    arguments: argparse.Namespace,
    base: TextToVideoBase,
    settings: VideoSettings,
    lora: DualPathLoRA | None,
    inversion: Tensor | None,
    runtime: Runtime,
    shown: Display,
) -> Iterator[Path]:
    """The files, as they are written."""
    from dataclasses import replace

    import torch

    from ...video.write import write_video
    from ..runs import file_name
    from ..sampling import sample_videos

    for i in range(arguments.repeat_num):
        seed = settings.seed + i
        videos = list(sample_videos(base, replace(settings, seed=seed), lora, inversion=inversion, runtime=runtime))
        if arguments.tile:
            videos = [torch.cat(videos, dim=2)]
        for video in videos:
            for suffix in (".mp4", ".gif") if arguments.gif else (".mp4",):
                path = free_name(Path(arguments.output_dir), f"{file_name(settings.prompt)}_{seed}", suffix)
                write_video(path, video, arguments.fps)
                yield path


def free_name(folder: Path, stem: str, suffix: str) -> Path:
    """A file that is not there: the name itself, else with _2, _3, ... at its end."""
    number, path = 1, folder / f"{stem}{suffix}"
    while path.exists():
        number += 1
        path = folder / f"{stem}_{number}{suffix}"
    return path
