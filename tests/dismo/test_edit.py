"""Editing and mixing motions: lengths, seams, refusals."""

from dataclasses import replace

import psutil
import pytest
import torch

from dismo_core import DisMoError, Motion
from dismo_core.dismo import edit


def clip(frames=25, seed=0, **changes):
    """A motion of `frames` frames whose rows have length 2."""
    rows = torch.randn(frames - 4, 8, generator=torch.Generator().manual_seed(seed))
    rows = 2 * rows / rows.norm(dim=1, keepdim=True)
    still = torch.eye(8)[0] * 2
    return replace(Motion(rows, 8.0, f"clip{seed}.mp4", "0123456789abcdef", still), **changes)


def constant(value, frames=13):
    """A motion that goes on alike, of rows along axis `value`."""
    return clip(frames, embeddings=torch.eye(8)[value].repeat(frames - 4, 1) * 2)


LENGTHS = {
    "trim": (lambda m: m.trimmed(9, 3), 9),
    "hold": (lambda m: edit.hold(m, 10, 8), 33),
    "pause": (lambda m: edit.pause(m, 10, 8), 33),
    "loop": (lambda m: edit.loop(m, 3), 73),
    "loop with crossfade": (lambda m: edit.loop(m, 3, 4), 65),
    "reverse order": (edit.reverse_order, 25),
    "blend": (lambda m: edit.blend(m, clip(13, 1)), 13),
    "chain": (lambda m: edit.chain([m, clip(13, 1), clip(9, 2)]), 45),
    "chain with crossfade": (lambda m: edit.chain([m, clip(13, 1)], 6), 31),
}


@pytest.mark.parametrize("name", LENGTHS)
def test_length_and_row_lengths(name):
    make, frames = LENGTHS[name]
    motion = clip()
    before = motion.embeddings.clone()
    made = make(motion)
    assert made.frames == frames
    torch.testing.assert_close(motion.embeddings, before)
    assert (made.fps, made.extractor) == (8.0, "0123456789abcdef")
    assert torch.equal(made.still, motion.still)
    torch.testing.assert_close(made.embeddings.norm(dim=1), torch.full((frames - 4,), 2.0))


def test_trimming_from_a_frame():
    motion = clip()
    assert torch.equal(motion.trimmed(9, 3).embeddings, motion.embeddings[3:8])
    for frames, start in ((5, -1), (23, 3), (4, 0)):
        with pytest.raises(DisMoError, match="cannot be trimmed"):
            motion.trimmed(frames, start)


def test_a_chain_plays_both_and_the_seam_looks_across():
    """Rows 0..8 of 13 frames look only at the first, rows 12.. only at the second; between, by the steps in view."""
    first, second = clip(13, 1), clip(13, 2)
    rows = edit.chain([first, second]).embeddings
    torch.testing.assert_close(rows[:9], first.embeddings)
    torch.testing.assert_close(rows[12:], second.embeddings)
    for j in (1, 2, 3):
        expected = (4 - j) * first.embeddings[-1] + j * second.embeddings[0]
        torch.testing.assert_close(rows[8 + j], 2 * expected / expected.norm())


def test_a_crossfade_turns_one_into_the_other():
    shares = edit.chain([constant(0), constant(1)], crossfade=5).embeddings[:, 1]
    assert len(shares) == 16
    assert (shares.diff() >= 0).all() and shares[0] == 0 and shares[-1] == 2
    torch.testing.assert_close(shares, (4 - shares.flip(0) ** 2).sqrt(), atol=1e-5, rtol=0)  # symmetric on the sphere


def test_a_chain_of_one_is_the_motion_itself():
    torch.testing.assert_close(edit.chain([clip()]).embeddings, clip().embeddings)


def test_a_thousand_times_take_no_more_memory_than_the_result():
    """As the node offers. Each time laid over the whole length would be 3 GB."""
    resource = pytest.importorskip("resource", reason="limits memory as POSIX systems do")
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (psutil.Process().memory_info().vms + (1 << 30), before[1]))
    try:
        looped = edit.loop(clip(101), 1000, crossfade=2)
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)
    assert looped.frames == 1000 * 100 + 1 - 999 * 2
    short = edit.loop(clip(101), 5, crossfade=2)
    torch.testing.assert_close(looped.embeddings[: 4 * 98], short.embeddings[: 4 * 98])


