"""The pictures of MIMO: `python docs/mimo_pictures.py` makes those of help pages, workflows and documents again."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import numpy as np  # noqa: E402
import torch  # noqa: E402
from numpy.typing import NDArray  # noqa: E402
from PIL import Image, ImageDraw  # noqa: E402

from dismo_core import mimo  # noqa: E402
from dismo_core.mimo.insertion.character import read_character  # noqa: E402
from dismo_core.mimo.templates.body_colors import height_colors  # noqa: E402
from dismo_core.mimo.templates.difference import person_by_difference  # noqa: E402
from dismo_core.mimo.templates.render import default_focal  # noqa: E402
from dismo_core.mimo.weights import EXAMPLE_CHARACTER, example_template  # noqa: E402
from dismo_core.video.sheets import contact_sheet, save_picture  # noqa: E402

HELP, THUMBNAILS, DOCS = ROOT / "web/docs", ROOT / "workflows", ROOT / "docs"
Frames = NDArray[np.uint8]
OCCLUDED = 18  # a frame in which the figure stands behind the post


def sheet(rows: list[Frames], path: Path, columns: int = 4, height: int = 112) -> None:
    """Write some frames of several videos, a row each; masks [F,H,W] as gray."""
    whole = [row if row.ndim == 4 else np.repeat(row[..., None], 3, 3) for row in rows]
    save_picture(contact_sheet([torch.from_numpy(row) for row in whole], columns, height), path, overwrite=True)
    print(path.relative_to(ROOT))


def drawn_boxes(frames: Frames, clips: list[mimo.Clip]) -> Frames:
    """The clip with its crops."""
    shown = []
    for index, frame in enumerate(frames):
        picture = Image.fromarray(frame)
        x0, x1, y0, y1 = next(clip.box for clip in reversed(clips) if index in clip.frames)
        ImageDraw.Draw(picture).rectangle((x0, y0, x1 - 1, y1 - 1), outline=(255, 60, 40), width=2)
        shown.append(np.asarray(picture))
    return np.stack(shown)


def squares(frames: Frames, clips: list[mimo.Clip], color: int) -> Frames:
    """What is cut out, in one size."""
    cut = mimo.crop_square(frames, clips, color)
    return np.stack([np.asarray(Image.fromarray(one).resize((160, 160))) for one in cut])


def body_pictures() -> Frames:
    """A body of spheres that turns round, painted by height."""
    rows, columns = np.meshgrid(np.linspace(0, np.pi, 25), np.linspace(0, 2 * np.pi, 33), indexing="ij")
    ball = np.stack((np.sin(rows) * np.cos(columns), -np.cos(rows), np.sin(rows) * np.sin(columns)), -1).reshape(-1, 3)
    a = (np.arange(24)[:, None] * 33 + np.arange(32)).ravel()
    faces = np.concatenate((np.stack((a, a + 1, a + 33), 1), np.stack((a + 1, a + 34, a + 33), 1)))
    places = {(0.0, -0.75, 0.0): (0.13, 0.15, 0.13), (0.0, -0.25, 0.0): (0.2, 0.36, 0.14)}
    for side in (-1, 1):
        places[(0.11 * side, 0.42, 0.08 * side)] = (0.09, 0.42, 0.1)
        places[(0.3 * side, -0.2, -0.06 * side)] = (0.07, 0.34, 0.08)
    parts = [ball * size + np.array(place) for place, size in places.items()]
    points = np.concatenate(parts)
    corners = np.concatenate([faces + number * len(ball) for number in range(len(parts))])
    paint = height_colors(points)
    frames = []
    for angle in np.linspace(0, np.pi, 8):
        c, s = np.cos(angle), np.sin(angle)
        turned = points @ np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]]) + (0, 0, 45)
        frames.append(mimo.render_body(turned, corners, paint, focal=default_focal(192, 192), width=192, height=192))
    return np.stack(frames)


def main() -> None:
    """All of them."""
    template = example_template()
    frames = template.read()
    vid, sdc, bk, mask, occ = (np.asarray(getattr(frames, name)) for name in ("vid", "sdc", "bk", "mask", "occ"))
    sheet([vid, sdc, bk, mask, occ], HELP / "mimo_template.jpg")
    character = read_character(EXAMPLE_CHARACTER)
    inserted = mimo.insert_character(character.frames, character.alpha, frames, feather=1)
    sheet([vid, inserted], HELP / "mimo_insert.jpg")
    sheet([vid, inserted], THUMBNAILS / "mimo_insert_character.jpg", 3, 128)
    sheet([vid, np.asarray(character.frames), inserted], DOCS / "mimo.jpg", 5, 128)
    reference = mimo.prepare_reference(character.frames[0], character.alpha[0])
    own = np.where(character.alpha[0][..., None] > 0, character.frames[0], 120).astype(np.uint8)
    side = [np.asarray(Image.fromarray(picture).resize((192, 192))) for picture in (own, reference)]
    save_picture(torch.from_numpy(np.hstack(side)), HELP / "mimo_reference.jpg", overwrite=True)
    filled = mimo.fill_background(vid, mask)
    sheet([vid, filled], HELP / "mimo_background.jpg")
    found = person_by_difference(vid)
    sheet([vid, found, mimo.fill_background(vid, found)], THUMBNAILS / "mimo_template_from_video.jpg", 3, 96)
    one = mimo.insert_character(character.frames[:1], character.alpha[:1], frames)
    sheet([vid, mask, one], THUMBNAILS / "mimo_template_sam3.jpg", 3, 96)  # with the example's own mask
    still = np.repeat(reference[None], 3, 0)
    sheet([still, sdc, bk], THUMBNAILS / "mimo_edit.jpg", 3, 96)  # what goes in: the released weights were never run
    tiny = mimo.load_mimo("tiny")
    sheet([still, vid, mimo.edit(tiny, reference, template)], THUMBNAILS / "mimo_edit_tiny.jpg", 3, 96)
    alone = mimo.animate(tiny, reference, template)
    sheet([still, sdc, alone], THUMBNAILS / "mimo_animate_tiny.jpg", 3, 96)
    clips = mimo.plan_crops(sdc)
    sheet([drawn_boxes(vid, clips), squares(sdc, clips, 0), squares(bk, clips, 255)], HELP / "mimo_crops.jpg")
    front = occ[OCCLUDED]
    depth = np.where(front > 127, 220, np.where(mask[OCCLUDED] > 127, 140, 60)).astype(np.uint8)
    segments = np.stack([front > 127, mask[OCCLUDED] > 127])
    _, union = mimo.occluders(mask[OCCLUDED] // 128, segments, depth, mimo.silhouette(sdc[OCCLUDED]) > 0)
    row = [vid[OCCLUDED], *(np.repeat(x[..., None], 3, 2) for x in (mask[OCCLUDED], depth))]
    row.append(np.repeat((union * np.uint8(255))[..., None], 3, 2))
    save_picture(torch.from_numpy(np.hstack(row)), HELP / "mimo_occluders.jpg", overwrite=True)
    sheet([body_pictures()], HELP / "mimo_body.jpg", 6, 160)


if __name__ == "__main__":
    main()
