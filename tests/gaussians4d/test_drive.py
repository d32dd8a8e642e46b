"""A clip of one picture by a toy of Stable Video Diffusion."""

import numpy as np
import pytest
import torch
from PIL import Image

from dismo_core.cli.main import main
from dismo_core.errors import DisMoError
from dismo_core.gaussians4d.drive import drive
from dismo_core.video import probe


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    from diffusers import (
        AutoencoderKLTemporalDecoder,
        EulerDiscreteScheduler,
        StableVideoDiffusionPipeline,
        UNetSpatioTemporalConditionModel,
    )
    from transformers import CLIPImageProcessor, CLIPVisionConfig, CLIPVisionModelWithProjection

    torch.manual_seed(0)
    unet = UNetSpatioTemporalConditionModel(
        block_out_channels=(32, 32), layers_per_block=1, sample_size=8, in_channels=8, out_channels=4, num_attention_heads=2,
        down_block_types=("CrossAttnDownBlockSpatioTemporal", "DownBlockSpatioTemporal"), cross_attention_dim=8,
        up_block_types=("UpBlockSpatioTemporal", "CrossAttnUpBlockSpatioTemporal"), addition_time_embed_dim=8,
        projection_class_embeddings_input_dim=24,
    )  # fmt: skip
    vae = AutoencoderKLTemporalDecoder(
        block_out_channels=(32, 32, 32, 32), layers_per_block=1, latent_channels=4, down_block_types=("DownEncoderBlock2D",) * 4
    )  # fmt: skip
    vision = CLIPVisionConfig(
        hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=2, patch_size=112, projection_dim=8
    )  # fmt: skip
    path = tmp_path_factory.mktemp("svd")
    StableVideoDiffusionPipeline(
        vae, CLIPVisionModelWithProjection(vision), unet, EulerDiscreteScheduler(), CLIPImageProcessor()
    ).save_pretrained(path)
    return path


def test_frames_of_one_picture(folder, fish):
    rgba = fish.rgba[0].numpy()
    short = dict(frames=3, steps=2, size=64)
    clip = drive(folder, rgba, seed=1, **short)
    assert clip.shape == (3, 64, 64, 3) and clip.dtype == torch.uint8
    assert torch.equal(clip, drive(folder, rgba, seed=1, **short))
    assert not torch.equal(clip, drive(folder, rgba, seed=2, **short))
    assert drive(folder, rgba, pad=True, **short).shape == (3, 64, 64, 3)
    with pytest.raises(DisMoError, match="multiple of 64, not 100"):
        drive(folder, rgba, size=100)


def test_by_command(folder, fish, tmp_path, capsys):
    Image.fromarray(fish.rgba[0].numpy()).save(tmp_path / "fish.png")
    words = ["4d", "drive", str(tmp_path / "fish.png"), "--frames", "3", "--steps", "1", "--size", "64"]
    assert main([*words, "--model", str(folder)]) == 0
    assert sorted(p.name for p in (tmp_path / "fish_frames").iterdir()) == ["000.png", "001.png", "002.png"]
    assert np.asarray(Image.open(tmp_path / "fish_frames/000.png")).shape == (64, 64, 3)
    assert probe(tmp_path / "fish_generated.mp4").fps == pytest.approx(7)
    assert main([*words, "--model", str(tmp_path), "--overwrite"]) == 2
    assert "no model_index.json" in capsys.readouterr().err
