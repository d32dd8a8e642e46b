"""What the released weights give on someone's machine, in numbers to send back: they were never run by us."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import torch

from ..evaluation.machine_report import file_report, folder_report, frame_numbers, machine_report, numbers
from ..runtime import Runtime
from ..version import __version__
from .crops.square import prepare_reference
from .generate import edit
from .insertion.character import read_character
from .pipeline import MimoPipeline
from .weight_layout import Layout
from .weights import EXAMPLE_CHARACTER, example_template

FRAMES = 24


def release_report(
    pipeline: MimoPipeline, layout: Layout, steps: int | None, size: int | None, runtime: Runtime
) -> dict[str, Any]:
    """Files with their tensors, the reference's embedding, and an edit of the bundled template.

    Args:
        pipeline: of the weights.
        layout: where they lie.
        steps: of the edit; None = the model's own.
        size: of the squares, px; None = the model's own.
        runtime: progress and cancel.

    Returns:
        Numbers and text that JSON can hold; no paths but the files' own names.

    Raises:
        DisMoError: NaN while denoising.
    """
    character = read_character(EXAMPLE_CHARACTER, max_frames=1)
    reference = prepare_reference(character.frames[0], character.alpha[0])
    device = pipeline.plan.device
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    started = time.perf_counter()
    frames = edit(
        pipeline,
        reference,
        example_template(),
        width=size,
        height=size,
        steps=steps,
        seed=0,
        max_frames=FRAMES,
        runtime=runtime,
    )
    seconds = time.perf_counter() - started
    return {
        "report": "mimo release",
        "dismo": __version__,
        "machine": machine_report(device, ("torch", "diffusers", "transformers")),
        "files": {key: _report(path) for key, path in layout.paths.items()},
        "embedding": numbers(pipeline.encode_picture(reference)),
        "edit": {
            "steps": steps or pipeline.steps,
            "size": size or pipeline.size[0],
            "memory": pipeline.plan.choice.memory,
            "precision": str(pipeline.dtype).removeprefix("torch."),
            "seconds": round(seconds, 1),
            "peak GPU bytes": torch.cuda.max_memory_reserved(device) if device.type == "cuda" else None,
            **frame_numbers(torch.from_numpy(frames).float() / 255),
        },
    }


def _report(path: Path) -> dict[str, Any]:
    return folder_report(path) if path.is_dir() else file_report(path)
