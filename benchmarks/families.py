"""What the embeddings know of motion and of appearance, on drawn clips: `python benchmarks/families.py --help`. See README.md."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track
from rich.table import Table

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import dismo_core as dismo
from benchmarks import shapes, textures
from benchmarks.measure import bilinear
from benchmarks.pipeline import FPS, untrained
from benchmarks.report import OUT, contact_sheet, write_json
from benchmarks.scenes import FINE, MARGIN, SIZE, Frames
from dismo_core.evaluation.disentangle import probe
from dismo_core.evaluation.knn import NEIGHBOURS, leave_one_out
from dismo_core.evaluation.labelled import pixel_differences

if TYPE_CHECKING:
    from dismo_core import MotionExtractor

Array = NDArray[np.float64]
FAMILIES = ("translate", "pan", "zoom", "scale", "rotate", "oscillate", "still")
APPEARANCES = 8
FRAMES = 13
SEED = 20_250_318
WANTED_NEIGHBOURS = 0.9
WANTED_ABOVE_CHANCE = 0.1  # at most so much may an appearance probe be better than chance


@dataclass(frozen=True)
class Moves:
    """How ground (with everything on it) and thing move over T frames, about 0 in the middle of the clip.

    Args:
        camera: [T, 2] displacement (x, y) of the picture's content, px. zoom: [T] logarithm of its growth about the middle.
        place: [T, 2] displacement of the thing, px. growth: [T] logarithm. turn: [T] radians, clockwise.
    """

    camera: Array
    zoom: Array
    place: Array
    growth: Array
    turn: Array


def draw_moves(rng: np.random.Generator, family: str, frames: int = FRAMES) -> Moves:
    """Motion of one family: in any direction or sense, at a rate that rises or falls by up to a half over the clip."""
    step = np.arange(frames) - (frames - 1) / 2
    way = step + rng.uniform(-0.5, 0.5) * step**2 / (frames - 1)
    way = way - way.mean()
    angle, sign = rng.uniform(0, 2 * np.pi), rng.choice([-1.0, 1.0])
    direction = np.array([np.cos(angle), np.sin(angle)])
    nowhere, none = np.zeros((frames, 2)), np.zeros(frames)
    if family == "translate":
        return Moves(nowhere, none, rng.uniform(0.8, 2.2) * way[:, None] * direction, none, none)
    if family == "pan":
        return Moves(rng.uniform(0.8, 2.2) * way[:, None] * direction, none, nowhere, none, none)
    if family == "zoom":
        return Moves(nowhere, sign * rng.uniform(0.02, 0.05) * way, nowhere, none, none)
    if family == "scale":
        return Moves(nowhere, none, nowhere, sign * rng.uniform(0.035, 0.085) * way, none)
    if family == "rotate":
        return Moves(nowhere, none, nowhere, none, sign * rng.uniform(0.07, 0.15) * way)
    if family == "oscillate":
        swing = np.sin(2 * np.pi * (step / rng.uniform(6, 10) + rng.uniform()))
        return Moves(nowhere, none, rng.uniform(2.5, 5) * swing[:, None] * direction, none, none)
    return Moves(nowhere, none, nowhere, none, none)


@dataclass(frozen=True)
class Look:
    """What one class of appearance has in common: colors, contrasts, kinds of surface and of outline."""

    ground: Array
    thing: Array
    contrast: float
    ground_kind: str
    skin_kind: str
    shape_kind: str


def draw_look(number: int) -> Look:
    """Class of appearance number 0, 1, ...; thing and ground are unlike in color."""
    rng = np.random.default_rng([SEED, number])
    ground = rng.uniform(0.25, 0.75) + rng.uniform(-0.12, 0.12, 3)
    thing = rng.uniform(0.08, 0.92, 3)
    while np.linalg.norm(thing - ground) < 0.48:
        thing = rng.uniform(0.08, 0.92, 3)
    kinds = sorted(textures.KINDS)
    contrast = float(rng.uniform(0.07, 0.14))
    return Look(
        ground, thing, contrast, str(rng.choice(kinds)), str(rng.choice(kinds)), str(rng.choice(shapes.TURNABLE))
    )


def film(rng: np.random.Generator, look: Look, moves: Moves) -> Frames:
    """A clip uint8 [T, 64, 64, 3] of a new ground and a new thing of that look."""
    ground = textures.surface(rng, FINE * (SIZE + 2 * MARGIN), look.ground, look.contrast, look.ground_kind)
    skin = textures.surface(rng, 96, look.thing, 0.07, look.skin_kind)
    thing = shapes.make_thing(rng, look.shape_kind, rng.uniform(8, 11), skin)
    middle = (SIZE - 1) / 2
    start = middle + rng.uniform(-8, 8, 2)
    grid = (np.arange(FINE * SIZE) + 0.5) / FINE - 0.5  # px
    frames = np.empty((len(moves.zoom), SIZE, SIZE, 3), np.uint8)
    for t, zoom in enumerate(np.exp(moves.zoom)):
        x, y = ((grid - middle - shift) / zoom + middle for shift in moves.camera[t])
        at = [(v + MARGIN + 0.5) * FINE - 0.5 for v in (x, y)]
        picture = shapes.pool(bilinear(ground, *np.meshgrid(*at)), FINE)
        centre = (start + moves.place[t] - middle) * zoom + middle + moves.camera[t]
        alpha, color = thing.draw(SIZE, centre, float(zoom * np.exp(moves.growth[t])), float(moves.turn[t]))
        frames[t] = np.round((picture * (1 - alpha[..., None]) + color) * 255)
    return frames


def draw_clips(each: int) -> tuple[list[Frames], list[str], list[str]]:
    """`each` clips of every family in every look: frames, family and look of each."""
    clips, families, looks = [], [], []
    for look in range(APPEARANCES):
        for number, family in enumerate(FAMILIES):
            for take in range(each):
                rng = np.random.default_rng([SEED, look, number, take])
                clips.append(film(rng, draw_look(look), draw_moves(rng, family)))
                families.append(family)
                looks.append(f"look {look}")
    return clips, families, looks


def pooled(extractor: MotionExtractor) -> Callable[[torch.Tensor], torch.Tensor]:
    """Clip -> embedding, mean over time."""
    return lambda clip: dismo.extract_motion(extractor, clip, fps=FPS, frames=0).embeddings.mean(dim=0)


def main(arguments: Sequence[str] | None = None) -> None:
    """Draw, embed, classify, print the table, write the JSON."""
    parser = argparse.ArgumentParser(description="Motion families and appearance in the embeddings of drawn clips.")
    parser.add_argument("--extractor", default="tiny", help="tiny, or a weights file")
    parser.add_argument("--each", type=int, default=8, help="clips of each family in each of 8 looks (default 8)")
    parser.add_argument("--out", type=Path, default=OUT / "families.json", metavar="JSON")
    parser.add_argument("--sheet", type=Path, metavar="PNG", help="contact sheet: a clip of each family in two looks")
    options = parser.parse_args(arguments)
    console = Console(width=None if sys.stdout.isatty() else 190)
    extractor = dismo.load_motion_extractor(options.extractor)
    clips, families, looks = draw_clips(options.each)
    makers = {
        "motion extractor": pooled(extractor),
        "untrained extractor": pooled(untrained(extractor)),
        "pixel differences": pixel_differences,
    }
    rows: dict[str, Any] = {}
    for name, make in makers.items():
        made = [make(torch.from_numpy(clip)) for clip in track(clips, name, console=console, transient=True)]
        vectors = torch.stack(made)
        neighbours = leave_one_out(vectors, families, NEIGHBOURS, groups=looks)
        rows[name] = {
            "knn": neighbours.accuracy,
            "knn_by_family": neighbours.by_class(),
            "confusion": {"classes": neighbours.classes, "counts": neighbours.confusion().tolist()},
            "appearance_probe": probe(vectors, looks).accuracy,
        }
    chance = 1 / APPEARANCES
    show(console, rows, len(clips), chance)
    own = rows["motion extractor"]
    result = {
        "extractor": extractor.extractor_id,
        "clips": len(clips),
        "chance": {"family": 1 / len(FAMILIES), "appearance": chance},
        "verdict": {
            "knn": [own["knn"], own["knn"] >= WANTED_NEIGHBOURS],
            "appearance_probe": [own["appearance_probe"], own["appearance_probe"] <= chance + WANTED_ABOVE_CHANCE],
        },
        "rows": rows,
    }
    write_json(options.out, "families", result)
    console.print(f"written: {options.out}")
    if options.sheet:
        chosen = [i for i in range(0, len(clips), options.each) if looks[i] in ("look 0", "look 1")]
        contact_sheet(options.sheet, [(f"{families[i]}, {looks[i]}", [clips[i]]) for i in chosen], every=2)
        console.print(f"written: {options.sheet}")


def show(console: Console, rows: dict[str, Any], clips: int, chance: float) -> None:
    """Print the table."""
    table = Table(title=f"{clips} clips, {FRAMES} frames each: % right")
    table.add_column("vectors")
    for heading in (f"{NEIGHBOURS}-NN, all", *FAMILIES, "appearance probe"):
        table.add_column(heading, justify="right")
    wanted = (f">= {100 * WANTED_NEIGHBOURS:.0f}", *("",) * len(FAMILIES))
    table.add_row("wanted", *wanted, f"<= {100 * (chance + WANTED_ABOVE_CHANCE):.1f}", style="bold", end_section=True)
    for name, row in rows.items():
        shares = [
            row["knn"],
            *(row["knn_by_family"][f] for f in FAMILIES),
            row["appearance_probe"],
        ]
        table.add_row(name, *(f"{100 * share:.1f}" for share in shares))
    console.print(table)


if __name__ == "__main__":
    main()
