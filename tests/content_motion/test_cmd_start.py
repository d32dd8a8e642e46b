"""What the tiny model is trained on and begins with: pairs that move alike, exchange, a start that gives the mean frame."""

from __future__ import annotations

import pytest
import torch

from dismo_core import DisMoError
from dismo_core import content_motion as cm
from dismo_core.content_motion.evaluation import is_moving, low_rank, mean_frame, psnr
from dismo_core.content_motion.training.batches import Batch, DrawnSource
from dismo_core.content_motion.training.latents import Encoded, content_or_middle
from dismo_core.content_motion.training.objectives import AutoencoderObjective, drawn_noise, roughness
from dismo_core.content_motion.training.recolor import in_other_colors, recolored
from dismo_core.content_motion.training.stand_ins import as_encoded, blurred, middle_frame, stand_in_of_batch
from dismo_core.content_motion.training.start import begin_as_mean
from dismo_core.synthetic.moving_scenes import KINDS, MovingScenes
from dismo_core.training.share import Share


@pytest.fixture(scope="module")
def scenes():
    return MovingScenes(32, seed=3, textures=12)


def source(scenes, share=None, **more):
    return DrawnSource(scenes, 8, share or Share(4), **more)


def test_pairs_move_alike_and_look_different(scenes):
    pairs = scenes.pairs(0, 8, 8)
    assert pairs.first.shape == pairs.second.shape == (8, 8, 32, 32, 3)
    assert (pairs.first - pairs.second).abs().flatten(1).mean(1).min() > 0.05
    still = pairs.kinds == KINDS.index("still")
    for clips in (pairs.first, pairs.second):
        change = (clips[:, 1:] - clips[:, :-1]).abs().flatten(1).mean(1)
        assert (change[still] < 1e-6).all() and (change[pairs.kinds == KINDS.index("object")] > 0).all()
    (number,) = (pairs.kinds == KINDS.index("object")).nonzero()[:1].tolist()[0]
    moved = [(clip[number, 1:] - clip[number, :-1]).abs().sum(-1) > 0.02 for clip in (pairs.first, pairs.second)]
    both, either = (moved[0] & moved[1]).sum(), (moved[0] | moved[1]).sum()
    assert both > 0.3 * either  # at the same places
    assert torch.equal(scenes.pairs(0, 8, 8, paired=False).first, pairs.first)


def test_the_livelier_part_of_what_is_drawn(scenes):
    change = [
        (scenes.pairs(1, 6, 8, lively, False).first.diff(dim=1)).abs().mean() for lively in (1.0, 1 / 3)
    ]  # fmt: skip
    assert change[1] > 1.2 * change[0]


def test_batches_are_functions_of_their_number_and_of_the_process(scenes):
    drawn = source(scenes, exchange=0.5)
    batches = list(drawn.batches(0, 4))
    assert [b.others is None for b in batches] == [True, False, True, False]
    assert [len(b.clips) for b in batches] == [4, 2, 4, 2]  # a pair takes as much work as two clips
    assert torch.equal(next(drawn.batches(3, 4)).others, batches[3].others)
    second = source(scenes, Share(8, 1, 2))
    assert not torch.equal(next(second.batches(0, 1)).clips, batches[0].clips)
    held = drawn.held_out(0, 2)
    assert all(not torch.equal(held.clips[0], clip) for b in batches for clip in b.clips)
    with pytest.raises(DisMoError, match="9 clips cannot be divided among 2 processes"):
        Share(9, 0, 2)


def test_noise_belongs_to_a_clip_and_not_to_its_batch():
    t, noise = drawn_noise(range(4, 8), 1, torch.Size((3, 2)), 1000)
    again = drawn_noise(range(6, 8), 1, torch.Size((3, 2)), 1000)
    assert torch.equal(t[2:], again[0]) and torch.equal(noise[2:], again[1])
    assert not torch.equal(noise[0], noise[1])


