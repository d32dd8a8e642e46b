"""`dismo`: one sub-command a file; errors are one line and exit code 2, a traceback only with --debug."""

from __future__ import annotations

import argparse
import importlib
import logging
import sys
from collections.abc import Sequence

from ..errors import DisMoError
from ..version import __version__
from .given import given_options
from .hints import HINTS
from .libraries import missing_library
from .methods import COMMANDS


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    debug = "--debug" in words  # anywhere: who meets an error adds it at the end of the same line
    words = [word for word in words if word != "--debug"]
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # names of files may hold what the terminal cannot show
            stream.reconfigure(errors="backslashreplace")
    parser = make_parser()
    arguments = parser.parse_args(words)
    if arguments.command is None:
        parser.print_help()
        return 0
    arguments.given, arguments.words = given_options(make_parser(), words), words
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s: %(message)s", handlers=[_ToStderr()])
    logging.getLogger("dismo_core").setLevel(logging.DEBUG if debug else logging.INFO)
    try:
        arguments.run(arguments)
    except ModuleNotFoundError as error:
        problem = missing_library(error)
        if debug or problem is None:
            raise
        return _stopped(problem)
    except DisMoError as error:
        error.spoken(HINTS)
        if debug:
            raise
        return _stopped(error)
    except KeyboardInterrupt:
        print("dismo: stopped.", file=sys.stderr)
        return 130
    return 0


def make_parser() -> argparse.ArgumentParser:
    """The parser of all commands."""
    parser = argparse.ArgumentParser(
        prog="dismo",
        description="Open-world motion transfer: take the motion of any clip and put it on another picture.",
        epilog="`dismo demo` shows it working in a minute, without a GPU and without a download.",
    )
    parser.add_argument("--version", action="version", version=f"dismo {__version__}")
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error, and more log lines")
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND")
    for module in COMMANDS.values():
        importlib.import_module(f"...{module}", __name__).add_parser(subparsers)
    return parser


def _stopped(error: DisMoError) -> int:
    print(f"dismo: {error}", file=sys.stderr)
    return 2


class _ToStderr(logging.Handler):
    """Log lines to what is stderr now: while a bar is shown, that puts them above it."""

    def emit(self, record: logging.LogRecord) -> None:
        """See `logging.Handler`."""
        print(self.format(record), file=sys.stderr)
