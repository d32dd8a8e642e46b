"""What each loss of DEMO's training does: `python -m benchmarks.demo_t2v_ablation WEIGHTS`.

Equal short runs from one start on the same drawn clips, each without one thing. Then clips of captions that no run saw, read by the
trackers of `evaluation/`: is the move the one that the caption names, are color, ground and shape? The runs of the text-motion loss need
RAFT's weights. The regularization is off: it needs an image tower.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks.report import OUT, table, write_json
from dismo_core import demo_t2v as demo
from dismo_core.demo_t2v.clips import CLIP_FPS
from dismo_core.demo_t2v.loading import read_unet
from dismo_core.demo_t2v.tower_files import read_text_tower
from dismo_core.demo_t2v.training.captioned_videos import videos_of_folder
from dismo_core.demo_t2v.training.demo_training import DemoTraining
from dismo_core.demo_t2v.training.flow import raft_flow
from dismo_core.demo_t2v.training.motion_half import LossWeights
from dismo_core.demo_t2v.training.train_motion import train_motion
from dismo_core.synthetic.captioned import draw_captioned
from dismo_core.synthetic.draws import Draws
from dismo_core.text_to_video.gates import coherence_gate, words_gate
from dismo_core.video import write_video

SIZE = (64, 64)
CPU = torch.device("cpu")


def variants(training: DemoTraining, with_flow: bool) -> dict[str, DemoTraining]:
    """The runs by name; all but the first differ from it in one thing."""
    flow = 0.1 if with_flow else 0.0
    whole = replace(training, weights=LossWeights(text_motion=flow, regularization=0.0))
    found = {
        "as it is": whole,
        "without the video-motion loss": replace(whole, weights=replace(whole.weights, video_motion=0.0)),
        "video-motion loss on clean latents (x0)": replace(whole, video_motion="x0"),
    }
    if with_flow:
        found["text-motion loss without gradient"] = replace(whole, text_motion_gradient=False)
    return found


def draw_clips(folder: Path, count: int) -> Path:
    """Drawn clips with captions, each an MP4 with a text beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    drawn = draw_captioned(count, Draws(0))
    for number, (frames, caption) in enumerate(zip(drawn.rendered(), drawn.captions(), strict=True)):
        pixels = ((frames + 1) * 127.5).round().to(torch.uint8)
        write_video(folder / f"{number:05d}.mp4", pixels, CLIP_FPS, crf=8, overwrite=True)
        (folder / f"{number:05d}.txt").write_text(caption, "utf-8")
    return folder


def trained(weights: Path, clips: Path, folder: Path, training: DemoTraining, flow: Any) -> demo.DemoTextToVideo:
    """The model after one of the runs."""
    model = demo.load_demo(weights)
    train_motion(
        folder, model.unet, model.motion_encoder, videos_of_folder(clips), model.autoencoder, model.content_encoder, training,
        flow=flow, cache=folder.parent / "kept",
    )  # fmt: skip
    stem = folder / "checkpoints" / f"non_ema_{training.steps:08d}"
    after = demo.load_demo(weights)
    after.unet.load_state_dict(read_unet(stem.with_suffix(".pth"), torch.float32)[0].state_dict())
    encoder = read_text_tower(stem.with_name(f"{stem.name}_motion_encoder.pth"), torch.float32)
    after.motion_encoder.load_state_dict(encoder.state_dict())
    return after


def judged(model: demo.DemoTextToVideo, clips: int) -> dict[str, float]:
    """Shares of clips whose move, color, ground and shape are those of their captions."""

    def make(captions: Sequence[str], seed: int) -> Tensor:
        made = [model.sample(caption, seed=seed + k, size=SIZE, frames=16) for k, caption in enumerate(captions)]
        return torch.cat(made).float() / 127.5 - 1

    rows = words_gate(make, clips) | coherence_gate(make, clips=clips)
    return {name: rows[name].value for name in ("move", "color", "ground", "shape")}


def main(arguments: Sequence[str] | None = None) -> None:
    """Train, judge, print the table, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights", type=Path, help="folder of the model that all runs begin with")
    parser.add_argument(
        "--runs", type=Path, default=OUT / "demo_t2v_ablation", help="takes the runs, which go on where they were"
    )
    parser.add_argument("--steps", type=int, default=1000, help="of each run (default 1000)")
    parser.add_argument("--batch", type=int, default=4, help="default 4")
    parser.add_argument("--clips", type=int, default=2000, help="drawn clips to learn from (default 2000)")
    parser.add_argument("--judged", type=int, default=56, help="clips that are read (default 56)")
    parser.add_argument("--raft", type=Path, help="RAFT's weights, for the text-motion loss")
    parser.add_argument("--seed", type=int, default=0, help="default 0")
    parser.add_argument("--out", type=Path, default=OUT / "demo_t2v_ablation.json")
    options = parser.parse_args(arguments)
    flow = None if options.raft is None else raft_flow(options.raft, CPU)
    training = DemoTraining(
        steps=options.steps, batch=options.batch, lr=1e-4, motion_lr=1e-5, first_block=0, size=SIZE, seed=options.seed, p_zero_motion=0.1,
        save_every=options.steps, sample_steps=0,
    )  # fmt: skip
    clips = draw_clips(options.runs / "clips", options.clips)
    found = {"before": judged(demo.load_demo(options.weights), options.judged)}
    for number, (name, run) in enumerate(variants(training, flow is not None).items()):
        model = trained(options.weights, clips, options.runs / f"run_{number}", run, flow)
        found[name] = judged(model, options.judged)
    rows = [(name, *(f"{value:.2f}" for value in row.values())) for name, row in found.items()]
    title = f"DEMO's losses, {options.steps} steps each, {options.judged} clips read"
    print(table(title, ("", *found["before"]), rows))
    write_json(options.out, "demo_t2v_ablation", {"shares": found})


if __name__ == "__main__":
    main()
