"""Clips and tars whose every frame and fault is known."""

import io
import tarfile
from fractions import Fraction

import av
import numpy as np
import torch

GROWTH = 1.04  # grey level of each frame of a ramp over that of the frame before


def ramp(frames: int = 40, height: int = 48, width: int = 64) -> torch.Tensor:
    """Flat grey frames, each brighter than the last by `GROWTH`: brightness tells which frame it is."""
    levels = 35 * GROWTH ** torch.arange(frames)
    return levels.round().to(torch.uint8)[:, None, None, None].expand(-1, height, width, 3)


def noise(seed: int, frames: int = 36, height: int = 48, width: int = 64) -> torch.Tensor:
    """A picture of colored squares that drifts; `seed` gives the picture."""
    cells = np.random.default_rng(seed).integers(0, 256, (height // 8, width // 8, 3), dtype=np.uint8)
    picture = torch.from_numpy(np.kron(cells, np.ones((8, 8, 1), np.uint8)))
    return torch.stack([picture.roll(k, 1) for k in range(frames)])


def sound() -> bytes:
    """An MP4 that holds nothing but sound."""
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("aac", rate=16000)
        stream.codec_context.time_base = Fraction(1, 16000)
        for k in range(8):
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
            frame.sample_rate, frame.pts, frame.time_base = 16000, 1024 * k, Fraction(1, 16000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return file.getvalue()


BAD = {
    "short.mp4": "too short",
    "slow.mp4": "below 3 fps",
    "zero.mp4": "empty",
    "garbage.mp4": "unreadable",
    "sound.mp4": "unreadable",
    "cut.mp4": "too short",
}


def write_tar(path, members) -> str:
    """A tar of (name, bytes)."""
    with tarfile.open(path, "w") as tar:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return str(path)
