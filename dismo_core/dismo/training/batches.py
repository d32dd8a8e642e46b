"""Batches for a training loop, with a running count of what was skipped."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice

import torch
from torch.utils.data import DataLoader

from ...data.addresses import is_remote
from ...data.index import ShardIndex, describe
from .samples import VideoClips, VideoSample, VideoStream, collate

log = logging.getLogger(__name__)


def clip_batches(
    shards: Sequence[str],
    batch_size: int,
    *,
    size: int = 256,
    seed: int = 42,
    start: int = 0,
    stop: int,
    rank: int = 0,
    world: int = 1,
    workers: int = 0,
    reference: bool = False,
    inside: bool = False,
) -> Iterator[VideoSample]:
    """The batches of one rank, from global sample number `start` to `stop`.

    Rank r takes the numbers start + r, start + r + world, ...; together the ranks' batches of a step are the batch that
    one process would take with `batch_size` x `world`. To resume before step s, pass start = s x `batch_size` x `world`:
    nothing before it is read. Addresses and `reference` go through `VideoStream`, which says what holds there.

    Args:
        shards: from `find_shards`.
        batch_size: clips of this rank in a batch.
        size: side of the frames in px.
        seed: of the run, 0 or more.
        rank: number of this process.
        world: how many processes there are.
        workers: decoding processes; 0 = this one.
        reference: rank-wise seeds, shard-wise order and shuffle buffer, as published, also for local shards.
        inside: see `draw_sample`.

    Yields:
        VideoSample with B = `batch_size`; an incomplete last batch is dropped. Skipped entries are counted in the log.
    """
    data: VideoClips | VideoStream
    if reference or any(is_remote(shard) for shard in shards):
        data = VideoStream(shards, size, seed, inside, rank=rank, world=world, start=start)
    else:
        data = VideoClips(ShardIndex(shards), size, seed, inside)
    loader = DataLoader(
        data,
        batch_size,
        sampler=range(start + rank, stop, world) if isinstance(data, VideoClips) else None,
        num_workers=workers,
        collate_fn=collate,
        drop_last=True,
        pin_memory=torch.cuda.is_available(),
        generator=torch.Generator(),  # else making workers would draw from the generator of the training run
    )
    skipped: dict[str, str] = {}
    for batch in islice(loader, (stop - start) // (batch_size * world)):
        _count(batch.skipped, skipped)
        yield batch


def _count(new: Sequence[tuple[str, str]], skipped: dict[str, str]) -> None:
    """Log the count whenever it passes a power of two, so that the log of a long run stays short."""
    before = len(skipped)
    skipped.update(new)
    if before.bit_length() < len(skipped).bit_length():
        name, reason = new[-1]
        reasons = describe(Counter(skipped.values()))
        log.warning("Skipped %d entries so far (%s); the last: %s (%s).", len(skipped), reasons, name, reason)
