"""What the training commands do with their options."""

from __future__ import annotations

import argparse
import contextlib
import logging
import math
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from ...cli.given import refuse
from ...cli.options import chosen_device
from ...cli.progress import display
from ...cli.training_report import TrainingReport
from ...errors import DisMoError
from ...evaluation.fvd import load_i3d
from ...synthetic.moving_scenes import MovingScenes
from ...training.distributed import World, joined
from ...training.loop import Schedule
from ...training.share import Share
from ...weights.kinds import Kind
from ..folder import VideoFolder
from ..kinds import AUTOENCODER, CONTENT_MODEL, MOTION_MODEL
from ..lpips import load_lpips
from ..models.autoencoder import ContentMotionAutoencoder
from ..models.content_dit import ContentDiT
from ..models.dit import preset_sizes
from ..models.motion_dit import MotionDiT
from ..training.batches import DrawnSource, FolderSource
from ..training.latents import Encoder, spread
from ..training.recipes import PRESETS, Recipe
from ..training.run_files import find_trained, new_folder, newest_run
from ..training.stages import StageRun, train_autoencoder, train_content_model, train_motion_model
from ..training.start import begin_as_mean
from ..training.vae import FACTOR, latent_clips, load_vae, pixel_clips
from ..weights import load_autoencoder, load_content_model, load_motion_model

log = logging.getLogger(__name__)
KINDS = {"ae": AUTOENCODER, "motion": MOTION_MODEL, "content": CONTENT_MODEL}
LEAST = {
    "n_frames": 2, "embed_dim": 1, "global_batch_size": 1, "num_workers": 0, "log_every": 1, "ckpt_every": 1, "epochs": 1,
    "max_steps": 1, "global_seed": 0, "width": 1, "depth": 1, "heads": 1, "clips": 1,
}  # fmt: skip
UNITS = ("latent_mean", "latent_std")  # of a motion model
KEPT = (
    "data_path", "dataset_name", "mode", "image_size", "n_frames", "embed_dim", "scale_factor", "global_seed", "fold", "split",
    "motion_model_config", "keyframe_patch_size", "num_classes", "preset",
)  # fmt: skip


