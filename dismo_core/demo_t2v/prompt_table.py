"""Tables of prompts, and names of the clips that are made of them (docs/methods/demo_t2v.md, 5)."""

from __future__ import annotations

import csv
import hashlib
import io
import logging
import os
import re
from dataclasses import dataclass, fields
from pathlib import Path

from ..errors import DisMoError

log = logging.getLogger(__name__)

OVERFLOW = ("join", "cut")
LONGEST_NAME = 120  # bytes of UTF-8
LARGEST_FILE = 10_000_000  # bytes
_UNSAFE = re.compile(r'[<>:"/\\|?*\x00-\x1f\x7f]')
_NUMBERS = {"seed": int, "guidance": float, "motion_guidance": float, "frames": int}


@dataclass(frozen=True)
class Row:
    """A row of a table; what is None or empty is as for the whole table.

    Args:
        prompt: what is seen.
        motion_prompt: how it moves; empty = the prompt.
        negative_prompt: what is led away from.
        seed: of the noise.
        guidance: of the content.
        motion_guidance: of the motion.
        frames: of the clip.
        problem: why the row cannot be made; empty where it can.
    """

    prompt: str
    motion_prompt: str = ""
    negative_prompt: str = ""
    seed: int | None = None
    guidance: float | None = None
    motion_guidance: float | None = None
    frames: int | None = None
    problem: str = ""


COLUMNS = tuple(field.name for field in fields(Row) if field.name != "problem")


def read_prompts(path: str | os.PathLike[str], overflow: str = "join") -> list[str]:
    """The prompts of a table.

    Args:
        path: CSV, UTF-8 with or without a byte order mark, with a column `prompt`.
        overflow: "join": where prompt is the last column, what a comma without quotes cuts off is put back; "cut": it is lost, as
            published.

    Raises:
        DisMoError: see `read_table`.
    """
    return [row.prompt for row in read_table(path, overflow)]


def read_table(path: str | os.PathLike[str], overflow: str = "join") -> list[Row]:
    """The rows of a table; see `read_prompts`.

    Raises:
        DisMoError: no such file, no column `prompt`, no row, another encoding, a file of more than 10 MB.
    """
    path = Path(path)
    if not path.is_file():
        raise DisMoError(f"There is no prompt table {path}. Give a CSV file with a column prompt.")
    if (size := path.stat().st_size) > LARGEST_FILE:
        raise DisMoError(f"{path} has {size:,} bytes; at most {LARGEST_FILE:,} are read. Is it a table of prompts?")
    return table_rows(utf8_text(path), str(path), overflow)


def utf8_text(path: Path) -> str:
    """A table's text, with or without a byte order mark.

    Raises:
        DisMoError: another encoding.
    """
    try:
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DisMoError(
            f"{path} is not UTF-8 ({error.reason} at byte {error.start}). Save it as UTF-8, in Excel as 'CSV UTF-8'."
        ) from error


def table_rows(text: str, source: str, overflow: str = "join") -> list[Row]:
    """The rows of a table's text; see `read_table`. source: where it comes from, for messages."""
    if overflow not in OVERFLOW:
        raise DisMoError(f"There is no overflow {overflow!r}. Choose one of {', '.join(OVERFLOW)}.")
    lines = list(csv.reader(io.StringIO(text, newline="")))
    header = [name.strip() for name in lines[0]] if lines else []
    if "prompt" not in header:
        raise DisMoError(
            f"{source} has no column prompt; its first line is {', '.join(header)[:200]!r}. Begin it with a line such as: id,prompt"
        )
    rows, joined = [], 0
    for number, cells in enumerate(lines[1:], 2):
        if not cells:
            continue
        if len(cells) > len(header) and header[-1] == "prompt" and overflow == "join":
            last = len(header) - 1
            cells = [*cells[:last], ",".join(cells[last:])]
            joined += 1
        rows.append(_row(dict(zip(header, cells, strict=False)), f"line {number}"))
    if joined:
        log.info("%s: %d prompts with commas and without quotes were put together again.", source, joined)
    if not rows:
        raise DisMoError(f"{source} holds no prompt below its first line. Add rows.")
    return rows


def _row(cells: dict[str, str], where: str) -> Row:
    if not cells.get("prompt", "").strip():
        return Row("", problem=f"{where}: there is no prompt")
    values: dict[str, object] = {}
    for name, kind in _NUMBERS.items():
        written = cells.get(name, "").strip()
        if written:
            try:
                values[name] = kind(written)
            except ValueError:
                return Row(cells["prompt"], problem=f"{where}: {name} is {written!r}, not a number")
    texts = {name: cells.get(name, "") for name in ("motion_prompt", "negative_prompt")}
    return Row(cells["prompt"], **texts, **values)  # type: ignore[arg-type]


def output_names(prompts: list[str], repeat: int) -> list[str]:
    """Names of the clips, `repeat` of each prompt: unique, and safe on every system.

    A prompt that comes again goes on counting.
    """
    seen: dict[str, int] = {}
    names = []
    for prompt in prompts:
        stem = safe_stem(prompt)
        first = seen.get(stem, 0)
        names += [f"{stem}-{first + i}.mp4" for i in range(repeat)]
        seen[stem] = first + repeat
    return names


def safe_stem(prompt: str) -> str:
    """A prompt as the name of a file: blanks and what no file name may hold become "_"; what is changed or cut gets a mark of its own."""
    plain = prompt.replace(" ", "_")
    safe = _UNSAFE.sub("_", plain)
    safe = safe.encode("utf-8", "replace")[:LONGEST_NAME].decode("utf-8", "ignore")
    if safe == plain:
        return safe
    return f"{safe}_{hashlib.sha256(prompt.encode('utf-8', 'replace')).hexdigest()[:8]}"
