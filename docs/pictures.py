"""Make the pictures that show results of the bundled weights again: the README's, thumbnails of workflows, those of help pages.

Run `python docs/pictures.py` when the weights, the examples or the plots have changed. The screenshots are made by the
browser test, see `docs/development.md`.
"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import numpy as np  # noqa: E402
import torch  # noqa: E402
from PIL import Image, ImageDraw, ImageFont  # noqa: E402
from torch import Tensor  # noqa: E402
from torch.nn.functional import pad  # noqa: E402

import dismo_core as dismo  # noqa: E402
from dismo_core.assets.examples import TILE, example, example_batch, example_mask, example_names  # noqa: E402
from dismo_core.dismo import edit  # noqa: E402
from dismo_core.dismo.layered.camera_path import plot_camera  # noqa: E402
from dismo_core.dismo.layered.renderer import BORDERS  # noqa: E402
from dismo_core.dismo.layered.tracks import motion_tracks  # noqa: E402
from dismo_core.dismo.plots import PANELS, plot_motions  # noqa: E402
from dismo_core.evaluation.clip_tracks import clip_tracks  # noqa: E402
from dismo_core.evaluation.track_json import draw_tracks  # noqa: E402
from dismo_core.video import read_image, read_video  # noqa: E402
from dismo_core.video.picture import fit_image, to_uint8  # noqa: E402
from dismo_core.video.sheets import contact_sheet, save_picture  # noqa: E402

THUMBNAILS, HELP = ROOT / "workflows", ROOT / "web/docs"
EXTRACTOR = dismo.load_motion_extractor("tiny")
MODEL = dismo.load_layered_model("tiny")
CROPPED = dismo.load_layered_model("tiny", borders="crop")
GENERATOR = dismo.FrameGeneratorModel(dismo.load_frame_generator("tiny"))
CPU = dismo.Runtime.cpu()
ARCH = "[[160, 320], [192, 232], [256, 200], [320, 232], [352, 320]]"  # the path that Draw Motion begins with


def read(name: str, reverse: bool = False) -> tuple[dismo.Motion, Tensor]:
    """Motion and frames of an example's clip."""
    return dismo.extract_motion(EXTRACTOR, example(name)[0], reverse=reverse, return_frames=True)


def moved(name: str, motion: dismo.Motion, model: dismo.LayeredModel = MODEL, strength: float = 1.0) -> Tensor:
    """The picture of an example, moved by a layered model."""
    masked = example_mask(name)
    mask = None if masked is None else read_image(masked)[..., 0]
    return model.transfer(motion, read_image(example(name)[1]), mask=mask, strength=strength, runtime=CPU)


def generated(name: str, motion: dismo.Motion) -> Tensor:
    """Frames that the frame generator makes of the picture of an example."""
    picture = fit_image(read_image(example(name)[1]), GENERATOR.size, "crop")
    return GENERATOR.transfer(motion, picture, runtime=CPU)


def strip(clip: Tensor, picture: Tensor, result: Tensor, height: int = 200) -> Tensor:
    """One line that explains itself: the clip, the picture, the picture moved so."""
    parts = []
    for title, video, count in (
        ("a clip", clip, 3),
        ("your picture", picture, 1),
        ("the picture, moved so", result, 3),
    ):
        sheet = contact_sheet([video], count, height)
        canvas = Image.new("RGB", (sheet.shape[1] + 24, height + 34), "white")
        canvas.paste(Image.fromarray(sheet.numpy()), (0, 30))
        ImageDraw.Draw(canvas).text((0, 2), title, fill="black", font=ImageFont.load_default(20))
        parts.append(torch.from_numpy(np.array(canvas)))
    return torch.cat(parts, dim=1)


