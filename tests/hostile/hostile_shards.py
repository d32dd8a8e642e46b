"""Hostile tar shards: names that lead out, links, devices, sizes that lie; and damaged ones."""

from __future__ import annotations

import itertools
import tarfile
from collections.abc import Callable
from pathlib import Path
from random import Random

import torch
from mutate import mutated

import dismo_core as dismo
from dismo_core.data.check import check_shards
from dismo_core.data.frames import Unusable
from dismo_core.data.index import ShardIndex, scan_shard
from dismo_core.dismo.training.samples import VideoStream

TAGS = (b"ustar", b".mp4", b".txt", b"././@LongLink", b"PaxHeader", b"0000644", b"size=", b"path=")
NAMES = (
    *(
        "../out.mp4",
        "/out.mp4",
        "a/../../out.mp4",
        "..\\out.mp4",
        "C:\\out.mp4",
        "\\\\host\\out.mp4",
        "~/out.mp4",
        "nul.mp4",
        ".mp4",
    ),
    *(
        "a" * 5000 + ".mp4",
        "b/" * 500 + "c.mp4",
        "\udcff.mp4",
        "üñí.mp4",
        "con\x1b[2J.mp4",
        "a.mp4/",
        "__x__.mp4",
        "-rf.mp4",
    ),
)
LINKS = (
    tarfile.SYMTYPE,
    tarfile.LNKTYPE,
    tarfile.FIFOTYPE,
    tarfile.CHRTYPE,
    tarfile.BLKTYPE,
    tarfile.CONTTYPE,
    tarfile.DIRTYPE,
    b"S",
)

PAX = (
    *({"size": size} for size in ("-512", "-1024", "99999999999999999999", "x", "", "1e3")),
    *({"path": "../out.mp4"}, {"path": ""}, {"linkpath": "/etc/passwd"}, {"mtime": "nan"}, {"hdrcharset": "BINARY"}),
    *({"GNU.sparse.realsize": "9" * 15}, {"GNU.sparse.map": "0,-1"}, {"x": "y" * 10**6}),
)


def tar(*members: tuple[tarfile.TarInfo, bytes], format: int = tarfile.GNU_FORMAT) -> bytes:
    """A tar of members as they are given."""
    blocks = []
    for info, data in members:
        blocks += [info.tobuf(format, "utf-8", "surrogateescape"), data, bytes(-len(data) % 512)]
    return b"".join(blocks) + bytes(1024)


def member(name: str, data: bytes = b"x" * 700, **more: object) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.size = len(data)
    for key, value in more.items():
        setattr(info, key, value)
    return info, data


def pax(records: dict[str, str], video: bytes) -> bytes:
    return tar(member("a.mp4", video, pax_headers=records), format=tarfile.PAX_FORMAT)


def negative(video: bytes, size: int) -> bytes:
    """A header whose size, written in the way of large numbers, is below 0: the next header lies before this one."""
    header = bytearray(tar(member("a.mp4", b"")))[:512]
    header[124:136] = size.to_bytes(12, "big", signed=True)
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    return tar(member("first.mp4", video))[:-1024] + bytes(header) + video + bytes(1024)


def made(video: bytes) -> list[Callable[[], bytes]]:
    """Every shard made on purpose."""
    good = member("good.mp4", video)
    files: list[Callable[[], bytes]] = [lambda n=n: tar(member(n, video), good) for n in NAMES]
    files += [
        lambda t=t, to=to: tar((lambda i: (i[0], b""))(member("a.mp4", b"", type=t, linkname=to)), good)
        for t in LINKS
        for to in ("/etc/passwd", "../../secret", "good.mp4", "a.mp4")
    ]
    files += [lambda r=r: pax(r, video) for r in PAX]
    files += [lambda s=s: negative(video, s) for s in (-512, -1, -(1 << 40), 1 << 62, 1 << 40)]
    files += [
        lambda: b"",
        lambda: bytes(10**6),
        lambda: tar(),
        lambda: tar(good)[:700],
        lambda: tar(*(member(f"{k}.txt", b"") for k in range(2000))),
        lambda: tar(member("a.mp4", video), member("a.txt", b"\xff\xfe" * 10**6)),
        lambda: tar(*(member("a.mp4", video) for _ in range(20))),
        lambda: tar(member("a.mp4", b"not a video"), member("b.mp4", tar(good)), member("c.mp4", b"")),
        lambda: b"\x1f\x8b" + bytes(100),
    ]
    return files


def prepare(folder: Path) -> None:
    """A good shard of two short videos."""
    rng = torch.Generator().manual_seed(0)
    for name in "ab":
        noise = torch.randint(0, 256, (36, 32, 32, 3), dtype=torch.uint8, generator=rng)
        dismo.write_video(folder / f"{name}.mp4", noise, 24, crf=40)
    members = [member(f"{name}.mp4", (folder / f"{name}.mp4").read_bytes()) for name in "ab"]
    (folder / "seed.tar").write_bytes(tar(*members[:1], member("a.txt", b"a dog"), *members[1:]))


def attempt(folder: Path, number: int) -> None:
    """Scan, index, read, check and stream a shard; faults are counted by the readers, not raised.

    Raises:
        DisMoError: no sample of it can be used.
    """
    files = made((folder / "a.mp4").read_bytes())
    data = files[number]() if number < len(files) else mutated((folder / "seed.tar").read_bytes(), Random(number), TAGS)
    shard = str(folder / "out" / "case.tar")
    Path(shard).write_bytes(data)
    for place in scan_shard(shard).places:
        assert 0 <= place.offset <= len(data) and 0 <= place.size <= len(data)
        assert not place.key.startswith("/") and ".." not in Path(place.key).parts
    check_shards([shard])
    index = ShardIndex([shard])
    for entry in range(len(index)):
        try:
            index.read(entry)
        except Unusable:
            continue
    for _ in itertools.islice(VideoStream([shard], size=16, buffer=1), 2):
        pass
