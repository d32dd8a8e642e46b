"""Frame rules, buckets and resizes: the numbers of the published code."""

import pytest
import torch

from dismo_core import DisMoError
from dismo_core.motiondirector import bucket_size, chunk_indices, clip_indices, folder_indices, resize_frames


def last(highest):
    return highest


def same_bytes(found, expected):
    """Within one grey level, and under 1 % differ; values -1..1 or bytes."""
    a, b = ((x + 1) * 127.5 if x.is_floating_point() else x.float() for x in (found, expected))
    assert a.shape == b.shape and (a - b).abs().max() <= 1.001
    assert ((a - b).abs() > 0.5).float().mean() < 0.01


def test_buckets(published):
    for target_width, target_height, width, height, *expected in published["data.buckets"].tolist():
        assert list(bucket_size(width, height, target_width, target_height)) == expected
    assert bucket_size(576, 320, 576, 320) == (576, 192)


def test_frames_of_a_folder(published):
    for count, native, fps, wanted, first, stride, got in published["data.folder_frames"].tolist():
        indices = folder_indices(int(count), native, fps, int(wanted), last)
        assert indices[0] == first and len(indices) == got
        assert (indices[1] - indices[0] if len(indices) > 1 else 0) == stride
    assert folder_indices(47, 30, 8, 16, lambda highest: 0) == list(range(0, 44, 4))


def test_frames_from_a_given_one_on(published):
    for count, start, step, wanted, first, end, got in published["data.json_frames"].tolist():
        indices = clip_indices(count, start, step, wanted)
        assert (indices[0] if indices else -1, indices[-1] if indices else -1, len(indices)) == (first, end, got)


def test_chunks():
    assert chunk_indices(12, 2, 5) == [[0, 2, 4, 6, 8], [10]]
    with pytest.raises(DisMoError, match="step must be at least 1, not 0"):
        chunk_indices(12, 0, 5)


def test_pixels_of_a_folder_and_of_a_single_video(published):
    clip = published["data.clip_uint8"]
    taken = clip[folder_indices(len(clip), 23.976, 8, 3, last)]
    same_bytes(resize_frames(taken, (20, 22)), published["data.folder.pixel_values"])
    taken = clip[chunk_indices(len(clip), 2, 5)[1]]
    same_bytes(resize_frames(taken, (20, 22)), published["data.single.pixel_values"])


def test_pixels_of_a_picture(published):
    picture = published["data.image_uint8"].movedim(0, -1)[None]
    large = resize_frames(picture, bucket_size(80, 45, 384, 384))[0]
    assert large.shape == (3, 256, 384)
    same_bytes(large[:, ::7, ::9], published["data.image_resized"].float() / 127.5 - 1)
    same_bytes(resize_frames(picture, (27, 18))[0], published["data.image_reduced"].float() / 127.5 - 1)


def test_values_are_those_of_bytes():
    frames = resize_frames(torch.randint(0, 256, (2, 9, 9, 3), dtype=torch.uint8), (5, 7))
    levels = (frames + 1) * 127.5
    assert frames.shape == (2, 3, 7, 5) and (levels - levels.round()).abs().max() < 1e-4
