"""A toy of the whole model, once for all tests that only look at it."""

from __future__ import annotations

import pytest
import torch
from demo_toy import write_ours

from dismo_core import demo_t2v as demo
from dismo_core.video import write_video


@pytest.fixture(scope="session")
def toy_folder(tmp_path_factory):
    return write_ours(tmp_path_factory.mktemp("demo"))


@pytest.fixture(scope="session")
def toy(toy_folder):
    return demo.load_demo(toy_folder)


@pytest.fixture(scope="session")
def clips(tmp_path_factory):
    """Three videos with captions: as a folder, and as a table in WebVid's form."""
    folder = tmp_path_factory.mktemp("clips")
    lines = ["videoid,contentUrl,duration,page_dir,name"]
    for number in range(3):
        frames = torch.zeros(12, 24, 32, 3, dtype=torch.uint8)
        for k in range(12):
            frames[k, 8:14, 2 * k : 2 * k + 6, number] = 255
        write_video(folder / f"{number}.mp4", frames, 6)
        (folder / f"{number}.txt").write_text(f"a box {number} moves right")
        lines.append(f'{number},,,x,"a box {number}, it moves right"')
    lines += ["99,,,x,not there", "0,,,x,"]
    (folder / "videos.csv").write_text("\n".join(lines))
    return folder
