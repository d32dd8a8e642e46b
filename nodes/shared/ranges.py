"""Numbers of widgets: ComfyUI checks typed-in ones alone, not those that come by a wire."""

from __future__ import annotations

from ...dismo_core import DisMoError


def check_range(name: str, value: float, low: float, high: float) -> None:
    """Raise unless a number lies in its range; NaN lies in none."""
    if not low <= value <= high:
        raise DisMoError(f"{name} must be {low:g} to {high:g}, not {value:g}.")
