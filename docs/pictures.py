"""Make the pictures that show results of the bundled weights again: thumbnails of the workflows, and those of the help pages.

Run `python docs/pictures.py` when the weights, the examples or the plots have changed. The screenshots are made by the
browser test, see `docs/development.md`; `docs/demo.png` is the `contact_sheet.png` of `dismo demo`.
"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import torch  # noqa: E402
from torch import Tensor  # noqa: E402

import dismo_core as dismo  # noqa: E402
from dismo_core.assets.examples import example, example_names  # noqa: E402
from dismo_core.dismo import edit  # noqa: E402
from dismo_core.dismo.plots import PANELS, plot_motions  # noqa: E402
from dismo_core.video import read_image  # noqa: E402
from dismo_core.video.picture import fit_image, shown_part  # noqa: E402
from dismo_core.video.sheets import contact_sheet, save_picture  # noqa: E402

THUMBNAILS, HELP = ROOT / "workflows", ROOT / "web/docs"
EXTRACTOR = dismo.load_motion_extractor("tiny")
MODEL = dismo.FrameGeneratorModel(dismo.load_frame_generator("tiny"))


def read(name: str, reverse: bool = False) -> tuple[dismo.Motion, Tensor]:
    """Motion and frames of an example's clip."""
    return dismo.extract_motion(EXTRACTOR, example(name)[0], reverse=reverse, return_frames=True)


def moved(name: str, motion: dismo.Motion, fit: str = "crop", strength: float = 1.0) -> Tensor:
    """The picture of an example, moved as the nodes do it."""
    picture = read_image(example(name)[1])
    rows, columns = shown_part(*picture.shape[:2], MODEL.defaults.size, fit)
    fitted = fit_image(picture, MODEL.defaults.size, fit)
    frames = MODEL.transfer(motion, fitted, strength=strength, runtime=dismo.Runtime.cpu())
    return frames[:, rows, columns]


def still(name: str) -> Tensor:
    """The picture of an example as a video of one frame."""
    return (read_image(example(name)[1])[None] * 255).round().to(torch.uint8)


def save(picture: Tensor, path: Path) -> None:
    """Write it in place of the old one."""
    save_picture(picture, path, overwrite=True)
    print(path.relative_to(ROOT))


def main() -> None:
    """All of them."""
    clips = {name: read(name) for name in example_names()}
    (drawn, drawn_clip), (camera, camera_clip) = clips["drawn"], clips["camera"]
    backwards, backwards_clip = read("drawn", reverse=True)
    drawn_video, camera_video = moved("drawn", drawn), moved("camera", camera)
    both = edit.blend(camera, drawn)
    plots = {"1 drawn_clip.mp4": drawn, "2 drawn_clip.mp4": edit.reverse_order(drawn), "3 drawn_clip.mp4": backwards}

    save(contact_sheet([drawn_clip, drawn_video], 3, 128), THUMBNAILS / "motion_transfer_tiny.jpg")
    padded = moved("camera", camera, fit="pad")
    save(contact_sheet([camera_clip, padded], 3, 128), THUMBNAILS / "camera_motion_to_photo_tiny.jpg")
    library = [camera_clip, drawn_clip, moved("camera", both)]
    save(contact_sheet(library, 4, 96), THUMBNAILS / "motion_library_tiny.jpg")
    save(plot_motions(plots, PANELS, 640), THUMBNAILS / "motion_analysis_tiny.jpg")

    rows = [(contact_sheet([clip], 3, 96), contact_sheet([still(name)], 1, 96)) for name, (_, clip) in clips.items()]
    save(torch.cat([torch.cat(row, dim=1) for row in rows]), HELP / "example.jpg")
    save(contact_sheet([drawn_clip, backwards_clip], 4, 96), HELP / "extract.jpg")
    weaker = moved("camera", camera, strength=0.5)
    save(contact_sheet([camera_clip, camera_video, weaker], 4, 96), HELP / "transfer.jpg")
    edits = {"pause: 8 frames at frame 12": edit.pause(camera, 12, 8), "loop: twice": edit.loop(camera, 2)}
    edits = {"camera clip": camera, **edits, "strength 0.5": camera.with_strength(0.5)}
    save(plot_motions(edits, ("energy",), 700), HELP / "motion_edits.png")
    mixes = {"blend": edit.blend(drawn, camera), "chain, crossfade 4": edit.chain([drawn, camera], 4)}
    save(
        plot_motions({"1 drawn clip": drawn, "2 camera clip": camera, **mixes}, ("energy",), 700),
        HELP / "motion_mixes.png",
    )
    save(plot_motions({"1 drawn clip": drawn, "2 camera clip": camera}, PANELS, 800), HELP / "motion_plot.png")


if __name__ == "__main__":
    main()
