"""A training step of MotionDirector beside a plain loop: `python -m benchmarks.motiondirector_step`.

The plain loop does what a straightforward program does: every appearance adapter is computed in each linear, also those whose scale is
zero; both losses are computed before the first backward pass, so both graphs exist at once, and the motion loss reaches the
appearance adapter, too; all adapters and their moments lie on the device. Both recompute activations block by block, both draw
the same, and both losses must be equal. UNet with random weights: on a GPU of the published size in bfloat16, 16 frames of
384x384; on a CPU small, float32, one thread.

Time: median over turns of (this step / plain step), in turn. Peak: on a GPU what the allocator gave out; on a CPU bytes of tensors that a
step holds at most (`live_bytes.py`), and weights, adapters and moments that lie on the device.
"""

from __future__ import annotations

import argparse
import gc
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor
from torch.nn import functional as F

from benchmarks.live_bytes import LiveBytes
from benchmarks.report import OUT, write_json
from dismo_core.lora.updates import LowRankPair
from dismo_core.motiondirector.checkpointing import checkpoint_blocks
from dismo_core.motiondirector.dual_path import DualPathLoRA
from dismo_core.motiondirector.losses import StepDraws, draw_step, motion_loss, path_losses
from dismo_core.text_to_video.single_frame import single_frame_bypass
from dismo_core.training.optimizers import make_adamw

WANTED = {"time": 0.85, "peak": 0.7}
SMALL = dict(
    block_out_channels=(64, 128, 128, 128), layers_per_block=1, norm_num_groups=32, attention_head_dim=16, cross_attention_dim=64
)  # fmt: skip
RATE = dict(lr=5e-4, betas=(0.9, 0.999), eps=1e-8, weight_decay=1e-2)


class PlainPair(LowRankPair):
    """A pair that is computed whatever its scale, and never constant."""

    def forward(self, x: Tensor, output: Tensor) -> Tensor:
        down, up = self.lora_down.weight.to(x.dtype), self.lora_up.weight.to(x.dtype)
        return output + self.setting.scale * F.linear(F.linear(x, down), up)


class Case:
    """One UNet with adapters, and a step on it.

    Args:
        count: appearance adapters.
        plain: whether it is the plain loop.
        device: where it runs.
    """

    def __init__(self, count: int, plain: bool, device: torch.device) -> None:
        from diffusers import DDIMScheduler, UNet3DConditionModel

        gpu = device.type == "cuda"
        torch.manual_seed(0)
        self.unet = UNet3DConditionModel(**({} if gpu else SMALL)).to(device, torch.bfloat16 if gpu else torch.float32)
        self.unet.eval()
        self.scheduler = DDIMScheduler(
            beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", clip_sample=False
        )
        self.lora = DualPathLoRA(self.unet, rank=32 if gpu else 8, appearances=count)
        generator = torch.Generator().manual_seed(1)
        with torch.no_grad():
            for p in self.lora.parameters():
                p.copy_(torch.randn(p.shape, generator=generator) * 0.05)
        if plain:
            for module in self.unet.modules():
                if type(module) is LowRankPair:
                    module.__class__ = PlainPair
        checkpoint_blocks(self.unet, self.lora.remembered)
        self.plain, self.count, self.device = plain, count, device
        self.optimizer = make_adamw(list(self.lora.parameters()), **RATE)
        side, frames, width = (48, 16, 1024) if gpu else (16, 8, 64)
        self.latents = torch.randn((1, 4, frames, side, side), generator=generator).to(device)
        self.text = torch.randn((1, 77, width), generator=generator).to(device, self.unet.dtype)
        self.number = 0

    def draws(self) -> StepDraws:
        """The same for both loops."""
        return draw_step(self.latents, torch.Generator().manual_seed(self.number), skip=0.0)

    def step(self) -> tuple[float, float]:
        """One step of clip `number` modulo `count`; both losses."""
        index, draws = self.number % self.count, self.draws()
        self.number += 1
        self.optimizer.zero_grad(set_to_none=True)
        losses = self._plain(index, draws) if self.plain else self._ours(index, draws)
        self.optimizer.step()
        return losses

    def resident(self) -> int:
        """Bytes of weights, adapters and moments that lie on the device, once every adapter was trained."""
        base = sum(p.nbytes for name, p in self.unet.named_parameters() if "low_rank_updates" not in name)
        one = sum(p.nbytes for p in self.lora.parameters_of("appearance"))
        motion = sum(p.nbytes for p in self.lora.parameters_of("motion"))
        return base + 3 * (motion + one * (self.count if self.plain else 1))

    def _ours(self, index: int, draws: StepDraws) -> tuple[float, float]:
        self.lora.bring(index)
        found = []
        for _, loss in path_losses(self.unet, self.lora, self.scheduler, self.latents, self.text, draws, index):
            loss.backward()
            found.append(loss.detach())
        return float(found[0]), float(found[1])

    def _plain(self, index: int, draws: StepDraws) -> tuple[float, float]:
        scales = [float(k == index) for k in range(self.count)]
        noised = self.scheduler.add_noise(self.latents, draws.noise, draws.timesteps)
        self.lora.set_scales(appearance=scales, motion=0.0)
        with single_frame_bypass(self.unet):
            one = slice(draws.frame, draws.frame + 1)
            first = (self._output(noised[:, :, one], draws) - draws.noise[:, :, one]).square().mean()
        self.lora.set_scales(motion=1.0)
        second = motion_loss(self._output(noised, draws), draws.noise, draws.anchor)
        first.backward()
        second.backward()
        return float(first.detach()), float(second.detach())

    def _output(self, x: Tensor, draws: StepDraws) -> Tensor:
        out: Tensor = self.unet(x.to(self.text.dtype), draws.timesteps, encoder_hidden_states=self.text).sample
        return out.float()


