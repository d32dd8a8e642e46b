"""The gates of the tiny text-to-video base in training: `python -m benchmarks.text_to_video_gates RUN`."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from dismo_core.text_to_video.gates import Number, autoencoder_gate, coherence_gate, words_gate
from dismo_core.text_to_video.training.samples import checkpointed, decoded, encoded, sample_latents


def main() -> None:
    """Measure and print a table; the numbers also go to `gates.jsonl` in the run's folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path, help="folder of the training")
    parser.add_argument("--gates", default="abd", help="which of a, b, d (default: all)")
    parser.add_argument("--clips", type=int, default=48)
    parser.add_argument("--steps", type=int, default=25)
    parser.add_argument("--guidance", type=float, default=1.0)
    given = parser.parse_args()
    torch.set_num_threads(1)
    base, autoencoder, step = checkpointed(given.run)

    def make(captions: Sequence[str], seed: int) -> Tensor:
        return decoded(autoencoder, sample_latents(base, captions, seed, given.steps, given.guidance))

    found: dict[str, dict[str, Number]] = {}
    if "a" in given.gates:
        found["a"] = autoencoder_gate(lambda frames: decoded(autoencoder, encoded(autoencoder, frames)), given.clips)
    if "b" in given.gates:
        found["b"] = coherence_gate(make, clips=given.clips)
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


if __name__ == "__main__":
    main()
