"""`dismo demo-t2v train`: the motion half on videos with captions, by the published YAML and JSON, or the small one on drawn clips."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...cli.given import refuse
from ...cli.options import chosen_device, shown_runtime
from ...cli.processes import launched_processes
from ...cli.progress import display
from ...cli.training_report import TrainingReport
from ...errors import DisMoError

if TYPE_CHECKING:
    from ..config import TrainConfig
    from ..models.unet import UNet
    from ..training.captioned_videos import CaptionedVideo

OF_DRAWN = ("first_steps", "short_steps", "steps", "seed")
FINISHED = "model"  # folder within that of the run


def add_train(actions: Any) -> None:
    """Register `train`."""
    parser: argparse.ArgumentParser = actions.add_parser(
        "train",
        help="train the motion half on videos with captions",
        description="Train motion modules and motion encoder. A run that was stopped goes on. KEY VALUE pairs replace entries of the YAML. "
        "Several GPUs: start it by torchrun. --drawn makes the small weights that come with this version again.",
    )
    parser.add_argument("--cfg", metavar="YAML", help="the published configuration, or your own of its kind")
    parser.add_argument(
        "--drawn",
        action="store_true",
        help="on drawn clips, from the bundled text-to-video base; about two hours of one CPU core",
    )
    parser.add_argument(
        "--out", type=Path, metavar="FOLDER", help="of the run (default: workspace/ and the name of the YAML)"
    )
    parser.add_argument("--device", help="cpu, cuda, mps (default: a GPU where there is one); drawn clips: the CPU")
    drawn = parser.add_argument_group("with --drawn")
    drawn.add_argument(
        "--first-steps", type=int, metavar="N", help="optimizer steps with clips of 8 frames and a few moves"
    )
    drawn.add_argument("--short-steps", type=int, metavar="N", help="optimizer steps after them, with all moves")
    drawn.add_argument("--steps", type=int, metavar="N", help="optimizer steps after those, with 16 frames")
    drawn.add_argument("--seed", type=int, metavar="N", help="of everything that is drawn (default 0)")
    parser.add_argument("pairs", nargs="*", metavar="KEY VALUE", help="entries that replace those of the YAML")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Train; what is missing is said before anything is loaded."""
    if (arguments.cfg is not None) == arguments.drawn:
        raise DisMoError("Give --cfg FILE, a configuration of videos to learn from, or --drawn, and not both.")
    if arguments.drawn:
        refuse(arguments, ("device",), "has no part in training on drawn clips, which runs on the CPU.")
        _train_drawn(arguments)
        return
    refuse(arguments, OF_DRAWN, "belongs to --drawn.")
    import torch

    from ...training.distributed import joined
    from ..config import read_train_config
    from ..loading import read_autoencoder
    from ..tower_files import read_image_tower, read_text_tower
    from ..training.demo_training import DemoTraining
    from ..training.flow import raft_flow
    from ..training.motion_half import LossWeights
    from ..training.train_motion import train_motion

    config = read_train_config(arguments.cfg, arguments.pairs)
    training = DemoTraining(**config.training, weights=LossWeights(**config.losses))
    videos = _videos(config)
    lacking = [
        part for part in ("unet", "content_encoder", "autoencoder") if not Path(config.weights.get(part, "")).exists()
    ]
    if lacking:
        raise DisMoError(
            f"The configuration names no file for {', '.join(lacking)} that is there. Correct its `pretrained` entries."
        )
    paths = {part: Path(path) for part, path in config.weights.items()}
    device = chosen_device(arguments.device)
    with display("Loading DEMO") as shown, joined(device, config.sharded, config.offload) as world:
        flow = raft_flow(config.flow, world.device) if training.weights.text_motion else None
        content = read_text_tower(paths["content_encoder"], torch.float32)
        own = paths.get("motion_encoder")
        motion = read_text_tower(own if own is not None and own.exists() else paths["content_encoder"], torch.float32)
        image = read_image_tower(paths["content_encoder"]).to(world.device) if training.weights.regularization else None
        unet = _unet(paths["unet"])
        autoencoder = read_autoencoder(paths["autoencoder"], torch.float32).to(world.device)
        shown.stage("Training")
        train_motion(
            arguments.out or config.folder, unet, motion, videos, autoencoder, content.to(world.device), training,
            image_tower=image, flow=flow, cache=config.cache, world=world, runtime=shown_runtime(shown, str(world.device)),
            caching=shown.progress, autocast=_autocast(config.half, world.device),
        )  # fmt: skip
        if world.main:
            shown.line(str((arguments.out or config.folder) / "checkpoints"))


def _train_drawn(arguments: argparse.Namespace) -> None:
    """Train and export."""
    if launched_processes() > 1:
        raise DisMoError("On drawn clips one process trains. Start it without torchrun.")
    from ..training.drawn import DrawnRecipe, export_drawn, train_drawn

    if arguments.pairs:
        raise DisMoError(
            f"KEY VALUE pairs replace entries of a YAML; --drawn has none. Leave {' '.join(arguments.pairs)} out."
        )
    given = {name: getattr(arguments, name) for name in OF_DRAWN if getattr(arguments, name) is not None}
    recipe = replace(DrawnRecipe(), **given)
    for name in ("first_steps", "short_steps", "steps"):
        if getattr(recipe, name) < 1:
            raise DisMoError(f"--{name.replace('_', '-')} must be at least 1, not {getattr(recipe, name)}.")
    folder = arguments.out or Path("workspace/demo_tiny")
    stages = recipe.stages()
    steps = {name: stage.training.steps for name, stage in stages.items()}
    costs = {name: float(stage.training.frames) for name, stage in stages.items()}
    with display("Reading the base") as shown:
        half = train_drawn(folder, recipe, TrainingReport(shown, steps, costs))
    for path in export_drawn(half, folder / FINISHED):
        print(f"Wrote {path}")


def _videos(config: TrainConfig) -> Sequence[CaptionedVideo]:
    from ..training.captioned_videos import ShardVideos, videos_of_folder, videos_of_table

    if config.shards is not None:
        return ShardVideos([config.shards])
    if config.videos is None:
        raise DisMoError(
            "The configuration names no videos: give train_dataset.video_folder with train_dataset.csv_path, or alone, or "
            "train_dataset.shards."
        )
    return videos_of_folder(config.videos) if config.table is None else videos_of_table(config.table, config.videos)


def _unet(path: Path) -> UNet:
    """DEMO's own UNet, or a base with motion modules put in."""
    import torch

    from ...weights.unwrapped import read_unwrapped
    from ..loading import read_base_unet, read_unet
    from ..weights import MOTION_MARK

    if not path.is_dir() and MOTION_MARK in read_unwrapped(path).tensors:
        return read_unet(path, torch.float32)[0]
    return read_base_unet(path)


def _autocast(half: bool, device: Any) -> Any:
    """bfloat16 on a GPU that has it, else float16 with a scaled loss; nothing on a CPU."""
    import torch

    if not half or device.type != "cuda":
        return None
    return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float16
