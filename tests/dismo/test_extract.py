"""`extract_motion` on a real clip, from a file, from bytes and from frames."""

import pytest
import torch
from torch.nn import functional as F

import dismo_core as dismo


@pytest.fixture(scope="module")
def motion(extractor, real_clip):
    return dismo.extract_motion(extractor, real_clip, frames=13)


def test_a_clip_gives_a_motion(motion, extractor):
    assert motion.embeddings.shape == (9, extractor.d_motion)
    assert (motion.frames, motion.fps, motion.source) == (13, 8.0, "carphone_pristine.mp4")
    assert motion.extractor == extractor.extractor_id


def test_bytes_and_frames_give_the_same(motion, extractor, real_clip):
    from_bytes = dismo.extract_motion(extractor, real_clip.read_bytes(), frames=13)
    torch.testing.assert_close(from_bytes.embeddings, motion.embeddings)
    frames = dismo.read_video(real_clip, fps=8, frames=13).frames
    torch.testing.assert_close(dismo.extract_motion(extractor, frames, frames=13).embeddings, motion.embeddings)
    as_floats = dismo.extract_motion(extractor, frames.float() / 255, frames=13)
    torch.testing.assert_close(as_floats.embeddings, motion.embeddings, atol=1e-4, rtol=0)


def test_it_equals_resizing_as_published_and_sliding(motion, extractor, real_clip):
    frames = dismo.read_video(real_clip, fps=8, frames=13).frames.float() / 127.5 - 1
    small = F.interpolate(frames.movedim(-1, 1), size=(64, 64), mode="bilinear", antialias=True, align_corners=False)
    with torch.no_grad():
        out = extractor.forward_sliding(small.movedim(1, -1)[None])[0]
    torch.testing.assert_close(motion.embeddings, out, atol=1e-5, rtol=0)


def test_frames_begin_with_the_one_that_is_shown_at_the_start(extractor, real_clip):
    frames = dismo.read_video(real_clip, fps=8, frames=16).frames
    for start, first in ((0.1, 0), (0.125, 1), (0.24, 1), (0.375, 3)):
        _, used = dismo.extract_motion(extractor, frames, start=start, frames=9, return_frames=True)
        assert torch.equal(used[0], frames[first])


def test_frames_with_alpha_and_what_resizing_leaves_are_taken_as_pictures_are(extractor, real_clip):
    frames = dismo.read_video(real_clip, fps=8, frames=9).frames.float() / 255
    expected = dismo.extract_motion(extractor, frames, frames=9).embeddings
    opaque = torch.cat((frames, torch.ones_like(frames[..., :1])), dim=-1)
    torch.testing.assert_close(dismo.extract_motion(extractor, opaque, frames=9).embeddings, expected)
    beyond = torch.where(frames == frames.max(), frames.max() + 0.04, frames)
    assert dismo.extract_motion(extractor, beyond, frames=9).embeddings.shape == expected.shape


@pytest.mark.parametrize("reverse", [False, True])
def test_it_can_be_cancelled_while_frames_are_read(extractor, real_clip, reverse):
    runtime, seen = dismo.Runtime.cpu(), []

    def check():
        seen.append(1)
        if len(seen) == 3:
            raise KeyboardInterrupt

    runtime.check_cancel = check
    runtime.progress = lambda *_: pytest.fail("nothing is done yet")
    with pytest.raises(KeyboardInterrupt):
        dismo.extract_motion(extractor, real_clip, frames=0, reverse=reverse, runtime=runtime)


def test_the_frames_used_come_back_and_reverse_turns_them(extractor, real_clip):
    _, forward = dismo.extract_motion(extractor, real_clip, frames=9, return_frames=True)
    motion, backward = dismo.extract_motion(extractor, real_clip, frames=9, reverse=True, return_frames=True)
    assert forward.shape == (9, 144, 193, 3) and forward.dtype == torch.uint8
    assert torch.equal(forward.flip(0), backward)
    torch.testing.assert_close(
        motion.embeddings, dismo.extract_motion(extractor, backward, frames=9).embeddings, atol=1e-5, rtol=0
    )


