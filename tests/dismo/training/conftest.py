"""A few short clips in shards, and a model so small that a step takes milliseconds."""

import pytest
import torch

import dismo_core as dismo
from dismo_core.data.write import write_shards


@pytest.fixture(scope="session")
def shards(tmp_path_factory):
    """A folder with one shard of six drifting pictures, 48x64 px, 36 frames at 24 fps; every second one has a caption."""
    folder = tmp_path_factory.mktemp("footage")
    for k in range(6):
        picture = torch.randint(0, 256, (6, 8, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(k))
        picture = picture.repeat_interleave(8, 0).repeat_interleave(8, 1)
        dismo.write_video(folder / f"videos/{k}.mp4", (picture.roll(t, 1) for t in range(36)), 24)
        if k % 2:
            (folder / f"videos/{k}.txt").write_text("a red fox turns.")
    write_shards(folder / "videos", folder / "shards")
    return folder / "shards"
