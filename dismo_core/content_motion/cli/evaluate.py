"""`dismo content-motion evaluate`: reconstruction, exchange, predicted motion and whole clips in numbers."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...cli.given import refuse
from ...cli.options import check_input, check_range, progress_runtime
from ...errors import DisMoError
from .shared import add_model, load

if TYPE_CHECKING:
    from torch import Tensor

    from ..model import ContentMotionModel
    from ..training.batches import Batch

WHAT = ("reconstruct", "exchange", "motion", "generate")
MOTION_DISTANCE = "Frechet motion distance (not FVD)"


def add_parser(actions: Any) -> None:
    """Register the command."""
    parser: argparse.ArgumentParser = actions.add_parser(
        "evaluate",
        help="how good a model is, in numbers, beside controls",
        description="Measure a model on a folder of videos or on drawn clips that no training sees: PSNR of reconstructions and exchanged "
        "motions; of reconstructed and sampled clips the Frechet motion distance (of embeddings of the bundled DisMo extractor, not FVD), "
        "and FVD with --i3d.",
    )
    parser.add_argument("--what", choices=WHAT, default="reconstruct", help="(default reconstruct)")
    parser.add_argument(
        "--data-path", type=Path, metavar="FOLDER", help="videos, FOLDER/CLASS/video.avi (default: drawn clips)"
    )
    parser.add_argument(
        "--material", choices=("drawn", "scenes", "real"), default="drawn",
        help="without --data-path: drawn clips as in training, other drawn scenes, three real clips (default drawn)",
    )  # fmt: skip
    parser.add_argument("--clips", type=int, default=256, help="(default 256; published: 2048)")
    parser.add_argument("--fold", type=int, default=1, help="of the official lists, 1 to 3 (default 1)")
    parser.add_argument("--split", choices=("train", "test"), default="test", help="(default test)")
    parser.add_argument("--i3d", type=Path, metavar="FILE", help="i3d_pretrained_400.pt, for FVD")
    parser.add_argument(
        "--refine", type=int, default=0, metavar="STEPS", help="of reconstruct: also refined (default 0)"
    )
    parser.add_argument("--steps", type=int, default=50, help="of the sampling (default 50)")
    parser.add_argument("--sampler", choices=("ancestral", "ddim"), default="ancestral", help="(default ancestral)")
    parser.add_argument("--cfg", type=float, default=4.0, help="of generate (default 4)")
    parser.add_argument("--seed", type=int, default=0, help="(default 0)")
    parser.add_argument("--batch", type=int, default=8, help="clips made at a time (default 8)")
    parser.add_argument("-o", "--out", "--output", type=Path, metavar="JSON", help="takes the numbers")
    parser.add_argument("--overwrite", action="store_true", help="replace an existing file")
    add_model(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Measure, print, write."""
    from ...evaluation.report import provenance, write_numbers
    from ...files import check_free

    _check(arguments)
    if arguments.out is not None:
        check_free(arguments.out, overwrite=arguments.overwrite)
    with progress_runtime("Loading the model", arguments.device) as runtime:
        model = load(arguments)
        if arguments.what == "exchange" and arguments.material == "scenes":
            from .evaluate_scenes import scene_scores

            runtime.stage("exchanging the motions of scenes")
            result = scene_scores(model, arguments.clips, runtime)
        else:
            runtime.stage("reading the clips")
            batch = _clips(arguments, model)
            runtime.stage("measuring")
            result = _measured(arguments, model, batch, runtime)
    result = {"what": arguments.what, "autoencoder": model.autoencoder.id} | result
    _print(result)
    if arguments.out is not None:
        write_numbers(arguments.out, result | {"run": provenance()}, overwrite=arguments.overwrite)
        print(f"{arguments.out}: the numbers.")


def _check(arguments: argparse.Namespace) -> None:
    if arguments.data_path is None:
        refuse(arguments, ["fold", "split"], "is for --data-path.")
    else:
        refuse(arguments, ["material"], "does not go with --data-path.")
    sampled = arguments.what in ("motion", "generate")
    if not sampled:
        refuse(arguments, ["steps", "sampler", "seed"], "is for sampled clips: --what motion or generate.")
    if arguments.what == "exchange":
        refuse(arguments, ["i3d", "batch"], "is not for --what exchange, which is told in dB.")
    if arguments.what != "generate":
        refuse(arguments, ["cfg"], "is for --what generate.")
    if arguments.what != "reconstruct":
        refuse(arguments, ["refine"], "is for --what reconstruct.")
    if arguments.what == "exchange":
        if arguments.data_path is not None or arguments.material == "real":
            raise DisMoError(
                "--what exchange needs drawn clips or --material scenes: of others none moves as another does."
            )
    elif sampled and arguments.material != "drawn":
        raise DisMoError(f"--what {arguments.what} needs drawn clips or a folder: leave --material out.")
    for name, low in (("clips", 1), ("refine", 0), ("batch", 1)):
        if getattr(arguments, name) < low:
            raise DisMoError(f"--{name} must be at least {low}, not {getattr(arguments, name)}.")
    check_range(arguments, "cfg", 0, 20)
    if arguments.i3d is not None:
        check_input(arguments.i3d, "I3D file")