@pytest.mark.parametrize("frames", [16, 17, 45])
def test_a_long_clip_read_piece_by_piece_equals_the_whole(extractor, frames):
    seed = torch.randint(0, 255, (frames, 8, 8, 3), generator=torch.Generator().manual_seed(1), dtype=torch.uint8)
    clip = seed.repeat_interleave(8, dim=1).repeat_interleave(8, dim=2)
    with torch.no_grad():
        whole = extractor.forward_sliding(clip[None].float() / 127.5 - 1)[0]
    motion = dismo.extract_motion(extractor, clip, frames=0)
    torch.testing.assert_close(motion.embeddings, whole, atol=1e-5, rtol=0)


def test_a_still_clip_has_the_still_embedding(extractor):
    picture = torch.randint(0, 255, (1, 64, 64, 3), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    motion = dismo.extract_motion(extractor, picture.expand(5, -1, -1, -1), frames=5)
    torch.testing.assert_close(motion.embeddings[0], motion.still)


def test_zero_frames_go_to_the_end(extractor, real_clip):
    assert dismo.extract_motion(extractor, real_clip, frames=0).frames == 33


def test_a_clip_shorter_than_asked_for_is_said_and_the_progress_ends(extractor, real_clip, caplog):
    runtime, seen = dismo.Runtime.cpu(), []
    runtime.progress = lambda done, total, preview: seen.append((done, total))
    with caplog.at_level("INFO", "dismo_core"):
        assert dismo.extract_motion(extractor, real_clip, frames=40, runtime=runtime).frames == 33
    assert caplog.messages == ["The clip gave 33 frames at 8 fps, not the 40 asked for."] and seen[-1] == (26, 26)


def test_progress_reports_windows_and_may_stop(extractor, real_clip):
    runtime = dismo.Runtime.cpu()
    seen = []
    runtime.progress = lambda done, total, preview: seen.append((done, total))
    dismo.extract_motion(extractor, real_clip, frames=20, runtime=runtime)
    assert seen == [(done, 13) for done in range(1, 14)]

    class Stop(Exception):
        pass

    def stop(done, total, preview):
        raise Stop

    runtime.progress = stop
    with pytest.raises(Stop):
        dismo.extract_motion(extractor, real_clip, frames=20, runtime=runtime)


BAD = {
    "few frames asked": (dict(video=torch.zeros(9, 64, 64, 3, dtype=torch.uint8), frames=4), "at least 5"),
    "few frames there": (dict(video=torch.zeros(4, 64, 64, 3, dtype=torch.uint8)), "too few frames"),
    "rank": (dict(video=torch.zeros(1, 9, 64, 64, 3)), r"\[frames, height, width, 3\]"),
    "channels": (dict(video=torch.zeros(9, 64, 64, 5)), r"\[9, 64, 64, 5\]"),
    "alpha in bytes": (dict(video=torch.zeros(9, 64, 64, 4, dtype=torch.uint8)), r"\[9, 64, 64, 4\]"),
    "range": (dict(video=torch.full((9, 64, 64, 3), 255.0)), "255"),
    "nan": (dict(video=torch.full((9, 64, 64, 3), float("nan"))), "NaN"),
    "integers": (dict(video=torch.zeros(9, 64, 64, 3, dtype=torch.int64)), "int64"),
    "not a video": (dict(video=b"not a video"), "."),
    "missing": (dict(video="no/such/clip.mp4"), "clip.mp4"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_named(extractor, name):
    arguments, message = BAD[name]
    with pytest.raises(dismo.DisMoError, match=message):
        dismo.extract_motion(extractor, **arguments)


def test_too_short_a_clip_says_where_it_was_read(extractor, real_clip):
    with pytest.raises(dismo.DisMoError, match="too few frames at 8 fps from second 3.9"):
        dismo.extract_motion(extractor, real_clip, start=3.9)
