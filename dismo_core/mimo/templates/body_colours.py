"""Colors of a body's vertices: by their height, or from the release's own file (docs/methods/mimo.md, 7.4)."""

from __future__ import annotations

import io
import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import DisMoError, first_line

KEY = "smpl"  # of the release's file, `sdc_info.npy`
_ALLOWED = {
    *((f"numpy.{core}.multiarray", name) for core in ("core", "_core") for name in ("_reconstruct", "scalar")),
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
}
_STOPS = np.array([[38, 90, 191], [77, 191, 140], [242, 191, 64], [230, 90, 77], [242, 217, 128]], float)


def height_colours(vertices: Any) -> NDArray[np.uint8]:
    """Colors that grow from blue at the feet over green and red to yellow at the head.

    A vertex keeps its color over a clip when it is taken from the first frame.

    Args:
        vertices: float [V, 3], y down.

    Returns:
        uint8 [V, 3].
    """
    height = -np.asarray(vertices, float)[:, 1]
    span = float(height.max() - height.min()) if len(height) else 0.0
    at = (height - height.min()) / span * (len(_STOPS) - 1) if span else np.zeros(len(height))
    channels = [np.interp(at, np.arange(len(_STOPS)), _STOPS[:, channel]) for channel in range(3)]
    colors: NDArray[np.uint8] = np.stack(channels, 1).round().astype(np.uint8)
    return colors


def read_body_colours(path: str | os.PathLike[str]) -> NDArray[Any]:
    """The colors of a body's vertices in the release's `sdc_info.npy`, or in an array file of one's own.

    Code in the file is never run.

    Args:
        path: .npy file: an array [V, 3], or a mapping with such an array under `smpl`.

    Returns:
        [V, 3], uint8, or float in 0..1.

    Raises:
        DisMoError: no such file, or something else in it.
    """
    path = Path(path)
    if not path.is_file():
        raise DisMoError(f"There is no file {path} with the colors of a body. Put the release's sdc_info.npy there.")
    try:
        content = path.read_bytes()
        stream = io.BytesIO(content)
        np.lib.format.read_magic(stream)
        _, _, dtype = np.lib.format.read_array_header_1_0(stream)
        found = _Arrays(stream).load() if dtype.hasobject else np.load(io.BytesIO(content), allow_pickle=False)
    except (OSError, ValueError, EOFError, pickle.UnpicklingError, AttributeError, KeyError, IndexError) as error:
        raise DisMoError(f"Cannot read {path} as an array: {first_line(error)}. Fetch the file again.") from error
    found = found.item() if isinstance(found, np.ndarray) and found.dtype == object and found.ndim == 0 else found
    colors = np.asarray(found.get(KEY)) if isinstance(found, dict) else found
    if not isinstance(colors, np.ndarray) or colors.ndim != 2 or colors.shape[1] < 3 or colors.dtype.kind not in "fu":
        raise DisMoError(
            f"{path} holds no colors [vertices, 3], neither as an array nor under {KEY!r}. Use the release's sdc_info.npy."
        )
    colors = colors[:, :3]
    if colors.dtype.kind == "f":
        return (colors if colors.max() <= 1 else colors / 255).astype(np.float32)
    return colors.astype(np.uint8)


class _Arrays(pickle.Unpickler):
    """Only what arrays are made of."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in _ALLOWED:
            return super().find_class(module, name)
        raise pickle.UnpicklingError(f"it asks for {module}.{name}, which no array needs")
