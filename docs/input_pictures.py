"""Thumbnails of workflows whose published weights were never run here: what goes in."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from dismo_core.assets.examples import TILE, example, example_batch  # noqa: E402
from dismo_core.video import read_video  # noqa: E402
from dismo_core.video.sheets import save_picture  # noqa: E402

HEIGHT = 128
BOXES = (("what is seen", "a dog in a park"), ("how it moves", "a dog runs to the left"))
Box = tuple[str, str]


def boxes(width: int, texts: tuple[Box, ...] = BOXES) -> np.ndarray:
    """Two texts with titles, one below the other, uint8 [HEIGHT, width, 3]."""
    picture = Image.new("RGB", (width, HEIGHT), (36, 36, 40))
    draw = ImageDraw.Draw(picture)
    small, large = ImageFont.load_default(11), ImageFont.load_default(15)
    for number, (title, text) in enumerate(texts):
        top = 8 + number * 60
        draw.rounded_rectangle((8, top, width - 8, top + 52), 6, fill=(56, 58, 66))
        draw.text((16, top + 6), title, fill=(160, 170, 190), font=small)
        draw.text((16, top + 24), text, fill=(240, 240, 240), font=large)
    return np.asarray(picture)


def main() -> None:
    """Write them."""
    save("demo_256", boxes(384))
    clip = read_video(example("drawn")[0]).frames
    shots = np.hstack([small(clip[k].numpy()) for k in (0, len(clip) // 2, len(clip) - 1)])
    subject = boxes(200, (("of a clip", "it goes round"), ("another subject", "a toy robot")))
    save("motiondirector_train", np.hstack([shots, subject]))
    pictures = np.asarray(Image.open(example_batch("ten pictures")[1]).convert("RGB"))[:TILE, : 3 * TILE]
    pictures = np.hstack([small(part) for part in np.split(pictures, 3, axis=1)])
    save("motiondirector_appearance", np.hstack([shots[:, :HEIGHT], pictures, subject]))


def small(picture: np.ndarray) -> np.ndarray:
    """A picture uint8 [H, W, 3] as a square of the thumbnails' height."""
    return np.asarray(Image.fromarray(picture).resize((HEIGHT, HEIGHT)))


def save(name: str, picture: np.ndarray) -> None:
    """The thumbnail of a workflow, uint8 [HEIGHT, width, 3]."""
    save_picture(torch.from_numpy(picture.copy()), ROOT / f"workflows/{name}.jpg", overwrite=True)


if __name__ == "__main__":
    main()
