"""A training of the toy; also a script that torchrun starts."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import torch
from demo_goldens import fill, flow
from demo_toy import GEOMETRY

from dismo_core import demo_t2v as demo
from dismo_core.demo_t2v.tower_files import read_image_tower, read_text_tower
from dismo_core.demo_t2v.tower_texts import TowerTexts
from dismo_core.demo_t2v.training.captioned_videos import videos_of_folder
from dismo_core.demo_t2v.training.demo_training import DemoTraining
from dismo_core.demo_t2v.training.kept_clips import FreshClips
from dismo_core.demo_t2v.training.motion_batches import ALONE, MotionBatches
from dismo_core.demo_t2v.training.motion_half import MotionHalf
from dismo_core.demo_t2v.training.train_motion import train_motion
from dismo_core.training.distributed import World, joined

SIZES: dict[str, Any] = dict(frames=4, size=(16, 16), first_block=0, lr=1e-3, motion_lr=1e-4, sample_steps=0)
SHORT = DemoTraining(steps=4, batch=2, save_every=2, log_every=2, **SIZES)
# Norms over one or two values, as the toy's 32 groups are on latents of 2 x 2, enlarge rounding a thousandfold.
WELL_CONDITIONED = {"groups": 8}


def parts(toy_folder: Path, **changes: Any) -> tuple[Any, Any, Any]:
    """UNet without dropout, motion encoder, image tower."""
    unet = fill(demo.UNet(**GEOMETRY | {"dropout": 0.0} | changes))
    encoder = read_text_tower(toy_folder / "motion_encoder.safetensors", torch.float32)
    image = read_image_tower(toy_folder / "release" / "open_clip_pytorch_model.bin")
    return unet, encoder, image


def run(
    folder: Path,
    toy: Any,
    toy_folder: Path,
    clips: Path,
    training: DemoTraining = SHORT,
    geometry: dict[str, Any] | None = None,
    **options: Any,
) -> MotionHalf:
    """Train it on a folder of clips."""
    unet, encoder, image = parts(toy_folder, **geometry or {})
    return train_motion(
        folder, unet, encoder, videos_of_folder(clips), toy.autoencoder, toy.content_encoder, training,
        **dict(image_tower=image, flow=flow) | options,
    )  # fmt: skip


def batches(
    half: MotionHalf,
    toy: Any,
    videos: Any,
    training: DemoTraining,
    image: Any,
    flow: Any = None,
    world: World = ALONE,
) -> MotionBatches:
    """The losses of its batches."""
    content = TowerTexts(toy.content_encoder)
    clips = FreshClips(videos, toy.autoencoder, content, training, image, flow is not None, world.device)
    return MotionBatches(half, clips, content([training.negative_prompt], world.device)[0], training, flow, world)


if __name__ == "__main__":
    out, toy_at, clips_at, told = sys.argv[1:]
    wanted = json.loads(told)
    with joined("cpu", wanted.pop("sharded", False), wanted.pop("offload", False)) as world:
        training = DemoTraining(**SIZES | {"save_every": 1000, "log_every": 1} | wanted)
        run(Path(out), demo.load_demo(toy_at), Path(toy_at), Path(clips_at), training, WELL_CONDITIONED, world=world)
