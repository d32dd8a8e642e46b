"""Coverage-guided fuzzing of the readers of motions and manifests, with Google's Atheris.

    pip install atheris                                    # Linux and macOS; no wheels for some Pythons
    python tests/hostile/fuzz.py motion -max_total_time=300
    python tests/hostile/fuzz.py manifest -max_total_time=300

Anything but a result or a `DisMoError` ends the run with a file `crash-...` that repeats it when given as an argument. All
options of libFuzzer hold; the last line tells how many inputs were tried.
"""

from __future__ import annotations

import json
import os
import struct
import sys
import tempfile
from pathlib import Path

try:
    import atheris
except ImportError:
    sys.exit(
        "atheris is not installed here: pip install atheris (it has no wheels for Windows, and for some Pythons none)."
    )

sys.path.insert(0, str(Path(__file__).parents[2]))
import torch  # noqa: E402  before the instrumentation: only our own code is looked at

with atheris.instrument_imports(include=["dismo_core"]):
    import dismo_core.data.index
    import dismo_core.data.write
    from dismo_core.dismo.motion import Motion
    from dismo_core.errors import DisMoError
    from dismo_core.files import read_json
    from dismo_core.weights.shards import weight_map

MEMORY = Path("/dev/shm")  # files that never reach a disk, where there is such a place
FOLDER = Path(tempfile.mkdtemp(dir=MEMORY if MEMORY.is_dir() else None))
GOOD = {"format": "dismo-motion", "version": "1", "fps": "8.0", "frames": "6", "source": "a", "extractor": "0"}


def motion(data: bytes) -> None:
    """The bytes as a whole file; else as the header of one, so that fuzzing gets behind the length."""
    for content in (data, struct.pack("<Q", len(data)) + data + bytes(64)):
        path = FOLDER / "motion.safetensors"
        path.write_bytes(content)
        try:
            loaded = Motion.load(path)
        except DisMoError:
            continue
        assert bool(loaded.embeddings.isfinite().all()) and loaded.fps > 0


def manifest(data: bytes) -> None:
    """The bytes as the index of a base model, the index of a shard, and a table of captions."""
    path = FOLDER / "file.json"
    path.write_bytes(data)
    (FOLDER / "000.tar.index.json").write_bytes(data)
    for read in (
        lambda: read_json(path),
        lambda: weight_map(path),
        lambda: dismo_core.data.index._cached_scan(FOLDER / "000.tar"),
        lambda: list(dismo_core.data.write._rows(path.rename(path.with_suffix(".jsonl")))),
        lambda: list(dismo_core.data.write._rows(path.with_suffix(".jsonl").rename(path.with_suffix(".csv")))),
    ):
        try:
            read()
        except DisMoError:
            continue


def seeds(folder: Path) -> None:
    """Good files to begin with."""
    rows = {"embeddings": {"dtype": "F32", "shape": [2, 8], "data_offsets": [0, 64]}}
    header = json.dumps({"__metadata__": GOOD, **rows}).encode()
    (folder / "header").write_bytes(header)
    (folder / "file").write_bytes(struct.pack("<Q", len(header)) + header + bytes(64))
    state = (FOLDER / "000.tar").stat()
    about = {"version": 1, "bytes": state.st_size, "modified": state.st_mtime_ns}
    texts = (
        {"weight_map": {"a": "x.safetensors"}},
        {"about": about, "places": [["a", 512, 3, 0, 0]], "faults": [["", "x", "y"]]},
        {"file_name": "a.mp4", "caption": "a dog"},
    )
    for number, text in enumerate(texts):
        (folder / f"{number}").write_text(json.dumps(text))
    (folder / "csv").write_text('file_name,caption\na.mp4,"a dog"\n')


def main() -> None:
    target = {"motion": motion, "manifest": manifest}[sys.argv.pop(1)]
    torch.set_num_threads(1)
    (FOLDER / "000.tar").write_bytes(bytes(1024))
    corpus = FOLDER / "corpus"
    corpus.mkdir()
    seeds(corpus)
    os.environ.setdefault("PYTHONWARNINGS", "ignore")
    atheris.Setup([*sys.argv, str(corpus)], target)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
