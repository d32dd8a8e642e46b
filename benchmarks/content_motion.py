"""CMD beside a plain transcription of the published procedure: `python -m benchmarks.content_motion [--device cuda]`.

Training step of the motion model: the plain one runs the autoencoder on the clips at every step, ours takes cached latents. Sampling of
content frames: the plain one keeps its tables as float64 tensors, takes the entries of each step from all of them and runs both passes of
guidance as one doubled batch; on a GPU ours also compiled, in bfloat16. Random weights; on a GPU the published sizes (MotionDiT-L/2,
ContentDiT-L/2, the autoencoder of width 384 and depth 8 at 64 px, 16 frames), on a CPU those of `tiny`, one thread.

Ratios: plain seconds over ours, median over turns of both, one after the other. On a CPU seconds are those that this process computed.
Beside them, how much of the speed of one large matrix product ours reaches (`limits.py`).
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from torch import Tensor

from benchmarks.limits import Rates, Work, count, seconds
from benchmarks.report import OUT, write_json
from dismo_core import content_motion as cm
from dismo_core.content_motion.kinds import AUTOENCODER, CONTENT_MODEL, MOTION_MODEL
from dismo_core.content_motion.training.objectives import DiffusionObjective
from dismo_core.content_motion.training.recipes import DRAWN, Recipe

WANTED = {"training step, cached": 1.5, "sampling, eager": 1.0, "sampling, compiled bfloat16": 1.3}
SIDE, FRAMES, STEPS, CFG = 64, 16, 4, 4.0


def models(device: torch.device) -> tuple[Any, Any, Any]:
    """Autoencoder, motion model, content model."""
    torch.manual_seed(0)
    gpu = device.type == "cuda"

    def sizes(recipe: Recipe) -> dict[str, Any]:
        return {} if gpu else recipe.geometry

    autoencoder = cm.ContentMotionAutoencoder(**sizes(DRAWN[AUTOENCODER]))
    positions = 2 * SIDE // autoencoder.patch_size
    preset = dict(depth=24, width=1024, heads=16, patch_size=2) if gpu else {}
    motion = cm.MotionDiT(
        latent_size=(FRAMES, positions), table="grid", **{**preset, **_less(sizes(DRAWN[MOTION_MODEL]))}
    )
    content = cm.ContentDiT(**{**preset, "table": "grid", **sizes(DRAWN[CONTENT_MODEL])})
    return tuple(model.to(device) for model in (autoencoder.eval().requires_grad_(False), motion, content))  # type: ignore[return-value]


def _less(sizes: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in sizes.items() if name != "table"}


class Training:
    """A step of the motion model."""

    def __init__(self, autoencoder: Any, model: Any, batch: int, device: torch.device) -> None:
        self.autoencoder, self.objective = autoencoder, DiffusionObjective(model, "content")
        self.optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, weight_decay=0.0)
        self.clips = torch.rand(batch, 3, FRAMES, SIDE, SIDE, device=device) * 2 - 1
        self.latents = self.encode()
        self.t = torch.randint(1000, (batch,), device=device)
        self.noise = torch.randn_like(self.latents.motion)

    @torch.no_grad()
    def encode(self) -> Any:
        """As at every step of the published loop."""
        return self.autoencoder.encode(self.clips)

    def step(self, latents: Any) -> None:
        """Forward, backward, update."""
        self.optimizer.zero_grad(set_to_none=True)
        self.loss(latents).backward()
        self.optimizer.step()

    def loss(self, latents: Any) -> Tensor:
        """Of a batch."""
        found: Tensor = self.objective(latents.motion, self.t, self.noise, latents.content)["loss"]
        return found


@torch.no_grad()
def plain_sample(model: Any, noise: Tensor, labels: Tensor, steps: int) -> Tensor:
    """Ancestral sampling as the published code goes about it."""
    diffusion = cm.GaussianDiffusion()
    times, schedule = diffusion.timesteps(steps), diffusion.respaced(steps)
    tables = {name: value for name, value in vars(schedule).items() if isinstance(value, Tensor)}
    null = torch.full_like(labels, model.num_classes)
    x = noise
    for i in reversed(range(steps)):
        t = torch.tensor([i] * len(x), device=x.device)
        at = {name: table.to(x.device)[t].float().view(-1, 1, 1, 1).expand(x.shape) for name, table in tables.items()}
        both, when = torch.cat((x, x)), torch.tensor(times, device=x.device)[torch.cat((t, t))]
        output = model(both, when, torch.cat((labels, null)))
        noise_of, variance = output.chunk(2, dim=1)
        c, u = noise_of.chunk(2)
        epsilon, share = u + CFG * (c - u), (variance[: len(x)] + 1) / 2
        clean = (at["clean_noisy"] * x - at["clean_noise"] * epsilon).clamp(-1, 1)
        log_variance = share * at["log_betas"] + (1 - share) * at["log_variance"]
        mask = (t != 0).float().view(-1, 1, 1, 1)
        x = at["mean_clean"] * clean + at["mean_noisy"] * x + mask * torch.exp(0.5 * log_variance) * torch.randn_like(x)
    return x


def ratio(plain: Callable[[], object], ours: Callable[[], object], turns: int, device: torch.device) -> float:
    """Median of plain seconds over ours."""
    for run in (plain, ours):
        run()
    return statistics.median(seconds(plain, device) / seconds(ours, device) for _ in range(turns))


def share_of_limit(run: Callable[[], object], work: Work, rates: Rates, turns: int, device: torch.device) -> float:
    """Least seconds that all operations take at the rate of one large matrix product, over the median seconds of a run."""
    taken = []
    for _ in range(turns):
        rates.sample()
        taken.append(seconds(run, device))
    return rates.limits(work)["products"] / statistics.median(taken)


def main() -> None:
    """Measure and write down."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--turns", type=int, default=7)
    parser.add_argument("--out", type=Path, default=OUT / "content_motion.json")
    options = parser.parse_args()
    device = torch.device(options.device)
    gpu = device.type == "cuda"
    if not gpu:
        torch.set_num_threads(1)
    autoencoder, motion, content = models(device)
    training = Training(autoencoder, motion, 32 if gpu else 4, device)
    found = {
        "training step, cached": ratio(
            lambda: training.step(training.encode()), lambda: training.step(training.latents), options.turns, device
        )
    }
    heads = motion.geometry["heads"]
    rates = Rates(device, torch.float32, heads, 256, motion.geometry["width"] // heads)
    forward = count(lambda: training.loss(training.latents))
    shares = {
        "training step, cached": share_of_limit(
            lambda: training.step(training.latents), 3.0 * forward, rates, options.turns, device
        )
    }
    batch = 16 if gpu else 2
    noise, labels = (
        torch.randn(batch, 3, SIDE, SIDE, device=device),
        torch.zeros(batch, dtype=torch.int64, device=device),
    )
    content.eval()

    def ours(model: Any, steps: int = 50 if gpu else STEPS) -> Tensor:
        return cm.GaussianDiffusion().sample(
            model, noise, steps, clip=True, generator=torch.Generator().manual_seed(0), labels=labels, cfg=CFG
        )

    def plain() -> Tensor:
        return plain_sample(content, noise, labels, 50 if gpu else STEPS)

    found["sampling, eager"] = ratio(plain, lambda: ours(content.guided), options.turns, device)
    sampling = count(lambda: ours(content.guided))
    shares["sampling, eager"] = share_of_limit(lambda: ours(content.guided), sampling, rates, options.turns, device)
    if gpu:
        halved = torch.compile(content.bfloat16().guided)
        content_plain = models(device)[2].eval()
        found["sampling, compiled bfloat16"] = ratio(
            lambda: plain_sample(content_plain, noise, labels, 50), lambda: ours(halved), options.turns, device
        )
    for name, value in found.items():
        Console().print(f"{name}: {value:.2f} times (wanted {WANTED[name]:g})")
    for name, value in shares.items():
        Console().print(f"{name}: {value:.0%} of the speed of a large matrix product")
    result = {"ratios": found, "wanted": WANTED, "of the matrix-product limit": shares, "device": options.device}
    write_json(options.out, "content_motion", result)


if __name__ == "__main__":
    main()
