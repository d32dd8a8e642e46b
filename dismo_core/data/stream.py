"""Training samples from shards that can only be read from front to back, as published (docs/methods/dismo.md, 6.1)."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from itertools import count, islice
from typing import Any, TypeVar

import numpy as np
from torch.utils.data import IterableDataset, get_worker_info

from ..errors import DisMoError
from .addresses import is_remote, webdataset
from .epochs import check_skipped
from .frames import Unusable
from .index import Entry, is_safe, video_extensions

T = TypeVar("T")


class ShardStream(IterableDataset[T]):
    """Samples without end: shards shuffled in each epoch alike on all ranks, split by rank, then by worker, and mixed in
    a rolling buffer of samples. What a sample is, `draw` says.

    For `pipe:` and cloud addresses, and for local shards where the published behaviour is wanted. Draws come from one
    generator for each rank and worker. The same seed, start, ranks and workers give the same samples; other ranks or
    workers give others, and a resumed run continues with a new order, drawn from its start, since a stream cannot be wound on.

    Args:
        shards: addresses or paths.
        seed: of the run, 0 or more.
        rank: number of this process.
        world: how many processes there are.
        start: samples that the run had drawn before it was resumed.
        buffer: samples held back for mixing, over all workers of a rank.
    """

    def __init__(
        self,
        shards: Sequence[str],
        seed: int = 42,
        *,
        rank: int = 0,
        world: int = 1,
        start: int = 0,
        buffer: int = 1000,
    ) -> None:
        self.shards = list(shards)
        self.seed = seed
        self.rank, self.world = rank, world
        self.start = start
        self.buffer = buffer

    def draw(self, entry: Entry, number: int, rng: np.random.Generator, skipped: Sequence[tuple[str, str]]) -> T:
        """Sample `number`, of one video; `skipped`: (name, reason) of the entries that it stands in for.

        Raises:
            Unusable: there is no sample in it.
        """
        raise NotImplementedError

    def __iter__(self) -> Iterator[T]:
        info = get_worker_info()
        worker, workers = (0, 1) if info is None else (info.id, info.num_workers)
        rng = np.random.default_rng([self.seed, self.start, self.rank, worker])
        mine = islice(islice(self._order(), self.rank, None, self.world), worker, None, workers)
        first = self.start + self.rank + self.world * worker
        numbers = count(first, self.world * workers)
        return _mixed(self._samples(mine, numbers, rng), max(1, self.buffer // workers), rng)

    def _order(self) -> Iterator[str]:
        for epoch in count():
            for shard in np.random.default_rng([self.seed, self.start, epoch]).permutation(len(self.shards)):
                yield self.shards[shard]

    def _samples(self, shards: Iterator[str], numbers: Iterator[int], rng: np.random.Generator) -> Iterator[T]:
        skipped: list[tuple[str, str]] = []
        since = 0  # shards since the last sample

        def counted() -> Iterator[str]:
            nonlocal since
            for shard in shards:
                since += 1
                if since > 2 * len(self.shards):
                    raise DisMoError(
                        f"None of the {len(self.shards)} shards holds a sample, as {shard}.", hint="check shards"
                    )
                yield shard

        def damaged(error: Exception) -> bool:
            """What webdataset asks about an error: True continues with the next shard."""
            nonlocal since
            since = 0  # counted as skipped instead
            if isinstance(error, MemoryError):
                raise error
            skipped.append((os.path.basename(str(error.args[-1])) if error.args else "", "damaged tar"))
            check_skipped(skipped)
            return True

        library = webdataset().tariterators
        files = library.tar_file_expander(_opened(counted(), damaged), handler=damaged)
        for members in library.group_by_keys(files, handler=damaged):
            since = 0
            try:
                entry = _entry(members)
                yield self.draw(entry, next(numbers), rng, skipped)
                skipped.clear()
            except Unusable as fault:
                skipped.append((f"{os.path.basename(members['__url__'])}: {members['__key__']}", fault.reason))
                check_skipped(skipped)


def _opened(shards: Iterator[str], damaged: Callable[[Exception], bool]) -> Iterator[dict[str, Any]]:
    """Shards as webdataset hands them on; local paths are opened here, since it takes C: for an address."""
    for shard in shards:
        try:
            if is_remote(shard):
                yield {"url": shard, "stream": webdataset().gopen(shard)}
            else:
                with open(shard, "rb") as file:
                    yield {"url": shard, "stream": file}
        except (OSError, ValueError) as error:  # ValueError: an address of a kind that it does not know
            error.args = (*error.args, shard)
            damaged(error)


def _entry(members: dict[str, Any]) -> Entry:
    key = members["__key__"]
    videos = video_extensions(name for name in members if not name.startswith("__"))
    if not is_safe(key):
        raise Unusable("unsafe name", "the name leads out of the shard's folder")
    if len(videos) != 1:
        raise Unusable("several videos" if videos else "no video", "exactly one is wanted")
    return Entry(key, members[videos[0]], members.get("txt", b"").decode("utf-8", "replace").strip())


def _mixed(samples: Iterator[T], size: int, rng: np.random.Generator) -> Iterator[T]:
    """Each sample in turn takes the place of a random one in a full buffer, which goes out."""
    held = list(islice(samples, size))
    for sample in samples:
        place = int(rng.integers(size))
        yield held[place]
        held[place] = sample
