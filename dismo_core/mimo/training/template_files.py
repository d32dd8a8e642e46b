"""Which templates there are to train on, and what is wrong with those that cannot be."""

from __future__ import annotations

import glob
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...errors import DisMoError
from ..crops.clips import frame_box
from ..templates.build import INVERTED
from ..templates.template import Template

NEEDED = ("vid", "sdc", "bk", "mask")
SEEN = 16  # levels of the mask from which it counts; coded masks are not quite black
CHECKED = 8  # frames that the check looks at


@dataclass(frozen=True)
class Reading:
    """What is read of a template for one example.

    Args:
        frames: of the clip.
        stride: from one to the next.
        apart: least distance of the reference from them, frames; 0 = any.
    """

    frames: int
    stride: int = 1
    apart: int = 0

    @property
    def least(self) -> int:
        """Frames that a template must have."""
        return max((self.frames - 1) * self.stride + 1, self.apart + 1)


STAGE1 = Reading(1, apart=30)
STAGE2 = Reading(24, stride=4)


def find_templates(sources: Sequence[str | os.PathLike[str]]) -> list[Path]:
    """Templates, in order: each source is a template, a folder of them, a pattern, or a text file that lists such, one a line.

    Raises:
        DisMoError: a source that gives none.
    """
    found: list[Path] = []
    for source in sources:
        path = Path(source)
        if path.suffix.lower() == ".txt" and path.is_file():
            lines = [line.strip() for line in path.read_text("utf-8").splitlines()]
            here = find_templates([path.parent / line for line in lines if line and not line.startswith("#")])
        elif path.is_dir():
            inside = sorted(each for each in path.iterdir() if each.is_dir() or each.suffix.lower() == ".zip")
            here = [path] if any((path / f"{name}.mp4").exists() for name in NEEDED) else inside
        else:
            here = [Path(each) for each in sorted(glob.glob(os.fspath(source)))]
        if not here:
            raise DisMoError(
                f"There is no template in {os.fspath(source)!r}. Give folders of templates, a pattern, or a text file that lists them."
            )
        found += here
    return list(dict.fromkeys(found))


def problems(path: Path, reading: Reading) -> list[str]:
    """Why a template cannot be trained on; empty where it can."""
    try:
        template = Template.load(path)
        missing = [f"{name}.mp4" for name in NEEDED if name not in template.videos]
        if missing:
            return [f"lacks {', '.join(missing)}"]
        opened = template.open(None)
        found = []
        if len(opened) < reading.least:
            why = f"{reading.frames} frames, every {reading.stride}." if reading.frames > 1 else ""
            why = why or f"a reference {reading.apart} frames away"
            found.append(f"has {len(opened)} frames, and {reading.least} are needed for {why.rstrip('.')}")
        bodies, masks = 0, []
        assert opened.sdc is not None and opened.mask is not None
        for index in sorted({int(n) for n in np.linspace(0, len(opened) - 1, CHECKED)}):
            bodies += frame_box(opened.sdc[index]) is not None
            masks.append(float((opened.mask[index] >= SEEN).mean()))
            opened.bk[index]
        if not bodies:
            found.append("shows no body: none of the frames looked at has anything brighter than black in sdc.mp4")
        if not any(masks):
            found.append("shows no person: the mask is black in all frames looked at")
        elif float(np.mean(masks)) > INVERTED:
            found.append(f"has a person mask that covers {np.mean(masks):.0%} of the frame: is it inverted?")
        return found
    except DisMoError as error:
        return [str(error)]


def usable(paths: Sequence[Path], reading: Reading) -> list[Path]:
    """The templates, all of them good.

    Raises:
        DisMoError: some are not; each is named with the reason.
    """
    bad = {path: found for path in paths if (found := problems(path, reading))}
    if bad:
        said = "\n".join(f"  {path}: {'; '.join(found)}" for path, found in bad.items())
        raise DisMoError(
            f"{len(bad)} of {len(paths)} templates cannot be trained on:\n{said}\nMend them or leave them out, for example by a list file."
        )
    return list(paths)
