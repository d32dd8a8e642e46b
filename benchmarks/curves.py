"""Draw the curves of training runs: `python benchmarks/curves.py NAME=FOLDER ... --out docs/training.png`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from dismo_core.dismo.training.tiny import read_log


def draw(runs: dict[str, Path], out: Path) -> None:
    """One panel a figure; runs without a labelled stage have no trained readout to show."""
    figure = Figure(figsize=(19, 3.6), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(1, 6)
    titles = (
        ("warmup", "r2", "Warm-up: R² of the readout in training"),
        ("warmup", "probe_r2", "Warm-up: R² of a fresh linear probe"),
        ("joint", "flow", "Joint: flow loss"),
        ("joint", "label", "Joint: error of the trained readout"),
        ("joint", "probe_r2", "Joint: R² of a fresh linear probe"),
        ("refine", "flow", "Refine: flow loss"),
    )
    for panel, (stage, field, title) in zip(panels, titles, strict=True):
        for name, folder in runs.items():
            if not (folder / stage / "log.jsonl").is_file():
                continue
            rows = [row for row in read_log(folder / stage) if field in row]
            if not rows or (field == "label" and not read_log(folder / "warmup")):
                continue  # a stage of no steps; or without labels, where the readout stays as it was drawn
            panel.plot(
                [row["step"] for row in rows], [row[field] for row in rows], marker=".", markersize=3, label=name
            )
        panel.set(title=title, xlabel="step", yscale="log" if field == "flow" else "linear")
        panel.grid(alpha=0.3)
        if panel.lines:
            panel.legend(fontsize="small")
    out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(out, dpi=90)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Draw the curves of training runs.")
    parser.add_argument("runs", nargs="+", metavar="NAME=FOLDER")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "out" / "training.png")
    arguments = parser.parse_args()
    draw({name: Path(folder) for name, folder in (run.split("=", 1) for run in arguments.runs)}, arguments.out)
    print(arguments.out)
