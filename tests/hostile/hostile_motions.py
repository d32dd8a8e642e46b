"""Hostile motion files: headers and entries that lie, values that are none, and damaged ones."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from random import Random
from types import MappingProxyType

import torch
from hostile_weights import HARMLESS, HEADERS, entry, header
from mutate import mutated

from dismo_core import Motion
from dismo_core.dismo.edit import blend, chain, hold, loop, pause, reverse_order
from dismo_core.errors import DisMoError

TAGS = (
    b'{"',
    b"data_offsets",
    b"shape",
    b"dtype",
    b"fps",
    b"frames",
    b"version",
    b"extractor",
    b"still",
    b"embeddings",
)
GOOD = {"format": "dismo-motion", "version": "1", "fps": "8.0", "frames": "6", "source": "a.mp4", "extractor": "0" * 16}
ROWS = entry([2, 8], 0, 64)
ROWS_ONLY = MappingProxyType({"embeddings": ROWS})


def motion(data: bytes = bytes(64), tensors: Mapping[str, object] = ROWS_ONLY, **changed: object) -> bytes:
    """A file in the format of motions with other entries."""
    return header(json.dumps({"__metadata__": GOOD | changed, **tensors}), data)


WRONG: tuple[Callable[[], bytes], ...] = (
    *HEADERS,
    *HARMLESS,
    *(
        lambda fps=fps: motion(fps=fps)
        for fps in ("nan", "inf", "-inf", "0", "-8", "1e999", "1e-999", "eight", "", "8,0", "0x8", "9" * 5000, "-0.0")
    ),
    *(
        lambda frames=frames: motion(frames=frames)
        for frames in ("5", "7", "-6", "6.0", "1e9", "9" * 5000, "", "six", "99999999999999999999")
    ),
    *(lambda version=version: motion(version=version) for version in ("2", "", "1.0", "-1", "x" * 10**6)),
    *(lambda text=text: motion(format=text) for text in ("", "dismo-weights", "DISMO-MOTION")),
    lambda: motion(torch.full((16,), torch.nan).numpy().tobytes()),
    lambda: motion(torch.full((16,), -torch.inf).numpy().tobytes()),
    lambda: motion(tensors={"embeddings": entry([16], 0, 64)}),
    lambda: motion(tensors={"embeddings": entry([1, 2, 8], 0, 64)}),
    lambda: motion(tensors={"embeddings": entry([0, 8], 0, 0), "x": entry([16], 0, 64)}),
    lambda: motion(tensors={"embeddings": entry([2, 0], 0, 0), "x": entry([16], 0, 64)}),
    lambda: motion(tensors={"embeddings": entry([2, 1 << 61], 0, 64)}),
    lambda: motion(tensors={"still": ROWS}),
    lambda: motion(tensors={"embeddings": entry([1, 8], 0, 32), "still": entry([4], 32, 64)}, frames="5"),
    lambda: motion(tensors={"embeddings": entry([1, 8], 0, 32), "still": entry([8, 1], 32, 64)}, frames="5"),
    lambda: motion(tensors={"embeddings": entry([2, 8], 0, 32, "F16"), "x": entry([8], 32, 64)}),
    lambda: motion(tensors={"embeddings": entry([2, 4], 0, 64, "F64")}),
    lambda: motion(tensors={"embeddings": entry([2, 4], 0, 64, "I64")}),
    lambda: motion(tensors={"embeddings": entry([2, 8], 0, 64, "U32")}),
    lambda: motion(tensors={"embeddings": entry([2, 4], 0, 64, "C64")}),
)
ODD: tuple[Callable[[], bytes], ...] = (  # strange, and read or refused
    lambda: motion(torch.full((16,), 3e38).numpy().tobytes()),
    lambda: motion(torch.full((16,), 1e-45).numpy().tobytes()),
    lambda: motion(fps="1e-300"),
    lambda: motion(fps="1e300"),
    lambda: motion(fps="٨"),
    lambda: motion(frames="٦"),
    lambda: motion(source="../../etc/passwd"),
    lambda: motion(source="\x1b[2J\x00\n" * 10),
    lambda: motion(source="x" * 10**7),
    lambda: motion(extractor="\ud800"),
    lambda: motion(extractor=""),
)


def prepare(folder: Path) -> None:
    """A good motion to be damaged."""
    rows = torch.randn(21, 8, generator=torch.Generator().manual_seed(0))
    Motion(rows, 8.0, "clip.mp4", "0123456789abcdef", rows[0]).save(folder / "seed.safetensors")


def attempt(folder: Path, number: int) -> None:
    """Load a motion; where that succeeds, do with it all that can be done with motions.

    Raises:
        DisMoError: it is refused.
    """
    made = WRONG + ODD
    data = (
        made[number]()
        if number < len(made)
        else mutated((folder / "seed.safetensors").read_bytes(), Random(number), TAGS)
    )
    path = folder / "out" / "case.safetensors"
    path.write_bytes(data)
    loaded = Motion.load(path)
    assert number >= len(WRONG), "it was read"
    assert bool(loaded.embeddings.isfinite().all()) and loaded.fps > 0 and loaded.frames == len(loaded.embeddings) + 4
    for edit in (
        lambda m: m.with_strength(1.5),
        lambda m: m.trimmed(5),
        lambda m: hold(m, 2, 3),
        lambda m: pause(m, 2, 3),
        lambda m: loop(m, 3, 1),
        reverse_order,
        lambda m: chain([m, m]),
        lambda m: blend(m, m, 0.3),
    ):
        with contextlib.suppress(DisMoError):
            assert bool(edit(loaded).embeddings.isfinite().all())
    loaded.save(folder / "out" / "again.safetensors", overwrite=True)
    again = Motion.load(folder / "out" / "again.safetensors")
    assert torch.equal(again.embeddings, loaded.embeddings)
    assert (again.fps, again.source, again.extractor) == (loaded.fps, loaded.source, loaded.extractor)
