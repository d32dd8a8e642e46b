"""`dismo demo-t2v generate`: clips of one prompt or of a table, by the published YAML or by options."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from ...cli.given import refuse
from ...cli.options import chosen_device, shown_runtime
from ...cli.processes import is_one_of_several, run_in_processes
from ...cli.progress import display
from ...errors import DisMoError
from .running import add_running, load

if TYPE_CHECKING:
    from ..config import GenerateConfig
    from ..prompt_table import Row
    from ..table_run import TableSettings


def add_generate(actions: Any) -> None:
    """Register `generate`."""
    parser: argparse.ArgumentParser = actions.add_parser(
        "generate",
        help="make clips of a prompt or of a table of prompts",
        description="Make clips. KEY VALUE pairs replace entries of the YAML, such as: batch_size 1 infer_dataset.repeat_times 2",
    )
    parser.add_argument("--cfg", metavar="YAML", help="the published configuration, or your own of its kind")
    parser.add_argument("--prompt", help="what is seen; instead of a table")
    parser.add_argument("--motion-prompt", default="", metavar="TEXT", help="how it moves (default: the prompt)")
    parser.add_argument(
        "--negative-motion", metavar="TEXT", help="how it should not move (default: the negative prompt)"
    )
    parser.add_argument(
        "--motion-guidance",
        type=float,
        metavar="SCALE",
        help="how closely to follow the motion prompt (default: as guide_scale)",
    )
    parser.add_argument(
        "--motion-strength", metavar="FACTOR", default="1",
        help="how much the motion modules do: 1 (default), 0 = the base; 0,1 rises over the steps",
    )  # fmt: skip
    parser.add_argument(
        "--overflow", choices=("join", "cut"), default="join",
        help="of prompts with commas and without quotes: join (default) puts them together, cut does as published",
    )  # fmt: skip
    parser.add_argument("--resume", action="store_true", help="skip clips that are there already")
    parser.add_argument(
        "--devices",
        metavar="LIST",
        help="several GPUs, such as 0,2, or devices, such as cpu,cpu; or start it by torchrun",
    )
    add_running(parser)
    parser.add_argument("pairs", nargs="*", metavar="KEY VALUE", help="entries that replace those of the YAML")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Make the clips; what is not possible is said before anything is loaded."""
    from ..config import read_generate_config

    config = read_generate_config(arguments.cfg, arguments.pairs)
    rows, settings = _rows(arguments, config), _settings(arguments, config)
    if arguments.devices is None:
        _generate(arguments, config, rows, settings, chosen_device(arguments.device))
        return
    refuse(arguments, ["device"], "does not go with --devices: give one of the two.")
    _on_devices(arguments, config, rows, settings)


def _rows(arguments: argparse.Namespace, config: GenerateConfig) -> list[Row]:
    from ..prompt_table import Row, read_table

    if arguments.prompt is not None:
        refuse(arguments, ["overflow"], "is for a table: leave --prompt out.")
        return [Row(arguments.prompt, arguments.motion_prompt)]
    refuse(arguments, ["motion_prompt"], "goes with --prompt; in a table it is the column motion_prompt.")
    if config.table is None:
        raise DisMoError(
            "There is nothing to make: give --prompt, or a table as infer_dataset.csv_path in the YAML of --cfg."
        )
    return read_table(config.table, arguments.overflow)


def _settings(arguments: argparse.Namespace, config: GenerateConfig) -> TableSettings:
    from ..table_run import TableSettings

    return TableSettings(
        repeat=config.repeat,
        batch=config.batch,
        seed=config.seed,
        steps=config.steps,
        guidance=config.guidance,
        motion_guidance=arguments.motion_guidance,
        motion_strength=numbers(arguments.motion_strength, "--motion-strength"),
        negative_prompt=config.negative_prompt,
        negative_motion=arguments.negative_motion,
        size=config.size,
        frames=config.frames,
        decoded_at_once=config.decoder_batch,
    )


def numbers(text: str, option: str) -> float | tuple[float, ...]:
    """One number, or several with commas between.

    Raises:
        DisMoError: something else.
    """
    try:
        found = tuple(float(part) for part in text.split(","))
    except ValueError as error:
        raise DisMoError(
            f"{option} is {text!r}; it is a number, or numbers with commas between, such as 0,1."
        ) from error
    return found[0] if len(found) == 1 else found


def _generate(
    arguments: argparse.Namespace, config: GenerateConfig, rows: list[Row], settings: TableSettings, device: str
) -> None:
    from ...training.distributed import joined
    from ..table_run import finish_table, jobs_of, run_table

    with joined(device) as world:
        where = str(world.device)
        precision = (
            "fp16"
            if config.half and arguments.precision == "auto" and world.device.type == "cuda"
            else arguments.precision
        )
        with display("Loading DEMO") as shown:
            model = load(arguments.weights, dict(config.weights), where, precision, arguments.memory, shown)
            problems = run_table(
                model, rows, settings, config.folder, resume=arguments.resume, share=slice(world.rank, None, world.size),
                runtime=shown_runtime(shown, where), made=lambda path: shown.line(str(path)),
            )  # fmt: skip
            world.wait()
            if world.main:
                shown.stage("Writing the index")
                finish_table(jobs_of(rows, settings, model), config.folder)
        if problems:
            raise DisMoError(
                f"{len(problems)} of the clips were not made. " + " ".join(f"{problem}." for problem in problems)
            )


def _on_devices(
    arguments: argparse.Namespace, config: GenerateConfig, rows: list[Row], settings: TableSettings
) -> None:
    """A process on each device; in each of them this is called again."""
    names = [name.strip() for name in arguments.devices.split(",") if name.strip()]
    kinds = {"cuda" if name.isdigit() else name.partition(":")[0] for name in names}
    if len(kinds) != 1:
        raise DisMoError(
            f"--devices is {arguments.devices!r}; give numbers of GPUs, such as 0,2, or devices of one kind."
        )
    (kind,) = kinds
    if is_one_of_several():
        _generate(arguments, config, rows, settings, kind)
        return
    visible = {"CUDA_VISIBLE_DEVICES": ",".join(name.rpartition(":")[2] for name in names)} if kind == "cuda" else {}
    run_in_processes(arguments.words, len(names), environment=visible)
