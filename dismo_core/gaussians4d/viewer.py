"""One HTML file that shows a moving object in any browser, from disk and without a network (docs/methods/gaussians4d.md, 7.7)."""

from __future__ import annotations

import base64
import html
import os
import tempfile
from pathlib import Path

from ..errors import DisMoError
from ..files import atomic_write
from .mesh import Mesh
from .model4d import Gaussians4D
from .morph_glb import animated_glb

VIEWER = Path(__file__).parent.parent / "assets" / "gaussians4d" / "model-viewer" / "model-viewer.min.js"
# Nothing is fetched: the browser would refuse it
_POLICY = (
    "default-src 'none'; script-src 'unsafe-inline' 'wasm-unsafe-eval' blob:; style-src 'unsafe-inline'; img-src data: blob:; "
    "connect-src data: blob:; worker-src blob:"
)
_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
html, body {{ height: 100%; margin: 0; background: #fff; font: 14px sans-serif; }}
model-viewer {{ width: 100%; height: 100%; }}
p {{ position: fixed; left: 12px; bottom: 0; color: #777; }}
</style>
<script type="module">{script}</script>
</head>
<body>
<model-viewer src="data:model/gltf-binary;base64,{model}" alt="{title}" autoplay camera-controls shadow-intensity="0.6"
  camera-orbit="20deg 85deg auto" touch-action="none"></model-viewer>
<p>{note}</p>
</body>
</html>
"""
NOTE = "Drag to look around. Sides and back are inferred."


def html_viewer(
    path: str | os.PathLike[str],
    model: Gaussians4D | str | os.PathLike[str],
    mesh: Mesh | None = None,
    *,
    title: str = "",
    overwrite: bool = False,
) -> None:
    """Write the page.

    Args:
        path: of the .html file to make.
        model: a 4D model, or the path of a GLB.
        mesh: surface of the model; None: its own.
        title: of the page; empty: the file's name.
        overwrite: replace an existing file.

    Raises:
        DisMoError: no surface, no such GLB, or the file exists.
    """
    if isinstance(model, Gaussians4D):
        with tempfile.TemporaryDirectory() as folder:
            glb = Path(folder) / "model.glb"
            animated_glb(glb, model, mesh)
            content = glb.read_bytes()
    else:
        content = _read_glb(Path(model))
    # the one sequence that would end the script early
    script = VIEWER.read_text("utf-8").replace("</script", "<\\/script")
    page = _PAGE.format(
        policy=_POLICY,
        title=html.escape(title or Path(path).stem, quote=True),
        script=script,
        model=base64.b64encode(content).decode(),
        note=NOTE,
    )
    with atomic_write(path, overwrite=overwrite) as temporary:
        temporary.write_text(page, "utf-8")


def _read_glb(path: Path) -> bytes:
    if not path.is_file():
        raise DisMoError(f"There is no file {path}. Check the path of the GLB.")
    content = path.read_bytes()
    if content[:4] != b"glTF":
        raise DisMoError(f"{path} is not a GLB file. Give a .glb, or a 4D model of this software.")
    return content
