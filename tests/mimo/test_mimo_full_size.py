"""Files of the released names and shapes, written sparse in float16: loaded from the disk as they lie, refused when one thing is wrong."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch
from sparse_files import sparse

from dismo_core import DisMoError, mimo
from dismo_core.mimo.load_pipeline import load_networks
from dismo_core.mimo.weight_layout import find_layout

NETWORKS = ("denoising_unet_path", "reference_unet_path", "pose_guider_path")
BASE = "stable-diffusion-v1-5/unet/diffusion_pytorch_model"


def shapes(make):
    with torch.device("meta"):
        return {name: tuple(x.shape) for name, x in make().state_dict().items()}


@pytest.fixture(scope="module")
def released():
    """File -> tensors, as the release divides them."""
    denoising = shapes(mimo.DenoisingUNet)
    motion = {name: shape for name, shape in denoising.items() if ".motion_modules." in name}
    unet = {name: shape for name, shape in denoising.items() if name not in motion}
    return {
        "denoising_unet": {name: shape for name, shape in unet.items() if not name.startswith("conv_out")},
        "motion_module": motion,
        "reference_unet": shapes(mimo.ReferenceUNet),
        "pose_guider": shapes(mimo.PoseGuider),
        BASE: unet | {"conv_in.weight": (320, 4, 3, 3)},
    }


def written(files, folder):
    for name, tensors in files.items():
        path = folder / f"{name}.safetensors"
        path.parent.mkdir(parents=True, exist_ok=True)
        sparse(path, tensors, "F16", 2)
    return find_layout(folder, NETWORKS)


def resident():
    """Bytes of memory in no file."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * int(next(line for line in lines if line.startswith("RssAnon")).split()[1])


@pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")
def test_the_released_files_stay_on_the_disk(released, tmp_path):
    layout = written(released, tmp_path)
    before = resident()
    reference, denoising, guider = load_networks(layout, torch.float16)
    assert resident() - before < 300e6, "of 4.3 GB"
    counts = [sum(x.numel() for x in module.parameters()) for module in (reference, denoising, guider)]
    assert counts == [859_508_800, 1_312_741_764, 1_086_480]
    assert denoising.conv_in.weight.dtype == torch.float16 and denoising.conv_in.weight.shape[1] == 8


def test_one_file_holds_all_of_the_denoising_unet(released, tmp_path):
    files = {name: released[name] for name in ("reference_unet", "pose_guider")}
    layout = written(files | {"denoising_unet": shapes(mimo.DenoisingUNet)}, tmp_path)
    assert load_networks(layout, torch.float16)[1].max_frames == 32


@pytest.mark.parametrize(
    ("file", "name", "shape", "message"),
    [
        ("reference_unet", "conv_in.bias", None, "1 missing: conv_in.bias"),
        ("reference_unet", "more", (1,), "1 unknown: more"),
        ("pose_guider", "blocks.2.bias", (31,), "of another shape: blocks.2.bias"),
        ("denoising_unet", "conv_in.weight", (320, 4, 3, 3), "for 4 channels"),
        (
            "denoising_unet",
            "mid_block.resnets.0.conv1.bias",
            (1279,),
            "of another shape: mid_block.resnets.0.conv1.bias",
        ),
        ("motion_module", "mid_block.motion_modules.0.temporal_transformer.proj_in.bias", None, "1 missing: mid_block"),
    ],
)
def test_one_wrong_thing_is_enough(released, tmp_path, file, name, shape, message):
    tensors = {other: kept for other, kept in released[file].items() if other != name}
    layout = written(released | {file: tensors | ({} if shape is None else {name: shape})}, tmp_path)
    with pytest.raises(DisMoError, match=message):
        load_networks(layout, torch.float16)
