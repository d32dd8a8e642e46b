"""What the parts of MIMO need beside their weights, for `MemoryPlan`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from torch import nn

from ..memory.plan import Part
from .vae_bands import ROWS

# Counted in fp16 on the meta device at 512x512 px (`python benchmarks/mimo_memory.py`), in bytes a pixel of the frame.
_VAE = 1650
_VAE_SMALL, _VAE_BAND = 300, 4096  # in bands: a pixel of the frame, and of a band
_POSE = 870
_REFERENCE = 350
_WINDOW, _WINDOW_SMALL = 540, 115  # and a frame of the window


@dataclass(frozen=True)
class Workspace:
    """Bytes, whole and in small pieces."""

    whole: int
    small: int

    def of(self, part: Part) -> Part:
        """The part with this workspace."""
        return replace(part, workspace=self.whole, low_memory_workspace=self.small)


def workspaces(width: int, height: int, frames: int, itemsize: int = 2) -> dict[str, Workspace]:
    """What each part needs for frames of width x height px, in windows of so many frames, with numbers of so many bytes."""
    pixels = width * height * itemsize // 2
    window = pixels * frames
    return {
        "image encoder": Workspace(1 << 26, 1 << 26),
        "vae": Workspace(
            pixels * _VAE,
            min(pixels * _VAE, pixels * _VAE_SMALL + width * min(height, ROWS) * _VAE_BAND * itemsize // 2),
        ),
        "pose guider": Workspace(pixels * _POSE, pixels * _POSE),
        "reference unet": Workspace(pixels * _REFERENCE, pixels * _REFERENCE),
        "denoising unet": Workspace(window * _WINDOW, window * _WINDOW_SMALL),
    }


def parts(modules: Mapping[str, nn.Module], width: int, height: int, itemsize: int) -> dict[str, Part]:
    """The parts of a pipeline; the UNets may come block by block."""
    needed = workspaces(width, height, 24, itemsize)
    return {
        name: needed[name].of(
            Part(module, streamed=module if "unet" in name else None, repeated=name == "denoising unet")
        )
        for name, module in modules.items()
    }
