"""Files of adapters, both ways: the published lists, which have no names, and ours (docs/methods/motiondirector.md, 3)."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from ..errors import DisMoError
from ..files import atomic_write, save_pickled, save_tensors
from ..lora.updates import sides
from ..weights.files import WeightFile, read_list, read_weights
from ..weights.recognise import require_kind
from .bundled import bundled_adapter, bundled_adapters
from .kinds import KIND_OF
from .layers import FOLDERS, PARTS, has_convolutions, path_layers, require_part

FORMAT = "motiondirector"
PUBLISHED = {
    "appearance": (192, 320),
    "motion": (340, 512),
}  # entries of an adapter, and height of the first; of the published bases
_KEY = re.compile(r"(appearance|motion)\.(\d+)\.(.+)\.lora_(up|down)\.weight")
_CHECKPOINT = re.compile(r"checkpoint-(\d+|default)")


@dataclass(frozen=True)
class AdapterFile:
    """The matrices of one part.

    Args:
        path: where they come from, for messages.
        part: "appearance" or "motion".
        tensors: the published list, see `DualPathLoRA.tensors`.
        layers: names of the layers, in order; empty = not known, as in a published list that no base was named for.
        metadata: texts of a safetensors file.
    """

    path: Path
    part: str
    tensors: list[Tensor]
    layers: list[str]
    metadata: dict[str, str] = field(default_factory=dict)

    @property
    def rank(self) -> int:
        """Of the first update."""
        return int(self.tensors[0].shape[1])

    @property
    def count(self) -> int:
        """How many adapters there are, N."""
        each = 2 * len(self.layers) if self.layers else PUBLISHED[self.part][0]
        return len(self.tensors) // each

    def pairs(self, index: int) -> list[tuple[Tensor, Tensor]]:
        """(U, D) of each linear of adapter `index`."""
        stride = 2 * self.count
        return [
            (self.tensors[i + 2 * index], self.tensors[i + 2 * index + 1]) for i in range(0, len(self.tensors), stride)
        ]


def read_adapter(path: str | os.PathLike[str], unet: nn.Module | None = None, part: str | None = None) -> AdapterFile:
    """A file of adapters, checked against a UNet where one is given.

    Args:
        path: `.pt` as published, or our safetensors.
        unet: that they are for; without, a list is taken for one of the published bases.
        part: that it must be; None = either.

    Raises:
        DisMoError: missing, damaged, code in it, NaN, of the other part, of another base, or no such file at all.
    """
    path = Path(path)
    if not path.is_file():
        raise DisMoError(f"There is no adapter file {path}. Check the path.")
    if path.suffix in (".pt", ".pth"):
        file = _of_list(path, read_list(path), unet, part)
    else:
        file = _of_names(path, read_weights(path), unet)
    if part is not None and file.part != part:
        raise DisMoError(
            f"{path} is {KIND_OF[file.part].what}, not {KIND_OF[part].what}. Give it where the {file.part} adapter is chosen."
        )
    return file


def write_adapter(file: AdapterFile, path: str | os.PathLike[str], *, overwrite: bool = False) -> None:
    """Write adapters: `.pt` as the published scripts read them (they read one appearance adapter alone; float32), `.safetensors` with
    names, in the tensors' own format of numbers.

    Args:
        file: what to write.
        path: of the new file.
        overwrite: replace an existing one.

    Raises:
        DisMoError: another suffix, linears without names for safetensors, or a file that cannot be written.
    """
    path = Path(path)
    if path.suffix not in (".pt", ".safetensors"):
        raise DisMoError(f"{path.name} has the suffix {path.suffix!r}; adapters are written as .safetensors or .pt.")
    if path.suffix == ".safetensors" and not file.layers:
        raise DisMoError(f"The linears of {file.path} have no names: it is not for a published base. Name its base.")
    if path.suffix == ".pt" and has_convolutions(file.layers):
        raise DisMoError(
            f"{file.path} also changes convolutions, for which the published lists have no place. Write it as .safetensors."
        )
    tensors = [tensor.detach().cpu().contiguous() for tensor in file.tensors]
    with atomic_write(path, overwrite=overwrite) as temporary:
        if path.suffix == ".pt":
            save_pickled([tensor.float().clone() for tensor in tensors], temporary)
        else:
            texts = {"format": FORMAT, "part": file.part, "rank": str(file.rank)}
            save_tensors(_named(file, tensors), temporary, {**file.metadata, **texts})


def find_adapter(path: str | os.PathLike[str], part: str) -> Path:
    """The file that a path stands for: a file, a `lora` folder, a checkpoint folder, or a run folder.

    Of a run folder the finished weights are taken, else the newest checkpoint.

    Args:
        path: see above; or the name of a bundled one.
        part: "appearance" or "motion"; the published folders call them spatial and temporal.

    Raises:
        DisMoError: nothing there.
    """
    require_part(part)
    place = Path(path)
    if place.is_file():
        return place
    if not place.exists() and os.fspath(path) in bundled_adapters():
        return bundled_adapter(os.fspath(path))
    if not place.is_dir():
        raise DisMoError(f"There is no file or folder {place}. Check the path of the {part} adapter.")
    below = Path(FOLDERS[part]) / "lora"
    for folder in (place, place / "lora", place / below, *(found / below for found in _checkpoints(place))):
        if found := _in_folder(folder, part):
            return found
    for run in sorted(place.glob("train_*"), reverse=True):  # a folder of runs
        if run.is_dir() and (found := _in_folder(run / below, part)):
            return found
    raise DisMoError(
        f"{place} holds no {part} adapter: neither a file *unet*.pt or .safetensors, nor {below.as_posix()}. Give the folder of a run or "
        "of a checkpoint, or the file itself."
    )


def check_list(
    tensors: Sequence[Tensor], unet: nn.Module, part: str, source: str, names: Sequence[str] | None = None
) -> int:
    """How many adapters a list holds for a part of a UNet.

    Args:
        tensors: the published list.
        unet: that it is for.
        part: "appearance" or "motion".
        source: for messages.
        names: of the layers; None = those of the published method.

    Raises:
        DisMoError: an odd length, one that is no multiple of the part's, a shape that does not fit (the first is named), or NaN.
    """
    names = path_layers(unet, part) if names is None else names
    each = 2 * len(names)
    if len(tensors) % 2:
        raise DisMoError(
            f"{source} has {len(tensors)} entries, an odd number: matrices come in pairs. The file is damaged."
        )
    count, rest = divmod(len(tensors), each)
    if rest or not count or (part == "motion" and count > 1):
        raise DisMoError(
            f"{source} has {len(tensors)} entries; {'the motion adapter' if part == 'motion' else 'each appearance adapter'} of this base "
            f"has {each}. It is for another base, or for the other part."
        )
    for i, name in enumerate(names):
        rows, columns = sides(unet.get_submodule(name))
        for k in range(count):
            up, down = tensors[2 * (i * count + k) : 2 * (i * count + k) + 2]
            rank = up.shape[1] if up.ndim == 2 else 0
            if tuple(up.shape) != (rows, rank) or tuple(down.shape) != (rank, columns) or not rank:
                raise DisMoError(
                    f"{source} does not fit this base: the first wrong layer is {name}, with {list(up.shape)} and {list(down.shape)} where "
                    f"[{rows}, rank] and [rank, {columns}] belong. It is for another base, or the other part."
                )
            for tensor in (up, down):
                if not tensor.is_floating_point() or not (tensor.is_meta or bool(tensor.isfinite().all())):
                    raise DisMoError(
                        f"{source} holds NaN, infinite or whole numbers in {name}. Its training had diverged, or it is damaged; take an "
                        "earlier checkpoint."
                    )
    return count


def for_base(file: AdapterFile, unet: nn.Module) -> AdapterFile:
    """The same adapters in the order of a UNet's layers, checked against it.

    Raises:
        DisMoError: they are for another base, or hold NaN.
    """
    known = path_layers(unet, file.part, has_convolutions(file.layers))
    strange = next((name for name in file.layers if name not in set(known)), None)
    missing = next((name for name in known if name not in set(file.layers)), None)
    if strange or missing:
        raise DisMoError(
            f"{file.path} is for another base ({file.metadata.get('base', 'not told')}): it "
            + (
                f"changes {strange}, which this one does not have."
                if strange
                else f"lacks {missing}, which this one has."
            )
        )
    stride = 2 * file.count
    place = {name: stride * i for i, name in enumerate(file.layers)}
    tensors = [tensor for name in known for tensor in file.tensors[place[name] : place[name] + stride]]
    check_list(tensors, unet, file.part, str(file.path), known)
    return replace(file, tensors=tensors, layers=known)


def _of_list(path: Path, tensors: list[Tensor], unet: nn.Module | None, part: str | None) -> AdapterFile:
    if not tensors or any(tensor.ndim != 2 for tensor in tensors[:2]):
        raise DisMoError(f"{path} holds {len(tensors)} tensors that are no adapter. Give a file such as 300_unet.pt.")
    if unet is None:
        for known, (entries, height) in PUBLISHED.items():
            if len(tensors) % entries == 0 and tensors[0].shape[0] == height:
                return AdapterFile(path, known, tensors, published_layers(known))
        raise DisMoError(
            f"{path} has {len(tensors)} entries, the first of {list(tensors[0].shape)}: it is not for the published bases. Name its base, "
            "or take a .safetensors file, in which the linears have names."
        )
    names = {known: path_layers(unet, known) for known in PARTS}
    fitting = [known for known in PARTS if _begins_as(tensors, unet, names[known])]
    guessed = fitting[0] if fitting else part or "motion"
    check_list(tensors, unet, guessed, str(path))
    return AdapterFile(path, guessed, tensors, names[guessed])


def _begins_as(tensors: list[Tensor], unet: nn.Module, names: list[str]) -> bool:
    """Whether length and first shapes are those of a part."""
    linear: Any = unet.get_submodule(names[0])
    sides = (tensors[0].shape[0], tensors[1].shape[-1])
    return len(tensors) % (2 * len(names)) == 0 and sides == (linear.out_features, linear.in_features)


def _of_names(path: Path, file: WeightFile, unet: nn.Module | None) -> AdapterFile:
    part = file.metadata.get("part", next(iter(file.tensors), "").partition(".")[0])
    matches = {name: _KEY.fullmatch(name) for name in file.tensors}
    if part not in PARTS or not matches or not all(match and match[1] == part for match in matches.values()):
        require_kind(KIND_OF["motion"], file.tensors, str(path))
        raise DisMoError(
            f"{path} is no file of MotionDirector: its tensors have other names, as {next(iter(matches), 'none')}."
        )
    layers = list(dict.fromkeys(match[3] for match in matches.values() if match))
    order = {name: i for i, name in enumerate(published_layers(part))}
    layers.sort(key=lambda name: order.get(name, len(order)))
    count = 1 + max(int(match[2]) for match in matches.values() if match)
    wanted = [
        f"{part}.{k}.{name}.lora_{half}.weight" for name in layers for k in range(count) for half in ("up", "down")
    ]
    if missing_names := [name for name in wanted if name not in file.tensors]:
        raise DisMoError(
            f"{path} lacks {len(missing_names)} tensors, as {missing_names[0]}. It is damaged; fetch or save it again."
        )
    read = AdapterFile(path, part, [file.tensors[name] for name in wanted], layers, dict(file.metadata))
    return read if unet is None else for_base(read, unet)


def _named(file: AdapterFile, tensors: Sequence[Tensor]) -> Mapping[str, Tensor]:
    halves = iter(tensors)
    return {
        f"{file.part}.{k}.{name}.lora_{half}.weight": next(halves)
        for name in file.layers
        for k in range(file.count)
        for half in ("up", "down")
    }


def published_layers(part: str) -> list[str]:
    """Names of the linears of ZeroScope and ModelScope, which have diffusers' default shape."""
    return list(_published_layers(part))


@cache
def _published_layers(part: str) -> tuple[str, ...]:
    from ..text_to_video.base import default_unet

    return tuple(path_layers(default_unet(), part))


def _checkpoints(folder: Path) -> list[Path]:
    """Newest first; what is called default before all."""
    found = [
        (match[1], path) for path in folder.iterdir() if path.is_dir() and (match := _CHECKPOINT.fullmatch(path.name))
    ]
    return [
        path
        for _, path in sorted(
            found, key=lambda item: (item[0] != "default", -int(item[0]) if item[0] != "default" else 0)
        )
    ]


def _in_folder(folder: Path, part: str) -> Path | None:
    """A file of adapters in a folder: `unet` in its name, or ours by the part's name; the last step first."""
    if not folder.is_dir():
        return None
    files = [path for path in folder.iterdir() if path.suffix in (".pt", ".safetensors") and path.is_file()]
    named = [path for path in files if "unet" in path.name or path.stem == part]
    return max(named, key=_step, default=None)


def _step(path: Path) -> tuple[int, bool, str]:
    digits = re.match(r"\d+", path.name)
    return (int(digits[0]) if digits else 0, path.suffix == ".safetensors", path.name)
