"""A sampling step of the text-to-video UNet against its limit, and what adapters add: `python -m benchmarks.text_to_video`.

Random weights: on a GPU of the published size in bfloat16, 16 frames of 256x256; on a CPU small, float32, one thread. Limit: all matrix
products of the step, convolutions among them, at the rate of one large product measured in the same run (`limits.py`).
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from benchmarks.limits import Rates, count, seconds
from benchmarks.motiondirector_step import SMALL
from benchmarks.report import OUT, table, write_json
from dismo_core.motiondirector.dual_path import DualPathLoRA

WANTED = {"fraction": {"cpu": 0.7, "cuda": 0.5}, "attached": 0.12, "merged": 0.0}


def measure(device: torch.device, turns: int) -> dict[str, Any]:
    """Seconds of a step without adapters, with them attached, and with them merged, in turn; and the limit."""
    from diffusers import UNet3DConditionModel

    gpu = device.type == "cuda"
    dtype = torch.bfloat16 if gpu else torch.float32
    torch.manual_seed(0)
    unet: Any = UNet3DConditionModel(**({} if gpu else SMALL)).to(device, dtype).eval()
    side, frames, width = (32, 16, 1024) if gpu else (32, 16, 64)
    x = torch.randn(2, 4, frames, side, side, device=device, dtype=dtype)  # both halves of the guidance
    text = torch.randn(2, 77, width, device=device, dtype=dtype)

    def step() -> None:
        with torch.no_grad():
            unet(x, 500, encoder_hidden_states=text)

    work = count(step)
    rates = Rates(device, dtype, heads=8, tokens=side * side, d_head=40, batch=frames)
    lora = DualPathLoRA(unet, rank=32 if gpu else 8)
    with torch.no_grad():
        for p in lora.parameters():
            p.normal_(std=0.02)
    times: dict[str, list[float]] = {"base": [], "attached": [], "merged": []}
    before = [
        unet.get_submodule(name).weight.clone() for part in ("appearance", "motion") for name in lora.layers(part)
    ]
    for _ in range(turns):
        rates.sample()
        lora.set_scales(appearance=0.0, motion=0.0)
        times["base"].append(seconds(step, device))
        lora.set_scales(appearance=1.0, motion=1.0)
        times["attached"].append(seconds(step, device))
        with lora.merged():
            times["merged"].append(seconds(step, device))
    after = [unet.get_submodule(name).weight for part in ("appearance", "motion") for name in lora.layers(part)]
    limit = rates.limits(work)["products"]
    base = statistics.median(times["base"])
    added = {
        name: statistics.median(with_it / alone for with_it, alone in zip(times[name], times["base"], strict=True)) - 1
        for name in ("attached", "merged")
    }
    undone = all(torch.equal(one, other) for one, other in zip(before, after, strict=True))
    return {"seconds": base, "limit": limit, "fraction": limit / base, "added": added, "merging undone": undone}


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print the table, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=int, default=7, help="default 7")
    parser.add_argument("--device", default="cpu", help="cpu or cuda (default cpu)")
    parser.add_argument("--out", type=Path, default=OUT / "text_to_video.json")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    device = torch.device(options.device)
    found = measure(device, options.turns)
    wanted = WANTED["fraction"][device.type]  # type: ignore[index]
    rows = [
        ("a step, s", f"{found['seconds']:.3f}", ""),
        ("of the limit", f"{found['fraction']:.2f}", f"at least {wanted}"),
        ("adapters attached add", f"{100 * found['added']['attached']:.1f} %", "at most 12 %"),
        ("adapters merged add", f"{100 * found['added']['merged']:.1f} %", "0 %"),
        ("merging undone bit for bit", "yes" if found["merging undone"] else "NO", "yes"),
    ]
    print(table(f"A sampling step of the text-to-video UNet on {device}", ("", "measured", "wanted"), rows))
    write_json(options.out, "text_to_video", {**found, "wanted": WANTED})


if __name__ == "__main__":
    main()
