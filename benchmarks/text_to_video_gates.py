"""The gates of the tiny text-to-video base in training: `python -m benchmarks.text_to_video_gates RUN`.

Gate c trains a MotionDirector adapter on each of a few drawn clips, about a minute a move on one core. Ask for it by itself: `--gates c`.
"""

from __future__ import annotations

import argparse
import itertools
import json
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from dismo_core.motiondirector.drawn import Make, learn_drawn, same_motion, sampler, through_vae, training_on_drawn
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
from dismo_core.text_to_video.training.checkpointed import checkpointed
from dismo_core.text_to_video.training.export import export_base

if TYPE_CHECKING:
    from dismo_core.text_to_video.base import TextToVideoBase


def main() -> None:
    """Measure and print a table; the numbers of a run also go to `gates.jsonl` in its folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path, help="folder of the training, or `tiny` for the bundled base")
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
    bundled = given.run == Path("tiny")
    with tempfile.TemporaryDirectory() as held:
        folder, step = Path(held), "as it ships"
        if not bundled:
            trained, autoencoder, done = checkpointed(given.run)
            export_base(trained, autoencoder, folder / "base")
            step = str(done)
        base = load_text_to_video("tiny" if bundled else folder / "base")
        found = _measured(base, given, folder)
    print(f"| gate | what | value | chance | data | n |   (step {step}, guidance {given.guidance:g})")  # noqa: T201
    for gate, rows in found.items():
        for name, row in rows.items():
            chance = "" if row.chance is None else f"{row.chance:.2f}"
            print(f"| {gate} | {name} | {row.value:.2f} | {chance} | {row.ceiling:.2f} | {row.count} |")  # noqa: T201
    if not bundled:
        with (given.run / "gates.jsonl").open("a") as out:
            numbers = {gate: {name: vars(row) for name, row in rows.items()} for gate, rows in found.items()}
            out.write(json.dumps({"step": step, "guidance": given.guidance} | numbers) + "\n")


def _measured(base: TextToVideoBase, given: argparse.Namespace, folder: Path) -> dict[str, dict[str, Number]]:
    """Gate -> its numbers, of the base as it ships: in half precision, out of its folder."""
    videos = VideoSettings(steps=given.steps, guidance=given.guidance)
    make = sampler(base, videos)

    def through(frames: Tensor) -> Tensor:
        return through_vae(base, frames)

    settings = replace(
        training_on_drawn(given.adapter_steps, given.adapter_clips),
        learning_rate=given.adapter_rate,
        rank=given.adapter_rank,
    )
    learned = itertools.count()

    def adapted(clip: CaptionedClips) -> Make:
        clips = same_motion(clip, given.adapter_clips) if given.adapter_clips > 1 else clip
        adapters = learn_drawn(base, clips, settings, folder / str(next(learned)))
        return sampler(base, videos, motion=adapters["motion"])

    gates: dict[str, Callable[[], dict[str, Number]]] = {
        "a": lambda: autoencoder_gate(through, given.clips),
        "b": lambda: coherence_gate(make, clips=given.clips),
        "c": lambda: transfer_gate(make, adapted, given.moves, given.prompts, through),
        "d": lambda: words_gate(make, given.clips),
    }
    return {name: gate() for name, gate in gates.items() if name in given.gates}


if __name__ == "__main__":
    main()
