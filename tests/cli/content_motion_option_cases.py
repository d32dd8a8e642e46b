"""What becomes of every option of `dismo content-motion`; see `situations.py`."""

from __future__ import annotations

import contextlib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from situations import STOP, Situation, refused, said, used
from torch import nn

from dismo_core import DisMoError
from dismo_core.content_motion.algebra import MotionLatent
from dismo_core.content_motion.models.autoencoder import ContentMotionAutoencoder

CMD = "dismo_core.content_motion"
AUTOENCODER = ContentMotionAutoencoder(width=16, depth=1)
LATENT = MotionLatent(
    torch.linspace(-0.4, 0.4, 8 * 4 * 64).view(8, 4, 64),
    8.0, (64, 64), AUTOENCODER.id, "", torch.zeros(3, 64, 64), torch.zeros(8, 1, 64),
)  # fmt: skip


class Model:
    """A CMD model that says what it is asked to draw."""

    autoencoder, size, frames = AUTOENCODER, (64, 64), 4

    def using(self, part: str, runtime: Any = None) -> Any:
        return contextlib.nullcontext(self.autoencoder)

    def sample_content(self, labels: Any, *, runtime: Any, **how: Any) -> Any:
        raise DisMoError(f"drawn: {labels}, {how}")

    def predict_motion(self, content: Any, *, runtime: Any, **how: Any) -> Any:
        raise DisMoError(f"drawn: {content.mean():.4f}, {how}")


LOADED = {f"{CMD}.weights.load_content_motion": Model()}
MODEL = [used("--model x", "load_content_motion('x'"), used("--device cpu:0", "'cpu:0'")]
TAKEN = used("-o {video}", "exists already")

# --- training ---


class Folder:
    """Of four videos."""

    classes, root = ["a", "b"], Path("x")

    def __len__(self) -> int:
        return 4


class Network(nn.Linear):
    """A network of any sizes."""

    patch_size, motion_channels, channels, mode = 2, 8, 3, "pixel"

    def __init__(self) -> None:
        super().__init__(1, 1)
        self.geometry = {"width": 1}


COMMON = [
    used("--data-path {frames}", "VideoFolder(PosixPath('{frames}')"),
    used("--dataset-name webvid", "webvid is not supported"),
    used("--mode latent", "--mode latent needs --vae"),
    used("--image-size 32", "(32, 32)"),
    used("--n-frames 9", ", 9, "),
    used("--embed-dim 4", "4"),
    used("--scale-factor 2", "scale=2.0", beside="--mode latent --vae v"),
    used("--results-dir elsewhere", "elsewhere"),
    used("--epochs 3", "steps=6"),
    used("--global-batch-size 4", "batch=4"),
    used("--global-seed 7", "'global_seed': 7"),
    used("--num-workers 1", "workers=1"),
    used("--log-every 10", "log_every=10"),
    used("--ckpt-every 200", "save_every=200"),
    used("--resume {full}", "{full}"),
    used("--lr 7", "lr=7.0"),
    used("--preset drawn", "does not go with --preset drawn"),
    used("--fold 2", "'fold': 2"),
    used("--split test", "'split': 'test'"),
    used("--short skip", "'skip'"),
    used("--vae v", "load_vae(PosixPath('v')", beside="--mode latent"),
    used("--device cpu:0", "index=0"),
    used("--precision bf16", "torch.bfloat16"),
    used("--max-steps 2", "steps=2"),
    refused("--clips 7", "is for --preset drawn"),
    used("--save-every-minutes 3", "save_minutes=3.0"),
    used("--i3d {video}", "load_i3d(PosixPath('{video}')"),
    used("--wandb some", "wandb='some'"),
    used("--nnodes 0", "must be at least 1"),
    used("--nproc-per-node 0", "must be at least 1"),
    used("--node-rank 3", "--node-rank below --nnodes"),
    used("--master-addr here", "'here'", beside="--nnodes 2"),
    said("--local-rank 0", "has no effect"),
    used("--width 32", "width=32"),
    used("--depth 1", "depth=1"),
    used("--heads 2", "heads=2"),
]
DIT = [
    used("--autoencoder {video}", "PosixPath('{video}')"),
    used("--cache-latents", "), 1, 50"),
    refused("--starts-per-clip 3", "is for --cache-latents"),
    used("--sampling-steps 9", ", None, 9"),
]
OF_STAGE = {
    "ae": [
        used("--autoencoder {video}", "load_autoencoder(PosixPath('{video}')"),
        used("--patch-size 4", "patch_size=4"),
        used("--positions rotary", "positions='rotary'"),
        used("--lpips {video}", "load_lpips(PosixPath('{video}')"),
        used("--vgg16 {video}", "load_lpips(PosixPath('{picture}'), PosixPath('{video}')", beside="--lpips {picture}"),
        refused("--exchange 0.5", "needs clips that move alike"),
        used("--recolored 0.5", ", 0.5, "),
        used("--stand-ins 0.5", ", 0.5, "),
        used("--smooth 3", ", 3.0)"),
    ],
    "motion": [
        *DIT,
        used("--motion-model-config MotionDiT-Z/2", "no preset"),
        used("--keyframe-patch-size 8", "content_patch_size=8"),
        used("--stand-ins 0.5", ", 0.5)"),
        used("--motion-model {video}", "load_motion_model(PosixPath('{video}')"),
        said("--num-classes 3", "has no effect"),
        said("--use-text-embed", "has no effect"),
    ],
    "content": [
        *DIT,
        used("--motion-model-config MotionDiT-Z/2", "preset='MotionDiT-Z/2'"),
        used("--content-model-config DiT-Z/2", "no preset"),
        used("--keyframe-patch-size 8", "'keyframe_patch_size': 8"),
        used("--num-classes 3", "num_classes=3"),
        used("--motion-model {video}", "PosixPath('{video}')"),
        used("--content-model {video}", "load_content_model(PosixPath('{video}')"),
        said("--final", "has no effect"),
    ],
}