def measure(count: int, device: torch.device, turns: int) -> dict[str, Any]:
    """Ratios for a number of appearance adapters."""
    peaks, equal, cases = {}, [], {}
    for name in ("ours", "plain"):
        case = Case(count, name == "plain", device)
        if device.type == "cuda":
            for _ in range(count):
                case.step()
            torch.cuda.reset_peak_memory_stats(device)
            case.step()
            peaks[name] = torch.cuda.max_memory_allocated(device)
            del case
            gc.collect()
            torch.cuda.empty_cache()
        else:
            with LiveBytes() as live:
                case.step()
            peaks[name] = live.peak + case.resident()
    cases = {name: Case(count, name == "plain", device) for name in ("ours", "plain")}
    for case in cases.values():
        equal.append(case.step())
    ratios = []
    for _ in range(turns):
        times = {name: seconds(case.step, device) for name, case in cases.items()}
        ratios.append(times["ours"] / times["plain"])
    difference = max(abs(a - b) / max(1.0, abs(b)) for a, b in zip(*equal, strict=True))
    return {
        "adapters": count,
        "time": statistics.median(ratios),
        "peak": peaks["ours"] / peaks["plain"],
        "peak_bytes": peaks,
        "losses_differ_by": difference,
    }


def seconds(work: Callable[[], object], device: torch.device) -> float:
    """Time of a call: by the clock on a GPU, else this process's processor time."""
    clock = time.perf_counter if device.type == "cuda" else time.process_time
    start = clock()
    work()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return clock() - start


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--adapters", type=int, nargs="+", default=[1, 8], help="appearance adapters (default 1 8)")
    parser.add_argument("--turns", type=int, default=7, help="default 7")
    parser.add_argument("--device", default="cpu", help="cpu or cuda (default cpu)")
    parser.add_argument("--out", type=Path, default=OUT / "motiondirector_step.json")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    device = torch.device(options.device)
    rows = [measure(count, device, options.turns) for count in options.adapters]
    table = Table("appearance adapters", "time, of the plain loop", "peak, of the plain loop", "losses differ by")
    for row in rows:
        table.add_row(
            str(row["adapters"]), f"{row['time']:.2f}", f"{row['peak']:.2f}", f"{row['losses_differ_by']:.1e}"
        )
    Console().print(table)
    last = rows[-1]
    write_json(options.out, "motiondirector_step", {"rows": rows, "last": last, "wanted": WANTED})


if __name__ == "__main__":
    main()
