"""What a user wrote for the segments of a long video: one value each, or values that hold from a second on."""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass

from ..errors import DisMoError

log = logging.getLogger(__name__)

BETWEEN = "|"
FROM_SECOND = re.compile(r"\s*(\d+(?:\.\d+)?)\s*s\s*:(.*)", re.DOTALL)


@dataclass(frozen=True)
class PerSegment:
    """Values for the segments of a video.

    Args:
        values: at least one.
        times: the second from which each holds, rising; None = one value each segment. The first holds before its time, too.
    """

    values: tuple[str, ...]
    times: tuple[float, ...] | None = None

    @classmethod
    def read(cls, text: str) -> PerSegment:
        """`"a"`, `"a | b | c"` for segments one after the other, or `"0s: a | 4s: b"` for seconds of the video.

        Raises:
            DisMoError: some parts with a second and some without, or seconds that do not rise.
        """
        parts = text.split(BETWEEN)
        found = [FROM_SECOND.fullmatch(part) for part in parts]
        timed = [match for match in found if match is not None]
        if not timed:
            return cls(tuple(part.strip() for part in parts) if len(parts) > 1 else (text,))
        if len(timed) < len(parts):
            without = next(part for part, match in zip(parts, found, strict=True) if match is None)
            raise DisMoError(
                f"The part {without.strip()[:60]!r} has no second, others have. Write all as '0s: ... | 4s: ...', or none."
            )
        times = tuple(float(match[1]) for match in timed)
        if any(later <= earlier for earlier, later in zip(times, times[1:], strict=False)):
            raise DisMoError(f"The seconds {', '.join(f'{time:g}' for time in times)} do not rise. Put them in order.")
        return cls(tuple(match[2].strip() for match in timed), times)

    def of(self, segment: int, second: float) -> str:
        """The value in force; where there are fewer than segments, the last one holds.

        Args:
            segment: its number, from 0.
            second: of the video, in the middle of what the segment adds.
        """
        if self.times is None:
            return self.values[min(segment, len(self.values) - 1)]
        begun = sum(time <= second for time in self.times)
        return self.values[max(0, begun - 1)]

    def tell_unused(self, used: set[str], name: str) -> None:
        """Say which values no segment took."""
        for value in self.values:
            if value not in used:
                log.warning("No segment takes the %s %r: the video has too few segments for it.", name, value[:60])
