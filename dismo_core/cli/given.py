"""Which options stand in the command line: one that would change nothing is refused, not passed over."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator, Sequence

from ..errors import DisMoError


def given_options(parser: argparse.ArgumentParser, words: Sequence[str]) -> dict[str, str]:
    """Name of each option that stands in `words` -> how it is written, such as "--lr-warmup".

    Args:
        parser: of its own for this; its defaults are taken away.
        words: that it can parse.
    """
    names: dict[str, str] = {}
    for action in list(actions_of(parser)):
        action.default = argparse.SUPPRESS
        if action.option_strings:
            names.setdefault(
                action.dest,
                next((word for word in action.option_strings if word.startswith("--")), action.option_strings[0]),
            )
    given = vars(parser.parse_args(list(words)))
    return {name: option for name, option in names.items() if name in given}


def actions_of(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    """Every argument of a parser and of the commands below it."""
    for action in parser._actions:
        yield action
        if isinstance(action, argparse._SubParsersAction):
            for below in dict.fromkeys(action.choices.values()):
                yield from actions_of(below)


def refuse(arguments: argparse.Namespace, names: Iterable[str], why: str) -> None:
    """Raise where one of the options is given.

    Args:
        arguments: as parsed by `main`.
        names: of options that would change nothing.
        why: they would; goes on after the option.
    """
    for name in names:
        if name in arguments.given:
            raise DisMoError(f"{arguments.given[name]} {why}")
