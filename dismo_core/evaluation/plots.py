"""Pictures of evaluation results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from .knn import Classification


def confusion_plot(found: Classification, title: str) -> Figure:
    """How often each class (row) was taken for each class (column), in percent of the row."""
    from matplotlib.figure import Figure

    classes, counts = found.classes, found.confusion().double().numpy()
    shares = 100 * counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    side = 2.5 + 0.45 * len(classes)
    figure = Figure(figsize=(side + 1, side), layout="constrained")
    axes = figure.subplots()
    image = axes.imshow(shares, vmin=0, vmax=100, cmap="Blues")
    axes.set(xlabel="taken for", ylabel="is", title=title)
    axes.set_xticks(range(len(classes)), classes, rotation=45, ha="right")
    axes.set_yticks(range(len(classes)), classes)
    if len(classes) <= 20:
        for (row, column), share in np.ndenumerate(shares):
            axes.text(column, row, f"{share:.0f}", ha="center", va="center", color="white" if share > 50 else "black")
    figure.colorbar(image, ax=axes, label="% of the row")
    return figure


def bar_plot(
    rows: Sequence[str],
    series: Mapping[str, Sequence[float | None]],
    title: str,
    axis: str,
    lines: Mapping[str, float] | None = None,
) -> Figure:
    """Groups of bars: one group per row, one bar of each series in it; `lines` are drawn across. None leaves a gap."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(max(6.0, 2.5 + 0.35 * len(rows) * len(series)), 4.5), layout="constrained")
    axes = figure.subplots()
    width = 0.8 / len(series)
    for i, (name, values) in enumerate(series.items()):
        at = np.arange(len(rows)) + (i - (len(series) - 1) / 2) * width
        axes.bar(at, [np.nan if value is None else value for value in values], width, label=name)
    for i, (name, value) in enumerate((lines or {}).items()):
        axes.axhline(value, color="black", linestyle=("--", ":")[i % 2], linewidth=1, label=name)
    axes.set_xticks(
        range(len(rows)),
        rows,
        rotation=30 if max(map(len, rows)) > 12 else 0,
        ha="right" if max(map(len, rows)) > 12 else "center",
    )
    axes.set(title=title, ylabel=axis)
    axes.legend()
    return figure
