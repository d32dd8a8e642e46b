"""What only some ComfyUI versions know, passed only where the running one has it. Floor: 0.3.48."""

from __future__ import annotations

import inspect
from typing import Any, TypeVar

from comfy_api.latest import io

AnyInput = TypeVar("AnyInput", bound=io.WidgetInput)


def advanced(widget: AnyInput) -> AnyInput:
    """Mark a widget as advanced. The constructor argument raises TypeError up to 0.3.64; this works everywhere."""
    widget.extra_dict["advanced"] = True
    return widget


def aliases(*words: str) -> dict[str, Any]:
    """Further words under which the node search finds a node, as keyword arguments for `io.Schema`."""
    known = "search_aliases" in inspect.signature(io.Schema).parameters
    return {"search_aliases": list(words)} if known else {}


def essentials(category: str) -> dict[str, Any]:
    """Show a node in the library's short list, as keyword arguments for `io.Schema`."""
    known = "essentials_category" in inspect.signature(io.Schema).parameters
    return {"essentials_category": category} if known else {}
