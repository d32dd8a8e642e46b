"""Hostile JSON and CSV: caption tables, captions, indexes of shards and of base models, settings of an extraction."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from random import Random

import torch
from mutate import mutated
from safetensors.torch import save_file

import dismo_core as dismo
from dismo_core.cogvideox.weights import PARTS
from dismo_core.data.index import ShardIndex
from dismo_core.data.write import write_shards
from dismo_core.dismo.extract_many import extract_many
from dismo_core.weights.base_folder import check_base

TAGS = (b'"', b"{", b"[", b":", b",", b"\n")
JSON: tuple[bytes, ...] = (
    *(
        b"",
        b"null",
        b"[]",
        b"{}",
        b"7",
        b"NaN",
        b'"x"',
        b"[" * 10**5,
        b'{"a":' * 10**5,
        b"\xff\xfe\0",
        b"\xef\xbb\xbf{}",
    ),
    *(
        b"9" * 10**5,
        b'"\\ud800"',
        b'{"a":1' + b" " * 10**6,
        b"\0" * 1000,
        b"1e999",
        b"-",
        b'{"weight_map":[]}',
        b'{"weight_map":7}',
    ),
    *(
        json.dumps({"weight_map": {"a": name}}).encode()
        for name in ("../../../etc/passwd", "/etc/passwd", "C:\\x", "", "\0", "x" * 5000, 7, None, {}, "nul", "..")
    ),
    *(
        json.dumps({"file_name": name, "caption": text}).encode()
        for name, text in (
            ("../../x.mp4", "x"),
            ("/x.mp4", "x"),
            ("a.mp4", 7),
            (7, "x"),
            ("a.mp4", "x" * 10**7),
            ("\0", "\0"),
        )
    ),
)
CSV: tuple[bytes, ...] = (
    *(b"", b"file_name,caption\n", b"file_name,caption\na.mp4\n", b"a,b\n1,2\n", b'file_name,caption\n"a.mp4,x\n', b"\0,\0\n\0"),
    *(b"file_name,caption\na.mp4,=cmd|'/c calc'!A1\n", b"file_name,caption\n../../a.mp4,x\n", b"file_name,caption\na.mp4," + b"x" * 10**6),
    *(b"file_name,caption\n" + b"a.mp4,\xff\xfe\n", b"file_name" + b",x" * 10**5 + b"\n", b'"' * 10**6),
)  # fmt: skip


def prepare(folder: Path) -> None:
    """A folder of one video, a shard of it, and the folder of a base model."""
    (folder / "videos").mkdir()
    noise = torch.randint(0, 256, (36, 32, 32, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    dismo.write_video(folder / "videos" / "a.mp4", noise, 24)
    write_shards(folder / "videos", folder / "shards")
    for part, stem in (
        ("transformer", "diffusion_pytorch_model"),
        ("vae", "diffusion_pytorch_model"),
        ("text_encoder", "model"),
    ):
        (folder / "base" / part).mkdir(parents=True)
        save_file({"a": torch.zeros(2)}, folder / "base" / part / f"{stem}.safetensors")
    (folder / "base" / "model_index.json").write_text("{}")
    ShardIndex([str(folder / "shards" / "000000.tar")])


def _table(folder: Path, content: bytes) -> None:
    table = folder / "out" / "table.jsonl"
    table.write_bytes(content)
    write_shards(folder / "videos", _fresh(folder), captions=table)


def _csv(folder: Path, content: bytes) -> None:
    table = folder / "out" / "table.csv"
    table.write_bytes(content)
    write_shards(folder / "videos", _fresh(folder), captions=table)


def _index(folder: Path, content: bytes) -> None:
    """What lies beside a shard may be anybody's: it is used or rebuilt, and either way the video is read."""
    shard = folder / "out" / "000000.tar"
    if not shard.exists():
        shard.write_bytes((folder / "shards" / "000000.tar").read_bytes())
    (folder / "out" / "000000.tar.index.json").write_bytes(content)
    index = ShardIndex([str(shard)])
    index.name(0)
    index.read(0)


def _base(folder: Path, content: bytes) -> None:
    check_base(_linked(folder, content), PARTS)


def _settings(folder: Path, content: bytes) -> None:
    out = _fresh(folder)
    (out / "extract.json").write_bytes(content)
    extract_many(_extractor(), folder / "videos", out)


READERS: tuple[Callable[[Path, bytes], None], ...] = (_table, _csv, _index, _base, _settings)


def attempt(folder: Path, number: int) -> None:
    """One text for one reader.

    Raises:
        DisMoError: it is refused.
    """
    reader = READERS[number % len(READERS)]
    texts = CSV if reader is _csv else JSON
    if number // len(READERS) < len(texts):
        content = texts[number // len(READERS)]
    else:
        content = mutated(_good(folder, reader), Random(number), TAGS)
    reader(folder, content)


def _good(folder: Path, reader: Callable[[Path, bytes], None]) -> bytes:
    settings = {"fps": 8.0, "start": 0.0, "frames": 25, "reverse": False, "extractor": "0" * 16}
    return {
        _table: b'{"file_name": "a.mp4", "caption": "a dog"}\n',
        _csv: b'file_name,caption\na.mp4,"a dog, running"\n',
        _index: (folder / "shards" / "000000.tar.index.json").read_bytes(),
        _base: b'{"metadata": {}, "weight_map": {"a": "diffusion_pytorch_model.safetensors"}}',
        _settings: json.dumps(settings).encode(),
    }[reader]


def _fresh(folder: Path) -> Path:
    return Path(tempfile.mkdtemp(dir=folder / "out"))


def _linked(folder: Path, content: bytes) -> Path:
    """The base folder with another index, below `out`."""
    base = folder / "out" / "base"
    for file in (folder / "base").rglob("*.*"):
        copy = base / file.relative_to(folder / "base")
        copy.parent.mkdir(parents=True, exist_ok=True)
        if not copy.exists():
            copy.write_bytes(file.read_bytes())
    (base / "transformer" / "diffusion_pytorch_model.safetensors.index.json").write_bytes(content)
    return base


def _extractor() -> dismo.MotionExtractor:
    global _loaded
    if _loaded is None:
        _loaded = dismo.load_motion_extractor("tiny")
    return _loaded


_loaded: dismo.MotionExtractor | None = None
