"""Reading weight files: safetensors, or torch's zip format through the weights-only unpickler."""

from __future__ import annotations

import hashlib
import os
import pickle
import struct
import zipfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..errors import DisMoError, first_line

PICKLED = (".pt", ".pth", ".bin")
SAFE = (".safetensors", ".sft")
MOST_PICKLED = 4_000_000  # bytes that name the tensors in torch's zip format, some 200 for each
# what zipfile and torch raise on bad data
_DAMAGED = (
    *(RuntimeError, EOFError, OSError, ValueError, LookupError, TypeError, AttributeError),
    *(AssertionError, struct.error, zipfile.BadZipFile, zlib.error),
)


@dataclass(frozen=True)
class WeightFile:
    """A flat mapping of tensors and, for safetensors, its metadata."""

    path: Path
    tensors: dict[str, Tensor]
    metadata: dict[str, str]


def read_weights(path: str | os.PathLike[str], *, unwrap: bool = False) -> WeightFile:
    """Read a `.safetensors`, `.sft`, `.pt`, `.pth` or `.bin` file onto the CPU.

    Args:
        unwrap: of a training checkpoint take the mapping under `state_dict`.

    Raises:
        DisMoError: missing, truncated, not a flat mapping of tensors, a pickle that would have to run code, or a tensor that
            declares more numbers than the file holds.
    """
    path = Path(path)
    _require_file(path)
    if path.suffix in SAFE:
        return _read_safetensors(path)
    if path.suffix in PICKLED:
        return WeightFile(path, read_pickle(path, unwrap=unwrap), {})
    raise DisMoError(
        f"{path.name} has the suffix {path.suffix!r}; weight files end in .safetensors, .sft, .pt, .pth or .bin."
    )


def _require_file(path: Path) -> None:
    if not path.is_file():
        raise DisMoError(f"There is no weight file {path}. Check the path.", hint="weights")


