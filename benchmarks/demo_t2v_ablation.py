"""What each loss of DEMO does for the words of motions: `python -m benchmarks.demo_t2v_ablation`.

Equal short runs of the drawn recipe's first stage from one start, each with one thing changed. Then clips of captions that no run saw,
read by the trackers of `evaluation/`. RAFT's weights are not needed: flow is measured by Lucas and Kanade's way, which has a gradient.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from benchmarks.demo_t2v_tiny import NAMES, SEED, right, sampled
from benchmarks.report import OUT, table, write_json
from dismo_core import demo_t2v as demo
from dismo_core.demo_t2v.training.demo_training import DemoTraining
from dismo_core.demo_t2v.training.drawn import SHORT, DrawnRecipe, export_drawn, start, train_stage
from dismo_core.demo_t2v.training.drawn_clips import FIRST, draw_taught
from dismo_core.demo_t2v.training.motion_half import MotionHalf
from dismo_core.synthetic.draws import Draws
from dismo_core.text_to_video.weights import tiny_folder

WINDOW = 15  # px
COLUMNS = ("move", "direction", "growth", "color", "shape")


def variants(whole: DemoTraining) -> dict[str, DemoTraining]:
    """The runs by name; all but the first differ from it in one thing."""
    flowing = replace(whole, weights=replace(whole.weights, text_motion=0.1))
    return {
        "as it is: video-motion loss of the clean latents": whole,
        "video-motion loss of the noise, as published": replace(whole, video_motion="noise"),
        "without the video-motion loss": replace(whole, weights=replace(whole.weights, video_motion=0.0)),
        "with the text-motion loss": flowing,
        "text-motion loss without gradient": replace(flowing, text_motion_gradient=False),
    }


def lucas_kanade(first: Tensor, second: Tensor) -> Tensor:
    """Flow [N, 2, H, W] in px between pictures [N, 3, H, W]: least squares within a window (Lucas and Kanade 1981)."""
    before, after = first.float().mean(dim=1, keepdim=True), second.float().mean(dim=1, keepdim=True)
    middle = F.pad((before + after) / 2, (1, 1, 1, 1), mode="replicate")
    x, y = (middle[..., 1:-1, 2:] - middle[..., 1:-1, :-2]) / 2, (middle[..., 2:, 1:-1] - middle[..., :-2, 1:-1]) / 2
    t = after - before
    products = torch.cat((x * x, y * y, x * y, x * t, y * t), dim=1)
    xx, yy, xy, xt, yt = F.avg_pool2d(products, WINDOW, 1, WINDOW // 2).unbind(dim=1)
    steady = 1e-3 * (xx + yy).mean(dim=(1, 2), keepdim=True) + 1e-12  # where nothing changes, nothing moves
    xx, yy = xx + steady, yy + steady
    known = xx * yy - xy * xy
    return torch.stack(((xy * yt - yy * xt) / known, (xy * xt - xx * yt) / known), dim=1)


def judged(half: MotionHalf, folder: Path, clips: int) -> dict[str, float]:
    """Shares of held-out clips that are as they should be."""
    files = {path.stem: path for path in export_drawn(half, folder)}
    parts = {
        "unet": files["demo"],
        "motion_encoder": files["motion_encoder"],
        "content_encoder": files["content_encoder"],
    }
    model = demo.load_demo(parts | {"autoencoder": tiny_folder()})
    drawn = draw_taught(clips, Draws(SEED), SHORT, held_out=True, moves=FIRST)
    seen = sampled(model, drawn.captions(False), [NAMES[number] for number in drawn.move.tolist()], frames=SHORT)
    found = right(seen, drawn.move, drawn)
    return {name: found[name] for name in COLUMNS}


def main(arguments: Sequence[str] | None = None) -> None:
    """Train, judge, print the table, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--runs", type=Path, default=OUT / "demo_t2v_ablation", help="takes the runs, which go on where they were"
    )
    parser.add_argument("--steps", type=int, default=600, help="of each run (default 600)")
    parser.add_argument("--judged", type=int, default=56, help="clips that are read (default 56)")
    parser.add_argument("--seed", type=int, default=0, help="default 0")
    parser.add_argument("--out", type=Path, default=OUT / "demo_t2v_ablation.json")
    options = parser.parse_args(arguments)
    first = DrawnRecipe(first_steps=options.steps, seed=options.seed).stages()["first"]
    found: dict[str, dict[str, float]] = {}
    for number, (name, training) in enumerate(variants(first.training).items()):
        half, folder = start(options.seed), options.runs / f"run_{number}"
        flow = lucas_kanade if training.weights.text_motion else None
        train_stage(half, folder, replace(first, training=training), lambda done, total, row: None, flow)
        found[name] = judged(half.eval(), folder / "model", options.judged)
        print(name, found[name], flush=True)
    title = f"DEMO's losses, {options.steps} steps each, {options.judged} held-out clips read"
    print(
        table(
            title,
            ("", *COLUMNS),
            [(name, *(f"{row[column]:.2f}" for column in COLUMNS)) for name, row in found.items()],
        )
    )
    write_json(options.out, "demo_t2v_ablation", {"shares": found})


if __name__ == "__main__":
    main()
