"""Templates encoded once, frame by frame, into files from which every batch is read (docs/methods/mimo.md, 8)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from ...errors import DisMoError
from ...files import atomic_write
from ...synthetic.draws import Draws
from ...training.distributed import World
from ...training.loop import ALONE
from ...training.share import Share
from ..crops.clips import MIN_AREA, Clip, plan_crops
from ..crops.square import BLACK, WHITE, Squares, crop_square, prepare_reference
from ..network_inputs import picture_for_pose
from ..templates.template import Frames, Template
from .examples import Encoders, Example
from .template_files import SEEN, Reading

_ANY_AREA = 1e-6  # so that one crop holds the whole clip
SHOWN = 6  # frames of a sample sheet


def encode_templates(
    paths: Sequence[Path],
    encoders: Encoders,
    reading: Reading,
    folder: Path,
    progress: Callable[[int, int], None] = lambda done, total: None,
    *,
    occlusions: bool = False,
    world: World = ALONE,
) -> list[Path]:
    """A file for each template; those that are there already are kept.

    A file holds, for each frame: latents of target, background and reference (half precision), the reference's embedding, the body
    picture in bytes, and whether there is a body and a person. Single frames are cropped as `edit` does; of clips, one crop holds all.

    Args:
        paths: see `usable`.
        encoders: see there.
        reading: of which only whether clips are read counts.
        folder: takes the files.
        progress: called with (templates done, in all).
        occlusions: whether latents of what stands in front are there, too, for networks of 12 channels.
        world: of the processes, each of which encodes its share; all must call this.
    """
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for number, path in enumerate(paths):
        file = folder / f"{path.stem}-{_key(path, encoders, reading, occlusions)}.safetensors"
        if number % world.size == world.rank and not file.exists():
            tensors = _encoded(path, encoders, reading, occlusions)
            with atomic_write(file) as temporary:
                save_file(tensors, temporary)
        files.append(file)
        progress(number + 1, len(paths))
    world.wait()
    return files


def template_example(path: Path, reading: Reading) -> Example:
    """Frames of a template for a sample sheet: the first ones of its first crop, at most `SHOWN`, with the person of a far frame.

    Args:
        path: see `usable`.
        reading: see there.
    """
    opened = Template.load(path).open(None)
    bodies, clip, masks = opened.sdc, opened.vid, opened.mask
    assert bodies is not None and clip is not None and masks is not None
    first = _plan(bodies, reading)[0]
    crop = [replace(first, frames=first.frames[: min(reading.frames, SHOWN) * reading.stride : reading.stride])]
    shown = (_reference(clip[index], masks[index]) for index in reversed(range(len(opened))))
    reference = next(found for found in shown if found is not None)
    return Example(
        crop_square(clip, crop, WHITE),
        crop_square(opened.bk, crop, WHITE),
        crop_square(bodies, crop, BLACK),
        reference,
        None if opened.occ is None else list(Squares(clip, crop, BLACK, opened.occ)),
    )


def _plan(bodies: Frames, reading: Reading) -> list[Clip]:
    """Single frames are cropped as `edit` does; of clips, one crop holds all."""
    return plan_crops(bodies, 0, _ANY_AREA if reading.frames > 1 else MIN_AREA)


def _key(path: Path, encoders: Encoders, reading: Reading, occlusions: bool) -> str:
    """Differs where the files of the template, the encoders or the crops do."""
    parts = sorted(path.glob("*")) if path.is_dir() else [path]
    said: list[Any] = [(part.name, part.stat().st_size, part.stat().st_mtime_ns) for part in parts]
    first = (next(iter(encoders.vae.parameters())), next(iter(encoders.image_encoder.parameters())))
    said += [encoders.size, reading.frames > 1, *(float(weight.double().sum()) for weight in first)]
    if occlusions:
        said.append("occlusions")
    return hashlib.sha256(repr((str(path.absolute()), said)).encode()).hexdigest()[:12]


def _encoded(path: Path, encoders: Encoders, reading: Reading, occlusions: bool) -> dict[str, Tensor]:
    opened = Template.load(path).open(None)
    bodies, clip, scene, masks = opened.sdc, opened.vid, opened.bk, opened.mask
    assert bodies is not None and clip is not None and masks is not None
    parts: dict[str, list[Tensor]] = {name: [] for name in (*_NAMES, *(["occlusions"] if occlusions else []))}
    black = np.full((encoders.size, encoders.size, 3), BLACK, np.uint8)
    white = np.full((encoders.size, encoders.size, 3), WHITE, np.uint8)
    for one in _plan(bodies, reading):
        for index in one.frames:
            crop = [Clip([index], one.box)]
            target, background, body = (
                crop_square(frames, crop, colour)[0]
                for frames, colour in ((clip, WHITE), (scene, WHITE), (bodies, BLACK))
            )
            person = _reference(clip[index], masks[index])
            latents = encoders.latents([target, background, white if person is None else person])
            if occlusions:
                front = black if opened.occ is None else Squares(clip, crop, BLACK, opened.occ)[0]
                parts["occlusions"].append(encoders.latents([front])[0].half())
            shown = picture_for_pose(body, encoders.size, encoders.size)
            parts["targets"].append(latents[0].half())
            parts["backgrounds"].append(latents[1].half())
            parts["references"].append(latents[2].half())
            parts["contexts"].append(encoders.contexts([white if person is None else person])[0].half())
            parts["bodies"].append((shown * 255).round().to(torch.uint8))
            parts["has_body"].append(torch.tensor(bool(shown.any())))
            parts["has_person"].append(torch.tensor(person is not None))
    return {name: torch.stack(rows).cpu().contiguous() for name, rows in parts.items()}


_NAMES = ("targets", "backgrounds", "references", "contexts", "bodies", "has_body", "has_person")


def _reference(frame: NDArray[np.uint8], mask: NDArray[np.uint8]) -> NDArray[np.uint8] | None:
    alpha = np.where(mask >= SEEN, mask, 0).astype(np.uint8)
    return prepare_reference(frame, alpha) if alpha.any() else None


class TemplateBatches:
    """Batches drawn from encoded templates, for `StageObjective`; only the frames of a batch are read.

    Args:
        files: of `encode_templates`.
        reading: see there.
        share: of each batch.
        device: where batches go.
    """

    def __init__(
        self, files: Sequence[Path], reading: Reading, share: Share, device: torch.device | str = "cpu"
    ) -> None:
        self.files, self.reading, self.share, self.device = list(files), reading, share, device
        self._choices = [_choices(file, reading) for file in self.files]
        for file, choices in zip(self.files, self._choices, strict=True):
            if not choices:
                raise DisMoError(
                    f"{file.name} has no frames to learn from: nowhere are a body and, {reading.apart} or more frames away, a person."
                )

    def __call__(self, draws: Draws) -> dict[str, Tensor]:
        """`latents`, `background`, `reference_latent`, `context`, `poses` of this process's rows of a batch."""
        drawn = [self._drawn(draws) for _ in range(self.share.batch)]
        rows = [self._read(*row) for row in drawn[self.share.rows]]
        return {name: torch.stack([row[name] for row in rows]).to(self.device) for name in rows[0]}

    def _drawn(self, draws: Draws) -> tuple[int, int, int]:
        """Number of a file, the first frame of a clip, and the frame of its reference."""
        number = int(draws.integers(0, len(self.files)))
        starts = self._choices[number]
        start = list(starts)[int(draws.integers(0, len(starts)))]
        references = starts[start]
        return number, start, references[int(draws.integers(0, len(references)))]

    def _read(self, number: int, start: int, reference: int) -> dict[str, Tensor]:
        step, end = self.reading.stride, start + (self.reading.frames - 1) * self.reading.stride + 1
        with ExitStack() as stack:
            file = stack.enter_context(safe_open(self.files[number], "pt"))

            def part(name: str) -> Tensor:
                frames: Tensor = file.get_slice(name)[start:end][::step].float()
                return frames.transpose(0, 1)

            return {
                "latents": part("targets"),
                "background": torch.cat([part(name) for name in ("backgrounds", "occlusions") if name in file.keys()]),
                "reference_latent": file.get_slice("references")[reference].float(),
                "context": file.get_slice("contexts")[reference].float(),
                "poses": part("bodies") / 255,
            }


def _choices(file: Path, reading: Reading) -> dict[int, list[int]]:
    """First frame of each clip that can be shown -> frames that can be its reference."""
    with safe_open(file, "pt") as opened:
        bodies, people = opened.get_tensor("has_body"), opened.get_tensor("has_person").nonzero()[:, 0].tolist()
    span = (reading.frames - 1) * reading.stride
    choices = {}
    for start in range(len(bodies) - span):
        far = [n for n in people if not reading.apart or abs(n - start) >= reading.apart]
        if bodies[start : start + span + 1].any() and far:
            choices[start] = far
    return choices