def _clips(arguments: argparse.Namespace, model: ContentMotionModel) -> Batch:
    """The clips, with others that move alike where they are to be exchanged."""
    import torch

    from ...synthetic.moving_scenes import MovingScenes
    from ...training.share import Share
    from ..folder import VideoFolder
    from ..training.batches import Batch, DrawnSource, FolderSource

    size, frames, count = model.size or (64, 64), model.frames or 16, arguments.clips
    if arguments.data_path is not None:
        folder = VideoFolder(arguments.data_path, frames, size, arguments.fold, arguments.split == "train")
        found = []
        for _, item in FolderSource(folder, Share(1)).items(0, range(len(folder))):
            found.append(item)
            if len(found) == count:
                break
        return Batch(torch.cat([item.clips for item in found]), torch.cat([item.labels for item in found]))
    if arguments.material != "drawn":
        clips = _scenes(count, size, frames) if arguments.material == "scenes" else _real(size, frames)
        return Batch(clips, torch.zeros(len(clips), dtype=torch.int64))
    source = DrawnSource(MovingScenes(size[0]), frames, Share(1))
    parts = [source.held_out(i, min(32, count - 32 * i), arguments.what == "exchange") for i in range(-(-count // 32))]
    others = [part.others for part in parts if part.others is not None]
    return Batch(
        torch.cat([part.clips for part in parts]), torch.cat([part.labels for part in parts]),
        torch.cat(others) if others else None,
    )  # fmt: skip


def _scenes(count: int, size: tuple[int, int], frames: int) -> Tensor:
    import torch

    from ...synthetic.held_out.scenes import draw_scenes
    from ..clips import clip_tensor

    return torch.stack([clip_tensor(torch.from_numpy(s.driver[:frames].copy()), size) for s in draw_scenes(count)])


def _real(size: tuple[int, int], frames: int) -> Tensor:
    import torch

    from ...evaluation.real_clips import WINDOWS, read_window
    from ..clips import clip_tensor

    return torch.stack([clip_tensor(torch.from_numpy(read_window(w, size[0])[:frames].copy()), size) for w in WINDOWS])


def _measured(arguments: argparse.Namespace, model: ContentMotionModel, batch: Batch, runtime: Any) -> dict[str, Any]:
    from .. import evaluation

    if arguments.what == "reconstruct":
        found = evaluation.reconstruction_scores(model, batch.clips, arguments.refine, runtime)
        if len(batch.clips) < evaluation.FEWEST and arguments.i3d is None:
            return found
        runtime.stage("putting the clips together")
        return found | _distances(
            arguments, batch, evaluation.reconstructions(model, batch.clips, arguments.batch, runtime), runtime
        )
    if arguments.what == "exchange":
        assert batch.others is not None
        return evaluation.exchange_scores(model, batch.clips, batch.others, runtime)
    how = (arguments.steps, arguments.sampler, arguments.seed, arguments.batch)
    if arguments.what == "motion":
        made = evaluation.motion_samples(model, batch.clips, *how, runtime)
    else:
        made = evaluation.generated_samples(model, batch.clips, batch.labels, *how, arguments.cfg, runtime)
    found = _distances(arguments, batch, made, runtime)
    if arguments.what == "motion":
        first = batch.clips[:1].expand(4, -1, -1, -1, -1)
        again = evaluation.motion_samples(model, first, *how, runtime)["predicted"]
        found["psnr between samples of one content, mean"] = evaluation.spread(list(again))
    return found


def _distances(arguments: argparse.Namespace, batch: Batch, made: dict[str, Tensor], runtime: Any) -> dict[str, Any]:
    """Of clips to the real ones, with what saw them."""
    from ...video.picture import to_uint8
    from ..evaluation import distance_scores

    runtime.stage("comparing the clips")
    nets, hashes = _features(arguments)
    return distance_scores(to_uint8(batch.clips.permute(0, 2, 3, 4, 1)), made, nets) | {"feature nets": hashes}


def _features(arguments: argparse.Namespace) -> tuple[dict[str, Any], dict[str, str]]:
    """What sees the clips, and each net's hash."""
    import torch

    from ...dismo.weights import load_motion_extractor
    from ...evaluation.fvd import fvd_features, load_i3d
    from ...weights.files import sha256

    extractor = load_motion_extractor("tiny")

    @torch.no_grad()
    def embedded(clips: Tensor) -> Tensor:
        found = []
        for clip in clips:
            vectors = extractor.forward_sliding(clip[None].float() / 127.5 - 1)[0].float()
            found.append(torch.cat((vectors.mean(0), vectors.std(0))))
        return torch.stack(found)

    nets: dict[str, Any] = {MOTION_DISTANCE: embedded}
    hashes = {MOTION_DISTANCE: f"DisMo extractor {extractor.extractor_id}"}
    if arguments.i3d is not None:
        i3d = load_i3d(arguments.i3d)
        nets["FVD"] = lambda clips: fvd_features(i3d, clips)
        hashes["FVD"] = f"I3D sha256 {sha256(arguments.i3d)[:16]}"
    return nets, hashes


def _print(result: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    terminal = Console()
    for name, value in result.items():
        if isinstance(value, dict) and name != "psnr of each":
            table = Table("", name)
            for row, number in value.items():
                table.add_row(row, number if isinstance(number, str) else "-" if number is None else f"{number:.2f}")
            terminal.print(table)
        elif not isinstance(value, dict):
            terminal.print(f"{name}: {value}")