def _read_safetensors(path: Path) -> WeightFile:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            return WeightFile(path, {name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {})
    except (OSError, SafetensorError, TypeError, ValueError, RuntimeError) as error:  # of torch, about shapes, too
        raise DisMoError(
            f"{path} is not a whole safetensors file ({first_line(error)}). Fetch or copy it again."
        ) from error


def read_pickle(path: Path, *, unwrap: bool = False) -> dict[str, Tensor]:
    """A flat mapping of tensors in torch's format, memory-mapped, by the weights-only unpickler; see `read_weights`."""
    content = unpickled(path)
    if unwrap and isinstance(content, dict) and isinstance(content.get("state_dict"), dict):
        content = content["state_dict"]
    return flat_tensors(content, path)


def flat_tensors(content: object, path: Path) -> dict[str, Tensor]:
    """A flat mapping of tensors, checked.

    Args:
        content: of a file, or a part of it.
        path: of the file, for messages.

    Raises:
        DisMoError: something else, or a tensor that declares more numbers than the file holds.
    """
    if not isinstance(content, dict) or not all(isinstance(k, str) and _is_plain(v) for k, v in content.items()):
        inside = sorted(map(str, content))[:5] if isinstance(content, dict) else type(content).__name__
        raise DisMoError(
            f"{path} is not a flat mapping of names to tensors (it holds {inside}). Save the model's state dict itself."
        )
    _require_whole(path, content)
    return content


def read_list(path: Path) -> list[Tensor]:
    """A list of tensors in torch's format, likewise.

    Raises:
        DisMoError: as `read_weights`; or it holds something else than a list of tensors.
    """
    content = unpickled(path)
    if not isinstance(content, list) or not all(_is_plain(value) for value in content):
        raise DisMoError(
            f"{path} holds a {type(content).__name__}, not a list of tensors. It is a file of another kind, or damaged."
        )
    _require_whole(path, {f"entry {i}": tensor for i, tensor in enumerate(content)})
    return [tensor.detach() for tensor in content]


def read_mapping(path: Path) -> dict[str, Any]:
    """A mapping of names to tensors and plain values in torch's format, likewise; its tensors are plain and whole.

    Raises:
        DisMoError: as `read_weights`; or it holds something else.
    """
    content = unpickled(path)
    if not isinstance(content, dict) or not all(
        isinstance(k, str) and (_is_plain(v) or isinstance(v, (str, int, float, type(None))))
        for k, v in content.items()
    ):
        raise DisMoError(
            f"{path} holds a {type(content).__name__} of another form, not names with tensors and texts. It is a file of another kind, "
            "or damaged."
        )
    _require_whole(path, {name: value for name, value in content.items() if isinstance(value, Tensor)})
    return content


def unpickled(path: Path, allowed: Sequence[type] = ()) -> Any:
    """What a `.pt` or `.pth` file holds, memory-mapped, by the weights-only unpickler.

    Args:
        path: of the file.
        allowed: classes whose objects may be in it beside tensors and Python's own types; none that acts when it is made.

    Raises:
        DisMoError: missing, damaged, or a pickle that would have to run code.
    """
    _require_file(path)
    try:
        _check_records(path)
        # memory-mapped files need torch's zip format; older pickles are read whole
        with torch.serialization.safe_globals(list(allowed)):
            return torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
    except pickle.UnpicklingError as error:
        raise DisMoError(
            f"{path} is damaged or holds more than tensors: loading it would have to run code, which is refused. "
            "Use a file of plain weights, best a safetensors conversion."
        ) from error
    except MemoryError as error:
        raise DisMoError(
            f"{path} asks for more memory than there is. It is damaged, or the memory is full; a safetensors conversion needs less."
        ) from error
    except _DAMAGED as error:
        raise DisMoError(
            f"{path} is not a whole PyTorch weight file ({first_line(error)}). Fetch or copy it again."
        ) from error


def _require_whole(path: Path, tensors: Mapping[str, Tensor]) -> None:
    for name, tensor in tensors.items():
        if tensor.nbytes > tensor.untyped_storage().nbytes():
            raise DisMoError(
                f"{path} declares {name[:80]} as {list(tensor.shape)}, but holds {tensor.untyped_storage().nbytes()} bytes of it. "
                "It is damaged or made to mislead; fetch it again."
            )


def _check_records(path: Path) -> None:
    """Raise for a zip that torch did not write: it compresses nothing, and its pickle only names the tensors.

    Others may grow without end when they are read, or keep torch at it for hours.
    """
    if not zipfile.is_zipfile(path):
        return
    with zipfile.ZipFile(path) as archive:
        records = archive.infolist()
    size = sum(record.file_size for record in records)
    if size > path.stat().st_size or any(record.compress_type != zipfile.ZIP_STORED for record in records):
        raise DisMoError(
            f"{path} is compressed, to {path.stat().st_size:,} of {size:,} bytes, which PyTorch never does. It is damaged or made "
            "to mislead; fetch it again, best as safetensors."
        )
    pickled = max((record.file_size for record in records if record.filename.endswith("data.pkl")), default=0)
    if pickled > MOST_PICKLED:
        raise DisMoError(
            f"The list of tensors in {path} has {pickled:,} bytes; at most {MOST_PICKLED:,} are read. It holds more than weights, or "
            "is made to mislead. Use a safetensors conversion."
        )


def _is_plain(thing: object) -> bool:
    """Whether a value is an ordinary tensor on the CPU with one number after the other."""
    return (
        isinstance(thing, Tensor)
        and thing.layout is torch.strided
        and thing.device.type == "cpu"
        and not (thing.is_quantized or thing.is_nested)
    )


def sha256(path: str | os.PathLike[str], progress: Callable[[int, int], None] | None = None) -> str:
    """Checksum of a file, 64 hex digits. progress: called with (bytes done, bytes in all)."""
    with open(path, "rb") as file:
        digest, size = hashlib.sha256(), os.fstat(file.fileno()).st_size
        while block := file.read(1 << 20):
            digest.update(block)
            if progress is not None:
                progress(file.tell(), size)
    return digest.hexdigest()


def differences(expected: dict[str, Tensor], found: dict[str, Tensor], limit: int = 5) -> str:
    """How a mapping differs from the expected one in names and shapes, for people; empty where it does not."""
    parts = []
    for title, names in (("missing", expected.keys() - found.keys()), ("unknown", found.keys() - expected.keys())):
        if names:
            parts.append(
                f"{len(names)} {title}: {', '.join(sorted(names)[:limit])}{' ...' if len(names) > limit else ''}"
            )
    shapes = [
        f"{name} {list(found[name].shape)} instead of {list(expected[name].shape)}"
        for name in sorted(expected.keys() & found.keys())
        if expected[name].shape != found[name].shape
    ]
    if shapes:
        parts.append(
            f"{len(shapes)} of another shape: {', '.join(shapes[:limit])}{' ...' if len(shapes) > limit else ''}"
        )
    return "; ".join(parts)
