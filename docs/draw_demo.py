"""The pictures of DEMO: `python docs/draw_demo.py` makes those of its workflows and of the README again, from the bundled weights.

Every thumbnail shows what its workflow makes as it is saved: prompts, steps and scales are read from the file.
About two minutes of one core.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import numpy as np  # noqa: E402
import torch  # noqa: E402
from PIL import Image, ImageDraw, ImageFont  # noqa: E402
from torch import Tensor  # noqa: E402

import dismo_core as dismo  # noqa: E402
from dismo_core.assets.examples import example, example_clip  # noqa: E402
from dismo_core.demo_t2v import DemoTextToVideo, load_demo  # noqa: E402
from dismo_core.video import read_image, read_video  # noqa: E402
from dismo_core.video.picture import fit_image  # noqa: E402
from dismo_core.video.sheets import contact_sheet, save_picture, side_by_side  # noqa: E402

THUMBNAILS, DOCS = ROOT / "workflows", ROOT / "docs"
CONTENTS = ("a red disc on white", "a yellow triangle on navy")
MOTIONS = ("moving left", "moving up right", "growing")
COLUMNS, HEIGHT = 4, 96  # of a thumbnail
SHOWN, SIDE = 4, 64  # frames of a clip and their height, in the README's picture
TITLE, GAP = 20, 12  # px


def main() -> None:
    """All of them."""
    model = load_demo("tiny")
    draw_tiny(model)
    draw_swapped(model)
    draw_scales(model)
    draw_reanimated(model)
    draw_transferred(model)
    draw_motions(model)


def draw_tiny(model: DemoTextToVideo) -> None:
    """The clip of two prompts."""
    sheet([sampled(model, *nodes("demo_tiny", "DisMoDemoSample"))], "demo_tiny", 5)


def draw_swapped(model: DemoTextToVideo) -> None:
    """A row for each motion."""
    sheet([sampled(model, node) for node in nodes("demo_swap_motion_tiny", "DisMoDemoSample")], "demo_swap_motion_tiny")


def draw_scales(model: DemoTextToVideo) -> None:
    """Clips of both scales as the workflow puts them together."""
    clips = [sampled(model, node) for node in nodes("demo_guidance_grid_tiny", "DisMoDemoSample")]
    rows = [side_by_side(pair, SIDE) for pair in (clips[:2], clips[2:])]
    sheet([torch.cat(rows, dim=1)], "demo_guidance_grid_tiny", 3, 2 * SIDE)


def draw_reanimated(model: DemoTextToVideo) -> None:
    """The clip, and what another motion prompt makes of it."""
    (inverted,), (back,) = (nodes("demo_reanimate_tiny", kind) for kind in ("DisMoDemoInvert", "DisMoDemoSample"))
    clip = read_video(example_clip("four clips"), fps=model.defaults.fps, frames=model.defaults.frames).frames
    noise = model.invert(model.fit(clip), model.encode(*prompts(inverted)), steps=inverted["steps"])
    moved = model.sample_latents(
        model.encode(*prompts(back)), model.negative(), noise, steps=back["steps"], guidance=back["guidance"]
    )
    sheet([clip, model.decode(moved)[0]], "demo_reanimate_tiny")


def draw_transferred(model: DemoTextToVideo) -> None:
    """The clip of two prompts, and a picture moved like that."""
    (node,) = nodes("demo_to_motion_transfer", "DisMoDemoSample")
    clip = sampled(model, node)
    extractor = dismo.load_motion_extractor("tiny")
    motion = dismo.extract_motion(extractor, clip, fps=model.defaults.fps)
    generator = dismo.FrameGeneratorModel(dismo.load_frame_generator("tiny"))
    picture = fit_image(read_image(example("cutout")[1]), generator.size, "crop")
    sheet([clip, generator.transfer(motion, picture, runtime=dismo.Runtime.cpu())], "demo_to_motion_transfer")


def draw_motions(model: DemoTextToVideo) -> None:
    """Two contents in rows, three motions in columns, from one noise."""
    lines = []
    for content in CONTENTS:
        clips = [model.sample(content, motion, seed=0) for motion in MOTIONS]
        lines.append(spaced([contact_sheet(list(clip), SHOWN, SIDE) for clip in clips]))
    width = lines[0].shape[1]
    whole = [part for content, line in zip(CONTENTS, lines, strict=True) for part in (titles([content], width), line)]
    save(torch.cat([titles(MOTIONS, width), *whole]), DOCS / "demo_motions.png")


def nodes(name: str, kind: str) -> list[dict[str, Any]]:
    """Inputs of a workflow's nodes of one kind, in order; prompts stand in them as `texts`."""
    graph = json.loads((ROOT / f"tests/comfyui/{name}.api.json").read_text("utf-8"))
    found = [node["inputs"] for node in graph.values() if node["class_type"] == kind]
    return [inputs | {"texts": graph[inputs["conditioning"][0]]["inputs"]} for inputs in found]


def prompts(node: dict[str, Any]) -> tuple[str, str]:
    """What is seen, and how it moves."""
    return node["texts"]["prompt"], node["texts"]["motion_prompt"]


def sampled(model: DemoTextToVideo, node: dict[str, Any]) -> Tensor:
    """The clip of a node DEMO Sample, uint8 [F, H, W, 3]."""
    scale = node["motion_guidance"]
    return model.sample(
        *prompts(node),
        seed=node["seed"],
        steps=node["steps"],
        guidance=node["guidance"],
        motion_guidance=None if scale < 0 else scale,
        motion_strength=node["motion_strength"],
    )[0]


def sheet(rows: list[Tensor], name: str, columns: int = COLUMNS, height: int = HEIGHT) -> None:
    """Some frames of several videos, a row each, as a workflow's thumbnail."""
    save(contact_sheet(rows, columns, height), THUMBNAILS / f"{name}.jpg")


def spaced(cells: list[Tensor]) -> Tensor:
    """Pictures uint8 [H, w, 3] beside each other, with white between."""
    white = torch.full((cells[0].shape[0], GAP, 3), 255, dtype=torch.uint8)
    return torch.cat([part for cell in cells for part in (cell, white)][:-1], dim=1)


def titles(texts: tuple[str, ...] | list[str], width: int) -> Tensor:
    """Texts above columns of equal width, black on white, uint8 [TITLE, width, 3]."""
    picture = Image.new("RGB", (width, TITLE), "white")
    draw = ImageDraw.Draw(picture)
    for number, text in enumerate(texts):
        draw.text((number * (width + GAP) / len(texts), 3), text, fill="black", font=ImageFont.load_default(13))
    return torch.from_numpy(np.asarray(picture).copy())


def save(shown: Tensor, path: Path) -> None:
    """Write it in place of the old one."""
    save_picture(shown, path, overwrite=True)
    print(path.relative_to(ROOT))


if __name__ == "__main__":
    main()
