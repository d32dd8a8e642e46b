"""Finished pieces of a job in a folder: how far denoising has come, and decoded frames, each named by the content that it was made of.

A job that is started again with the same content goes on behind the last window that was finished, to the bit. Frames of other jobs
serve, too, where their latents are the same: with another crop edge, quality or format only what differs is made again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from ..errors import DisMoError
from ..files import atomic_write, save_tensors

_SEEN = 16  # numbers of each tensor of a network that tell it from another


@dataclass(frozen=True)
class Denoising:
    """A place in the middle of denoising.

    Args:
        windows: done, over all steps.
        latents: [1, 4, F, h, w] at the beginning of the step.
        predicted: [halves, 4, F, h, w], sum over the windows of that step that are done.
    """

    windows: int
    latents: Tensor
    predicted: Tensor


class JobStore:
    """The pieces in a folder; files of other content stay beside them until the user removes the folder.

    Args:
        folder: made when the first piece is kept.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def denoising(self, key: str, device: torch.device) -> Denoising | None:
        """How far denoising has come; None where nothing was kept."""
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        path = self._denoising(key)
        if not path.is_file():
            return None
        try:
            kept = load_file(path, device=str(device))
            return Denoising(int(kept["windows"]), kept["latents"], kept["predicted"])
        except (OSError, KeyError, SafetensorError) as error:
            raise DisMoError(
                f"{path} is no kept piece of a job: {error}. Remove it to begin that job again."
            ) from error

    def keep_denoising(self, key: str, state: Denoising) -> None:
        """Replace what was kept before."""
        tensors = {"windows": torch.tensor(state.windows), "latents": state.latents, "predicted": state.predicted}
        self.folder.mkdir(parents=True, exist_ok=True)
        with atomic_write(self._denoising(key), overwrite=True) as temporary:
            save_tensors({name: x.cpu().contiguous() for name, x in tensors.items()}, temporary)

    def frame(self, key: str, make: Callable[[], NDArray[np.uint8]]) -> NDArray[np.uint8]:
        """A decoded frame uint8 [H, W, 3]: the kept one, or the one made now, which is kept."""
        path = self.folder / f"frame-{key}.png"
        if path.is_file():
            try:
                return np.array(Image.open(path))
            except (OSError, SyntaxError) as error:
                raise DisMoError(f"{path} is no kept frame: {error}. Remove it.") from error
        made = make()
        self.folder.mkdir(parents=True, exist_ok=True)
        with atomic_write(path, overwrite=True) as temporary:
            Image.fromarray(made).save(temporary, "PNG")
        return made

    def _denoising(self, key: str) -> Path:
        return self.folder / f"denoising-{key}.safetensors"


def content_key(*parts: Any) -> str:
    """Of tensors, arrays, networks, sequences of those, and plain values; 24 hexadecimal digits."""
    found = hashlib.sha256()
    for piece in _bytes(parts):
        found.update(piece)
    return found.hexdigest()[:24]


def _bytes(part: Any) -> Iterable[bytes]:
    if isinstance(part, nn.Module):
        for name, tensor in part.state_dict().items():
            values = tensor.flatten()
            yield f"{name}{list(tensor.shape)}{values[:: max(1, len(values) // _SEEN)].tolist()}".encode()
    elif isinstance(part, Tensor):
        yield from _bytes(part.detach().float().cpu().numpy())
    elif isinstance(part, np.ndarray):
        yield f"{part.dtype}{part.shape}".encode()
        yield np.ascontiguousarray(part).tobytes()
    elif isinstance(part, Sequence) and not isinstance(part, str):
        yield f"[{len(part)}".encode()
        for each in part:
            yield from _bytes(each)
    else:
        yield f"{part!r};".encode()
