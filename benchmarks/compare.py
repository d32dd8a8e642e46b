"""What became better or worse since the last results, in words."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from benchmarks.suite import Figure

SAME = 0.05  # of the last value, or of a ceiling that is wanted: less than this is chance on a shared machine


def change(figure: Figure, before: float, value: float) -> str:
    """One of "better", "worse", "the same"."""
    ceiling = figure.wanted if figure.at_most and figure.wanted is not None else 0.0
    if abs(value - before) <= SAME * max(abs(before), ceiling):
        return "the same"
    return "better" if (value < before) == figure.at_most else "worse"


def compare(figures: Iterable[Figure], found: dict[str, dict[str, Any]], last: dict[str, dict[str, Any]]) -> list[str]:
    """Lines for a reader: how many figures are better, worse, the same and new; then what is better and worse.

    Args:
        figures: of the suite. found, last: by figure, dicts with "value", "date" and "machine".
    """
    groups: dict[str, list[str]] = {"worse": [], "better": [], "the same": [], "new": []}
    dates, elsewhere = set(), set()
    for figure in figures:
        if figure.what not in found:
            continue
        if figure.what not in last:
            groups["new"].append(figure.what)
            continue
        before, value = last[figure.what]["value"], found[figure.what]["value"]
        dates.add(last[figure.what]["date"])
        if last[figure.what]["machine"] != found[figure.what]["machine"]:
            elsewhere.add(last[figure.what]["machine"])
        words = f"{figure.what}: {value:.3g}, was {before:.3g}"
        if figure.word(value) != figure.word(before):
            words += " (as wanted now)" if figure.word(value) == "reached" else " (no longer as wanted)"
        groups[change(figure, before, value)].append(words)
    if not dates:
        return ["There are no last results to compare with."]
    counts = ", ".join(f"{len(groups[name])} {name}" for name in ("better", "worse", "the same", "new"))
    when = min(dates) if len(dates) == 1 else f"{min(dates)} to {max(dates)}"
    lines = [f"Against the last results ({when}): {counts} (within {100 * SAME:.0f} % is the same)."]
    lines += [f"  {name}: {words}" for name in ("worse", "better") for words in groups[name]]
    if elsewhere:
        lines.append(
            f"Last results of another machine ({'; '.join(sorted(elsewhere))}): seconds cannot be compared, ratios roughly."
        )
    return lines
