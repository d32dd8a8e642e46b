"""Whether videos and shards are fit for training, in the words that training uses."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..errors import DisMoError
from .addresses import is_remote
from .epochs import check_length
from .frames import Unusable, open_indexed
from .index import read_place, scan_shard

CLIP = 8  # frames, six a second: the shortest clip that training takes


def check_video(data: bytes, name: str, clip: int = CLIP) -> None:
    """Raise `Unusable` unless a clip of `clip` frames can be drawn from the video, and its first and last frame decode."""
    with open_indexed(data, name) as video:
        check_length(len(video), video.fps, clip)
        for number in (0, len(video) - 1):  # one by one: what lies between need not be decoded
            video.frames([number])


@dataclass(frozen=True)
class CheckReport:
    """What is in some shards.

    Args:
        videos: how many samples are fit.
        captions: how many of all samples have one.
        faults: (shard, name, reason, detail) of everything that training would leave out.
    """

    videos: int
    captions: int
    faults: Sequence[tuple[str, str, str, str]]


def check_shards(shards: Sequence[str], progress: Callable[[int, int], None] | None = None) -> CheckReport:
    """Look at every sample of local shards.

    Args:
        shards: from `find_shards`.
        progress: called as (shards done, shards in all).

    Raises:
        DisMoError: a shard that cannot be opened, or an address.
    """
    videos = captions = 0
    faults: list[tuple[str, str, str, str]] = []
    for number, shard in enumerate(shards):
        if is_remote(shard):
            raise DisMoError(f"Only local shards can be checked, not {shard}. Copy it here first.")
        name = os.path.basename(shard)
        contents = scan_shard(shard)
        faults += [(name, *fault) for fault in contents.faults]
        for place in contents.places:
            captions += place.caption_size > 0
            try:
                check_video(read_place(shard, place).video, place.key)
                videos += 1
            except Unusable as fault:
                faults.append((name, place.key, fault.reason, str(fault)))
        if progress is not None:
            progress(number + 1, len(shards))
    return CheckReport(videos, captions, faults)