def train(arguments: argparse.Namespace) -> None:
    """Train a stage and say where its weights are."""
    stage: Kind = KINDS[arguments.stage]
    recipe = PRESETS[arguments.preset][stage]
    size = _checked(arguments)
    results = arguments.results_dir or Path(recipe.results)
    with joined(chosen_device(arguments.device)) as world:
        share = Share(arguments.global_batch_size or recipe.batch, world.rank, world.size)
        folder = _folder(arguments, results, stage, world)
        with _logged(folder, world), display("Reading the first clips") as shown:
            source = _source(arguments, recipe, share, size, folder)
            schedule = _schedule(arguments, recipe, len(source) // share.batch)
            report = TrainingReport(shown, {_name(stage): schedule.steps})
            autocast, scaled = _precision(arguments, world)
            vae = None if arguments.vae is None else load_vae(arguments.vae, world.device, autocast or torch.float32)
            run = StageRun(
                folder, source, share, schedule, arguments.global_seed, _options(arguments), world, autocast, scaled,
                arguments.wandb, arguments.save_every_minutes,
                partial(report, _name(stage)), shown.counter("Encoding the clips"), recipe.muon,
                None if arguments.i3d is None else load_i3d(arguments.i3d).to(world.device),
            )  # fmt: skip
            if vae is not None:
                scale = arguments.scale_factor
                run = replace(
                    run,
                    to_latents=partial(latent_clips, vae, scale=scale),
                    to_pixels=partial(pixel_clips, vae, scale=scale),
                )
            if world.main:
                log.info("Training %s in %s: %d steps of %d clips.", stage.what, folder, schedule.steps, share.batch)
            torch.manual_seed(arguments.global_seed)  # the start of the weights, alike in all processes
            path = _STAGES[arguments.stage](arguments, recipe, run, size, results)
    if world.main:
        print(f"{path}: the finished weights.")


def _train_autoencoder(
    arguments: argparse.Namespace, recipe: Recipe, run: StageRun, size: tuple[int, int], results: Path
) -> Path:
    perceptual = None
    if arguments.lpips is not None:
        perceptual = load_lpips(arguments.lpips, arguments.vgg16)
    else:
        refuse(arguments, ["vgg16"], "is for --lpips.")
        if run.world.main and arguments.mode == "pixel" and not recipe.decibels:
            log.info("No --lpips is given: the loss is L1 alone.")
    latent = arguments.mode == "latent"
    sizes = {"motion_channels": arguments.embed_dim, "channels": 4 if latent else 3, "mode": arguments.mode}
    model = ContentMotionAutoencoder(
        **{**sizes, **recipe.geometry, **_given(arguments, "width", "depth", "heads", "patch_size", "positions")}
    )
    patch = model.patch_size
    if size[0] % patch or size[1] % patch:
        raise DisMoError(
            f"--image-size {size[0]} {size[1]} cannot be cut into patches of {patch}: both must be multiples of it."
        )
    if arguments.autoencoder is not None:
        model = _begin(model, load_autoencoder(arguments.autoencoder), arguments.autoencoder)
    elif recipe.begun:
        begin_as_mean(model, arguments.n_frames, size[0] // patch, size[1] // patch)
    smooth = recipe.smooth if arguments.smooth is None else arguments.smooth
    if not smooth >= 0:
        raise DisMoError(f"--smooth must be 0 or more, not {smooth:g}.")
    recolored, stand_ins = (_share(arguments, recipe, name) for name in ("recolored", "stand_ins"))
    return train_autoencoder(run, model, perceptual, recipe.decibels, recolored, stand_ins, smooth)


def _share(arguments: argparse.Namespace, recipe: Recipe, name: str) -> float:
    """A share of the batches, of the recipe where it is not given."""
    given = getattr(arguments, name, None)
    share: float = getattr(recipe, name) if given is None else given
    if not 0 <= share <= 1:
        raise DisMoError(f"--{name.replace('_', '-')} must be 0 to 1, not {share:g}.")
    return share


def _train_motion(
    arguments: argparse.Namespace, recipe: Recipe, run: StageRun, size: tuple[int, int], results: Path
) -> Path:
    autoencoder = _loaded(arguments, AUTOENCODER, _found(arguments, AUTOENCODER, results))
    trained = None
    if arguments.motion_model is not None:
        trained = load_motion_model(arguments.motion_model, size=size, frames=arguments.n_frames)
    standard: dict[str, Any] = {}
    if trained is not None:  # in the units it was trained in
        standard = {name: trained.geometry[name] for name in UNITS if name in trained.geometry}
    elif recipe.standardised:
        encoder = Encoder(autoencoder.to(run.world.device).eval(), run.prepared)
        standard = dict(zip(UNITS, spread(run.source, encoder), strict=True))
    patch = arguments.keyframe_patch_size
    if "keyframe_patch_size" not in arguments.given:
        patch = recipe.geometry.get("content_patch_size", patch)
    model = MotionDiT(
        **{
            **_preset(arguments, recipe, "motion_model_config"),
            "content_patch_size": patch,
            "latent_size": (arguments.n_frames, (size[0] + size[1]) // autoencoder.patch_size),
            "channels": autoencoder.motion_channels,
            "content_size": size,
            "content_channels": autoencoder.channels,
            **standard,
        }
    )
    if trained is not None:
        model = _begin(model, trained, arguments.motion_model)
    stand_ins = _share(arguments, recipe, "stand_ins")
    return train_motion_model(run, model, autoencoder, _cache(arguments), arguments.sampling_steps, stand_ins)


def _train_content(
    arguments: argparse.Namespace, recipe: Recipe, run: StageRun, size: tuple[int, int], results: Path
) -> Path:
    autoencoder = _loaded(arguments, AUTOENCODER, _found(arguments, AUTOENCODER, results))
    classes = arguments.num_classes or len(run.source.classes)
    if classes < len(run.source.classes):
        raise DisMoError(f"--num-classes {classes} is fewer than the {len(run.source.classes)} classes of the data.")
    model = ContentDiT(
        **{
            **_preset(arguments, recipe, "content_model_config"),
            "image_size": size,
            "channels": autoencoder.channels,
            "num_classes": classes,
        }
    )
    if arguments.content_model is not None:
        model = _begin(model, load_content_model(arguments.content_model, size=size), arguments.content_model)
    motion_model = None
    try:
        found = _found(arguments, MOTION_MODEL, results)
    except DisMoError as problem:
        if arguments.motion_model is not None:
            raise
        log.info("Samples at checkpoints stand still: %s", problem)
    else:
        motion_model = _loaded(arguments, MOTION_MODEL, found)
    return train_content_model(run, model, autoencoder, motion_model, _cache(arguments), arguments.sampling_steps)


_STAGES = {"ae": _train_autoencoder, "motion": _train_motion, "content": _train_content}


def _checked(arguments: argparse.Namespace) -> tuple[int, int]:
    """(H, W) of what the models see, where the options go together."""
    drawn = arguments.preset == "drawn"
    if drawn:
        refuse(
            arguments,
            ["data_path", "fold", "split", "short", "epochs", "mode", "vae"],
            "does not go with --preset drawn, which draws clips of pixels.",
        )
    elif arguments.dataset_name.lower() == "webvid":
        raise DisMoError(
            "--dataset-name webvid is not supported, as published. Put the videos into a folder and give it: --data-path."
        )
    elif arguments.data_path is None:
        raise DisMoError("Give the folder of the videos: --data-path FOLDER; or draw clips: --preset drawn.")
    if not drawn:
        refuse(arguments, ["exchange"], "needs clips that move alike: --preset drawn.")
        refuse(arguments, ["clips"], "is for --preset drawn: of a folder every video is taken.")
    if arguments.mode == "latent" and arguments.vae is None:
        raise DisMoError(
            "--mode latent needs --vae FOLDER, a diffusers AutoencoderKL such as that of Stable Diffusion."
        )
    if arguments.mode == "pixel":
        refuse(arguments, ["vae", "scale_factor"], "is for --mode latent.")
    if arguments.stage != "ae" and not arguments.cache_latents:
        refuse(arguments, ["starts_per_clip"], "is for --cache-latents.")
    sizes = arguments.image_size * 2 if len(arguments.image_size) == 1 else arguments.image_size
    least = FACTOR if arguments.mode == "latent" else 1
    if len(sizes) != 2 or min(sizes) < 1 or any(side % least for side in sizes):
        raise DisMoError(
            f"--image-size takes height and width, multiples of {least}, not {' '.join(map(str, arguments.image_size))}."
        )
    if drawn and sizes[0] != sizes[1]:
        raise DisMoError(f"Drawn clips are squares: --image-size {sizes[0]} {sizes[1]} is none.")
    for name, low in LEAST.items():
        value = getattr(arguments, name)
        if value is not None and value < low:
            raise DisMoError(f"--{name.replace('_', '-')} must be at least {low}, not {value}.")
    if arguments.save_every_minutes is not None and not arguments.save_every_minutes > 0:
        raise DisMoError(f"--save-every-minutes must be above 0, not {arguments.save_every_minutes:g}.")
    return sizes[0] // least, sizes[1] // least


def _folder(arguments: argparse.Namespace, results: Path, stage: Kind, world: World) -> Path:
    """The folder of this run; an old one with --resume."""
    if arguments.resume is None:
        folder = new_folder(results, stage)
        world.wait()  # before the first process makes it
        return folder
    if arguments.resume != Path():
        if not arguments.resume.is_dir():
            raise DisMoError(f"--resume takes a run folder, which {arguments.resume} is not. Check its path.")
        given: Path = arguments.resume
        return given
    found = newest_run(results, stage)
    if found is None:
        raise DisMoError(
            f"There is no run of this stage with a checkpoint in {results} to go on with. Leave --resume out."
        )
    return found


@contextlib.contextmanager
def _logged(folder: Path, world: World) -> Iterator[None]:
    """Within it the library's log goes to the run's `log.txt`, too."""
    if not world.main:
        yield
        return
    folder.mkdir(parents=True, exist_ok=True)
    handler = logging.FileHandler(folder / "log.txt", encoding="utf-8")
    handler.setFormatter(logging.Formatter("[%(asctime)s] %(message)s"))
    library = logging.getLogger(__name__.split(".content_motion")[0])
    library.addHandler(handler)
    try:
        yield
    finally:
        library.removeHandler(handler)
        handler.close()


def _source(
    arguments: argparse.Namespace, recipe: Recipe, share: Share, size: tuple[int, int], folder: Path
) -> FolderSource | DrawnSource:
    if arguments.preset == "drawn":
        exchange = _share(arguments, recipe, "exchange")
        scenes = MovingScenes(size[0], arguments.global_seed)
        length = arguments.clips or DrawnSource.length
        return DrawnSource(scenes, arguments.n_frames, share, exchange, recipe.lively, length)
    factor = FACTOR if arguments.mode == "latent" else 1
    videos = VideoFolder(
        arguments.data_path, arguments.n_frames, (size[0] * factor, size[1] * factor), arguments.fold,
        arguments.split == "train", arguments.global_seed, arguments.short,
    )  # fmt: skip

    def left_out(reason: str) -> None:
        if share.rank == 0:
            folder.mkdir(parents=True, exist_ok=True)
            with (folder / "left_out.txt").open("a", encoding="utf-8") as file:
                file.write(f"{reason}\n")

    return FolderSource(videos, share, arguments.global_seed, arguments.num_workers, left_out)


def _schedule(arguments: argparse.Namespace, recipe: Recipe, steps_an_epoch: int) -> Schedule:
    schedule = recipe.schedule
    epochs = arguments.epochs or recipe.epochs
    steps = schedule.steps if epochs is None else epochs * steps_an_epoch
    steps = arguments.max_steps if epochs is None and arguments.max_steps else min(steps, arguments.max_steps or steps)
    every, log_every = arguments.ckpt_every or schedule.save_every, arguments.log_every or schedule.log_every
    if every % log_every:
        raise DisMoError(f"--ckpt-every {every} must be a multiple of --log-every {log_every}.")
    lr = schedule.lr if arguments.lr is None else arguments.lr
    if not 0 < lr < math.inf:
        raise DisMoError(f"--lr must be above 0, not {lr:g}.")
    return replace(schedule, steps=steps, lr=lr, save_every=every, log_every=log_every, draw_every=every)


def _precision(arguments: argparse.Namespace, world: World) -> tuple[torch.dtype | None, bool]:
    """Dtype of matrix products, and whether the loss is scaled."""
    wanted = arguments.precision
    if wanted == "auto":
        wanted = "bf16" if world.device.type == "cuda" else "fp32"
    return {"fp32": None, "bf16": torch.bfloat16, "fp16": torch.float16}[wanted], wanted == "fp16"


def _options(arguments: argparse.Namespace) -> dict[str, Any]:
    """What the checkpoints keep."""
    kept = {name: getattr(arguments, name) for name in KEPT if getattr(arguments, name, None) is not None}
    if arguments.preset == "drawn" or _given(arguments, "width", "depth", "heads"):
        kept.pop("motion_model_config", None)  # that would contradict the sizes
    kept["image_size"] = arguments.image_size * 2 if len(arguments.image_size) == 1 else arguments.image_size
    return {name: str(value) if isinstance(value, Path) else value for name, value in kept.items()}


def _given(arguments: argparse.Namespace, *names: str) -> dict[str, Any]:
    return {name: getattr(arguments, name) for name in names if getattr(arguments, name) is not None}


def _preset(arguments: argparse.Namespace, recipe: Recipe, config: str) -> dict[str, Any]:
    """Sizes of a transformer: of its named preset, or the recipe's, and what the options change."""
    named = preset_sizes(getattr(arguments, config))
    chosen = config in arguments.given
    return {
        **named,
        "table": "grid",
        **({} if chosen else recipe.geometry),
        **_given(arguments, "width", "depth", "heads"),
    }


def _cache(arguments: argparse.Namespace) -> int | None:
    return arguments.starts_per_clip if arguments.cache_latents else None


def _found(arguments: argparse.Namespace, stage: Kind, results: Path) -> Path:
    """The checkpoint of an earlier stage; what is taken is logged."""
    given = arguments.autoencoder if stage is AUTOENCODER else arguments.motion_model
    path, told = find_trained(stage, given, results, arguments.dataset_name, arguments.mode)
    log.info("%s: %s", _name(stage), told)
    return path


def _loaded(arguments: argparse.Namespace, stage: Kind, path: Path) -> Any:
    """The model of an earlier stage, which no option may contradict."""
    if stage is MOTION_MODEL:
        chosen = arguments.motion_model_config if "motion_model_config" in arguments.given else None
        return load_motion_model(path, preset=chosen)
    autoencoder = load_autoencoder(path)
    if "embed_dim" in arguments.given and arguments.embed_dim != autoencoder.motion_channels:
        raise DisMoError(
            f"--embed-dim {arguments.embed_dim} contradicts the autoencoder {path}, which has {autoencoder.motion_channels} motion "
            "channels. Leave the option out."
        )
    return autoencoder


def _name(stage: Kind) -> str:
    return stage.what.removeprefix("a ")


def _begin(model: Any, trained: Any, path: Path) -> Any:
    """The model with trained weights, which must be of its geometry."""
    if model.geometry != trained.geometry:
        other = {
            name: (trained.geometry.get(name), value)
            for name, value in model.geometry.items()
            if trained.geometry.get(name) != value
        }
        told = "; ".join(f"{name} is {theirs} there and {ours} here" for name, (theirs, ours) in other.items())
        raise DisMoError(f"The weights in {path} have another geometry: {told}. Give the same options.")
    model.load_state_dict(trained.state_dict())
    return model