def training(stage: str) -> dict[str, Any]:
    place = f"{CMD}.cli.train_stage."
    function = {"ae": "train_autoencoder", "motion": "train_motion_model", "content": "train_content_model"}[stage]
    network = {"ae": "ContentMotionAutoencoder", "motion": "MotionDiT", "content": "ContentDiT"}[stage]
    loaded = ("load_i3d", "load_lpips", "load_autoencoder", "load_motion_model", "load_content_model")
    replaced = {name: Network() for name in (*loaded, network)}
    replaced |= {
        "VideoFolder": Folder(),
        "load_vae": SimpleNamespace(),
        "find_trained": (Path("x"), "x"),
        function: STOP,
    }
    return {"torch.distributed.run.main": STOP} | {place + name: value for name, value in replaced.items()}


TRAINING = {
    f"content-motion train-{stage}": Situation(
        f"content-motion train-{stage} --data-path clips --device cpu --global-batch-size 2 --num-workers 0",
        [*COMMON, *cases],
        training(stage),
    )
    for stage, cases in OF_STAGE.items()
}
TRAINING |= {
    "content-motion train-ae, drawn": Situation(
        "content-motion train-ae --preset drawn --device cpu",
        [
            used("--exchange 0.125", "exchange=0.125"),
            used("--recolored 0.125", ", 0.125, "),
            used("--stand-ins 0.125", ", 0.125, "),
            used("--smooth 3", ", 3.0)"),
            used("--image-size 32 48", "Drawn clips are squares"),
            refused("--epochs 3", "does not go with --preset drawn"),
            used("--clips 77", "length=77"),
        ],
        training("ae") | {f"{CMD}.cli.train_stage.begin_as_mean": None},
        more=True,
    ),
    "content-motion train-motion, cached": Situation(
        "content-motion train-motion --data-path clips --device cpu --global-batch-size 2 --cache-latents",
        [used("--starts-per-clip 3", "), 3, 50")],
        training("motion"),
        more=True,
    ),
}

# --- the other commands ---

