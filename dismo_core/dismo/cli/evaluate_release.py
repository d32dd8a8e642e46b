"""`dismo evaluate release`: numbers of the released weights, in a file to send back."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from ...cli.given import refuse
from ...cli.options import check_range, chosen_device, progress_runtime
from ...errors import DisMoError
from ...files import atomic_write, check_free
from .cogvideox_options import RELEASED_ADAPTER, add_cogvideox, check_cogvideox, load_cogvideox

OF_COGVIDEOX = ("extractor", "text_encoder", "vae", "attention", "compile", "cache")
RELEASED_EXTRACTOR = "motion_extractor_large"


def add_release(actions: Any) -> None:
    """Register `release`."""
    parser: argparse.ArgumentParser = actions.add_parser(
        "release",
        help="what the released weights give here, as a JSON file to send back",
        description="Checksums, tensor names, embeddings of a synthetic clip and one sample of 25 frames, in numbers. The file "
        "holds no paths and no pictures. Minutes on a GPU; on a CPU hours.",
    )
    for option, name in (("--extractor", RELEASED_EXTRACTOR), ("--adapter", RELEASED_ADAPTER)):
        text = f"{name}.pt, or its conversion (default: where `dismo weights download` puts it)"
        parser.add_argument(option, type=Path, metavar="FILE", help=text)
    parser.add_argument(
        "--motiondirector",
        action="store_true",
        help="a released motion adapter of MotionDirector instead: --adapter FILE, or a folder of it, with ZeroScope as --base",
    )
    parser.add_argument("-o", "--out", default="release.json", metavar="JSON", help="file (default release.json)")
    parser.add_argument("--overwrite", action="store_true", help="replace an existing file")
    parser.add_argument("--steps", type=int, default=0, help="denoising steps; 0 = the model's own (default 0)")
    parser.add_argument("--device", help="cuda, mps, cpu (default: a GPU where there is one)")
    add_cogvideox(parser)
    parser.set_defaults(run=release)


def release(arguments: argparse.Namespace) -> None:
    """Load, run, write."""
    check_range(arguments, "steps", 0, 1000)
    check_free(arguments.out, overwrite=arguments.overwrite)
    device = chosen_device(arguments.device)
    report = _motiondirector(arguments, device) if arguments.motiondirector else _dismo(arguments, device)
    with atomic_write(arguments.out, overwrite=arguments.overwrite) as temporary:
        temporary.write_text(json.dumps(report, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    print(f"{arguments.out}: written. Please send it back; it holds numbers and names of files only.")


def _motiondirector(arguments: argparse.Namespace, device: str) -> dict[str, Any]:
    from ...motiondirector.adapter_file import find_adapter
    from ...motiondirector.release import release_report
    from ...text_to_video.base import load_text_to_video
    from ...text_to_video.weights import BASES, ZEROSCOPE
    from ...weights.base_folder import find_base

    refuse(arguments, OF_COGVIDEOX, "is for CogVideoX, not for --motiondirector.")
    if arguments.adapter is None:
        raise DisMoError(
            "Give the motion adapter: --adapter FILE or FOLDER; `dismo weights download motiondirector` fetches some."
        )
    adapter = find_adapter(arguments.adapter, "motion")
    folder = find_base(arguments.base or ZEROSCOPE.repo, BASES)
    with progress_runtime("Loading the base", device) as runtime:
        base = load_text_to_video(folder, device=device, precision=arguments.precision, memory=arguments.memory)
        return release_report(base, folder, adapter, arguments.steps, runtime)


def _dismo(arguments: argparse.Namespace, device: str) -> dict[str, Any]:
    from ...cogvideox.base import base_folder
    from ...cogvideox.weights import BASE
    from ...weights.hub import require
    from ..evaluation.release import release_report
    from ..weights import load_motion_extractor

    for path in (arguments.extractor, arguments.adapter):
        if path is not None and not path.is_file():
            raise DisMoError(
                f"There is no file {path}. Give its path; without, what `dismo weights download` fetched is taken."
            )
    check_cogvideox(arguments, device)
    arguments.extractor = arguments.extractor or require(RELEASED_EXTRACTOR)
    arguments.adapter = arguments.adapter or require(RELEASED_ADAPTER)
    others = {"text_encoder": arguments.text_encoder, "vae": arguments.vae}
    without = [part for part, file in others.items() if file]
    arguments.base = base_folder(arguments.base or BASE.repo, without)
    files = {"extractor": arguments.extractor, "adapter": arguments.adapter, "base": arguments.base}
    with progress_runtime("Loading the weights", device) as runtime:
        model = load_cogvideox(arguments, str(arguments.adapter), device, runtime)
        extractor = load_motion_extractor(arguments.extractor, device)
        runtime.stage("running the weights")
        return release_report(extractor, model, files, arguments.steps, runtime)
