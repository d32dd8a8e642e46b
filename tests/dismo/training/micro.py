"""The preset of the tests, and a training run with it; also a script that torchrun starts."""

import json
import sys
from pathlib import Path

import torch

from dismo_core import FrameGenerator, MotionExtractor
from dismo_core.data.addresses import find_shards
from dismo_core.dismo.training.presets import Preset, build
from dismo_core.dismo.training.videos import VideoData, train_videos
from dismo_core.training.distributed import joined
from dismo_core.training.loop import Schedule

ENCODER = dict(embed_dim=24, depth=3, num_heads=2, image_size=28)


def autoencoder(source=None, download=False):
    from diffusers import AutoencoderTiny

    blocks = dict(num_encoder_blocks=(0, 1), num_decoder_blocks=(1, 0), latent_channels=4)
    with torch.random.fork_rng():
        torch.manual_seed(1)
        return AutoencoderTiny(encoder_block_out_channels=(8, 8), decoder_block_out_channels=(8, 8), **blocks)


MICRO = Preset(
    extractor=lambda: MotionExtractor(
        width=32, depth=1, d_head=16, d_motion=8, train_resolution=(8, 32, 32), frame_encoder=ENCODER
    ),
    generator=lambda frozen: FrameGenerator(
        width=32,
        depth=1,
        d_head=16,
        d_motion=8,
        mapping_width=16,
        source_encoder=ENCODER | dict(image_size=42),  # dismo-tiny's encoders look at different sizes, too
        autoencoder=frozen,
        train_resolution=(32, 32),
    ),
    autoencoder=autoencoder,
    size=32,
    batch=2,
    schedule=Schedule(4, lr=3e-3, warmup=2, average=None, save_every=2, log_every=1, draw_every=2),
)


def train(folder, shards, schedule=MICRO.schedule, device="cpu", batch=2, sharded=False, **options):
    """Train the preset in `folder`; returns both state dicts, whole in the main process."""
    data = VideoData(find_shards([shards]), batch, MICRO.size, seed=7)
    with joined(device, sharded) as world:
        torch.manual_seed(0)
        models = build(MICRO)
        models = train_videos(Path(folder), *models, data, schedule, world=world, **options)
        states = [world.whole(model.state_dict()) for model in models]
    return {f"{k}.{name}": v for k, state in enumerate(states) for name, v in state.items()}


def steps(count, **changes):
    """A schedule of `count` steps."""
    return Schedule(count, **dict(lr=3e-3, warmup=2, average=None, log_every=1) | changes)


if __name__ == "__main__":
    out, shards, schedule, options = sys.argv[1:]
    train(out, shards, steps(**json.loads(schedule)), **json.loads(options))
