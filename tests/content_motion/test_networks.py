"""What the networks of CMD promise: shapes, positions, initial weights, guidance, bad input."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from cmd_toys import AUTOENCODER, DIT, autoencoder, content_model, filled, golden, motion_model

from dismo_core import DisMoError
from dismo_core import content_motion as cm


def test_importing_the_method_loads_no_torch():
    code = "import dismo_core.content_motion as cm, sys; assert 'torch' not in sys.modules; assert cm.MotionLatent"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    "case, shape, positions",
    [("square", (1, 3, 5, 12, 20), 16), ("latent", (2, 4, 3, 8, 12), 10), ("square", (1, 3, 2, 2, 2), 2)],
)
def test_shapes(case, shape, positions):
    content, motion = autoencoder(case).encode(torch.rand(shape))
    assert content.shape == (shape[0], shape[1], *shape[3:]) and motion.shape == (shape[0], 4, shape[2], positions)
    assert motion.abs().max() < 1
    assert autoencoder(case).decode(content, motion).shape == shape


def test_the_content_frame_is_a_mean_over_time():
    clip = golden("ae.square.clip")
    model = autoencoder()
    content = model.encode(clip).content
    assert (content >= clip.amin(2) - 1e-6).all() and (content <= clip.amax(2) + 1e-6).all()
    torch.testing.assert_close(model.content_weights(clip).sum(2), torch.ones(2, 3, 16, 16))
    still = clip[:, :, :1].expand_as(clip)
    torch.testing.assert_close(model.encode(still).content, clip[:, :, 0], atol=1e-5, rtol=0)


def test_only_with_positions_does_the_order_of_frames_matter():
    clip, order = golden("ae.square.clip"), [3, 0, 7, 1, 2, 6, 5, 4]
    content, motion = autoencoder().encode(clip)
    shuffled = autoencoder().encode(clip[:, :, order])
    torch.testing.assert_close(shuffled.motion, motion[:, :, order], atol=1e-5, rtol=0)
    torch.testing.assert_close(shuffled.content, content, atol=1e-5, rtol=0)
    rotary = filled(cm.ContentMotionAutoencoder(**AUTOENCODER, positions="rotary"))
    assert rotary.encoder.frame_rot_emb.inv_freqs.shape == (2,) and rotary.encoder.image_rot_emb.scales.shape == (1,)
    assert (rotary.encode(clip[:, :, order]).motion - rotary.encode(clip).motion[:, :, order]).abs().max() > 1e-3


def test_rotary_attention_sees_distances_alone():
    """Queries and keys turned by their positions: their products depend on the difference."""
    from dismo_core.content_motion.models.rotary import FrameRotary, ImageRotary, rotate

    q, k = torch.randn(2, 8)
    angles = FrameRotary(8)(9)
    products = rotate(q.expand(9, 8), angles) @ rotate(k.expand(9, 8), angles).T
    torch.testing.assert_close(products[2, 5], products[4, 7])
    assert (products[2, 5] - products[2, 6]).abs() > 1e-3
    places = ImageRotary(8)(2, 3)
    assert places.shape == (6, 4)
    torch.testing.assert_close(places[0, :2], -places[3, :2])  # rows -1 and 1
    torch.testing.assert_close(places[1, 2:], torch.zeros(2))  # the middle column


def test_one_position_of_the_motion_acts_along_its_column_or_row():
    """Without attention the decoder only spreads: a shallow one shows where."""
    model = filled(cm.ContentMotionAutoencoder(**{**AUTOENCODER, "depth": 0}))
    content, motion = torch.zeros(1, 3, 12, 20), torch.zeros(1, 4, 3, 16)
    one = motion.clone()
    one[0, :, 1, 7] = 1  # the eighth column of patches, of ten
    changed = (model.decode(content, one) - model.decode(content, motion)).abs().sum((0, 1)) > 1e-6
    assert changed[1, :, 14:16].all() and not changed[1, :, :14].any() and not changed[[0, 2]].any()
    one = motion.clone()
    one[0, :, 2, 10 + 4] = 1  # the fifth row, of six
    changed = (model.decode(content, one) - model.decode(content, motion)).abs().sum((0, 1)) > 1e-6
    assert changed[2, 8:10].all() and not changed[2, :8].any()


def test_new_transformers_give_exactly_0():
    motion = cm.MotionDiT(latent_size=(4, 16), channels=4, content_size=(16, 16), **DIT)
    assert not motion(torch.randn(2, 4, 4, 16), torch.tensor([3, 999]), torch.randn(2, 3, 16, 16)).any()
    content = cm.ContentDiT(image_size=(16, 16), **DIT)
    assert not content(torch.randn(1, 3, 16, 16), torch.tensor([0]), torch.tensor([101])).any()
    assert not motion.pos_embed.requires_grad and not content.pos_embed.requires_grad


def test_guidance_and_dropped_labels():
    model, x, t = content_model(), golden("content.square.x"), golden("content.square.t")
    labels = torch.tensor([0, 2, 4])
    plain = model(x, t, labels)
    assert torch.equal(model.guided(x, t, labels, 1), plain)
    torch.testing.assert_close(model.guided(x, t, labels, 1.0000001), plain, atol=1e-3, rtol=0)
    none = model(x, t, torch.full((3,), 5))
    assert not torch.allclose(none, plain)
    model.label_dropout = 1.0
    assert torch.equal(model.train()(x, t, labels), none)


def test_presets():
    with torch.device("meta"):
        assert cm.MotionDiT.preset("MotionDiT-S/4").geometry["patch_size"] == 4
        wide = cm.ContentDiT.preset("DiT-S/2", image_size=(32, 64), table="grid")
    assert wide.grid == (16, 32)


def test_half_precision_runs():
    model = filled(cm.ContentMotionAutoencoder(**AUTOENCODER, positions="rotary")).bfloat16()
    assert model(golden("ae.square.clip").bfloat16()).dtype == torch.bfloat16
    out = motion_model().bfloat16()(*(golden(f"motion.square.{n}") for n in ("x", "t", "content")))
    assert torch.isfinite(out).all()


Z = torch.zeros
CLIP = (1, 3, 4, 12, 20)
BAD = {
    "size": (lambda: autoencoder().encode(Z(1, 3, 4, 13, 20)), "A clip of 13x20 .* multiples of 2"),
    "frames": (lambda: autoencoder().encode(Z(1, 3, 1, 12, 20)), "1 frames has no motion"),
    "channels": (lambda: autoencoder().encode(Z(1, 4, 4, 12, 20)), r"C = 3, not \[1, 4, 4, 12, 20\]"),
    "positions": (
        lambda: autoencoder().decode(Z(1, 3, 12, 20), Z(1, 4, 4, 15)),
        "15 positions does not fit a content frame of 12x20 .* 10 \\+ 6 = 16",
    ),
    "batch": (
        lambda: autoencoder().decode(Z(2, 3, 12, 20), Z(1, 4, 4, 16)),
        r"must be \[2,4,L,16\], not \[1, 4, 4, 16\]",
    ),
    "heads": (lambda: cm.ContentMotionAutoencoder(width=30), "width 30 cannot be divided among 8 heads"),
    "mode": (lambda: cm.ContentMotionAutoencoder(mode="rgb"), "no mode 'rgb'"),
    "no positions": (lambda: cm.ContentMotionAutoencoder(positions="sin"), "no positions 'sin'"),
    "rotary heads": (lambda: cm.ContentMotionAutoencoder(width=48, positions="rotary"), "48 / 8 = 6 is none"),
    "table": (lambda: cm.MotionDiT(latent_size=(16, 96)), "8 x 48 are 384, and 19 x 19 are 361. Use table='grid'"),
    "no table": (lambda: cm.ContentDiT(table="round"), "no table 'round'"),
    "patch": (lambda: cm.ContentDiT(image_size=(15, 16)), "15x16 cannot be cut into patches of 2"),
    "preset": (lambda: cm.MotionDiT.preset("M/2"), "no preset 'M/2'. Known are XL/2"),
    "latent": (
        lambda: motion_model()(Z(1, 4, 6, 16), Z(1), Z(1, 3, 16, 16)),
        r"motion latent must be \['B', 4, 4, 16\], not \[1, 4, 6, 16\]",
    ),
    "content": (
        lambda: motion_model()(Z(1, 4, 4, 16), Z(1), Z(1, 3, 8, 8)),
        r"content frame must be \['B', 3, 16, 16\]",
    ),
    "label": (lambda: content_model().check_labels(torch.tensor([2, 7])), "no class 7: .* has 5, 0 to 4"),
    "loss": (lambda: cm.reconstruction_loss(Z(CLIP), Z(1, 3, 4, 12, 22)), r"\[1, 3, 4, 12, 22\] differ"),
    "frames of a clip": (
        lambda: cm.clip_tensor(Z(3, 8, 8, 3), (8, 8)),
        r"must be uint8 .* not torch.float32 \[3, 8, 8, 3\]",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input(case):
    act, message = BAD[case]
    with pytest.raises(DisMoError, match=message):
        act()


def test_a_motion_model_of_standardised_latents_draws_them_back(tmp_path):
    from dismo_core.content_motion.checkpoints import save_model
    from dismo_core.content_motion.weights import load_motion_model

    mean, std = [0.1, -0.2, 0.3, 0.0], [0.2, 0.1, 0.3, 0.05]
    model = filled(cm.MotionDiT(**{**motion_model().geometry, "latent_mean": mean, "latent_std": std})).eval()
    motion = torch.rand(2, motion_model().channels, *motion_model().latent_size) * 2 - 1
    standard = model.standardised(motion)
    torch.testing.assert_close(standard[:, 1], (motion[:, 1] + 0.2) / 0.1)
    torch.testing.assert_close(model.latents(standard), motion, atol=1e-5, rtol=1e-5)
    assert model.latents(9 * standard).abs().max() <= 1
    assert torch.equal(motion_model().standardised(motion), motion)  # as released: as they are
    save_model(model, tmp_path / "motion.safetensors")
    assert load_motion_model(tmp_path / "motion.safetensors").geometry == model.geometry
    content = torch.rand(2, 3, 16, 16) * 2 - 1
    drawn, plain = (
        cm.ContentMotionModel(autoencoder(), made).predict_motion(content, 3, 4) for made in (model, motion_model())
    )
    torch.testing.assert_close(drawn, model.latents(plain), atol=1e-4, rtol=1e-4)