def test_the_autoencoder_begins_as_the_mean_frame_and_looks_beside_itself(scenes):
    torch.manual_seed(0)
    model = cm.ContentMotionAutoencoder(width=64, depth=1, patch_size=4, positions="rotary").eval()
    clips = scenes.pairs(2, 4, 8).first.movedim(-1, 1)
    begin_as_mean(model, 8, 8, 8)
    content, motion = model.encode(clips)
    torch.testing.assert_close(content, clips.mean(dim=2), atol=1e-5, rtol=0)
    made = model.decode(content, motion)
    assert psnr(made, mean_frame(clips)).min() > 32
    from dismo_core.content_motion.models.rotary import rotate

    for transformer in (model.encoder, model.decoder):
        attention = transformer.layers[0][0].fn  # head 1 looks at the next frame
        q, k, _ = attention.qkv(torch.randn(1, 8, 64)).unflatten(-1, (3, 8, -1)).permute(2, 0, 3, 1, 4)
        angles = transformer.frame_rot_emb(8)
        scores = rotate(q, angles) @ rotate(k, angles).transpose(-1, -2)
        assert scores[0, 1, :7].argmax(-1).tolist() == list(range(1, 8))
        assert (scores[0, 4].std(-1) < 1e-4).all()  # and one at all alike


def test_exchange_decodes_the_motion_of_one_clip_on_the_content_of_the_other():
    torch.manual_seed(0)
    model = cm.ContentMotionAutoencoder(width=16, depth=1, patch_size=4).eval()
    a, b = (torch.rand(2, 3, 4, 8, 8) * 2 - 1 for _ in range(2))
    found = AutoencoderObjective(model)(a, b, torch.zeros(4, dtype=torch.long))
    (ca, za), (cb, zb) = model.encode(a), model.encode(b)
    expected = torch.stack([(model.decode(ca, zb) - a).abs(), (model.decode(cb, za) - b).abs()]).mean()
    torch.testing.assert_close(found["loss"], 4 * expected)
    by_psnr = AutoencoderObjective(model, decibels=True)(a, None, torch.zeros(2, dtype=torch.long))
    torch.testing.assert_close(by_psnr["psnr"], psnr(model(a), a).mean())
    errors = (model(a) - a).square().flatten(1).mean(1)
    torch.testing.assert_close(by_psnr["loss"], (errors + 4e-4).log().mean())


def test_other_colors_leave_shapes_and_motion_as_they_are(scenes):
    clips = scenes.pairs(4, 6, 8).first.movedim(-1, 1)
    assert torch.equal(recolored(clips, 0.0, range(6)), clips)
    little, far = (recolored(clips, amount, range(6)) for amount in (0.1, 1.0))
    assert (little - clips).abs().mean() < 0.5 * (far - clips).abs().mean()
    assert torch.equal(far[3:], recolored(clips[3:], 1.0, range(3, 6)))  # of each clip by its own seed
    inside = 0.4 * clips  # where no color leaves its range, distances between colors stay
    turned = recolored(inside, 0.3, range(6))
    change, after = ((x[:, :, 1:] - x[:, :, :-1]).norm(dim=1) for x in (inside, turned))
    kept = turned.abs().amax(dim=1) < 1
    kept = kept[:, 1:] & kept[:, :-1]
    torch.testing.assert_close(change[kept], after[kept], rtol=1e-3, atol=1e-4)


def test_a_share_of_the_batches_has_other_colors_more_and_more():
    clips = torch.rand(4, 3, 2, 4, 4) * 2 - 1
    crossed = [in_other_colors(clips, number, 0.25, range(4)) for number in range(8)]
    assert [found is not None for found in crossed] == [False, True, False, False] * 2
    first, others = crossed[1]
    assert torch.equal(first, clips[::2]) and others.shape == first.shape
    later = in_other_colors(clips, 401, 0.25, range(4))[1]
    assert (later - first).abs().mean() > 5 * (others - first).abs().mean() > 0
    assert all(in_other_colors(clips, number, 0.0, range(4)) is None for number in range(50))


def test_a_raster_of_frames_is_rough_and_one_frame_in_all_places_is_not():
    raster = torch.zeros(1, 1, 2, 8, 8)
    raster[:, :, 0, :, ::2] = 1.0
    raster[:, :, 1, :, 1::2] = 1.0
    assert float(roughness(raster)) == 2.0  # each pixel and the next one: all of it, of both frames
    plain = torch.zeros(1, 1, 2, 8, 8)
    plain[:, :, 1] = 1.0
    assert float(roughness(plain)) == 0.0
    torch.manual_seed(0)
    model, clips = cm.ContentMotionAutoencoder(width=16, depth=1, patch_size=4), torch.rand(2, 3, 4, 8, 8) * 2 - 1
    frame = torch.zeros(2, dtype=torch.long)
    losses = {smooth: AutoencoderObjective(model, smooth=smooth)(clips, None, frame)["loss"] for smooth in (0.0, 2.0)}
    rough = roughness(model.content_weights(clips))
    torch.testing.assert_close(losses[2.0] - losses[0.0], 2 * rough)
    assert rough > 0


