"""What to do about an error, in the words of ComfyUI's page; see `DisMoError`."""

from __future__ import annotations

from functools import wraps
from typing import Any

from comfy_api.latest import io

from ...dismo_core import DisMoError

HINTS = {
    "convert": "In the folder of this pack, `python -m dismo_core weights convert {source} {target}` does, with ComfyUI's Python.",
    "download": "The switch `download` of the loader does.",
    "fetch again": "The switch `download` of its loader fetches it.",
    "make preset": "Connect the extractor of that model to Motion Preset. As a file, `python -m dismo_core presets {name}` makes it.",
    "one picture": "The node ImageFromBatch does.",
    "place": "It goes into the node {node}.",
    "trim": "Or set length to trim, which takes the first {frames}.",
}


def explained(node: type[io.ComfyNode]) -> type[io.ComfyNode]:
    """The node; errors that its `execute` lets through say what to do on the page."""
    execute: Any = node.execute.__func__  # type: ignore[attr-defined]
    if hasattr(execute, "__wrapped__"):  # ComfyUI may ask for the list of nodes again
        return node

    @wraps(execute)
    def speaking(cls: type[io.ComfyNode], *inputs: Any, **named: Any) -> Any:
        try:
            return execute(cls, *inputs, **named)
        except DisMoError as error:
            raise error.spoken(HINTS)  # noqa: B904, it is the same error

    node.execute = classmethod(speaking)  # type: ignore[assignment]
    return node
