"""`dismo mimo train`: the tiny model on drawn figures, both stages on templates, and a check of these."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...cli.options import progress_runtime
from ...cli.processes import launched_processes
from ...cli.progress import display
from ...cli.training_options import add_run, changed_schedule, check_folder, device, precision
from ...cli.training_report import TrainingReport
from ...errors import DisMoError

if TYPE_CHECKING:
    from ..training.on_templates import StageRecipe

_DATA = "templates, folders of them, patterns, or text files that list them"
STEPS = {
    "encoder_steps": "autoencoder and image encoder",
    "stage1_steps": "the networks on pictures",
    "stage2_steps": "the motion modules on clips",
}


def add_parser(actions: Any) -> None:
    """Register the commands."""
    text = "train on templates, or the tiny model on drawn figures"
    parser: argparse.ArgumentParser = actions.add_parser("train", help=text, description=f"{text.capitalize()}.")
    commands = parser.add_subparsers(required=True, dest="train_command", metavar="COMMAND")
    _add_tiny(commands)
    for stage, about in (
        ("stage1", "all but the motion modules, on pictures"),
        ("stage2", "the motion modules, on clips"),
        ("lora", "low-rank updates of the attention, on pictures of one character"),
    ):
        _add_stage(commands, stage, about)
    check = commands.add_parser(
        "check",
        help="which templates cannot be trained on, and why",
        description="Name each template that cannot be trained on, and why.",
    )
    check.add_argument("data", nargs="+", metavar="TEMPLATES", help=_DATA)
    check.add_argument("--stage", choices=("stage1", "stage2"), default="stage1", help="to check for (default stage1)")
    _add_reading(check)
    check.set_defaults(run=run_check)


def _add_tiny(commands: Any) -> None:
    parser: argparse.ArgumentParser = commands.add_parser(
        "tiny",
        help="the tiny model, from nothing, on drawn figures",
        description="Train the tiny model from nothing on drawn figures: about 4 hours of one CPU core. Goes on where it was stopped.",
    )
    add_run(parser)
    parser.add_argument("--steps", type=int, metavar="N", help="steps of each stage, to try it out")
    for name, what in STEPS.items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=int, metavar="N", help=f"steps of {what}")
    parser.set_defaults(run=run_tiny)


def _add_stage(commands: Any, stage: str, about: str) -> None:
    parser: argparse.ArgumentParser = commands.add_parser(
        stage,
        help=about,
        description=f"Train {about} of templates. Goes on where it was stopped. Several GPUs: torchrun --nproc-per-node 4 -m dismo_core "
        f"mimo train {stage} ...",
    )
    add_run(parser)
    parser.add_argument("--data", nargs="+", required=True, metavar="TEMPLATES", help=_DATA)
    parser.add_argument(
        "--weights",
        type=Path,
        required=True,
        metavar="PLACE",
        help="what to begin with: folder of MIMO's weights or its YAML file, or a folder with Stable Diffusion 1.5, VAE and image encoder",
    )
    _add_reading(parser)
    if stage == "lora":
        parser.add_argument("--rank", type=int, help="of the updates (default 16)")
    parser.add_argument("--size", type=int, metavar="PX", help="width and height (default 512, of stage1 768)")
    parser.add_argument("--batch", type=int, metavar="CLIPS", help="of all processes together (default 1, of stage1 4)")
    parser.add_argument(
        "--steps", type=int, help="optimizer steps in all (default 30000, of stage2 10000, of lora 2000)"
    )
    parser.add_argument("--lr", type=float, help="peak learning rate (default 1e-5, of lora 1e-4)")
    parser.add_argument("--lr-warmup", dest="warmup", type=int, metavar="STEPS", help="of linear warm-up (default 100)")
    parser.add_argument("--average", type=float, metavar="DECAY", help="average the weights, for example 0.999")
    parser.add_argument("--accumulation", type=int, metavar="N", help="batches to a step (default 1)")
    parser.add_argument("--save-every", type=int, metavar="STEPS", help="between checkpoints (default 200)")
    parser.add_argument("--log-every", type=int, metavar="STEPS", help="between rows of the log (default 20)")
    parser.add_argument(
        "--gradient-checkpointing",
        action=argparse.BooleanOptionalAction,
        help="less memory, slower (default: stage1 no, the others yes)",
    )
    parser.add_argument(
        "--precision",
        choices=("auto", "bf16", "fp16", "fp32"),
        default="auto",
        help="of matrix products: auto (default) is bf16 on a GPU and fp32 on a CPU; fp16, with a scaled loss, for GPUs without bf16; "
        "weights that are trained stay fp32",
    )
    parser.add_argument(
        "--optimizer",
        choices=("adamw", "adamw8bit"),
        default="adamw",
        help="adamw8bit, with moments of 8 bits, needs bitsandbytes (default adamw)",
    )
    if stage != "lora":
        parser.add_argument(
            "--occlusion-channels",
            action="store_true",
            help="also tell the network what stands in front, as in the paper: 12 input channels; such weights work here only",
        )
    parser.add_argument(
        "--samples",
        action="store_true",
        help="draw samples.png at every checkpoint: frames of the first template, and what the networks make of them",
    )
    parser.add_argument("--device", help="cpu, cuda, mps (default: cuda where there is one)")
    parser.set_defaults(run=run_stage, stage=stage)


def _add_reading(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--frames", type=int, help="of a clip (default of stage2 24, else 1)")
    parser.add_argument("--stride", type=int, help="from one frame of a clip to the next (default 4)")
    parser.add_argument(
        "--apart", type=int, metavar="FRAMES", help="least distance of the reference (default 30; of stage2 0 = any)"
    )


def run_check(arguments: argparse.Namespace) -> None:
    """Print a line for each template."""
    from ..training.template_files import find_templates, problems

    reading = _reading(arguments)
    paths = find_templates(arguments.data)
    bad = 0
    for path in paths:
        found = problems(path, reading)
        bad += bool(found)
        print(f"{path}: {'; '.join(found) if found else 'good'}")
    print(f"{len(paths) - bad} of {len(paths)} templates can be trained on.")
    if bad:
        raise DisMoError(f"{bad} of {len(paths)} templates cannot be trained on. Mend them or leave them out.")


def run_tiny(arguments: argparse.Namespace) -> None:
    """Train and export."""
    if launched_processes() > 1:
        raise DisMoError("The tiny model is trained by one process. Start it without torchrun.")
    from ..training.export import export_whole
    from ..training.tiny import STEP_COSTS, TinyRecipe, train_tiny

    changes = {name: arguments.steps for name in STEPS if arguments.steps is not None}
    changes |= {name: getattr(arguments, name) for name in STEPS if getattr(arguments, name) is not None}
    for name, steps in changes.items():
        if steps < 1:
            raise DisMoError(f"--{name.replace('_', '-')} must be at least 1, not {steps}.")
    recipe = TinyRecipe(**changes, seed=_seed(arguments))
    check_folder(arguments)
    print(
        f"Training the tiny model on drawn figures in {arguments.out}: "
        f"{', '.join(f'{steps} steps of {name}' for name, steps in recipe.steps.items())}. "
        "Stop it with Ctrl-C and start it again to go on.",
        flush=True,
    )
    with display("Drawing the first figures") as shown:
        report = TrainingReport(shown, recipe.steps, STEP_COSTS)
        trained = train_tiny(arguments.out, recipe, report)
    for path in export_whole(*trained, arguments.out):
        print(f"Wrote {path}")


def run_stage(arguments: argparse.Namespace) -> None:
    """Check, encode, train, export."""
    import torch

    from ...training.distributed import joined
    from ...training.share import Share
    from ..load_pipeline import begun_networks, load_encoders, load_networks
    from ..lora import save_lora
    from ..models.denoising_unet import WITH_OCCLUSION
    from ..pipeline import RELEASED
    from ..training.examples import Encoders
    from ..training.export import export_beside
    from ..training.networks import Networks
    from ..training.on_templates import StageRun, train_stage
    from ..training.sheet import SampleSheet
    from ..training.template_files import find_templates, usable
    from ..training.template_latents import encode_templates, template_example
    from ..weight_layout import TO_BEGIN, find_layout

    recipe = _recipe(arguments)
    seed = _seed(arguments)
    where = device(arguments)
    autocast = precision(arguments, torch.device(where))
    layout = find_layout(arguments.weights, ("pretrained_vae_path", "image_encoder_path"))
    begun = "denoising_unet_path" in layout.paths
    if not begun:
        layout = find_layout(arguments.weights, TO_BEGIN)
    check_folder(arguments)
    paths = usable(find_templates(arguments.data), recipe.reading)
    with joined(where) as world:
        Share(recipe.batch, world.rank, world.size)  # refuses what cannot be divided before anything is loaded
        with progress_runtime("Loading the weights", str(world.device)) as runtime:
            torch.manual_seed(seed)  # of what begins new
            # frozen weights need no float32 where products are computed in less
            dtype = autocast if recipe.rank and autocast is not None else torch.float32
            channels = WITH_OCCLUSION if getattr(arguments, "occlusion_channels", False) else 8
            parts = load_networks(layout, dtype, channels) if begun else begun_networks(layout, channels)
            networks = Networks(*parts)
            encoders = Encoders(*load_encoders(layout, torch.float32), recipe.size, world.device)
            runtime.stage("encoding the templates")
            files = encode_templates(
                paths,
                encoders,
                recipe.reading,
                arguments.out / "latents",
                lambda done, total: runtime.progress(done, total, None),
                occlusions=networks.denoising_unet.conv_in.in_channels == WITH_OCCLUSION,
                world=world,
            )
        with display(f"Training {arguments.stage}") as shown:
            report = TrainingReport(shown, {arguments.stage: recipe.schedule.steps})

            def progress(done: int, total: int, row: Any) -> None:
                report(arguments.stage, done, total, row)

            sheet = None
            if arguments.samples:
                sheet = SampleSheet(encoders, [template_example(paths[0], recipe.reading)], RELEASED[1], autocast)
            run = StageRun(arguments.stage, recipe, arguments.out, files, seed, world, autocast, progress, sheet)
            train_stage(networks, run)
    if not world.main:
        return
    if recipe.rank:
        save_lora(networks, arguments.out / "lora.safetensors")
        print(f"Wrote {arguments.out / 'lora.safetensors'}")
        return
    for path in export_beside(networks, layout, arguments.out):
        print(f"Wrote {path}")


def _recipe(arguments: argparse.Namespace) -> StageRecipe:
    """The stage's numbers, with what the options change."""
    from ...training.optimizers import check_optimizer
    from ..training.on_templates import RECIPES

    recipe = RECIPES[arguments.stage]
    checkpointing = arguments.gradient_checkpointing
    recipe = replace(
        recipe,
        reading=_reading(arguments),
        schedule=changed_schedule(recipe.schedule, arguments),
        size=recipe.size if arguments.size is None else arguments.size,
        batch=recipe.batch if arguments.batch is None else arguments.batch,
        checkpointing=recipe.checkpointing if checkpointing is None else checkpointing,
        optimizer=arguments.optimizer,
        rank=recipe.rank if getattr(arguments, "rank", None) is None else arguments.rank,
    )
    if arguments.stage == "lora" and recipe.rank < 1:
        raise DisMoError(f"--rank must be at least 1, not {recipe.rank}.")
    if recipe.batch < 1 or recipe.size < 8 or recipe.size % 8:
        raise DisMoError(
            f"--batch must be at least 1 and --size a multiple of 8, not {recipe.batch} and {recipe.size}."
        )
    check_optimizer(recipe.optimizer)
    return recipe


def _reading(arguments: argparse.Namespace) -> Any:
    from ..training.on_templates import RECIPES

    changes = {name: value for name in ("frames", "stride", "apart") if (value := getattr(arguments, name)) is not None}
    reading = replace(RECIPES[arguments.stage].reading, **changes)
    if reading.frames < 1 or reading.stride < 1 or reading.apart < 0:
        raise DisMoError(
            f"--frames and --stride must be at least 1 and --apart 0, not {reading.frames}, {reading.stride}, {reading.apart}."
        )
    return reading


def _seed(arguments: argparse.Namespace) -> int:
    seed: int = 0 if arguments.seed is None else arguments.seed
    if not 0 <= seed < 100_000_000:
        raise DisMoError(f"--seed must be 0 to 99999999, not {seed}.")
    return seed
