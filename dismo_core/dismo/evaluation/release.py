"""What the released weights give on someone's machine, in numbers to compare: where they were never run, that is proof."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ...evaluation.machine_report import file_report, folder_report, frame_numbers, machine_report, numbers
from ...version import __version__
from ...video.picture import fit_picture
from ..extract import extract_motion
from ..weights import RELEASED

if TYPE_CHECKING:
    from ...runtime import Runtime
    from ..adapter.cogvideox_model import CogVideoXModel
    from ..models.extractor import MotionExtractor
    from ..motion import Motion

FRAMES = 25
PROMPT = "A pattern of soft colors drifts to the right and down."


def release_report(
    extractor: MotionExtractor, model: CogVideoXModel, files: dict[str, Path], steps: int, runtime: Runtime
) -> dict[str, Any]:
    """Files, embeddings of one synthetic clip by both extractors, conditions, and one sample.

    Args:
        extractor: the standalone one; it is moved to the CPU.
        model: with a memory plan that has its embedded extractor.
        files: of weights, "extractor" and "adapter", and the folder "base".
        steps: of the sample; 0 = the model's own.

    Returns:
        Numbers and text that JSON can hold; no paths but the files' own names.

    Raises:
        DisMoError: NaN in the sample.
    """
    plan = model.adapter.plan
    assert plan is not None
    clip = synthetic_clip()
    standalone = extract_motion(extractor, clip, frames=FRAMES, runtime=runtime)
    extractor.to("cpu")  # the plan looks at what is free, and small GPUs need all of it
    with plan.using("motion_extractor") as embedded_extractor:
        started = time.perf_counter()
        embedded = extract_motion(embedded_extractor, clip, frames=FRAMES, runtime=runtime)
        extraction = time.perf_counter() - started
    difference = (standalone.embeddings - embedded.embeddings).abs().max()
    conditions = model.adapter.encode_motion(motions=[embedded])
    return {
        "report": "release",
        "dismo": __version__,
        "machine": machine_report(plan.device, ("torch", "diffusers", "transformers", "peft")),
        "files": {name: folder_report(path) if path.is_dir() else _file(path) for name, path in files.items()},
        "embeddings": {"standalone": _motion(standalone), "embedded": _motion(embedded)},
        "largest difference of embeddings": float(difference),
        "conditions": numbers(conditions),
        "sample": _sample(model, embedded, fit_picture(clip[0], model.size), steps, runtime),
        "seconds": {"extraction": round(extraction, 2)},
    }


def synthetic_clip(frames: int = FRAMES, height: int = 256, width: int = 384) -> Tensor:
    """A plaid of soft colors that drifts to the right and down: [frames, height, width, 3], 0..1, from a formula."""
    t, y, x, c = torch.meshgrid(
        *(torch.arange(n, dtype=torch.float64) for n in (frames, height, width, 3)), indexing="ij"
    )
    plaid = 0.5 + 0.25 * torch.sin(0.07 * x - 0.4 * t + c) + 0.25 * torch.sin(0.05 * y - 0.25 * t + 2 * c)
    return plaid.float()


def _motion(motion: Motion) -> dict[str, Any]:
    lengths = motion.embeddings.norm(dim=-1)
    return {"extractor": motion.extractor, **numbers(motion.embeddings), "lengths": numbers(lengths)}


def _sample(model: CogVideoXModel, motion: Motion, picture: Tensor, steps: int, runtime: Runtime) -> dict[str, Any]:
    plan = model.adapter.plan
    assert plan is not None
    if plan.device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(plan.device)
    started = time.perf_counter()
    frames = model.transfer(motion, picture, prompt=PROMPT, steps=steps, seed=0, runtime=runtime)
    seconds = time.perf_counter() - started
    shown = frames.float() / 255
    return {
        "steps": steps or model.defaults.steps,
        "memory": plan.choice.memory,
        "precision": str(model.adapter.dtype),
        "seconds": round(seconds, 1),
        "peak GPU bytes": torch.cuda.max_memory_reserved(plan.device) if plan.device.type == "cuda" else None,
        "first frame against the picture": round(float((shown[0] - picture).abs().mean()), 5),
        **frame_numbers(shown),
    }


def _file(path: Path) -> dict[str, Any]:
    report = file_report(path)
    return {**report, "as released": report["sha256"] in {file.etag for file in RELEASED.values()}}