def ten(motion: dismo.Motion) -> list[Tensor]:
    """The pictures of the batch example, moved by the layered model."""
    _, pictures, masks = example_batch("ten pictures")
    model = dismo.load_layered_model("tiny", moves="thing")
    sheets = [read_image(file) for file in (pictures, masks)]
    rows, columns = (side // TILE for side in sheets[0].shape[:2])
    videos = []
    for row in range(rows):
        for column in range(columns):
            image, mask = (sheet[row * TILE :, column * TILE :][:TILE, :TILE] for sheet in sheets)
            videos.append(model.transfer(motion, image, mask=mask[..., 0], runtime=CPU))
    return videos


def tracks_of_motion(motion: dismo.Motion) -> Tensor:
    """The picture of the camera example with the tracks of a motion, as Motion Tracks shows it."""
    tracks, shown = motion_tracks(MODEL, motion, read_image(example("camera")[1]), size=(320, 560), fps=40)
    return draw_tracks(shown, tracks)


def tracks_of_clip(name: str) -> Tensor:
    """The first frame of a clip with its tracks, as Tracks from Video shows it."""
    clip = read_video(example(name)[0])
    tracks = clip_tracks(clip.frames, clip.fps, size=(320, 560), fps=40)
    return draw_tracks(to_uint8(fit_image(clip.frames[0].float() / 255, (320, 560), "crop"), 0), tracks)


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
    cutout_video, camera_video = moved("cutout", drawn), moved("camera", camera, CROPPED)
    plots = {"1 drawn_clip.mp4": drawn, "2 drawn_clip.mp4": edit.reverse_order(drawn), "3 drawn_clip.mp4": backwards}

    lines = [strip(drawn_clip, still("cutout"), cutout_video), strip(camera_clip, still("camera"), camera_video)]
    width = max(line.shape[1] for line in lines)
    lines = [pad(line, (0, 0, 0, width - line.shape[1]), value=255) for line in lines]
    save(torch.cat(lines), ROOT / "docs/demo.jpg")

    save(contact_sheet([drawn_clip, cutout_video], 3, 128), THUMBNAILS / "motion_transfer_tiny.jpg")
    save(contact_sheet([camera_clip, camera_video], 3, 128), THUMBNAILS / "camera_motion_to_photo_tiny.jpg")
    save(contact_sheet([drawn_clip, generated("drawn", drawn)], 3, 128), THUMBNAILS / "frame_generator_tiny.jpg")
    library = [camera_clip, drawn_clip, moved("cutout", edit.blend(camera, drawn))]
    save(contact_sheet(library, 4, 96), THUMBNAILS / "motion_library_tiny.jpg")
    moved_ten = [contact_sheet([video], 3, 64) for video in ten(drawn)]
    save(torch.cat([torch.cat(moved_ten[i : i + 2], dim=1) for i in range(0, 10, 2)]), THUMBNAILS / "ten_pictures.jpg")
    save(plot_motions(plots, PANELS, 640), THUMBNAILS / "motion_analysis_tiny.jpg")
    save(tracks_of_motion(camera), THUMBNAILS / "motion_to_wan_tracks.jpg")

    rows = [(contact_sheet([clip], 3, 96), contact_sheet([still(name)], 1, 96)) for name, (_, clip) in clips.items()]
    joined = [torch.cat(row, dim=1) for row in rows]
    width = max(row.shape[1] for row in joined)
    save(torch.cat([pad(row, (0, 0, 0, width - row.shape[1]), value=255) for row in joined]), HELP / "example.jpg")
    save(contact_sheet([drawn_clip, backwards_clip], 4, 96), HELP / "extract.jpg")
    bordered = [moved("camera", camera, dismo.load_layered_model("tiny", borders=name)) for name in BORDERS]
    save(contact_sheet(bordered, 4, 128), HELP / "layered.jpg")
    save(tracks_of_motion(camera), HELP / "motion_tracks.jpg")
    save(tracks_of_clip("camera"), HELP / "video_tracks.jpg")
    save(plot_camera(MODEL.path(camera), 500), HELP / "camera_path.png")
    masks = torch.stack([MODEL.find(frame.float() / 255) for frame in drawn_clip])
    masked = to_uint8(masks[..., None].repeat(1, 1, 1, 3), 0)
    save(contact_sheet([drawn_clip, masked], 4, 96), HELP / "what_moves.jpg")
    weaker = moved("camera", camera, CROPPED, strength=0.5)
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

    push = moved("camera", dismo.motion_preset("dolly-in"))
    pan = moved("camera", dismo.motion_preset("pan-left", strength=0.5))
    save(contact_sheet([push, pan], 4, 128), HELP / "motion_preset.jpg")
    save(contact_sheet([push], 3, 128), THUMBNAILS / "camera_presets_tiny.jpg")
    path, sampled = dismo.path_motion(ARCH)
    along = moved("cutout", path, dismo.load_layered_model("tiny", moves="thing"))
    save(contact_sheet([sampled, along], 4, 128), HELP / "draw_motion.jpg")
    save(contact_sheet([sampled, along], 3, 128), THUMBNAILS / "drawn_path_tiny.jpg")


if __name__ == "__main__":
    main()
