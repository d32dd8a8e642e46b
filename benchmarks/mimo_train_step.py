"""A training step of the tiny MIMO against its products, convolutions and attention alone: `python benchmarks/mimo_train_step.py --help`.

The linears, convolutions and attentions that a step calls are written down with their shapes, and with what of them has gradients;
then each is run by itself, forward and backward, in the same run. Share = their time together / time of the step, the median over
turns. Processor time in one thread, so that other work on the machine counts little. Random weights and latents; both stages as
`dismo mimo train tiny` runs them, with AdamW and clipped gradients.

Memory of stage 2, 24 frames of 64 px, float32: weights, gradients, AdamW's moments, and what a step holds at most, counted on the meta
device with all scores of the attentions; beside it the same counted while it runs.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from benchmarks.limits import seconds
from benchmarks.live_bytes import LiveBytes
from benchmarks.report import OUT, table, write_json
from benchmarks.suite import verdict
from dismo_core import mimo
from dismo_core.mimo.training.networks import Networks
from dismo_core.mimo.training.tiny import TinyRecipe
from dismo_core.mimo.training.tiny_parts import CONTEXT, new_networks

MIB = 2**20
CPU = torch.device("cpu")
SIDE = 8  # of the latents of 64 px
KINDS = {F.linear: "products", F.conv2d: "convolutions", F.scaled_dot_product_attention: "attention"}
Call = tuple[
    Any, tuple[Any, ...], tuple[Any, ...]
]  # function, arguments, named arguments; tensors as (shape, has gradient)


class _Calls(TorchFunctionMode):
    """Writes down the calls of `KINDS`."""

    def __init__(self) -> None:
        super().__init__()
        self.found: Counter[Call] = Counter()

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func in KINDS:
            named = tuple(sorted((name, _described(value)) for name, value in (kwargs or {}).items()))
            self.found[func, tuple(_described(value) for value in args), named] += 1
        return func(*args, **(kwargs or {}))


def _described(value: Any) -> Any:
    return (tuple(value.shape), value.requires_grad) if isinstance(value, Tensor) else value


def _made(value: Any) -> Any:
    """A tensor of random numbers where one was described."""
    if isinstance(value, tuple) and len(value) == 2 and isinstance(value[1], bool):
        return torch.randn(value[0], requires_grad=value[1])
    return value


def alone(call: Call) -> Callable[[], None]:
    """One call by itself, forward and, where it has gradients, backward."""
    func, given, named = call
    args, kwargs = [_made(value) for value in given], {name: _made(value) for name, value in named}
    needed = [x for x in (*args, *kwargs.values()) if isinstance(x, Tensor) and x.requires_grad]

    def run() -> None:
        out = func(*args, **kwargs)
        if needed:
            torch.autograd.grad(out, needed, torch.ones_like(out))

    return run


class Step:
    """A step of a stage.

    Args:
        stage: see `Networks.train_stage`.
        device: "cpu" or "meta".
    """

    def __init__(self, stage: str, device: str = "cpu") -> None:
        recipe = TinyRecipe()
        rows, frames = (recipe.batch, 1) if stage == "stage1" else (recipe.clips, recipe.frames)
        torch.manual_seed(0)
        with torch.device(device):
            self.networks: Networks = new_networks()
            self.networks.train_stage(stage, from_nothing=True)
            self.trained = [p for p in self.networks.parameters() if p.requires_grad]
            self.optimizer = torch.optim.AdamW(self.trained, lr=1e-4)
            self.shown = {
                "latents": torch.randn(rows, 4, frames, SIDE, SIDE),
                "background": torch.randn(rows, 4, frames, SIDE, SIDE),
                "reference_latent": torch.randn(rows, 4, SIDE, SIDE),
                "context": torch.randn(rows, 1, CONTEXT),
                "poses": torch.rand(rows, 3, frames, 8 * SIDE, 8 * SIDE),
                "noise": torch.randn(rows, 4, frames, SIDE, SIDE),
            }
        self.timesteps = torch.arange(rows) * 997 % 1000

    def backward(self) -> None:
        """Loss and gradients."""
        parts = (self.networks.reference_unet, self.networks.denoising_unet, self.networks.pose_guider)
        self.optimizer.zero_grad(set_to_none=True)
        mimo.training_loss(*parts, **self.shown, timesteps=self.timesteps).backward()

    def __call__(self) -> None:
        self.backward()
        torch.nn.utils.clip_grad_norm_(self.trained, 1.0)
        self.optimizer.step()


def measure(stage: str, turns: int) -> dict[str, float]:
    """Milliseconds of the calls alone, by their kind, and of a step; the share. The first turn warms up."""
    step, calls = Step(stage), _Calls()
    with calls:
        step.backward()
    works = {call: (count, alone(call)) for call, count in calls.found.items()}
    rows: list[dict[str, float]] = []
    for _ in range(turns + 1):
        row = dict.fromkeys(KINDS.values(), 0.0)
        for call, (count, work) in works.items():
            row[KINDS[call[0]]] += 1e3 * count * seconds(work, CPU)
        rows.append(row | {"step": 1e3 * seconds(step, CPU)})
    found = {name: statistics.median(row[name] for row in rows[1:]) for name in rows[0]}
    parts = list(KINDS.values())
    return found | {"share": statistics.median(sum(row[name] for name in parts) / row["step"] for row in rows[1:])}


def stage2_memory() -> dict[str, float]:
    """MiB of stage 2 in all, counted on the meta device and while it runs."""
    found = {}
    for name, device in (("counted", "meta"), ("run", "cpu")):
        step = Step("stage2", device)
        with LiveBytes(fused=False) as live:
            step.backward()
        weights = sum(x.nbytes for x in step.networks.state_dict().values())
        found[name] = (weights + 2 * sum(p.nbytes for p in step.trained) + live.peak) / MIB
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print the tables, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=int, default=5, help="default 5")
    parser.add_argument("--out", type=Path, default=OUT / "mimo_train_step.json")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    memory = stage2_memory()
    print(
        table("Stage 2 of the tiny MIMO, 24 frames of 64 px", ("", "MiB"), [(k, f"{v:.0f}") for k, v in memory.items()])
    )
    found = {stage: measure(stage, options.turns) for stage in ("stage1", "stage2")}
    rows = [(name, *(f"{found[stage][name]:.3g}" for stage in found)) for name in found["stage1"]]
    print(table("A training step of the tiny MIMO, ms of one core", ("", *found), rows))
    result = {"stages": found, "memory": memory}
    write_json(options.out, "mimo_train_step", result)
    print(verdict("mimo_train_step", result))


if __name__ == "__main__":
    main()
