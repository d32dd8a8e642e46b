"""The algebra of motion latents, decoded by a network without positions, where it is exact."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from cmd_toys import autoencoder, golden
from safetensors import safe_open

from dismo_core import DisMoError
from dismo_core import content_motion as cm


@pytest.fixture(scope="module")
def model():
    return autoencoder()


@pytest.fixture(scope="module")
def clips():
    """Two clips [1,3,8,16,16]."""
    return golden("ae.square.clip").split(1)


@pytest.fixture(scope="module")
def latents(model, clips):
    with torch.no_grad():
        found = []
        for number, clip in enumerate(clips):
            content, motion = model.encode(clip)
            still = cm.held_still(model, content, 8)
            found.append(cm.MotionLatent(motion[0], 8.0, (16, 16), model.id, f"{number}.mp4", content[0], still[0]))
    return found


def decode(model, latent):
    return model.decode(latent.content[None], latent.values[None])


def test_a_strength_of_0_stands_still(model, latents):
    frames = decode(model, latents[0].scaled(0))
    torch.testing.assert_close(frames, frames[:, :, :1].expand_as(frames), atol=1e-5, rtol=0)
    moving = decode(model, latents[0])
    assert (moving - moving[:, :, :1]).abs().max() > 0.05


def test_strength(latents):
    z = latents[0]
    assert z.scaled(1) is z
    torch.testing.assert_close(z.scaled(0.5).values, (z.values + z.still) / 2)
    strong = z.scaled(50).values
    assert strong.abs().max() == 1 and torch.isfinite(strong).all()
    other = replace(z, values=torch.zeros_like(z.values), still=None)
    torch.testing.assert_close(z.scaled(0.25, other).values, 0.25 * z.values)
    with pytest.raises(DisMoError, match="Strength 2 needs the motion of the content frame held still"):
        replace(z, still=None).scaled(2)


def test_reversed_plays_backwards(model, clips, latents):
    backwards = decode(model, latents[0].reversed())
    torch.testing.assert_close(backwards, model(clips[0].flip(2)), atol=1e-5, rtol=0)
    assert torch.equal(latents[0].reversed().reversed().values, latents[0].values)


def test_mixed_has_its_ends(latents):
    a, b = latents
    assert torch.equal(a.mixed(b, 0).values, a.values) and torch.equal(a.mixed(b, 1).values, b.values)
    torch.testing.assert_close(a.mixed(b, 0.25).values, 0.75 * a.values + 0.25 * b.values)


def test_added_takes_the_other_motion_without_its_rest(latents):
    a, b = latents
    assert torch.equal(a.added(replace(b, values=b.still)).values, a.values)
    torch.testing.assert_close(a.added(replace(b, still=None)).values, (a.values + b.values).clamp(-1, 1))


def test_shifted_by_whole_patches_rolls(latents):
    z = latents[0]
    along, down = z.values.split(8, dim=2)
    expected = torch.cat((along.roll(3, 2), down.roll(-1, 2)), dim=2)
    assert torch.equal(z.shifted(6, -2).values, expected)
    half = z.shifted(1, 0).values
    torch.testing.assert_close(half[..., :8], (along + along.roll(1, 2)) / 2)
    assert torch.equal(half[..., 8:], down)


def test_shift_moves_the_width_part_by_its_own_width():
    z = cm.MotionLatent(torch.arange(32.0).view(1, 1, 32) / 32, 8.0, (24, 40), "a")
    moved = z.shifted(2, 0).values[0, 0]
    assert moved[0] == z.values[0, 0, 19] and moved[20] == z.values[0, 0, 20]


def test_transplanted_takes_a_rectangle(latents):
    a, b = latents
    hard = a.transplanted(b, (4, 8, 10, 16), feather=0).values
    taken = [2, 3, 4, 8 + 4, 8 + 5, 8 + 6, 8 + 7]
    kept = [n for n in range(16) if n not in taken]
    assert torch.equal(hard[..., taken], b.values[..., taken]) and torch.equal(hard[..., kept], a.values[..., kept])
    soft = a.transplanted(b, (4, 8, 10, 16)).values
    torch.testing.assert_close(soft[..., 1], (a.values[..., 1] + b.values[..., 1]) / 2)
    assert torch.equal(a.transplanted(b, (0, 0, 16, 16)).values, b.values)


def test_time(latents):
    z = latents[0]
    assert z.retimed(8) is z
    slow = z.retimed(15)
    torch.testing.assert_close(slow.values[:, ::2], z.values)
    assert slow.still.shape[1] == 15
    assert torch.equal(z.loop(11).values, torch.cat((z.values, z.values[:, :3]), dim=1))
    held = z.hold(10).values
    assert torch.equal(held[:, :8], z.values) and torch.equal(held[:, 9], z.values[:, 7])
    joined = z.concatenate(latents[1])
    assert torch.equal(joined.values, torch.cat((z.values, latents[1].values), dim=1)) and joined.still.shape[1] == 1
    assert torch.equal(joined.trimmed(8, 8).values, latents[1].values)


def test_files(tmp_path, latents):
    path = tmp_path / "m.safetensors"
    kept = replace(latents[0], source="C:\\clips\\dance.mp4")
    kept.save(path)
    with safe_open(path, "pt") as file:
        assert file.metadata() == {
            **dict(format="content-motion", version="1", fps="8.0", height="16", width="16", source="dance.mp4"),
            "autoencoder": kept.autoencoder,
        }
        assert set(file.keys()) == {"motion", "content", "still"}
    again = cm.MotionLatent.load(path)
    assert torch.equal(again.values, kept.values) and torch.equal(again.content, kept.content)
    assert (again.fps, again.size, again.source) == (8.0, (16, 16), "dance.mp4")
    with pytest.raises(DisMoError, match="exists already"):
        kept.save(path)
    replace(kept, content=None, still=None).save(path, overwrite=True)
    assert cm.MotionLatent.load(path).content is None


def test_a_latent_at_published_size_is_a_small_file(tmp_path):
    path = tmp_path / "m.safetensors"
    cm.MotionLatent(torch.zeros(8, 16, 64), 8.0, (64, 64), "a" * 16).save(path)
    assert path.stat().st_size < 40_000


Z = torch.zeros
BAD = {
    "rank": (
        lambda a, b: replace(a, values=Z(1, 4, 8, 16)),
        r"float32 \[D, L, W'\+H'\], not torch.float32 \[1, 4, 8, 16\]",
    ),
    "size": (lambda a, b: replace(a, size=(16, 18), content=None), r"16 positions does not belong .* \(16, 18\)"),
    "not finite": (lambda a, b: replace(a, values=Z(4, 8, 16) / 0), "NaN or infinite"),
    "fps": (lambda a, b: replace(a, fps=0.0), "above 0 and finite, not 0.0"),
    "still": (
        lambda a, b: a.scaled(0, Z(4, 3, 16)),
        r"still motion \[4, 3, 16\] does not fit the motion latent \[4, 8, 16\]",
    ),
    "content": (lambda a, b: replace(a, content=Z(3, 8, 8)), r"content frame \[3, 8, 8\] is not \[C, 16, 16\]"),
    "strength": (lambda a, b: a.scaled(float("nan")), "strength of nan is out of range"),
    "autoencoder": (
        lambda a, b: a.mixed(replace(b, autoencoder="f" * 16), 0.5),
        r"made by autoencoder [0-9a-f]{16}, .* autoencoder f{16}",
    ),
    "decoder": (lambda a, b: a.require_autoencoder("e" * 16), "to be decoded by autoencoder e{16}"),
    "other size": (
        lambda a, b: a.concatenate(cm.MotionLatent(Z(4, 8, 16), 8.0, (8, 24), a.autoencoder)),
        r"\(16, 16\) and \(8, 24\)",
    ),
    "other length": (lambda a, b: a.added(b.trimmed(5)), "8 and 5 frames"),
    "amount": (lambda a, b: a.mixed(b, 1.5), "not 1.5"),
    "region": (lambda a, b: a.transplanted(b, (4, 4, 4, 8)), r"region \(4, 4, 4, 8\)"),
    "feather": (lambda a, b: a.transplanted(b, (0, 0, 4, 8), feather=-1), "0 px or more, not -1"),
    "trim": (lambda a, b: a.trimmed(6, 4), "8 frames cannot be trimmed to 6 from frame 4"),
    "retime": (lambda a, b: a.retimed(1), "retimed to 1"),
    "loop": (lambda a, b: a.loop(0), "cannot have 0 frames"),
    "shift": (lambda a, b: a.shifted(float("inf"), 0), "shifted by inf, 0 px"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input(case, latents):
    act, message = BAD[case]
    with pytest.raises(DisMoError, match=message):
        act(*latents)


def test_bad_files(tmp_path):
    path = tmp_path / "x.safetensors"
    path.write_bytes(b"no")
    with pytest.raises(DisMoError, match="Cannot read the motion latent .*x.safetensors"):
        cm.MotionLatent.load(path)
    from safetensors.torch import save_file

    save_file({"motion": Z(4, 8, 16)}, path, {"format": "dismo-motion"})
    with pytest.raises(DisMoError, match="'dismo-motion', not 'content-motion'"):
        cm.MotionLatent.load(path)
    save_file({"motion": Z(4, 8, 16)}, path, {"format": "content-motion", "version": "2"})
    with pytest.raises(DisMoError, match="version '2'"):
        cm.MotionLatent.load(path)
    save_file({"motion": Z(4, 8, 16)}, path, {"format": "content-motion", "version": "1", "fps": "8"})
    with pytest.raises(DisMoError, match="height or width entry is missing"):
        cm.MotionLatent.load(path)
