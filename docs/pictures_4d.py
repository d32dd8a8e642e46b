"""Make the pictures that show 4D again: thumbnails of its workflows, those of its help pages.

Run `python docs/pictures_4d.py` when the fit, the example or the drawing has changed; a few minutes of one core.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import torch  # noqa: E402
from torch import Tensor  # noqa: E402

import dismo_core as dismo  # noqa: E402
from dismo_core.assets.examples import example, example_clip, example_mask  # noqa: E402
from dismo_core.gaussians4d import Gaussians4D  # noqa: E402
from dismo_core.gaussians4d.cameras import orbit_views  # noqa: E402
from dismo_core.gaussians4d.clip import Clip4D, prepare_clip, read_rgba  # noqa: E402
from dismo_core.gaussians4d.fit_clip import FitSettings, fit_clip  # noqa: E402
from dismo_core.gaussians4d.moving_mesh import MovingMesh, moving_mesh  # noqa: E402
from dismo_core.gaussians4d.posed import inflated  # noqa: E402
from dismo_core.gaussians4d.refine import refine_texture  # noqa: E402
from dismo_core.gaussians4d.textured import Surface, draw_textured, texture_places  # noqa: E402
from dismo_core.gaussians4d.views import Shot, plan, render  # noqa: E402
from dismo_core.motiondirector.sampling import VideoSettings, sample_videos  # noqa: E402
from dismo_core.text_to_video.base import load_text_to_video  # noqa: E402
from dismo_core.video import read_image  # noqa: E402
from dismo_core.video.sheets import contact_sheet, save_picture  # noqa: E402

THUMBNAILS, HELP = ROOT / "workflows", ROOT / "web/docs"
SIDE = 160  # px


def views_of(four: Gaussians4D, shots: list[Shot], background: str = "white") -> Tensor:
    """Pictures of a model, uint8."""
    return torch.stack([to_bytes(rgb) for rgb, _, _ in render(four, shots, SIDE, SIDE, background=background)])


def to_bytes(picture: Tensor) -> Tensor:
    """0..1 as uint8."""
    return (picture * 255).round().to(torch.uint8)


def frames_of(clip: Clip4D) -> Tensor:
    """A prepared clip on white, uint8."""
    return to_bytes(clip.frames(SIDE)[0].movedim(1, -1))


def mesh_views(moving: MovingMesh, frame: int, azimuths: list[float]) -> Tensor:
    """A mesh with its texture, uint8 [views,SIDE,SIDE,3]."""
    mesh = moving.frames[frame]
    assert mesh.texture is not None
    surface, texture = Surface.of(mesh, torch.device("cpu")), torch.from_numpy(mesh.texture).movedim(-1, 0)
    views = orbit_views([0.0] * len(azimuths), azimuths, [moving.radius] * len(azimuths))
    places = [texture_places(surface, view, SIDE, moving.fov_y) for view in views]
    return torch.stack([to_bytes(draw_textured(texture, seen).movedim(0, -1)) for seen in places])


def moved_flower() -> Clip4D:
    """The clip that the workflow of a moved picture makes."""
    motion = dismo.extract_motion(dismo.load_motion_extractor("tiny"), example("drawn")[0])
    mask = read_image(example_mask("cutout") or "")[..., 0]
    picture = read_image(example("cutout")[1]) * mask[..., None] + 1 - mask[..., None]
    model = dismo.load_layered_model("tiny", moves="thing")
    frames = model.transfer(motion, picture, mask=mask, strength=0.4, runtime=dismo.Runtime.cpu())
    opaque = torch.nn.functional.pad(frames, (0, 1), value=255)
    return prepare_clip(opaque.numpy(), motion.fps, crop="union")


def clip_of_a_sentence() -> Clip4D:
    """A red disc on white, by the bundled base."""
    base = load_text_to_video("tiny")
    settings = VideoSettings(prompt="a red disc, on white", steps=30, guidance=3.0)
    frames = sample_videos(base, settings)[0]
    return prepare_clip(torch.nn.functional.pad(frames, (0, 1), value=255).numpy(), 8.0)


def save(picture: Tensor, path: Path) -> None:
    """Write it in place of the old one."""
    save_picture(picture, path, overwrite=True)
    print(path.relative_to(ROOT))


def main() -> None:
    """All of them."""
    raw, fps = read_rgba(example_clip("fish"))
    clip = prepare_clip(raw, fps)
    color, alpha = torch.from_numpy(raw[..., :3]).float() / 255, torch.from_numpy(raw[..., 3:]).float() / 255
    on_white = to_bytes(color * alpha + 1 - alpha)
    posed = inflated(clip)
    four = fit_clip(clip, FitSettings(), gaussians=posed.gaussians, surface=posed.surface)
    still = replace(four, frames=1)

    save(contact_sheet([on_white, frames_of(clip)], 5, SIDE), HELP / "4d_prepare.jpg")
    around = views_of(four, [Shot(0, azimuth) for azimuth in (0, 90, 180, 270)])
    save(contact_sheet([around], 4, SIDE), HELP / "4d_static.jpg")
    fitted = [views_of(four, [Shot(t, azimuth) for t in range(four.frames)]) for azimuth in (0, 30, 90)]
    save(contact_sheet([frames_of(clip), *fitted], 5, SIDE), HELP / "4d_fit.jpg")
    save(contact_sheet([frames_of(clip), *fitted[:2]], 4, 128), THUMBNAILS / "4d_video_tiny.jpg")
    save(contact_sheet([around, fitted[1]], 4, 128), THUMBNAILS / "4d_splat.jpg")
    one_by_one = torch.cat((frames_of(clip)[:1], around))
    save(contact_sheet([one_by_one], 5, 128), THUMBNAILS / "4d_image.jpg")
    swing = plan("swing", four.frames)
    depth = [d for _, _, d in render(four, swing, SIDE, SIDE)]
    far, near = max(float(d.max()) for d in depth), min(float(d[d > 0].min()) for d in depth)
    grey = torch.stack([to_bytes(torch.where(d > 0, (far - d) / (far - near), 0 * d)).expand(-1, -1, 3) for d in depth])
    save(contact_sheet([views_of(four, swing), grey], 6, SIDE), HELP / "4d_render.jpg")
    save(contact_sheet([views_of(four, plan("turntable", four.frames))], 8, SIDE), HELP / "4d_save.jpg")
    mesh = moving_mesh(still, new=True, texture=512)
    before = mesh_views(mesh, 0, [0, 45, 180])
    save(contact_sheet([before], 3, SIDE), HELP / "4d_mesh.jpg")
    one = replace(clip, rgba=clip.rgba[:1])
    after = mesh_views(refine_texture(mesh, one), 0, [0])
    save(contact_sheet([torch.cat((before[:1], after))], 2, 2 * SIDE), HELP / "4d_refine.jpg")

    for name, given in (("4d_moved_picture_tiny", moved_flower()), ("4d_text_tiny", clip_of_a_sentence())):
        moved = fit_clip(given)
        sides = [views_of(moved, [Shot(t, azimuth) for t in range(moved.frames)]) for azimuth in (0, 40)]
        save(contact_sheet([frames_of(given), *sides], 4, 128), THUMBNAILS / f"{name}.jpg")


if __name__ == "__main__":
    main()
