"""The pictures of CMD: `python docs/draw_cmd.py` makes those of help pages, workflows and documents again.

`web/docs/cmd_parts.png` needs no trained weights: there the content is the mean frame, and what moves is measured. The others show what
the bundled model makes of the examples that the workflows take; without it they stay as they are, and a line says so.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import torch  # noqa: E402
from torch import Tensor  # noqa: E402
from torch.nn.functional import avg_pool2d  # noqa: E402

from dismo_core.assets.examples import example, example_clip  # noqa: E402
from dismo_core.content_motion import (  # noqa: E402
    ContentMotionModel,
    MotionLatent,
    decode_frames,
    encode_frames,
    load_content_motion,
)
from dismo_core.content_motion.cli.shared import read_content  # noqa: E402
from dismo_core.content_motion.weights import tiny_files  # noqa: E402
from dismo_core.synthetic.moving_scenes import MovingScenes  # noqa: E402
from dismo_core.video import read_video  # noqa: E402
from dismo_core.video.picture import to_uint8  # noqa: E402
from dismo_core.video.sheets import contact_sheet, enlarged, save_picture  # noqa: E402

HELP, THUMBNAILS, DOCS = ROOT / "web/docs", ROOT / "workflows", ROOT / "docs"
SIDE, GAP, SHOWN = 128, 8, 5
CLIP = 3  # of those that seed 1 draws
PX, FRAMES, FPS = 64, 16, 8.0  # of the bundled model
COLUMNS, HEIGHT = 4, 96  # of a thumbnail


def main() -> None:
    """All of them."""
    save(parts(), HELP / "cmd_parts.png")
    if not tiny_files():
        print("The tiny model is not bundled: its pictures stay as they are.")
        return
    model = load_content_motion("tiny")
    drawn = read_video(example("drawn")[0], fps=FPS, frames=FRAMES).frames
    four = read_video(example_clip("four clips"), fps=FPS, frames=FRAMES).frames
    draw_taken_apart(model, four, drawn)
    draw_predicted(model)


def draw_taken_apart(model: ContentMotionModel, first: Tensor, second: Tensor) -> None:
    """Clips taken apart and put together: as they were, painted, and each as the other moves."""
    one, other = (encode_frames(model.autoencoder, clip, (PX, PX), FPS) for clip in (first, second))
    again = [decode_frames(model.autoencoder, motion) for motion in (one, other)]
    sheet([second, picture(other), again[1]], THUMBNAILS / "content_motion_tiny.jpg")

    assert one.content is not None and other.content is not None
    new = painted(other.content)
    rows = [second, to_uint8(new.permute(1, 2, 0))[None], decode_frames(model.autoencoder, other, new)]
    sheet(rows, THUMBNAILS / "content_motion_paint_tiny.jpg")

    stronger = decode_frames(model.autoencoder, other.scaled(1.5), one.content)
    backwards = decode_frames(model.autoencoder, one.reversed(), other.content)
    sheet([first, second, stronger, backwards], THUMBNAILS / "content_motion_swap_tiny.jpg")

    exchanged = [decode_frames(model.autoencoder, a, b.content) for a, b in ((other, one), (one, other))]
    lines = []
    for motion, videos in ((one, (first, again[0], exchanged[0])), (other, (second, again[1], exchanged[1]))):
        clip, own, others = (contact_sheet([video], COLUMNS, HEIGHT) for video in videos)
        lines.append(spaced([clip, contact_sheet([picture(motion)], 1, HEIGHT), own, others]))
    save(torch.cat(lines), DOCS / "cmd.png")


def draw_predicted(model: ContentMotionModel) -> None:
    """A picture, and three motions drawn for it as the workflow is saved."""
    graph = json.loads((THUMBNAILS / "content_motion_predict_tiny.json").read_text("utf-8"))
    content = read_content(example("drawn")[1], (PX, PX))
    rows = [to_uint8(content.permute(1, 2, 0))[None]]
    for node in graph["nodes"]:
        if node["type"] == "DisMoCMDSampleMotion":
            seed, _, steps, sampler, eta, frames = node["widgets_values"]
            motion = model.predict_motion(content[None], seed, steps, sampler, eta, frames)
            rows.append(to_uint8(model.decode(content[None], motion)[0].permute(1, 2, 3, 0)))
    sheet(rows, THUMBNAILS / "content_motion_predict_tiny.jpg")


def picture(motion: MotionLatent) -> Tensor:
    """The content frame that is kept with a motion, as a video of one frame."""
    assert motion.content is not None
    return to_uint8(motion.content.permute(1, 2, 0))[None]


def painted(content: Tensor) -> Tensor:
    """A content frame [3,H,W], -1..1, as the workflow paints it: blurred, and from left to right its colors turned over."""
    blurred = avg_pool2d(content[None], 5, stride=1, padding=2, count_include_pad=False)[0]
    mask = torch.arange(1, PX + 1) / PX
    return blurred * (1 - mask) - content * mask


def sheet(rows: list[Tensor], path: Path) -> None:
    """Some frames of several videos, a row each."""
    save(contact_sheet(rows, COLUMNS, HEIGHT), path)


def parts() -> Tensor:
    """Clip, content, motion along the width, motion along the height."""
    clip = MovingScenes(seed=1).pairs(0, 6, 16, 1 / 3).first[CLIP]  # [16,64,64,3]
    change = (clip - clip.mean(dim=0)).abs().mean(dim=3)
    frames = torch.linspace(0, len(clip) - 1, SHOWN).round().long()
    panels = [*clip[frames], clip.mean(dim=0), _heat(change.mean(dim=1)), _heat(change.mean(dim=2))]
    return spaced(list(enlarged(to_uint8(torch.stack([_square(panel) for panel in panels])), SIDE)))


def spaced(cells: list[Tensor]) -> Tensor:
    """Pictures uint8 [H,w,3] beside each other, with white between."""
    white = torch.full((cells[0].shape[0], GAP, 3), 255, dtype=torch.uint8)
    return torch.cat([part for cell in cells for part in (cell, white)][:-1], dim=1)


def save(shown: Tensor, path: Path) -> None:
    """Write it in place of the old one."""
    save_picture(shown, path, overwrite=True)
    print(path.relative_to(ROOT))


def _heat(values: Tensor) -> Tensor:
    """[time, places] as a picture in -1..1, bright where much changes."""
    return (values / values.max() * 2 - 1)[..., None].expand(-1, -1, 3)


def _square(panel: Tensor) -> Tensor:
    side = max(panel.shape[:2])
    return panel.repeat_interleave(side // panel.shape[0], dim=0).repeat_interleave(side // panel.shape[1], dim=1)


if __name__ == "__main__":
    main()
