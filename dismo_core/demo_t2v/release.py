"""What DEMO's published weights give on someone's machine, in numbers to send back: they were never run by us."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from ..evaluation.machine_report import file_report, folder_report, frame_numbers, machine_report, numbers
from ..runtime import Runtime
from ..version import __version__
from ..weights.unwrapped import read_unwrapped
from .model import DemoTextToVideo

PROMPT = "a dog in a park"
MOTION_PROMPT = "a dog runs to the left"
SEED = 42  # of the published configuration


def release_report(
    model: DemoTextToVideo, paths: Mapping[str, Path], steps: int, runtime: Runtime, frames: int = 0
) -> dict[str, Any]:
    """Files with their tensors, both encoders' states of a prompt, and a clip.

    Args:
        model: of the files.
        paths: part -> file or folder.
        steps: of the clip; 0 = the model's own.
        runtime: progress and cancel.
        frames: of the clip; 0 = the model's own.

    Returns:
        Numbers and text that JSON can hold; no paths but the files' own names.

    Raises:
        DisMoError: NaN in the clip.
    """
    states = {"content": model.encode_content([PROMPT]), "motion": model.encode_motion([MOTION_PROMPT])}
    if model.device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(model.device)
    started = time.perf_counter()
    clip = model.sample(PROMPT, MOTION_PROMPT, steps=steps, seed=SEED, frames=frames, runtime=runtime)[0]
    seconds = time.perf_counter() - started
    return {
        "report": "demo release",
        "dismo": __version__,
        "machine": machine_report(model.device, ("torch", "diffusers")),
        "files": {
            part: folder_report(path) if path.is_dir() else file_report(path, read_unwrapped(path).tensors)
            for part, path in paths.items()
        },
        "text states": {name: numbers(value) for name, value in states.items()},
        "clip": {
            "prompt": PROMPT,
            "motion prompt": MOTION_PROMPT,
            "steps": steps or model.defaults.steps,
            "memory": model.plan.choice.memory,
            "precision": str(model.dtype).removeprefix("torch."),
            "seconds": round(seconds, 1),
            "peak GPU bytes": torch.cuda.max_memory_reserved(model.device) if model.device.type == "cuda" else None,
            **frame_numbers(clip.float() / 255),
        },
    }