SAVED = {f"{CMD}.latent_file.write_latent": None}
SAMPLING = [
    used("--steps 7", "'steps': 7"),
    used("--sampler ddim", "'sampler': 'ddim'"),
    used("--seed 7", "'seed': 7"),
]
COUNTED = [
    TAKEN,
    used("--overwrite", "_scores(", beside="-o {video}"),
    *MODEL,
    used("--clips 3", "[3, "),
]
OTHERS = {
    "content-motion demo": Situation(
        "content-motion demo", [used("-o {video}", "is a file"), *MODEL], {f"{CMD}.weights.load_content_motion": STOP}
    ),
    "content-motion encode": Situation(
        "content-motion encode {clip} -o m.safetensors",
        [
            TAKEN,
            used("--overwrite", "write_latent(", beside="-o {video}"),
            used("--content {video}", "exists already"),
            used("--no-content", "content=None"),
            used("--fps 7", ", 7.0, "),
            used("--start 1", "encode_frames("),
            used("--frames 5", "[5, "),
            used("--size 32 48", "(32, 48)"),
            used("--fit pad", "encode_frames("),
            used("--refine 3", ", 3, "),
            *MODEL,
        ],
        LOADED | SAVED | {f"{CMD}.encoding.encode_frames": LATENT},
    ),
    "content-motion decode": Situation(
        "content-motion decode --motion {latent} -o d.mp4",
        [
            TAKEN,
            used("--overwrite", "decode_frames(", beside="-o {video}"),
            used("--motion {picture}", "Cannot read the motion latent"),
            used("--content {picture}", "decode_frames("),
            used("--strength 2", "decode_frames("),
            *MODEL,
        ],
        LOADED | {f"{CMD}.encoding.decode_frames": STOP},
    ),
    "content-motion edit": Situation(
        "content-motion edit {latent} -o e.safetensors --scale 1",
        [
            TAKEN,
            used("--overwrite", "write_latent(", beside="-o {video}"),
            *(
                used(words, "write_latent(")
                for words in (
                    "--scale 2",
                    "--reverse",
                    "--retime 9",
                    "--shift 4 0",
                    "--trim 2",
                    "--loop 9",
                    "--hold 9",
                    "--add {latent}",
                    "--append {latent}",
                )
            ),
            used("--mix {latent} 2", "The amount must be 0"),
            used("--transplant {latent} 0 0 0 8", "is empty"),
        ],
        SAVED,
    ),
    "content-motion sample": Situation(
        "content-motion sample --content {picture} -o s.mp4",
        [
            TAKEN,
            used("--overwrite", "drawn:", beside="-o {video}"),
            used("--content {wide}", "drawn:"),
            used("--label 1", "Give one of"),
            used("--motion {video}", "exists already"),
            used("--picture {video}", "exists already"),
            refused("--cfg 2", "guides by a class"),
            *SAMPLING,
            refused("--eta 0.5", "is for --sampler ddim"),
            used("--fps 5000", "5000"),
            *MODEL,
        ],
        LOADED,
    ),
    "content-motion sample, of a class": Situation(
        "content-motion sample --label 1 -o s.mp4 --sampler ddim",
        [used("--cfg 2", "'cfg': 2.0"), used("--eta 0.5", "'eta': 0.5"), used("--cfg 21", "--cfg must be 0 to 20")],
        LOADED,
        more=True,
    ),
    "content-motion evaluate": Situation(
        "content-motion evaluate --clips 2",
        [
            *COUNTED,
            used("--what exchange", "exchange_scores("),
            used("--data-path {clips}", "reconstruction_scores("),
            used("--material scenes", "reconstruction_scores("),
            used("--refine 5", ", 5, "),
            refused("--fold 2", "is for --data-path"),
            refused("--split train", "is for --data-path"),
            *(refused(words, "is for sampled clips") for words in ("--steps 7", "--sampler ddim", "--seed 7")),
            *(
                used(words, "is not for --what exchange", beside="--what exchange")
                for words in ("--i3d {video}", "--batch 2")
            ),
            refused("--cfg 2", "is for --what generate"),
        ],
        LOADED | {f"{CMD}.evaluation.reconstruction_scores": STOP, f"{CMD}.evaluation.exchange_scores": STOP},
    ),
    "content-motion evaluate, samples": Situation(
        "content-motion evaluate --what generate --data-path {clips} --clips 2",
        [
            used("--i3d {video}", "load_i3d(PosixPath('{video}')"),
            used("--steps 7", ", 7, "),
            used("--sampler ddim", "'ddim'"),
            used("--seed 7", ", 7, "),
            used("--batch 2", ", 2, "),
            used("--cfg 2", "2.0, "),
            used("--fold 4", "no fold 4"),
            used("--split train", "trainlist01.txt"),
            refused("--material real", "does not go with --data-path"),
        ],
        LOADED
        | {
            f"{CMD}.evaluation.generated_samples": {},
            f"{CMD}.evaluation.distance_scores": STOP,
            "dismo_core.evaluation.fvd.load_i3d": None,
            "dismo_core.dismo.weights.load_motion_extractor": SimpleNamespace(extractor_id=""),
        },
        more=True,
    ),
    "content-motion export": Situation(
        "content-motion export {autoencoder} -o a.safetensors",
        [
            used("-o {latent}", "exists already"),
            used("--overwrite", "save_model(", beside="-o {latent}"),
            used("--published", "must end in .pt"),
            used("--bf16", "is for safetensors", beside="--published -o a.pt"),
            refused("--image-size 8 8", "takes clips of any size"),
            refused("--n-frames 8", "takes clips of any size"),
        ],
        {f"{CMD}.checkpoints.save_model": STOP, f"{CMD}.checkpoints.save_published": STOP},
    ),
}
CONTENT_MOTION = TRAINING | OTHERS
