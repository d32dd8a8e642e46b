"""What becomes of every option of every command: used, refused, or named in a line.

A situation is a command with as many words as it needs. Of what it calls, the functions in `traced` are replaced: their calls
are written down, and what stands here is returned; at `STOP` the command ends. An option is used where the calls, or the error,
are others than without it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

STOP = object()


@dataclass(frozen=True)
class Case:
    """An option with its value, and what becomes of it.

    Args:
        words: the option with its value.
        outcome: "used", "refused" or "said".
        text: that the calls, the error or the log then hold.
        beside: words that stand in both lines that are compared.
    """

    words: str
    outcome: str
    text: str
    beside: str = ""

    @property
    def option(self) -> str:
        return self.words.split()[0]


@dataclass(frozen=True)
class Situation:
    """A command as it is called.

    Args:
        words: of the line, with {names} of files.
        cases: of its options; all of them must be there, unless it is `more`, which adds to another situation.
        traced: dotted name -> what it returns.
        more: whether only some options are looked at.
    """

    words: str
    cases: list[Case]
    traced: dict[str, Any] = field(default_factory=dict)
    more: bool = False


def used(words: str, text: str, beside: str = "") -> Case:
    return Case(words, "used", text, beside)


def refused(words: str, text: str) -> Case:
    return Case(words, "refused", text)


def said(words: str, text: str) -> Case:
    return Case(words, "said", text)
