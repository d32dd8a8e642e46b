"""`dismo content-motion edit`: motion latents changed and joined, in the order of the options."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...cli.options import check_input
from ...errors import DisMoError
from .shared import add_result

if TYPE_CHECKING:
    from ..algebra import MotionLatent


def add_parser(actions: Any) -> None:
    """Register the command."""
    parser: argparse.ArgumentParser = actions.add_parser(
        "edit",
        help="change a motion, or join it with another",
        description="Change a motion latent. Several options act one after the other, as they stand in the line.",
    )
    parser.add_argument("motion", type=Path, metavar="MOTION", help="motion latent")
    add_result(parser, "motion latent to write")
    for name, how in {
        "scale": dict(type=float, metavar="K", help="0 = still, 1 = as it is, 2 = exaggerated"),
        "reverse": dict(nargs=0, help="play it backwards"),
        "retime": dict(type=int, metavar="FRAMES", help="the same motion in so many frames"),
        "shift": dict(type=float, nargs=2, metavar=("X", "Y"), help="what moves, moves so many px to the right and down"),
        "trim": dict(type=int, metavar="FRAMES", help="the first frames alone"),
        "loop": dict(type=int, metavar="FRAMES", help="again and again, so many frames"),
        "hold": dict(type=int, metavar="FRAMES", help="after its end the last state, so many frames in all"),
        "mix": dict(nargs=2, metavar=("MOTION", "AMOUNT"), help="with another; 0 = this one, 1 = the other"),
        "add": dict(type=Path, metavar="MOTION", help="another at the same time"),
        "append": dict(type=Path, metavar="MOTION", help="another after it"),
        "transplant": dict(
            nargs=5, metavar=("MOTION", "LEFT", "TOP", "RIGHT", "BOTTOM"), help="a rectangle, px, from another"
        ),
    }.items():  # fmt: skip
        parser.add_argument(f"--{name}", action=_InOrder, **how)  # type: ignore[arg-type]
    parser.set_defaults(run=run, edits=())


class _InOrder(argparse.Action):
    """Keeps options with their values in the order of the line."""

    def __call__(self, parser: Any, namespace: argparse.Namespace, values: Any, option: str | None = None) -> None:
        """See `argparse.Action`."""
        namespace.edits = (*getattr(namespace, "edits", ()), (self.dest, values))
        setattr(namespace, self.dest, values)


def run(arguments: argparse.Namespace) -> None:
    """Read, edit, write."""
    from ...files import check_free
    from ..algebra import MotionLatent

    check_input(arguments.motion, "motion latent")
    if not arguments.edits:
        raise DisMoError("There is nothing to change. Give at least one of the edits, such as --reverse; see --help.")
    check_free(arguments.out, overwrite=arguments.overwrite)
    motion = MotionLatent.load(arguments.motion)
    for name, values in arguments.edits:
        motion = _edited(motion, name, values)
    motion.save(arguments.out, overwrite=arguments.overwrite)
    print(f"{arguments.out}: motion of {motion.frames} frames.")


def _edited(motion: MotionLatent, name: str, values: Any) -> MotionLatent:
    plain: dict[str, Callable[[], MotionLatent]] = {
        "scale": lambda: motion.scaled(values),
        "reverse": motion.reversed,
        "retime": lambda: motion.retimed(values),
        "shift": lambda: motion.shifted(*values),
        "trim": lambda: motion.trimmed(values),
        "loop": lambda: motion.loop(values),
        "hold": lambda: motion.hold(values),
    }
    if name in plain:
        return plain[name]()
    path, *numbers = values if isinstance(values, list) else [values]
    check_input(path, "motion latent")
    other = type(motion).load(path)
    if name == "mix":
        return motion.mixed(other, *_numbers(name, numbers))
    if name == "transplant":
        left, top, right, bottom = _numbers(name, numbers)
        return motion.transplanted(other, (left, top, right, bottom))
    return motion.added(other) if name == "add" else motion.concatenate(other)


def _numbers(name: str, words: list[str]) -> list[float]:
    try:
        return [float(word) for word in words]
    except ValueError as error:
        raise DisMoError(f"--{name} takes a file and then numbers, not {' '.join(words)}.") from error
