"""The files that `dismo 4d video`, `fit` and `demo` leave behind."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import DisMoError
from ...files import check_free

if TYPE_CHECKING:
    from ...runtime import Runtime
    from ..clip import Clip4D
    from ..model4d import Gaussians4D

NAMES = ("model4d.safetensors", "model.glb", "turntable.mp4", "contact_sheet.png", "view.html", "turntable.webm")
TRANSPARENT = "transparent"  # a background: the video is a WebM with alpha then
SHEET_SIDES = (0, 30, 90, 180)
INFERRED = "Sides and back are inferred from the outline."


def check_results(folder: Path, overwrite: bool) -> None:
    """Raise where a result would replace something; asked before long work."""
    if folder.exists() and not folder.is_dir():
        raise DisMoError(f"{folder} is a file; the results need a folder. Choose another.")
    for name in NAMES:
        check_free(folder / name, overwrite=overwrite)


def write_results(
    folder: Path, four: Gaussians4D, clip: Clip4D, runtime: Runtime, camera: str, background: str, overwrite: bool
) -> str:
    """Model, GLB, video, sheet and page; returns a line about how well the clip is met."""
    import torch

    from ...video import write_video
    from ...video.sheets import contact_sheet, save_picture
    from ..alpha_webm import write_alpha_webm
    from ..measures import measure
    from ..morph_glb import animated_glb
    from ..viewer import html_viewer
    from ..views import Shot, plan, render

    clear = background == TRANSPARENT

    def bytes_of(shots: list[Shot], size: int, behind: str, alpha: bool = False) -> torch.Tensor:
        frames = []
        for number, (rgb, mask, _) in enumerate(render(four, shots, size, size, background=behind)):
            picture = torch.cat((rgb / mask.clamp_min(1e-6), mask), -1).clamp(0, 1) if alpha else rgb
            frames.append((picture * 255).round().to(torch.uint8))
            runtime.progress(number + 1, len(shots), None)
            runtime.check_cancel()
        return torch.stack(frames)

    four.save(folder / NAMES[0], overwrite=overwrite)
    if four.surface is not None:
        animated_glb(folder / NAMES[1], four, overwrite=overwrite)
        html_viewer(folder / NAMES[4], folder / NAMES[1], title=clip.source or "4D", overwrite=overwrite)
    runtime.stage("drawing the video")
    shots = plan(camera, four.frames)
    if clear:
        write_alpha_webm(folder / NAMES[5], bytes_of(shots, 256, "black", alpha=True), four.fps, overwrite=overwrite)
    else:
        write_video(folder / NAMES[2], bytes_of(shots, 256, background), four.fps, overwrite=overwrite)
    runtime.stage("drawing the sheet")
    rows = [(clip.frames(128)[0] * 255).round().to(torch.uint8).movedim(1, -1)]
    behind = "white" if clear else background
    rows += [bytes_of([Shot(t, azimuth) for t in range(four.frames)], 128, behind) for azimuth in SHEET_SIDES]
    save_picture(contact_sheet(rows, min(7, four.frames)), folder / NAMES[3], overwrite=overwrite)
    found = measure(four, clip)
    return (
        f"Known view: {found.psnr:.1f} dB (worst frame {found.worst:.1f}), masks agree by {found.iou:.2f}. {INFERRED}"
    )