def test_hold_repeats_and_goes_on():
    motion = clip()
    rows = edit.hold(motion, 10, 8).embeddings
    torch.testing.assert_close(rows[:7], motion.embeddings[:7])
    torch.testing.assert_close(rows[10:18], motion.embeddings[10].expand(8, -1))
    torch.testing.assert_close(rows[18:], motion.embeddings[10:])
    at_end = edit.hold(motion, 24, 2).embeddings
    torch.testing.assert_close(at_end[:21], motion.embeddings)
    torch.testing.assert_close(at_end[21:], motion.embeddings[-1:].expand(2, -1))


def test_pause_stands_still():
    motion = clip()
    rows = edit.pause(motion, 10, 8).embeddings
    torch.testing.assert_close(rows[:7], motion.embeddings[:7])
    torch.testing.assert_close(rows[10:15], motion.still.expand(5, -1))
    torch.testing.assert_close(rows[18:], motion.embeddings[10:])
    torch.testing.assert_close(edit.pause(motion, 0, 4).embeddings[0], motion.still)
    with pytest.raises(DisMoError, match="still"):
        edit.pause(clip(still=None), 10, 8)


def test_reverse_order():
    assert torch.equal(edit.reverse_order(clip()).embeddings, clip().embeddings.flip(0))


def test_blend_ends_and_middle():
    first, second = clip(13, 1), clip(25, 2)
    torch.testing.assert_close(edit.blend(first, second, 0).embeddings, first.embeddings)
    torch.testing.assert_close(edit.blend(first, second, 1).embeddings, second.embeddings[:9])
    middle = edit.blend(first, second).embeddings
    expected = first.embeddings + second.embeddings[:9]
    torch.testing.assert_close(middle, 2 * expected / expected.norm(dim=1, keepdim=True))


def test_opposites_that_cancel_leave_no_nan():
    motion = clip()
    assert edit.blend(motion, replace(motion, embeddings=-motion.embeddings)).embeddings.isfinite().all()


def test_source_and_still_of_a_mix():
    mixed = edit.chain([clip(13, 1, still=None), clip(13, 2), clip(13, 1)])
    assert mixed.source == "clip1.mp4 + clip2.mp4"
    assert torch.equal(mixed.still, clip().still)
    assert edit.chain([clip(still=None)] * 2).still is None


def test_motions_that_do_not_go_together():
    first = clip()
    wider = Motion(torch.ones(21, 9), 8.0, "", first.extractor)
    for other, message in (
        (clip(extractor="f" * 16), "different extractors.*clip0.mp4 is by 0123456789abcdef.*f{16}"),
        (wider, "different extractors"),
        (clip(fps=12.0), "8 fps.*at 12"),
    ):
        for mix in (edit.blend, lambda a, b: edit.chain([a, b])):
            with pytest.raises(DisMoError, match=message):
                mix(first, other)
    assert edit.chain([clip(fps=29.97), clip(fps=30000 / 1001)]).fps == 29.97


OUT_OF_RANGE = {
    "hold before": (lambda m: edit.hold(m, -1, 4), "no frame -1"),
    "hold behind": (lambda m: edit.hold(m, 25, 4), "choose 0 to 24"),
    "hold nothing": (lambda m: edit.hold(m, 3, 0), "at least 1, not 0"),
    "pause behind": (lambda m: edit.pause(m, 25, 4), "no frame 25"),
    "loop": (lambda m: edit.loop(m, 0), "not 0 times"),
    "loop without end": (lambda m: edit.loop(m, 2**62), "at most 500000 can be made"),
    "loops of loops": (lambda m: edit.loop(edit.loop(m, 1000), 1000), "would have 24000001 frames"),
    "chain": (lambda m: edit.chain([edit.loop(m, 20_000)] * 2), "would have 960001 frames"),
    "hold without end": (lambda m: edit.hold(m, 3, 2**62), "at most 500000"),
    "balance": (lambda m: edit.blend(m, m, 1.5), "not 1.5"),
    "balance nan": (lambda m: edit.blend(m, m, float("nan")), "not nan"),
    "crossfade": (lambda m: edit.chain([m, clip(9)], 5), "has 9 frames, which allows 0 to 4"),
    "crossfade negative": (lambda m: edit.chain([m, m], -1), "-1"),
    "nothing": (lambda m: edit.chain([]), "no motion"),
}


@pytest.mark.parametrize("name", OUT_OF_RANGE)
def test_out_of_range(name):
    make, message = OUT_OF_RANGE[name]
    with pytest.raises(DisMoError, match=message):
        make(clip())
