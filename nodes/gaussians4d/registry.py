"""What ComfyUI is told of the nodes of 4D."""

from __future__ import annotations

from collections.abc import Callable

from .fit import Fit
from .library import Load, Save
from .loaders import LoadGuidance, LoadStatic
from .mesh import Mesh, Refine
from .prepare_clip import PrepareClip
from .render import Frames, Render
from .static import LoadGaussians, Static

FOLDERS: tuple[Callable[[], None], ...] = ()
NODES = [
    PrepareClip,
    LoadStatic,
    Static,
    LoadGaussians,
    LoadGuidance,
    Fit,
    Render,
    Mesh,
    Refine,
    Frames,
    Save,
    Load,
]