def test_a_blurred_content_frame_goes_with_blurred_clips():
    clips = torch.rand(2, 3, 4, 16, 16) * 2 - 1
    content, shown = blurred(clips.mean(dim=2), clips, 1.0)
    torch.testing.assert_close(content, shown.mean(dim=2))
    torch.testing.assert_close(shown[1:, :, 2:], blurred(clips[1:, :, 0], clips[1:, :, 2:], 1.0)[1])
    assert shown.std() < 0.4 * clips.std()
    plain = torch.full((1, 3, 4, 16, 16), 0.3)
    torch.testing.assert_close(blurred(plain[:, :, 0], plain, 2.0)[1], plain)
    raster = torch.ones(1, 3, 16, 16)
    raster[..., ::2] = -1
    assert blurred(raster, clips, 1.5)[0][..., 4:-4].abs().max() < 0.01


def test_a_share_of_the_batches_has_another_picture_for_its_content_frame():
    clips, content = torch.rand(2, 3, 4, 16, 16), torch.rand(2, 3, 16, 16)
    drawn = [stand_in_of_batch(number, 0.5, 7) for number in range(400)]
    kinds = [each if each in (as_encoded, middle_frame) else "blurred" for each in drawn]
    found = [kinds.count(kind) / len(kinds) for kind in (as_encoded, middle_frame, "blurred")]
    assert found == pytest.approx([0.5, 0.25, 0.25], abs=0.06)
    assert {stand_in_of_batch(number, 0.0, 7) for number in range(50)} == {as_encoded}
    again = stand_in_of_batch(kinds.index("blurred"), 0.5, 7)  # a function of the seed and of the batch's number
    torch.testing.assert_close(again(content, clips), drawn[kinds.index("blurred")](content, clips))
    assert torch.equal(middle_frame(content, clips)[0], clips[:, :, 2])


def test_motion_is_learned_for_the_middle_frames_of_a_share_of_the_clips():
    content, middle = torch.zeros(200, 3, 2, 2), torch.ones(200, 3, 2, 2)
    encoded = Encoded(content, torch.zeros(200, 8, 4, 2), torch.zeros(200), middle)
    torch.manual_seed(0)
    given = content_or_middle(encoded, 0.5)
    assert ((given == 0).flatten(1).all(1) | (given == 1).flatten(1).all(1)).all()
    assert float(given.mean()) == pytest.approx(0.5, abs=0.1)
    assert torch.equal(content_or_middle(encoded._replace(middle=None), 0.5), content)


def test_a_stand_in_is_what_is_decoded():
    torch.manual_seed(0)
    model, clips = cm.ContentMotionAutoencoder(width=16, depth=1, patch_size=4), torch.rand(2, 3, 4, 8, 8) * 2 - 1
    frame = torch.zeros(2, dtype=torch.long)
    found = AutoencoderObjective(model)(clips, None, frame, middle_frame)["loss"]
    made = model.decode(clips[:, :, 2], model.encode(clips).motion)
    torch.testing.assert_close(found, 4 * (made - clips).abs().mean())


def test_measures_beside_the_model(scenes):
    clips = scenes.pairs(3, 6, 8).first.movedim(-1, 1)
    scores = [psnr(low_rank(clips, rank), clips) for rank in (1, 2, 3)]
    moving = is_moving(clips)
    assert moving.any() and (scores[0] >= psnr(mean_frame(clips), clips) - 1e-3).all()
    assert (scores[1][moving] > scores[0][moving]).all() and (scores[2][moving] > scores[1][moving]).all()
    assert not is_moving(mean_frame(clips)).any()


def test_one_step_learns_from_a_batch(scenes):
    torch.manual_seed(0)
    model = cm.ContentMotionAutoencoder(width=64, depth=1, patch_size=4, positions="rotary")
    begin_as_mean(model, 8, 8, 8)
    objective, frame = AutoencoderObjective(model, decibels=True), torch.zeros(4, dtype=torch.long)
    batch: Batch = next(source(scenes, lively=0.5).batches(0, 1))
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    losses = []
    with torch.enable_grad():
        for _ in range(12):
            loss = objective(batch.clips, None, frame)["loss"]
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    assert losses[-1] < 0.95 * losses[0]
