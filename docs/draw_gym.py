"""The bundled template and character of MIMO: `python docs/draw_gym.py` writes both into dismo_core/assets/mimo/."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from PIL import Image

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from dismo_core.mimo.drawn.drawn_scenes import draw_scene  # noqa: E402
from dismo_core.mimo.templates.template import Template  # noqa: E402

SEED, FRAMES, SIZE = 7, 36, (320, 208)


def main() -> None:
    """Draw and write."""
    scene = draw_scene(SEED, camera="static", frames=FRAMES, size=SIZE)
    folder = ROOT / "dismo_core" / "assets" / "mimo"
    folder.mkdir(parents=True, exist_ok=True)
    template = Template(sdc=scene.sdc, vid=scene.vid, bk=scene.bk, mask=scene.mask, occ=scene.occ)
    template.save(folder / "gym.zip", overwrite=True)
    cut = [
        np.concatenate((frame, alpha[..., None]), 2) for frame, alpha in zip(scene.character, scene.alpha, strict=True)
    ]
    pictures = [Image.fromarray(frame) for frame in cut]
    pictures[0].save(
        folder / "gym_character.webp", save_all=True, append_images=pictures[1:], duration=33, loop=0, quality=90
    )
    print({file.name: file.stat().st_size for file in folder.iterdir()})


if __name__ == "__main__":
    main()
