"""The layers of the library, for the tests that hold it to them and for the markers of the methods."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CORE = ROOT / "dismo_core"
# From the ground up. What stands in one row does not import each other; imports go to rows below.
ROWS = (
    ("errors", "version"),
    ("files", "imports", "runtime", "settings"),
    ("video", "weights", "assets"),
    ("memory",),
    ("lora", "diffusion"),
    ("synthetic", "data"),
    ("training", "evaluation"),
    ("cogvideox", "text_to_video"),  # bases
    ("dismo", "motiondirector", "demo_t2v", "mimo", "gaussians4d", "content_motion"),  # methods
    ("cli", "__init__"),
    ("__main__",),
)
BASES, METHODS = set(ROWS[7]), set(ROWS[8])
SHARED = {room for row in ROWS[:7] for room in row}
