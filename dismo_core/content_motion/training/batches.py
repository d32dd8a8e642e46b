"""What the three stages are shown: clips of a folder, or drawn ones; each batch is a function of the seed and its number."""

from __future__ import annotations

import itertools
import logging
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from ...data.frames import Unusable
from ...errors import DisMoError
from ...synthetic.moving_scenes import KINDS, MovingScenes, ScenePairs
from ...training.share import Share
from ..folder import VideoFolder

log = logging.getLogger(__name__)
MOST_TRIED = 100  # videos in a row that cannot be read, after which there is no clip
HELD_OUT = 900_000_000  # batches of drawn clips from here on are not trained on


class Batch(NamedTuple):
    """Clips of one process.

    Args:
        clips: [B,C,L,H,W], -1..1.
        labels: int64 [B], their classes.
        others: clips that move alike and look different; None where there are none.
    """

    clips: Tensor
    labels: Tensor
    others: Tensor | None = None


class ClipSource(Protocol):
    """Where clips come from."""

    classes: list[str]

    def batches(self, first: int, last: int) -> Iterator[Batch]:
        """Batches number `first` to `last` - 1 of this process."""

    def items(self, draw: int, indices: range) -> Iterator[tuple[int, Batch]]:
        """Each of these items by itself, with its number: the same in every run; those that cannot be read are missing."""

    def __len__(self) -> int:
        """Items of an epoch."""


@dataclass
class FolderSource:
    """Clips of a folder of videos. Each epoch has an order of its own and another start in each video; its incomplete batch is dropped.

    Args:
        folder: of the videos.
        share: of each batch.
        seed: of the order.
        workers: processes that decode; 0 = this one.
        left_out: told the reason, once for each video that cannot be used; another one takes its place.
    """

    folder: VideoFolder
    share: Share
    seed: int = 0
    workers: int = 0
    left_out: Callable[[str], None] = lambda reason: None
    classes: list[str] = field(init=False)

    def __post_init__(self) -> None:
        self.classes = self.folder.classes
        self._told: set[str] = set()
        if len(self.folder) < self.share.batch:
            raise DisMoError(
                f"{self.folder.root} has {len(self.folder)} videos, fewer than the {self.share.batch} of a batch. Take a smaller batch."
            )

    def __len__(self) -> int:
        return len(self.folder)

    def batches(self, first: int, last: int) -> Iterator[Batch]:
        """See `ClipSource`."""
        for found, reasons in self._loaded(first, last):
            for reason in reasons:
                self._report(reason)
            if isinstance(found, DisMoError):
                raise found
            yield found

    def items(self, draw: int, indices: range) -> Iterator[tuple[int, Batch]]:
        """See `ClipSource`."""
        for index in indices:
            try:
                item = self.folder.clip(index, draw)
            except Unusable as problem:
                self._report(str(problem))
                continue
            yield index, Batch(item["x"][None], torch.tensor([item["y"]]))

    def __getitem__(self, number: int) -> tuple[Batch | DisMoError, list[str]]:
        """Batch `number`, and why videos were left out; an error is handed over, for a decoding process cannot raise it whole."""
        reasons: list[str] = []
        try:
            clips = [self._clip(place, reasons) for place in self.share.places(number)]
        except DisMoError as error:
            return error, reasons
        return Batch(torch.stack([x for x, _ in clips]), torch.tensor([y for _, y in clips])), reasons

    def _loaded(self, first: int, last: int) -> Iterator[tuple[Batch | DisMoError, list[str]]]:
        numbers = range(first, last)
        if not self.workers:
            return map(self.__getitem__, numbers)
        from torch.utils.data import DataLoader

        return iter(
            DataLoader(self, sampler=numbers, batch_size=None, num_workers=self.workers)  # type: ignore[arg-type]
        )

    def _clip(self, place: int, reasons: list[str]) -> tuple[Tensor, int]:
        """The clip at a place of the run; where its video cannot be used, that of another one."""
        epoch, position = divmod(place, len(self.folder) // self.share.batch * self.share.batch)
        order = list(range(len(self.folder)))
        random.Random(f"{self.seed}/{epoch}").shuffle(order)
        spare = random.Random(f"{self.seed}/{epoch}/{position}")
        for index in itertools.chain((order[position],), (spare.choice(order) for _ in range(MOST_TRIED))):
            try:
                item = self.folder.clip(index, epoch)
            except Unusable as problem:
                reasons.append(str(problem))
            else:
                return item["x"], item["y"]
        raise DisMoError(
            f"{MOST_TRIED} videos of {self.folder.root} in a row cannot be used; the last: {reasons[-1]}. Check the folder."
        )

    def _report(self, reason: str) -> None:
        if reason not in self._told:
            self._told.add(reason)
            log.warning("Left out (%d so far): %s", len(self._told), reason)
            self.left_out(reason)


@dataclass
class DrawnSource:
    """Drawn clips, a class for each kind of motion.

    Args:
        scenes: draw them.
        frames: of a clip.
        share: of each batch.
        exchange: share of the batches that are pairs which move alike and look different, with half as many of them.
        lively: see `MovingScenes.pairs`.
        length: items of an epoch.
    """

    scenes: MovingScenes
    frames: int
    share: Share
    exchange: float = 0.0
    lively: float = 1.0
    length: int = 8192
    classes: list[str] = field(default_factory=lambda: list(KINDS))

    def __len__(self) -> int:
        return self.length

    def batches(self, first: int, last: int) -> Iterator[Batch]:
        """See `ClipSource`."""
        for number in range(first, last):
            paired = int((number + 1) * self.exchange) > int(number * self.exchange)
            index = number * self.share.size + self.share.rank
            yield self._drawn(index, max(1, self.share.clips // 2) if paired else self.share.clips, paired)

    def items(self, draw: int, indices: range) -> Iterator[tuple[int, Batch]]:
        """See `ClipSource`."""
        for index in indices:
            yield index, self._drawn(HELD_OUT // 2 + draw * self.length + index, 1, False)

    def held_out(self, index: int, clips: int, paired: bool = False, lively: float = 1.0) -> Batch:
        """Clips that no training sees."""
        return self._batch(self.scenes.pairs(HELD_OUT + index, clips, self.frames, lively, paired))

    def _drawn(self, index: int, clips: int, paired: bool) -> Batch:
        return self._batch(self.scenes.pairs(index, clips, self.frames, self.lively, paired))

    @staticmethod
    def _batch(pairs: ScenePairs) -> Batch:
        second = None if pairs.second is None else pairs.second.movedim(-1, 1)
        return Batch(pairs.first.movedim(-1, 1), pairs.kinds, second)
