"""What a weight file is: for messages about a file that was chosen in the wrong place."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict

from ..errors import DisMoError
from . import registry
from .kinds import COMMON, Kind, Place


def recognise(names: Iterable[str]) -> Kind | None:
    """The first kind that one of the names identifies; None where none does."""
    names = list(names)
    for kind in (*registry.KINDS, *COMMON):
        if any(mark == name or ("." in mark and mark in name) for mark in kind.marks for name in names):
            return kind
    return None


def require_kind(wanted: Kind, names: Iterable[str], source: str) -> None:
    """Raise where the names are those of another kind. source: where they come from, for the message."""
    kind = recognise(names)
    if kind not in (None, wanted):
        message = f"{source} is {kind.what}, not {wanted.what}."
        if isinstance(kind.place, Place):
            raise DisMoError(message, hint="place", **asdict(kind.place))
        raise DisMoError(f"{message} {kind.place}")
