"""Thumbnails of DEMO's workflows: what goes in, as the published weights were never run here."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from dismo_core.assets.examples import example  # noqa: E402
from dismo_core.video.sheets import save_picture  # noqa: E402

HEIGHT = 128
BOXES = (("what is seen", "a dog in a park"), ("how it moves", "a dog runs to the left"))


def boxes(width: int) -> np.ndarray:
    """The two prompts, one below the other, uint8 [HEIGHT, width, 3]."""
    picture = Image.new("RGB", (width, HEIGHT), (36, 36, 40))
    draw = ImageDraw.Draw(picture)
    small, large = ImageFont.load_default(11), ImageFont.load_default(15)
    for number, (title, text) in enumerate(BOXES):
        top = 8 + number * 60
        draw.rounded_rectangle((8, top, width - 8, top + 52), 6, fill=(56, 58, 66))
        draw.text((16, top + 6), title, fill=(160, 170, 190), font=small)
        draw.text((16, top + 24), text, fill=(240, 240, 240), font=large)
    return np.asarray(picture)


def main() -> None:
    """Write them."""
    save_picture(torch.from_numpy(boxes(384).copy()), ROOT / "workflows/demo_256.jpg", overwrite=True)
    picture = Image.open(example("cutout")[1]).convert("RGB")
    other = picture.resize((round(picture.width * HEIGHT / picture.height), HEIGHT))
    joined = np.hstack([boxes(220), np.asarray(other)])
    save_picture(torch.from_numpy(joined.copy()), ROOT / "workflows/demo_to_motion_transfer.jpg", overwrite=True)


if __name__ == "__main__":
    main()
