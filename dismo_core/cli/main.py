"""`dismo`: one sub-command a file; errors are one line and exit code 2, a traceback only with --debug."""

from __future__ import annotations

import argparse
import importlib
import logging
import sys
from collections.abc import Sequence

from ..errors import DisMoError
from .methods import COMMANDS


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="dismo",
        description="Open-world motion transfer: take the motion of any clip and put it on another picture.",
        epilog="`dismo demo` shows it working in a minute, without a GPU and without a download.",
    )
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error, and more log lines")
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for module in COMMANDS.values():
        importlib.import_module(f"...{module}", __name__).add_parser(subparsers)
    words = list(sys.argv[1:] if argv is None else argv)
    debug = "--debug" in words  # anywhere: who meets an error adds it at the end of the same line
    arguments = parser.parse_args([word for word in words if word != "--debug"])
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s: %(message)s")
    logging.getLogger("dismo_core").setLevel(logging.DEBUG if debug else logging.INFO)
    try:
        arguments.run(arguments)
    except DisMoError as error:
        if debug:
            raise
        print(f"dismo: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("dismo: stopped.", file=sys.stderr)
        return 130
    return 0
