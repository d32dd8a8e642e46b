"""What ComfyUI is told of the nodes of 4D."""

from __future__ import annotations

from collections.abc import Callable

from .fit import Fit
from .library import Load, Save
from .mesh import Mesh, Refine
from .prepare_clip import PrepareClip
from .render import Frames, Render
from .static import LoadGaussians, Static

FOLDERS: tuple[Callable[[], None], ...] = ()
NODES = [
    PrepareClip,
    Static,
    LoadGaussians,
    Fit,
    Render,
    Mesh,
    Refine,
    Frames,
    Save,
    Load,
]
