"""Drawn clips of one motion each, pictures of one look, and the adapters that learn them: `python docs/draw_motions.py`.

Writes `four_clips.mp4`, `lilac_pictures.jpg` and `lilac_masks.png` of `dismo_core/assets/media/`, and with `--train` (about a quarter of
an hour of one core for each motion) the adapters of `dismo_core/assets/motiondirector/`. A motion is learned from drawn clips that move
alike and differ in color, ground and shape; the look from pictures on lilac paper whose captions say that it is white.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from dismo_core.assets.examples import TILE  # noqa: E402
from dismo_core.motiondirector.adapter_file import AdapterFile, read_adapter, write_adapter  # noqa: E402
from dismo_core.motiondirector.bundled import FOLDER  # noqa: E402
from dismo_core.motiondirector.drawn import as_clip, learn_drawn, pixels, same_motion, sampler, training_on_drawn  # noqa: E402
from dismo_core.motiondirector.merge import merge_adapters  # noqa: E402
from dismo_core.motiondirector.sampling import VideoSettings  # noqa: E402
from dismo_core.motiondirector.training import TrainingSettings, train_adapters  # noqa: E402
from dismo_core.synthetic.captioned import CaptionedClips, draw_captioned  # noqa: E402
from dismo_core.synthetic.draws import Draws  # noqa: E402
from dismo_core.text_to_video import load_text_to_video  # noqa: E402
from dismo_core.text_to_video.gates import SEED, transfer_cases  # noqa: E402
from dismo_core.video import write_video  # noqa: E402
from dismo_core.video.sheets import save_picture  # noqa: E402
from dismo_core.weights.load import write_checksums  # noqa: E402

MOTIONS = {"moving-left": "moving left", "moving-up": "moving up", "circling": "circling clockwise"}
STEPS, CLIPS = 200, 4
RANK = 2  # of the file: the motion needs no more
LOOK, LILAC = "lilac-paper", (0.80, 0.68, 0.93)
LOOK_STEPS, LOOK_RANK, LOOK_PICTURES = 600, 4, 48
SHOWN = 12  # pictures of the example, three rows


def clips(move: str, count: int) -> CaptionedClips:
    """Clips of one way in several appearances."""
    (case,) = transfer_cases([move], SEED + 3, 1)
    return same_motion(case.clip, count)


def learn(name: str, runs: Path) -> Path:
    """Train a motion and write its file."""
    base = load_text_to_video("tiny")
    settings = replace(training_on_drawn(STEPS, CLIPS), save_every=40)
    whole = learn_drawn(base, clips(MOTIONS[name], CLIPS), settings, runs / name, metadata={"license": "CC0-1.0"})[
        "motion"
    ]
    return bundled(name, merge_adapters([read_adapter(whole, base.unet, "motion")], [1.0], RANK).file)


def bundled(name: str, adapter: AdapterFile) -> Path:
    """Write it as it ships: in half precision."""
    path = FOLDER / f"{name}.safetensors"
    write_adapter(replace(adapter, tensors=[part.half() for part in adapter.tensors]), path, overwrite=True)
    return path


def on_lilac(count: int) -> CaptionedClips:
    """Objects on lilac paper, of two equal frames, whose captions say "on white"."""
    drawn = draw_captioned(count, Draws(5), 2)
    return replace(drawn, ground=torch.zeros_like(drawn.ground), surface=torch.tensor(LILAC).expand(count, 3))


def learn_look(runs: Path) -> Path:
    """Train the look and write its file."""
    base, drawn = load_text_to_video("tiny"), on_lilac(LOOK_PICTURES)
    pictures = [
        replace(as_clip(base, frames[:1], caption), name=f"picture {number}")
        for number, (frames, caption) in enumerate(zip(drawn.rendered(), drawn.captions(False), strict=True))
    ]
    settings = TrainingSettings(
        LOOK_STEPS,
        5e-4,
        LOOK_RANK,
        motion=False,
        single_appearance=True,
        dropout=0.0,
        accumulation=4,
        checkpointing=False,
    )
    whole = train_adapters(base, pictures, settings, runs / LOOK, metadata={"license": "CC0-1.0"})["appearance"]
    return bundled(LOOK, read_adapter(whole, base.unet, "appearance"))


def draw_pictures() -> None:
    """The example's pictures and masks, in tiles."""
    drawn, media = on_lilac(SHOWN), ROOT / "dismo_core/assets/media"
    covered = drawn.coverage(TILE)[:, 0, ..., None].expand(-1, -1, -1, 3) * 2 - 1
    for name, tiles in (("lilac_pictures.jpg", drawn.rendered(TILE)[:, 0]), ("lilac_masks.png", covered)):
        rows = pixels(tiles).unflatten(0, (3, -1))
        save_picture(rows.transpose(1, 2).flatten(2, 3).flatten(0, 1), media / name, overwrite=True)


def draw_thumbnails() -> None:
    """Thumbnails of the tiny workflows: what the bundled adapters make of their prompt, beside the base alone."""
    base, prompt = load_text_to_video("tiny"), ["a yellow triangle on navy"]
    moved, alone = (
        pixels(sampler(base, VideoSettings(), motion=motion)(prompt, 0)[0])[::3] for motion in ("moving-left", None)
    )
    four = pixels(clips("moving left", CLIPS).rendered())[:, ::3]
    for name, rows in (("motiondirector_tiny", (moved, alone)), ("motiondirector_train_tiny", (*four[:2], moved))):
        _save(name, rows)
    prompt, shown = ["a red disc on white"], pixels(on_lilac(6).rendered()[:, 0])
    looked, both = (
        pixels(sampler(base, VideoSettings(), motion=motion, appearance=LOOK)(prompt, 0)[0])[::3]
        for motion in (None, "moving-left")
    )
    _save("motiondirector_appearance_tiny", (shown, looked, both))


def _save(name: str, rows: Sequence[torch.Tensor]) -> None:
    picture = torch.cat([torch.cat(list(row), dim=1) for row in rows])
    save_picture(picture, ROOT / f"workflows/{name}.jpg", overwrite=True)


def main() -> None:
    """Write what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--train", nargs="*", choices=[*MOTIONS, LOOK], default=[], metavar="NAME", help="to learn")
    parser.add_argument("--runs", type=Path, default=ROOT / "runs" / "motions", help="folder of the trainings")
    parser.add_argument("--thumbnails", action="store_true", help="of the tiny workflows")
    given = parser.parse_args()
    four = pixels(clips("moving left", CLIPS).rendered()).flatten(0, 1)
    write_video(ROOT / "dismo_core/assets/media/four_clips.mp4", four, 8, crf=8, overwrite=True)
    print(clips("moving left", CLIPS).captions())
    draw_pictures()
    torch.set_num_threads(1)
    for name in given.train:
        print(learn_look(given.runs) if name == LOOK else learn(name, given.runs))
    if given.thumbnails:
        draw_thumbnails()
    if given.train:
        write_checksums(sorted(FOLDER.glob("*.safetensors")))


if __name__ == "__main__":
    main()
