"""`dismo motiondirector inspect | convert | merge`: files of adapters."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...cli.given import refuse
from ...cli.progress import display
from ...errors import DisMoError
from .base_options import load

if TYPE_CHECKING:
    from ...text_to_video.base import TextToVideoBase
    from ..adapter_file import AdapterFile
    from ..dual_path import DualPathLoRA


def add_inspect(actions: Any) -> None:
    """Register `inspect`."""
    parser: argparse.ArgumentParser = actions.add_parser(
        "inspect", help="what a file of adapters is, and how strong it is"
    )
    parser.add_argument("file", type=Path, metavar="FILE", help="an adapter")
    _add_base(parser)
    parser.add_argument(
        "--probe", type=Path, metavar="PNG", help="also sample 8 steps on the base, and draw where points go, beside the base alone"
    )  # fmt: skip
    parser.add_argument("-p", "--prompt", help="of --probe (default: the one that the adapter learned)")
    parser.add_argument("--overwrite", action="store_true", help="replace an existing picture")
    parser.add_argument("--device", help="of --probe: cpu, cuda, mps (default: a GPU where there is one)")
    parser.set_defaults(run=inspect)


def add_convert(actions: Any) -> None:
    """Register `convert`."""
    parser: argparse.ArgumentParser = actions.add_parser(
        "convert",
        help="between .pt as published and .safetensors with names",
        description="Write an adapter in the other format. The published scripts read .pt, and of appearance adapters a single one.",
    )
    parser.add_argument("source", type=Path, metavar="IN", help=".pt or .safetensors")
    parser.add_argument("target", type=Path, metavar="OUT", help=".safetensors or .pt")
    parser.add_argument("--index", type=int, metavar="K", help="take one of several appearance adapters")
    parser.add_argument("--sum", action="store_true", help="several as one: their exact average")
    parser.add_argument("--overwrite", action="store_true", help="replace an existing file")
    _add_base(parser)
    parser.set_defaults(run=convert)


def add_merge(actions: Any) -> None:
    """Register `merge`."""
    parser: argparse.ArgumentParser = actions.add_parser(
        "merge",
        help="two adapters of one part as one",
        description="Add two adapters. Without --rank the sum is exact, its rank the sum of both; with --rank it is the nearest of that "
        "rank, and the share of the sum that it keeps is printed.",
    )
    parser.add_argument("first", type=Path, metavar="A", help="an adapter")
    parser.add_argument("second", type=Path, metavar="B", help="another, of the same part and base")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="OUT", help=".safetensors or .pt")
    parser.add_argument(
        "--scale", type=float, nargs=2, default=(1.0, 1.0), metavar=("A", "B"), help="of each (default 1 1)"
    )
    parser.add_argument("--rank", type=int, default=0, help="of the result (default 0: the exact sum)")
    parser.add_argument("--overwrite", action="store_true", help="replace an existing file")
    _add_base(parser)
    parser.set_defaults(run=merge)


def inspect(arguments: argparse.Namespace) -> None:
    """Print facts and norms."""
    from rich.console import Console
    from rich.table import Table

    from ...files import check_free
    from ..inspect_file import SAID, inspect_adapter

    if arguments.probe is None:
        refuse(arguments, ("prompt", "overwrite", "device"), "is for --probe.")
    else:
        check_free(arguments.probe, overwrite=arguments.overwrite)
    file = _read(arguments.file, arguments.base)
    found = inspect_adapter(file)
    console = Console()
    adapters = f"{found.count} adapters" if found.count > 1 else "one adapter"
    console.print(f"{arguments.file}: {found.part}, {adapters} of rank {found.rank}", soft_wrap=True, highlight=False)
    console.print(f"base: {found.base}", soft_wrap=True, highlight=False)
    for key, value in sorted(file.metadata.items()):
        if key not in SAID:
            console.print(f"{key}: {value}", soft_wrap=True, highlight=False, markup=False)
    table = Table("block", *(f"norm {k}" if found.count > 1 else "norm" for k in range(found.count)))
    for block, norms in found.norms.items():
        table.add_row(block, *(f"{norm:.4g}" for norm in norms))
    console.print(table)
    if not any(norm for norms in found.norms.values() for norm in norms):
        console.print("All updates are zero: this adapter changes nothing.")
    if arguments.probe is not None:
        _probe(arguments, file)


def _probe(arguments: argparse.Namespace, file: AdapterFile) -> None:
    from ...cli.libraries import require_libraries
    from ...cli.options import chosen_device, shown_runtime
    from ...video.sheets import save_picture
    from ..probe import probe_motion

    if file.part != "motion":
        raise DisMoError(f"--probe shows a motion, and {arguments.file} is an {file.part} adapter.")
    require_libraries("cv2")
    prompt = file.metadata.get("prompt", "").partition(" | ")[0] if arguments.prompt is None else arguments.prompt
    device = chosen_device(arguments.device)
    with display("Loading the base") as shown:
        base = load(arguments.base or "tiny", device, "auto", "auto", shown)
        picture = probe_motion(base, _lora(base, arguments.file), prompt, runtime=shown_runtime(shown, device))
        save_picture(picture, arguments.probe, overwrite=arguments.overwrite)
        shown.line(f"{arguments.probe}: where points go, with the adapter on the left, without it on the right.")


def convert(arguments: argparse.Namespace) -> None:
    """Write in the other format."""
    from ..adapter_file import write_adapter
    from ..merge import one_adapter, sum_adapters

    if arguments.index is not None:
        refuse(arguments, ["sum"], "does not go with --index: it takes one of them.")
    file = _read(arguments.source, arguments.base)
    if file.count == 1:
        refuse(arguments, ("sum", "index"), f"is for several adapters, and {arguments.source} holds one.")
    if arguments.index is not None:
        file = one_adapter(file, arguments.index)
    elif arguments.sum:
        file = sum_adapters(file)
    write_adapter(file, arguments.target, overwrite=arguments.overwrite)
    print(f"{arguments.target}: {file.part}, {file.count} of rank {file.rank}.")
    if file.count > 1 and arguments.target.suffix == ".pt":
        print("The published scripts read a single appearance adapter: take one with --index, or all with --sum.")


def merge(arguments: argparse.Namespace) -> None:
    """Write the sum."""
    from ..adapter_file import write_adapter
    from ..merge import merge_adapters

    files = [_read(path, arguments.base) for path in (arguments.first, arguments.second)]
    merged = merge_adapters(files, arguments.scale, arguments.rank)
    write_adapter(merged.file, arguments.output, overwrite=arguments.overwrite)
    kept = f", {100 * merged.kept:.2f} % of the sum" if arguments.rank else ", the exact sum"
    print(f"{arguments.output}: {merged.file.part} of rank {merged.file.rank}{kept}.")


def _lora(base: TextToVideoBase, path: Path) -> DualPathLoRA:
    from ..dual_path import DualPathLoRA

    return DualPathLoRA.from_files(base.unet, motion=path)


def _add_base(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--base", help="diffusers folder that a .pt file is for, where it is none of the published bases"
    )


def _read(path: Path, base: str | None) -> AdapterFile:
    from ...text_to_video.base import empty_unet
    from ..adapter_file import read_adapter

    if not path.is_file():
        raise DisMoError(f"There is no file {path}. Check the path of the adapter.")
    return read_adapter(path, None if base is None else empty_unet(base))
