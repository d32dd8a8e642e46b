"""Gaussians of one picture by toys of the true architecture: loaded from files, asked, and turned to the front."""

import json

import pytest
import torch
from safetensors.torch import save_file

from dismo_core.cli.main import main
from dismo_core.errors import DisMoError
from dismo_core.gaussians4d import LGM, MultiViewUNet, read_ply, static_lgm
from dismo_core.gaussians4d.align import placed
from dismo_core.gaussians4d.cameras import orbit_views
from dismo_core.gaussians4d.lgm import lgm_sizes
from dismo_core.gaussians4d.posed import inflated
from dismo_core.gaussians4d.rasterizer import rasterize
from dismo_core.gaussians4d.static_lgm import front, load_static_lgm

UNET = dict(
    model_channels=32, attention_resolutions=[2, 1], num_res_blocks=1, channel_mult=[1, 2], num_head_channels=16, context_dim=24, ip_dim=4,
)  # fmt: skip
TINY = dict(
    down_channels=(32, 32, 32, 32), down_attention=(False, False, False, True), up_channels=(32, 32), up_attention=(True, False)
)  # fmt: skip


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """(LGM's file, ImageDream's folder)."""
    from diffusers import AutoencoderKL
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer, CLIPVisionConfig, CLIPVisionModel

    torch.manual_seed(0)
    root = tmp_path_factory.mktemp("lgm")
    dream = root / "imagedream"
    save_file(LGM(**TINY).half().state_dict(), root / "lgm.safetensors")
    (dream / "unet").mkdir(parents=True)
    save_file(MultiViewUNet(**UNET).state_dict(), dream / "unet/diffusion_pytorch_model.safetensors")
    (dream / "unet/config.json").write_text(json.dumps(UNET | {"image_size": 32}))
    AutoencoderKL(
        block_out_channels=(4, 4, 4, 4), down_block_types=("DownEncoderBlock2D",) * 4, up_block_types=("UpDecoderBlock2D",) * 4,
        norm_num_groups=2,
    ).save_pretrained(dream / "vae")  # fmt: skip
    small = dict(intermediate_size=8, num_attention_heads=2)
    CLIPVisionModel(CLIPVisionConfig(hidden_size=1280, num_hidden_layers=2, patch_size=112, **small)).save_pretrained(
        dream / "image_encoder"
    )
    words = {"<|startoftext|>": 0, "<|endoftext|>": 1, "a</w>": 2}
    text = CLIPTextConfig(
        vocab_size=3, hidden_size=24, num_hidden_layers=1, max_position_embeddings=8, eos_token_id=1, bos_token_id=0, pad_token_id=1,
        **small,
    )  # fmt: skip
    CLIPTextModel(text).save_pretrained(dream / "text_encoder")
    (root / "vocab.json").write_text(json.dumps(words))
    (root / "merges.txt").write_text("#version: 0.2\n")
    CLIPTokenizer(str(root / "vocab.json"), str(root / "merges.txt"), model_max_length=8).save_pretrained(
        dream / "tokenizer"
    )
    return root / "lgm.safetensors", dream


@pytest.fixture
def small(monkeypatch):
    """Pictures of 32 px, two steps, every 60 degrees."""
    monkeypatch.setattr(static_lgm, "SIDE", 32)
    monkeypatch.setattr(static_lgm, "SEARCHED_AT", 64)
    monkeypatch.setattr(static_lgm, "STEPS", 2)


def test_a_frame_becomes_gaussians(files, fish, small):
    static = load_static_lgm(*files)
    seen, asked = [], []
    runtime = static_lgm.Runtime.cpu()
    runtime.stage, runtime.free_memory = seen.append, asked.append
    posed = static.pose(fish, 3, seed=1, runtime=runtime)
    assert posed.frame == 3 and posed.radius == 1.5 and posed.surface is None
    assert 0 < len(posed.gaussians) <= 4 * 8 * 8 and torch.isfinite(posed.gaussians.means).all()
    assert len(seen) == 3
    assert asked == [static.plan.choice.bytes_needed] and asked[0] > 0
    picture = fish.frames(32)[0][3]
    same, again, other = (static.sides(picture, seed, runtime) for seed in (1, 1, 2))
    assert same.shape == (4, 3, 32, 32) and torch.equal(same, again) and not torch.equal(same, other)
    with pytest.raises(DisMoError, match="frame must be 0 to 13"):
        static.pose(fish, 14)


def test_the_front_is_found(fish, monkeypatch):
    monkeypatch.setattr(static_lgm, "SEARCHED_AT", 32)
    g = inflated(fish, count=200).gaussians
    picture = rasterize(*g.activated(), orbit_views([0.0], [0.0], [1.5]), 32, 32).image[0]
    assert abs(front(placed(g, -50.0), picture) + 50) <= 1


@pytest.mark.parametrize("size", ["big", "small", "tiny"])
def test_sizes_are_read_off_the_tensors(size):
    with torch.device("meta"):
        known = getattr(LGM, size)().state_dict()
        again = LGM(**lgm_sizes(known, "a file")).state_dict()
    assert {k: v.shape for k, v in again.items()} == {k: v.shape for k, v in known.items()}
    with pytest.raises(DisMoError, match="is not an LGM"):
        lgm_sizes({"a": torch.zeros(1)}, "a file")


def test_by_command(files, fish, small, tmp_path, capsys):
    from PIL import Image

    Image.fromarray(fish.rgba[0].numpy()).save(tmp_path / "fish.png")
    out = tmp_path / "out.ply"
    words = ["4d", "static", str(tmp_path / "fish.png"), "--method", "lgm", "--lgm", str(files[0])]
    monkey = pytest.MonkeyPatch()
    monkey.setattr("dismo_core.gaussians4d.static_lgm.AT_ONCE", 60)
    try:
        assert main([*words, "--imagedream", str(files[1]), "-o", str(out)]) == 0
    finally:
        monkey.undo()
    assert len(read_ply(out)) > 0 and "invented" in capsys.readouterr().out
    assert main([*words, "--imagedream", str(tmp_path), "-o", str(tmp_path / "b.ply")]) == 2
    assert "no part unet" in capsys.readouterr().err
