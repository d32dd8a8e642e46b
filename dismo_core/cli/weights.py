"""`dismo weights`: what is installed; download, check and convert weights."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ..errors import DisMoError
from .hints import HINTS
from .options import check_input
from .progress import display


def add_parser(subparsers: Any) -> None:
    """Register the command."""
    text = "list, download, check and convert weights"
    parser: argparse.ArgumentParser = subparsers.add_parser("weights", help=text, description=f"{text.capitalize()}.")
    parser.set_defaults(run=show)
    actions = parser.add_subparsers(metavar="ACTION", title="actions", description="without one: list")

    listing = actions.add_parser("list", help="what is installed, and what can be downloaded")
    listing.set_defaults(run=show)

    get = actions.add_parser(
        "download",
        help="fetch released weights or the base model; goes on where it was cut off",
        description="Fetch from the Hugging Face hub. Respects HF_TOKEN, HF_ENDPOINT and HF_HUB_OFFLINE.",
    )
    get.add_argument("name", metavar="NAME", help="one of those that `dismo weights list` shows")
    get.add_argument(
        "--to", type=Path, metavar="DIR", help="folder (default: the one that DISMO_WEIGHTS names, else ~/.cache/dismo)"
    )
    get.set_defaults(run=download)

    check = actions.add_parser(
        "verify",
        help="check files: checksum, tensor names and shapes",
        description="Check weight files, or folders of a base model. Without any: what is bundled and what was downloaded.",
    )
    check.add_argument("files", nargs="*", type=Path, metavar="FILE")
    check.set_defaults(run=verify)

    change = actions.add_parser(
        "convert",
        help="write a .pt file as safetensors, or back",
        description="Write the tensors of a .pt, .pth or .bin file as safetensors, unchanged; code in the file is never run. Safetensors "
        "are written as .pt, .pth or .bin likewise.",
    )
    change.add_argument("source", type=Path, metavar="IN.pt")
    change.add_argument("target", type=Path, metavar="OUT.safetensors")
    change.add_argument("--overwrite", action="store_true", help="replace an existing file")
    change.set_defaults(run=convert)


def show(arguments: argparse.Namespace) -> None:
    """Print the tables; a damaged or missing bundled file is an error after them."""
    from rich.console import Console
    from rich.table import Table

    from ..weights.files import sha256
    from ..weights.load import bundled_checksum
    from ..weights.manifest import default_folder, readable

    registry = filled_registry()
    console = Console()
    bundled, bad = Table("size", "sha256", "state", "file"), []
    for name, path in registry.BUNDLED.items():
        if not path.is_file():
            state, size, digest = "missing", "", ""
        else:
            digest = sha256(path)
            state = "ok" if digest == bundled_checksum(path) else "damaged"
            size = readable(path.stat().st_size)
        if state != "ok":
            bad.append(name)
        bundled.add_row(size, digest[:16], state, path.name)
    console.print(bundled)
    folders = sorted({str(path.parent) for path in registry.BUNDLED.values()})
    console.print(f"bundled, in {', '.join(folders)}", soft_wrap=True)

    released, folder = Table("size", "state", "name"), default_folder()
    for name, file in registry.RELEASED.items():
        released.add_row(readable(file.size), "there" if (folder / file.path).is_file() else "not there", name)
    for name, model in registry.BASES.items():
        there = (folder / name / "model_index.json").is_file()
        released.add_row(f"about {readable(model.size)}", "there" if there else "not there", name)
    for name, collection in registry.COLLECTIONS.items():
        there = any((folder / name / part.name).is_dir() for part in collection)
        released.add_row(", ".join(part.repo for part in collection), "there" if there else "not there", name)
    console.print(released)
    console.print(f"to download (`dismo weights download NAME`), into {folder}", soft_wrap=True)
    for name, licence in licences(registry).items():
        console.print(f"{name}: {licence}", soft_wrap=True, highlight=False)
    if bad:
        raise DisMoError(f"Bundled weights are missing or damaged: {', '.join(bad)}. Install the pack again.")


def download(arguments: argparse.Namespace) -> None:
    """Fetch one of the released files, or a base model."""
    from huggingface_hub.utils import disable_progress_bars  # type: ignore[attr-defined]

    from ..weights.hub import fetch, fetch_base, fetch_folder
    from ..weights.manifest import default_folder

    disable_progress_bars()  # one of our own is shown
    registry = filled_registry()
    folder, name = arguments.to or default_folder(), arguments.name
    if name not in (names := licences(registry)):
        raise DisMoError(f"There are no weights called {name!r} to download; there are: {', '.join(names)}.")
    if name in registry.BASES:
        model = registry.BASES[name]
        print(f"{model} from {model.repo}")
        with display("Downloading", unit="bytes") as shown:
            path = fetch_base(model, folder / name, shown.progress)
    elif name in registry.COLLECTIONS:
        path = folder / name
        for part in registry.COLLECTIONS[name]:
            print(f"{part} from {part.repo}")
            with display("Downloading", unit="bytes") as shown:
                fetch_folder(part, path / part.name, shown.progress)
    else:
        file = registry.RELEASED[name]
        print(f"{file} from {file.repo}")
        with display("Downloading", unit="bytes") as shown:
            path = fetch(file, folder, shown.progress)
    print(f"{path}: checked, size and checksum are right.")


def verify(arguments: argparse.Namespace) -> None:
    """Check every file; one that is wrong is an error after the others were looked at."""
    from ..weights.manifest import default_folder
    from ..weights.verify import verify as check

    registry = filled_registry()
    published = [*(file.path for file in registry.RELEASED.values()), *registry.BASES]
    own = [path for path in (default_folder() / name for name in published) if path.exists()]
    problems = []
    with display("Checking", unit="bytes") as shown:
        for path in arguments.files or [*registry.BUNDLED.values(), *own]:
            shown.stage(f"Checking {path.name}")
            try:
                shown.line(f"{path}: ok, {check(path, shown.progress)}")
            except DisMoError as problem:
                problems.append(str(problem.spoken(HINTS)))
    if problems:
        raise DisMoError(" ".join(problems))


def convert(arguments: argparse.Namespace) -> None:
    """Write a file in the other format."""
    from ..weights.convert import convert as write

    check_input(arguments.source, "weights")
    with display("Converting", unit="bytes") as shown:
        tensors = write(arguments.source, arguments.target, overwrite=arguments.overwrite, progress=shown.progress)
    print(f"{arguments.target}: {len(tensors):,} tensors of {arguments.source.name}.")


def filled_registry() -> Any:
    """The registry of weights, filled by every base and method."""
    import importlib

    from ..weights import registry
    from .methods import WEIGHTS

    for module in WEIGHTS:
        importlib.import_module(f"...{module}", __name__)
    return registry


def licences(registry: Any) -> dict[str, str]:
    """Name -> licence of everything that can be downloaded."""
    single = {name: item.licence for name, item in (*registry.RELEASED.items(), *registry.BASES.items())}
    return single | {name: parts[0].licence for name, parts in registry.COLLECTIONS.items()}
