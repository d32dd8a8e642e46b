"""Hostile weight files: pickles that run code, zip bombs, shapes and headers that lie, tensors of other kinds; and damaged ones."""

from __future__ import annotations

import builtins
import contextlib
import io
import json
import os
import pickle
import struct
import subprocess
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Mapping
from pathlib import Path
from random import Random
from typing import Any

import torch
from mutate import mutated, squeezed
from safetensors.torch import save, save_file

import dismo_core as dismo
from dismo_core.dismo.adapter.adapter_file import read_adapter
from dismo_core.errors import DisMoError
from dismo_core.weights.convert import convert
from dismo_core.weights.files import read_weights
from dismo_core.weights.verify import verify

TAGS = (b"PK\1\2", b"PK\3\4", b"PK\5\6", b"data.pkl", b"torch", b'{"', b"data_offsets", b"shape", b"dtype", b"ctorch")
SMALL = {"a": torch.arange(12.0).view(3, 4), "b": torch.ones(5, dtype=torch.bfloat16), "c": torch.zeros(0, 3)}
EMBRYO = {"query_tokens": torch.zeros(1, 8), "proj.weight": torch.zeros(4, 8)}  # begins like an extractor


class Reduced:
    """Pickles as a call."""

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return self.call


def in_zip(pickled: bytes, records: Mapping[str, bytes] = {}, **options: Any) -> bytes:
    """A file of torch's zip format around a pickle."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", **options) as archive:
        for name, data in {"data.pkl": pickled, "byteorder": b"little", "version": b"3\n", **records}.items():
            archive.writestr(f"archive/{name}", data)
    return file.getvalue()


def stored(content: Any, **options: Any) -> bytes:
    file = io.BytesIO()
    torch.save(content, file, **options)
    return file.getvalue()


def tensor_pickle(elements: int, shape: tuple[int, ...], strides: tuple[int, ...], offset: int = 0) -> bytes:
    """A state dict of one tensor whose storage and shape are declared freely."""

    class Pickler(pickle.Pickler):
        def persistent_id(self, thing: Any) -> Any:
            return ("storage", torch.FloatStorage, "0", "cpu", elements) if thing == "the storage" else None

    file = io.BytesIO()
    rebuilt = Reduced(torch._utils._rebuild_tensor_v2, "the storage", offset, shape, strides, False, OrderedDict())
    Pickler(file, 2).dump({"query_tokens": rebuilt})
    return file.getvalue()


def header(text: str | bytes, data: bytes = b"", length: int | None = None) -> bytes:
    """A safetensors file with any header."""
    text = text.encode() if isinstance(text, str) else text
    return struct.pack("<Q", (len(text) if length is None else length) % 2**64) + text + data


def entry(shape: list[int], begin: int, end: int, dtype: str = "F32") -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


def entries(data: bytes = bytes(64), **tensors: dict[str, Any]) -> bytes:
    return header(json.dumps(tensors), data)


def bomb() -> bytes:
    """A weight file of 6 MB whose record inflates to 6 GB of zeros."""
    times, name = 6000, b"archive/data/0"
    data = squeezed(times, -15)
    size = min(times << 20, 0xFFFFFFFE)
    small = in_zip(tensor_pickle(times << 18, (times << 18,), (1,)), {"data/0": b"x"}, compression=zipfile.ZIP_DEFLATED)
    # the last record, before the central directory, is replaced; its entry there is mended
    local, central = small.index(b"PK\3\4", small.index(b"archive/version")), small.index(b"PK\1\2")
    record = struct.pack("<4s5H3I2H", b"PK\3\4", 20, 0, 8, 0, 33, 0, len(data), size, len(name), 0) + name + data
    directory = bytearray(small[central:])
    at = directory.index(name) - 46
    directory[at + 16 : at + 28] = struct.pack("<3I", 0, len(data), size)
    end = directory.index(b"PK\5\6")
    directory[end + 16 : end + 20] = struct.pack("<I", local + len(record))
    return small[:local] + record + bytes(directory)


CODE = (
    lambda: stored({"a": Reduced(os.system, "true")}),  # a call in a file of today's format
    lambda: pickle.dumps({"a": Reduced(builtins.eval, "__import__('os').system('true')")}, 2),  # a bare pickle
    lambda: stored(
        {"a": Reduced(subprocess.Popen, ["true"])}, _use_new_zipfile_serialization=False
    ),  # torch's old format
    lambda: b"(S'true'\nios\nsystem\n.",  # protocol 0, instance of a "class"
    lambda: in_zip(b"\x80\x04\x8c\x05posix\x8c\x06system\x93\x8c\x04true\x85R."),  # protocol 4, name on the stack
    lambda: stored({"a": Reduced(getattr, torch.nn.Module, "__init__")}),
    lambda: stored({"a": Reduced(__import__, "antigravity")}),
    lambda: in_zip(
        pickle.dumps(SMALL["a"].numpy()), {"constants.pkl": b"\x80\x02}.", "code/__torch__.py": b"import os"}
    ),
)
BOMBS = (
    bomb,
    lambda: in_zip(tensor_pickle(1 << 40, (1 << 40,), (1,)), {"data/0": bytes(64)}),
    lambda: in_zip(tensor_pickle(16, (1 << 20, 1 << 20), (0, 0)), {"data/0": bytes(64)}),
    lambda: in_zip(tensor_pickle(16, (1 << 31, 1 << 31, 4), (0, 0, 1)), {"data/0": bytes(64)}),
    lambda: in_zip(tensor_pickle(16, (100,), (1,)), {"data/0": bytes(64)}),
    lambda: in_zip(tensor_pickle(16, (4,), (1,), 1 << 40), {"data/0": bytes(64)}),
    lambda: in_zip(tensor_pickle(16, (-4,), (1,)), {"data/0": bytes(64)}),
    lambda: in_zip(tensor_pickle(16, (4,), (-1,), 8), {"data/0": bytes(64)}),
    lambda: in_zip(pickle.dumps("x" * 10**8), compression=zipfile.ZIP_DEFLATED),
    lambda: in_zip(pickle.dumps({"a": Reduced(bytearray, 1 << 40)}, 2)),
    lambda: pickle.dumps({"a": Reduced(bytearray, 1 << 40)}, 2),
    lambda: in_zip(b"\x80\x02" + b"]" * 10**5 + b"a" * (10**5 - 1) + b"."),  # a list in a list in a list
    lambda: in_zip(b"\x80\x04\x95" + b"\xff" * 7 + b"\x7f" + b"."),  # a frame of 2**63 bytes
    lambda: in_zip(b"\x80\x04\x8e" + b"\xff" * 7 + b"\x7f" + b"."),  # as many bytes
)
HEADERS = (
    lambda: entries(a=entry([16], 0, 64), b=entry([8], 0, 32)),
    lambda: entries(a=entry([12], 0, 48), b=entry([8], 32, 64)),
    lambda: entries(a=entry([4], 0, 16), b=entry([4], 48, 64)),
    lambda: entries(a=entry([4], 64, 48)),
    lambda: entries(a=entry([17], 0, 68)),
    lambda: entries(a=entry([1 << 40], 0, 64)),
    lambda: entries(a=entry([1 << 62, 1 << 62], 0, 64)),
    lambda: entries(a=entry([1 << 63, 0], 0, 0), b=entry([16], 0, 64)),
    lambda: entries(a=entry([-16], 0, 64)),
    lambda: entries(a=entry([16], -64, 0)),
    lambda: entries(a=entry([16], 0, 1 << 64)),
    lambda: entries(a=entry([16], 0, 64, "F33")),
    lambda: entries(a=entry([4.5], 0, 64)),
    lambda: entries(a={"dtype": "F32"}),
    lambda: entries(a=None),
    lambda: header('{"__metadata__":{"x":7}}'),
    lambda: header('{"__metadata__":{"x":"%s"}}' % ("x" * 10**8)),
    lambda: header("[" * 10**6),
    lambda: header('{"a":' * 10**5),
    lambda: header("{}", length=1 << 62),
    lambda: header("{}", length=(1 << 64) - 1),
    lambda: header("{}", length=10**9),
    lambda: header(b'{"\xff\xfe":1}'),
    lambda: header("null"),
    lambda: b"",
    lambda: bytes(8),
)
HARMLESS = (
    lambda: entries(a=entry([4], 48, 64), b=entry([12], 0, 48)),
    lambda: header('{"a":%s,"a":%s}' % ((json.dumps(entry([16], 0, 64)),) * 2), bytes(64)),
)
DTYPES = ("BOOL", "U8", "I8", "I64", "F64", "F8_E4M3", "C64", "F4", "E8M0")
OTHERS = (
    lambda: stored({"query_tokens": torch.full((1, 8), float("nan"))}),
    lambda: stored({"query_tokens": torch.eye(8).to_sparse()}),
    lambda: stored({"query_tokens": torch.empty(1, 8, device="meta")}),
    lambda: stored({"query_tokens": torch.quantize_per_tensor(torch.ones(1, 8), 0.1, 0, torch.qint8)}),
    lambda: stored({"query_tokens": torch.nested.nested_tensor([torch.ones(2), torch.ones(3)])}),
    lambda: stored({"query_tokens": torch.ones(8, dtype=torch.complex64)}),
    lambda: stored({7: torch.ones(3)}),
    lambda: stored({"a" * 10**6: torch.ones(3)}),
    lambda: stored({f"t{k}": torch.ones(()) for k in range(5000)}),
)


def prepare(folder: Path) -> None:
    """Good files to be damaged, and an extractor whose values are wrong."""
    torch.save(SMALL, folder / "seed0.pt")
    torch.save(SMALL | EMBRYO, folder / "seed1.pt", _use_new_zipfile_serialization=False)
    save_file(SMALL, folder / "seed2.safetensors", {"format": "pt"})
    save_file(EMBRYO, folder / "seed3.safetensors")
    state = dismo.MotionExtractor.tiny().state_dict()
    for name, value in (("nan", torch.nan), ("inf", torch.inf)):
        save_file(state | {"proj.weight": torch.full_like(state["proj.weight"], value)}, folder / f"{name}.safetensors")
    save_file({k: v.to(torch.int8) for k, v in state.items()}, folder / "int8.safetensors")


def made() -> list[tuple[str, bool, Callable[[], bytes]]]:
    """Suffix, whether it must be refused, content: every file made on purpose."""
    files: list[tuple[str, bool, Callable[[], bytes]]] = [(".pt", True, make) for make in CODE]
    files += [(".pt", True, make) for make in BOMBS]
    files += [(".safetensors", True, make) for make in HEADERS]
    files += [(".safetensors", False, make) for make in HARMLESS]
    files += [(".safetensors", False, lambda d=d: entries(a=entry([8], 0, 64, d))) for d in DTYPES]
    files += [(".pt", False, make) for make in OTHERS]
    files += [(".safetensors", True, lambda: save(SMALL)[:-1]), (".safetensors", True, lambda: save(SMALL) + b"x")]
    return files


def attempt(folder: Path, number: int) -> None:
    """Give a file to every reader of weights; refused where reading its tensors is.

    Raises:
        DisMoError: `read_weights` refuses it.
    """
    whole = ("nan.safetensors", "inf.safetensors", "int8.safetensors")
    if number < len(whole):
        return _load(folder, folder / whole[number])
    files = made()
    number -= len(whole)
    if number < len(files):
        suffix, bad, make = files[number]
        data = make()
    else:
        seed = sorted(folder.glob("seed*"))[number % 4]
        suffix, bad, data = seed.suffix, False, mutated(seed.read_bytes(), Random(number), TAGS)
    path = folder / "out" / f"case{suffix}"
    path.write_bytes(data)
    for read in (verify, dismo.load_motion_extractor, dismo.load_frame_generator):
        try:
            read(path)
        except DisMoError:
            continue
        raise AssertionError(f"{read.__name__} took it for whole")
    with contextlib.suppress(DisMoError):
        read_adapter(path)
    if suffix == ".pt":
        with contextlib.suppress(DisMoError):
            convert(path, folder / "out" / "converted.safetensors", overwrite=True)
    tensors = read_weights(path).tensors
    assert not bad, "it was read"
    for tensor in tensors.values():
        assert tensor.nbytes < 1 << 30
        tensor.to(torch.float64).sum()


def _load(folder: Path, path: Path) -> None:
    """Right names and shapes, wrong values: refused, or fit for use.

    Raises:
        DisMoError: refused.
    """
    extractor = dismo.load_motion_extractor(path)
    assert all(bool(p.isfinite().all()) for p in extractor.parameters()), "NaN was let in"
