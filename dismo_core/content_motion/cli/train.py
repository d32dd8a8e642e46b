"""`dismo content-motion train-ae`, `train-motion`, `train-content`: the published scripts, by their own option names."""

from __future__ import annotations

import argparse
import logging
from pathlib import Path
from typing import Any

from ...cli.options import check_input
from ...errors import DisMoError
from .shared import add_option

log = logging.getLogger(__name__)
STAGES = ("ae", "motion", "content")
ABOUT = {
    "ae": "train the autoencoder: a clip as a content frame and a motion latent",
    "motion": "train the motion model on a trained autoencoder",
    "content": "train the content model on a trained autoencoder",
}
UNUSED = ("use_text_embed", "final", "local_rank")  # by the published scripts
DEFAULTS = {"ae": ("2000", "50000", "1e-5", "./result"), "motion": ("1400", "50000", "1e-4", "results"),
            "content": ("1400", "10000", "1e-4", "results")}  # fmt: skip


def add_parser(actions: Any) -> None:
    """Register the three commands."""
    for stage in STAGES:
        parser: argparse.ArgumentParser = actions.add_parser(
            f"train-{stage}",
            help=ABOUT[stage],
            description=f"{ABOUT[stage].capitalize()}. Options have their published names, with hyphens or underscores. A GPU is needed "
            "for the published sizes; `--preset drawn` trains the tiny model on drawn clips, on a CPU. Several processes: torchrun, or "
            "--nproc-per-node.",
        )
        _add_published(parser, stage)
        _add_stage(parser, stage)
        _add_ours(parser)
        _add_processes(parser)
        parser.set_defaults(run=run, stage=stage)


def _add_published(parser: argparse.ArgumentParser, stage: str) -> None:
    epochs, every, lr, results = DEFAULTS[stage]
    group = parser.add_argument_group("published options")
    add_option(group, "data-path", type=Path, metavar="FOLDER", help="FOLDER/CLASS/video.avi, as UCF-101 is unpacked")
    add_option(
        group, "dataset-name", default="UCF101", help="names the published place of checkpoints (default UCF101)"
    )
    add_option(
        group, "mode", choices=("pixel", "latent"), default="pixel", help="latent: of a VAE, --vae (default pixel)"
    )
    add_option(
        group, "image-size", type=int, nargs="+", default=[64, 64], metavar="PX",
        help="height and width; one number for both (default 64 64)",
    )  # fmt: skip
    add_option(group, "n-frames", type=int, default=16, help="of a clip (default 16)")
    add_option(group, "embed-dim", type=int, default=8, help="channels of the motion latent (default 8)")
    add_option(group, "scale-factor", type=float, default=0.18215, help="of the VAE's latents (default 0.18215)")
    add_option(group, "results-dir", type=Path, metavar="FOLDER", help=f"takes the runs (default {results})")
    add_option(group, "epochs", type=int, help=f"(default {epochs})")
    add_option(group, "global-batch-size", type=int, help="clips of all processes in a step (default 256)")
    add_option(group, "global-seed", type=int, default=0, help="of everything that is drawn (default 0)")
    add_option(
        group, "num-workers", type=int, default=4, help="decoding processes of each process (default 4); 0 = none"
    )
    add_option(group, "log-every", type=int, help="steps between rows of the log (default 100)")
    add_option(
        group, "ckpt-every", type=int, help=f"steps between checkpoints, a multiple of --log-every (default {every})"
    )
    add_option(
        group, "resume", nargs="?", type=Path, const=Path(), metavar="RUN",
        help="go on with a run folder; without one, with the newest of this stage in --results-dir",
    )  # fmt: skip
    add_option(group, "lr", type=float, help=f"learning rate (default {lr})")


