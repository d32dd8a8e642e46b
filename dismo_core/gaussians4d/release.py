"""What the released weights give on someone's machine, in numbers to send back: they were never run by us."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from ..assets.examples import example_clip
from ..errors import DisMoError
from ..evaluation.machine_report import file_report, frame_numbers, machine_report, numbers
from ..runtime import Runtime
from ..version import __version__
from . import static_lgm
from .clip import Clip4D, prepare_clip, read_rgba
from .drive import drive
from .static_lgm import front, load_static_lgm
from .zero123 import load_zero123

SEED = 42
WEIGHTS = (".safetensors", ".bin")
VIEW = (20.0, 45.0)  # elevation and azimuth of what a zero123 is asked about, degrees


@dataclass(frozen=True)
class Places:
    """Where the weights lie; None leaves a part out.

    Args:
        lgm: file of an LGM; with `imagedream`.
        imagedream: folder of an ImageDream.
        stable_zero123: folder of it.
        zero123_xl: folder of it.
        svd: folder of a Stable Video Diffusion.
    """

    lgm: Path | None = None
    imagedream: Path | None = None
    stable_zero123: Path | None = None
    zero123_xl: Path | None = None
    svd: Path | None = None


def release_report(places: Places, steps: int, size: int, runtime: Runtime) -> dict[str, Any]:
    """Files with their tensors and checksums, and what each network makes of the bundled fish.

    Args:
        places: of the weights.
        steps: of Stable Video Diffusion.
        size: of its clip, px.
        runtime: device, stages and progress.

    Returns:
        Numbers and text that JSON can hold; no paths but the files' own names.

    Raises:
        DisMoError: no weights were given, or they cannot be loaded.
    """
    clip = prepare_clip(*read_rgba(example_clip("fish")), frames=2)
    parts: dict[str, Callable[[], dict[str, Any]]] = {}
    if places.lgm is not None and places.imagedream is not None:
        lgm, dream = places.lgm, places.imagedream
        parts["lgm"] = lambda: {"file": file_report(lgm), **_folder(dream), **_lgm(lgm, dream, clip, runtime)}
    for name, kind, folder in (
        ("stable-zero123", "stable", places.stable_zero123),
        ("zero123-xl", "xl", places.zero123_xl),
    ):
        if folder is not None:
            parts[name] = lambda folder=folder, kind=kind: {**_folder(folder), **_zero123(folder, kind, clip, runtime)}  # type: ignore[misc]
    if places.svd is not None:
        svd = places.svd
        parts["svd"] = lambda: {**_folder(svd), **_svd(svd, clip, steps, size, runtime)}
    if not parts:
        raise DisMoError("Give weights to report on: an LGM with an ImageDream, a zero123 or a Stable Video Diffusion.")
    report: dict[str, Any] = {
        "report": "4d release",
        "dismo": __version__,
        "machine": machine_report(runtime.device, ("torch", "diffusers", "transformers")),
    }
    for name, part in parts.items():
        started = time.perf_counter()
        report[name] = part() | {"seconds": round(time.perf_counter() - started, 1)}
    cuda = runtime.device.type == "cuda"
    return report | {"peak GPU bytes": torch.cuda.max_memory_reserved(runtime.device) if cuda else None}


def _folder(folder: Path) -> dict[str, Any]:
    files = sorted(path for path in folder.rglob("*") if path.suffix in WEIGHTS and ".cache" not in path.parts)
    found = {path.relative_to(folder).as_posix(): file_report(path) for path in files}
    return {"folder": {"name": folder.name, "files": found}}


def _lgm(lgm: Path, dream: Path, clip: Clip4D, runtime: Runtime) -> dict[str, Any]:
    runtime.stage("running LGM")
    static = load_static_lgm(lgm, dream, device=runtime.device)
    picture = clip.frames(static_lgm.SIDE)[0][0]
    views = static.sides(picture, SEED, runtime)
    made = static.gaussians(views)
    return {
        "views": frame_numbers(views.movedim(1, -1)),
        "gaussians": len(made),
        **{name: numbers(value) for name, value in made.tensors().items()},
        "front, degrees": front(made, picture, runtime),
    }


def _zero123(folder: Path, kind: str, clip: Clip4D, runtime: Runtime) -> dict[str, Any]:
    runtime.stage("asking the zero123")
    judge = load_zero123(folder, kind, device=runtime.device)
    frame = clip.frames(256)[0][:1].to(runtime.device)
    generator = torch.Generator().manual_seed(SEED)
    embedding, condition = judge.conditions(frame, generator)
    noise = torch.randn(condition.shape, generator=generator).to(condition)
    image = frame.flip(-1).clone().requires_grad_()  # any other picture
    elevation, azimuth, radius = (frame.new_tensor([value]) for value in (*VIEW, 0.0))
    with judge.judging():
        loss = judge.guidance.loss(image, elevation, azimuth, radius, embedding, condition, 0.5, noise)
        loss.backward()
    assert image.grad is not None
    return {
        "embedding": numbers(embedding.float()),
        "condition": numbers(condition.float()),
        "loss": float(loss),
        "gradient": numbers(image.grad.float()),
    }


def _svd(folder: Path, clip: Clip4D, steps: int, size: int, runtime: Runtime) -> dict[str, Any]:
    made = drive(folder, clip.rgba[0].numpy(), seed=SEED, steps=steps, size=size, runtime=runtime)
    return {"clip": frame_numbers(made.float() / 255)}
