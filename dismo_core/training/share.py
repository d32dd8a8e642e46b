"""A batch of several processes, shared out among them: together they train as one process with all of it."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import DisMoError


@dataclass(frozen=True)
class Share:
    """What one process takes of a batch.

    Args:
        batch: clips of all processes together.
        rank: of this process.
        size: processes.

    Raises:
        DisMoError: the batch cannot be divided.
    """

    batch: int
    rank: int = 0
    size: int = 1

    def __post_init__(self) -> None:
        if self.batch < 1 or self.batch % self.size:
            raise DisMoError(
                f"A global batch of {self.batch} clips cannot be divided among {self.size} processes. Choose a multiple of {self.size}."
            )

    @property
    def clips(self) -> int:
        """Of this process."""
        return self.batch // self.size

    @property
    def rows(self) -> slice:
        """Of a batch, those of this process."""
        return slice(self.rank * self.clips, (self.rank + 1) * self.clips)

    def places(self, number: int) -> range:
        """Numbers of the clips of batch `number`, counted over the whole run."""
        begin = number * self.batch + self.rank * self.clips
        return range(begin, begin + self.clips)
