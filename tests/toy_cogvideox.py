"""A toy CogVideoX image-to-video base and an adapter with the goldens' weights, rebuilt for whoever changes them."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

import dismo_core as dismo
from dismo_core.cogvideox.base import load_base

GOLDENS = Path(__file__).parent / "goldens"
BASE = GOLDENS / "tiny-CogVideoX-I2V"


@pytest.fixture(scope="session")
def base_folder():
    """A diffusers folder: 64x96 px, 4 latent channels, 2 blocks, 16 text tokens."""
    return BASE


@pytest.fixture
def make_base():
    """A function that loads a toy base."""
    return lambda: load_base(BASE, torch.float32)


@pytest.fixture(scope="session")
def golden():
    """All tensors of the goldens' file; those under `sd.` are the adapter's."""
    return load_file(GOLDENS / "cogvideox_adapter.safetensors")


@pytest.fixture(scope="session")
def adapter_weights(golden):
    """The state dict of the goldens' adapter, under the released names."""
    return {k.removeprefix("sd."): v for k, v in golden.items() if k.startswith("sd.")}


def toy_extractor():
    encoder = dict(embed_dim=24, depth=2, num_heads=2, image_size=224)
    return dismo.MotionExtractor(width=32, depth=1, d_head=16, d_motion=8, frame_encoder=encoder)


@pytest.fixture(scope="session")
def make_extractor():
    """A function that makes an extractor of the goldens' geometry with random weights."""
    return toy_extractor


@pytest.fixture(scope="session")
def make_adapter(adapter_weights):
    """A function that makes the goldens' adapter on a base of its own."""

    def make(weights=adapter_weights, base=None, extractor=None, **options):
        options = dict(d_cond=16, rank=128, alpha=64, dtype=torch.float32) | options
        base = base or load_base(BASE, options["dtype"])
        adapter = dismo.CogVideoXMotionAdapter(base, extractor or toy_extractor(), **options)
        if weights is not None:
            adapter.load_adapter(weights)
        return adapter

    return make


@pytest.fixture(scope="session")
def shared_adapter(make_adapter):
    """The goldens' adapter, for tests that leave it as it is."""
    return make_adapter()


def enlarged(x):
    """Small uint8 frames [..., h, w, 3] -> [..., 8h, 8w, 3] in -1..1."""
    return (x.float() / 127.5 - 1).repeat_interleave(8, dim=-3).repeat_interleave(8, dim=-2)


@pytest.fixture(scope="session")
def clip(golden):
    """The goldens' driving clip [1,25,64,96,3]."""
    return enlarged(golden["motion_uint8"])


@pytest.fixture(scope="session")
def picture(golden):
    """The goldens' picture [1,64,96,3]."""
    return enlarged(golden["image_uint8"])[None]
