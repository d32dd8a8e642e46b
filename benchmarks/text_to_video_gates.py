"""The gates of the tiny text-to-video base in training: `python -m benchmarks.text_to_video_gates RUN`.

Gate c trains a MotionDirector adapter on each of a few drawn clips, about a minute a move on one core. Ask for it by itself: `--gates c`.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from dismo_core.motiondirector.drawn import Make, learn_drawn, same_motion, sampler, training_on_drawn
from dismo_core.motiondirector.sampling import VideoSettings
from dismo_core.synthetic.captioned import CaptionedClips
from dismo_core.text_to_video import load_text_to_video
from dismo_core.text_to_video.gates import (
    TRANSFERRED,
    Number,
    autoencoder_gate,
    coherence_gate,
    transfer_gate,
    words_gate,
)
from dismo_core.text_to_video.training.export import export_base
from dismo_core.text_to_video.training.parts import TinyBase
from dismo_core.text_to_video.training.samples import checkpointed, decoded, encoded, sample_latents


def main() -> None:
    """Measure and print a table; the numbers also go to `gates.jsonl` in the run's folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path, help="folder of the training")
    parser.add_argument("--gates", default="abd", help="which of a, b, c, d (default: all but c)")
    parser.add_argument("--clips", type=int, default=48)
    parser.add_argument("--steps", type=int, default=25, help="of the sampling")
    parser.add_argument("--guidance", type=float, default=1.0)
    adapter = parser.add_argument_group("adapters of gate c")
    adapter.add_argument("--moves", nargs="+", default=list(TRANSFERRED), choices=TRANSFERRED, metavar="MOVE")
    adapter.add_argument("--prompts", type=int, default=4, help="of each move")
    adapter.add_argument("--adapter-steps", type=int, default=150)
    adapter.add_argument("--adapter-rate", type=float, default=5e-4)
    adapter.add_argument("--adapter-rank", type=int, default=32)
    adapter.add_argument(
        "--adapter-clips", type=int, default=1, help="of one motion; with several the convolutions are learned, too"
    )
    given = parser.parse_args()
    torch.set_num_threads(1)
    base, autoencoder, step = checkpointed(given.run)

    def make(captions: Sequence[str], seed: int) -> Tensor:
        return decoded(autoencoder, sample_latents(base, captions, seed, given.steps, given.guidance))

    def through(frames: Tensor) -> Tensor:
        return decoded(autoencoder, encoded(autoencoder, frames))

    found: dict[str, dict[str, Number]] = {}
    if "a" in given.gates:
        found["a"] = autoencoder_gate(through, given.clips)
    if "b" in given.gates:
        found["b"] = coherence_gate(make, clips=given.clips)
    if "c" in given.gates:
        found["c"] = _transferred(base, autoencoder, given)
    if "d" in given.gates:
        found["d"] = words_gate(make, given.clips)
    print(f"| gate | what | value | chance | data | n |   (step {step}, guidance {given.guidance:g})")  # noqa: T201
    for gate, rows in found.items():
        for name, row in rows.items():
            chance = "" if row.chance is None else f"{row.chance:.2f}"
            print(f"| {gate} | {name} | {row.value:.2f} | {chance} | {row.ceiling:.2f} | {row.count} |")  # noqa: T201
    with (given.run / "gates.jsonl").open("a") as out:
        numbers = {gate: {name: vars(row) for name, row in rows.items()} for gate, rows in found.items()}
        out.write(json.dumps({"step": step, "guidance": given.guidance} | numbers) + "\n")


def _transferred(trained: TinyBase, autoencoder: Any, given: argparse.Namespace) -> dict[str, Number]:
    """Gate (c), with the base as it would ship: in half precision, out of its folder."""
    settings = replace(
        training_on_drawn(given.adapter_steps, given.adapter_clips),
        learning_rate=given.adapter_rate,
        rank=given.adapter_rank,
    )
    videos = VideoSettings(steps=given.steps, guidance=given.guidance)
    with tempfile.TemporaryDirectory() as held:
        folder = Path(held)
        export_base(trained, autoencoder, folder / "base")
        base = load_text_to_video(folder / "base")
        learned = 0

        def adapted(clip: CaptionedClips) -> Make:
            nonlocal learned
            learned += 1
            clips = same_motion(clip, given.adapter_clips) if given.adapter_clips > 1 else clip
            adapters = learn_drawn(base, clips, settings, folder / str(learned))
            return sampler(base, videos, motion=adapters["motion"])

        def through(frames: Tensor) -> Tensor:
            return decoded(autoencoder, encoded(autoencoder, frames))

        return transfer_gate(sampler(base, videos), adapted, given.moves, given.prompts, through)


if __name__ == "__main__":
    main()