def _add_stage(parser: argparse.ArgumentParser, stage: str) -> None:
    group = parser.add_argument_group("of this stage")
    add_option(
        group, "autoencoder", type=Path, metavar="FILE",
        help="trained weights"
        + (" to begin with" if stage == "ae" else " (default: the newest in --results-dir, else ./ckpts/...)"),
    )  # fmt: skip
    if stage == "ae":
        add_option(group, "patch-size", type=int, help="(default 2)")
        add_option(group, "positions", choices=("none", "rotary"), help="of the attention (default none, as released)")
        add_option(group, "lpips", type=Path, metavar="FILE", help="weights of LPIPS (default: L1 alone)")
        add_option(
            group, "vgg16", type=Path, metavar="FILE", help="torchvision's VGG16, where --lpips holds the heads alone"
        )
        add_option(
            group,
            "exchange",
            type=float,
            metavar="SHARE",
            help="of the batches that exchange motions; drawn clips (default 0.25)",
        )
        add_option(
            group, "recolored", type=float, metavar="SHARE",
            help="of the batches in which each clip has its motion from itself in other colors (default 0; drawn clips: 0.25)",
        )  # fmt: skip
        add_option(
            group, "stand-ins", type=float, metavar="SHARE",
            help="of the batches in which a clip is decoded from its content frame blurred, or from its middle frame "
            "(default 0; drawn clips: 0.5)",
        )  # fmt: skip
        add_option(
            group, "smooth", type=float, metavar="WEIGHT",
            help="of the loss that keeps the content frame from hiding frames in a raster of pixels (default 0; drawn clips: 30)",
        )  # fmt: skip
        return
    add_option(
        group, "motion-model-config", default="MotionDiT-L/2", metavar="NAME",
        help="of the motion model, MotionDiT- or DiT-{S,B,L,XL}/{2,4,8} (default MotionDiT-L/2)",
    )  # fmt: skip
    add_option(
        group,
        "keyframe-patch-size",
        type=int,
        default=4,
        help="patches of the content frame in the motion model (default 4; drawn clips: 8)",
    )
    add_option(group, "num-classes", type=int, help="(default: as many as the data have)")
    for_what = " to begin with" if stage == "motion" else ", for samples at checkpoints"
    add_option(group, "motion-model", type=Path, metavar="FILE", help=f"trained weights{for_what}")
    if stage == "content":
        add_option(
            group,
            "content-model-config",
            default="DiT-L/2",
            metavar="NAME",
            help="of the content model, likewise (default DiT-L/2)",
        )
        add_option(group, "content-model", type=Path, metavar="FILE", help="trained weights to begin with")
        add_option(group, "final", action="store_true", help="published, of no effect")
    else:
        add_option(
            group, "stand-ins", type=float, metavar="SHARE",
            help="of the clips whose motion is learned for their middle frame, not the content frame (default 0; drawn clips: 0.5)",
        )  # fmt: skip
        add_option(group, "use-text-embed", action="store_true", help="published, of no effect")
    add_option(group, "cache-latents", action="store_true", help="encode every clip once instead of at each step")
    add_option(
        group, "starts-per-clip", type=int, default=1, metavar="N", help="of each clip in that cache (default 1)"
    )
    add_option(group, "sampling-steps", type=int, default=50, help="of the clips at checkpoints (default 50)")


def _add_ours(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("further options")
    add_option(
        group, "preset", choices=("released", "drawn"), default="released",
        help="drawn: the tiny model from nothing on drawn clips; options still override (default released)",
    )  # fmt: skip
    add_option(
        group,
        "clips",
        type=int,
        metavar="N",
        help="drawn clips of an epoch, all that --cache-latents encodes (default 8192)",
    )
    add_option(group, "fold", type=int, default=1, help="of the official lists of UCF-101, 1 to 3 (default 1)")
    add_option(group, "split", choices=("train", "test"), default="train", help="(default train)")
    add_option(
        group, "short", choices=("error", "skip", "repeat"), default="repeat",
        help="what becomes of videos with too few frames (default repeat: the last frame)",
    )  # fmt: skip
    add_option(group, "vae", type=Path, metavar="FOLDER", help="diffusers AutoencoderKL, for --mode latent")
    add_option(group, "width", type=int, help="channels of the model, where not those of its preset")
    add_option(group, "depth", type=int, help="layers, likewise")
    add_option(group, "heads", type=int, help="of attention, likewise")
    add_option(group, "device", help="cpu, cuda, mps (default: cuda where there is one)")
    add_option(
        group, "precision", choices=("auto", "fp32", "bf16", "fp16"), default="auto",
        help="of matrix products; auto (default): bf16 on a GPU, fp32 on a CPU",
    )  # fmt: skip
    add_option(group, "max-steps", type=int, metavar="N", help="optimizer steps at most")
    add_option(
        group, "save-every-minutes", type=float, metavar="N", help="a checkpoint after so many minutes without one"
    )
    add_option(group, "i3d", type=Path, metavar="FILE", help="i3d_pretrained_400.pt, for FVD at checkpoints")
    add_option(group, "wandb", metavar="PROJECT", help="log to this Weights & Biases project as well")


def _add_processes(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("several processes, where torchrun does not start them")
    add_option(group, "nnodes", type=int, default=1, help="machines (default 1)")
    add_option(group, "nproc-per-node", type=int, default=1, help="processes of each (default 1)")
    add_option(group, "node-rank", type=int, default=0, help="number of this machine (default 0)")
    add_option(group, "local-rank", type=int, help="published, of no effect")
    add_option(
        group, "master-addr", default="127.0.0.1", help="of machine 0, where there are several (default 127.0.0.1)"
    )


def run(arguments: argparse.Namespace) -> None:
    """Start the processes, or be one of them."""
    from ...cli.processes import is_one_of_several, run_in_processes
    from .train_stage import train

    unused = (*UNUSED, *(("num_classes",) if arguments.stage == "motion" else ()))
    for name in unused:
        if name in arguments.given:
            log.warning("%s has no effect, as in the published script.", arguments.given[name])
    for name in ("autoencoder", "motion_model", "content_model", "lpips", "vgg16", "i3d"):
        if getattr(arguments, name, None) is not None:
            check_input(getattr(arguments, name), "weights")
    nodes, each, rank = arguments.nnodes, arguments.nproc_per_node, arguments.node_rank
    if nodes < 1 or each < 1 or not 0 <= rank < nodes:
        raise DisMoError(
            f"--nnodes and --nproc-per-node must be at least 1 and --node-rank below --nnodes, not {nodes}, {each} and {rank}."
        )
    if nodes * each == 1 or is_one_of_several():
        train(arguments)
    else:
        run_in_processes(arguments.words, each, nodes=nodes, rank=rank, address=arguments.master_addr)
