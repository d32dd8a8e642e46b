"""What ComfyUI is told of DEMO's nodes."""

from __future__ import annotations

from . import demo_files
from .demo_invert import DemoInvert
from .demo_load import DemoLoad
from .demo_plot import DemoMotionPlot
from .demo_sample import DemoSample
from .demo_table import DemoPromptTable
from .demo_text import DemoTextEncode

FOLDERS = (demo_files.register_folder,)
NODES = [
    DemoLoad,
    DemoTextEncode,
    DemoSample,
    DemoInvert,
    DemoPromptTable,
    DemoMotionPlot,
]
