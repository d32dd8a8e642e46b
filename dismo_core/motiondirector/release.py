"""What released adapters and their base give on someone's machine, in numbers to compare: where they were never run, that is proof."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from ..evaluation.machine_report import folder_report, machine_report, numbers
from ..version import __version__
from ..weights.files import sha256
from .adapter_file import read_adapter
from .dual_path import DualPathLoRA
from .inspect_file import inspect_adapter
from .sampling import VideoSettings, sample_videos

if TYPE_CHECKING:
    from ..runtime import Runtime
    from ..text_to_video.base import TextToVideoBase

PROMPT = "A tank is running on the moon."
SEED = 8551187  # of the published table


def release_report(
    base: TextToVideoBase, folder: Path, adapter: Path, steps: int, runtime: Runtime, size: int = 384, frames: int = 16
) -> dict[str, Any]:
    """The adapter's file, and a video with it and one of the base alone, from the same noise.

    Args:
        base: that the adapter is for.
        folder: of the base.
        adapter: file of a motion adapter.
        steps: of the samples; 0 = the base's own.
        runtime: stages and progress.
        size: both sides of the videos, px.
        frames: of each.

    Returns:
        Numbers and text that JSON can hold; no paths but the files' own names.

    Raises:
        DisMoError: an adapter of another base, or NaN in a sample.
    """
    file = read_adapter(adapter, base.unet, "motion")
    facts = inspect_adapter(file)
    settings = VideoSettings(prompt=PROMPT, width=size, height=size, frames=frames, steps=steps, seed=SEED)
    lora = DualPathLoRA.from_adapters(base.unet, [file])
    samples: dict[str, Any] = {}
    try:
        for name, scale in (("with the adapter", 1.0), ("base alone", 0.0)):
            lora.set_scales(motion=scale)
            started = time.perf_counter()
            video = sample_videos(base, settings, lora, runtime=runtime)[0].float() / 255
            samples[name] = {
                "seconds": round(time.perf_counter() - started, 1),
                **numbers(video),
                "change from frame to frame": [round(float(x), 5) for x in video.diff(dim=0).abs().mean(dim=(1, 2, 3))],
            }
    finally:
        base.plan.release()
        lora.remove()
    peak = torch.cuda.max_memory_reserved(base.device) if base.device.type == "cuda" else None
    return {
        "report": "motiondirector release",
        "dismo": __version__,
        "machine": machine_report(base.device, ("torch", "diffusers", "transformers")),
        "base": {"precision": str(base.dtype), **folder_report(folder)},
        "adapter": {
            "name": adapter.name,
            "bytes": adapter.stat().st_size,
            "sha256": sha256(adapter),
            "rank": facts.rank,
            "norms": {block: [round(norm, 5) for norm in norms] for block, norms in facts.norms.items()},
        },
        "samples": samples,
        "peak GPU bytes": peak,
    }
