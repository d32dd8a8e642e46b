"""Drawn clips of one motion each, and the adapters that learn them: `python docs/draw_motions.py`.

Writes `dismo_core/assets/media/four_clips.mp4`, and with `--train` (about a quarter of an hour of one core for each motion) the motions
of `dismo_core/assets/motiondirector/`. Each is learned from drawn clips that move alike and differ in color, ground and shape.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path

import torch

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from dismo_core.motiondirector.adapter_file import read_adapter, write_adapter  # noqa: E402
from dismo_core.motiondirector.bundled import FOLDER  # noqa: E402
from dismo_core.motiondirector.drawn import learn_drawn, pixels, same_motion, sampler, training_on_drawn  # noqa: E402
from dismo_core.motiondirector.merge import merge_adapters  # noqa: E402
from dismo_core.motiondirector.sampling import VideoSettings  # noqa: E402
from dismo_core.synthetic.captioned import CaptionedClips  # noqa: E402
from dismo_core.text_to_video import load_text_to_video  # noqa: E402
from dismo_core.text_to_video.gates import SEED, transfer_cases  # noqa: E402
from dismo_core.video import write_video  # noqa: E402
from dismo_core.video.sheets import save_picture  # noqa: E402
from dismo_core.weights.load import write_checksums  # noqa: E402

MOTIONS = {"moving-left": "moving left", "moving-up": "moving up", "circling": "circling clockwise"}
STEPS, CLIPS = 200, 4
RANK = 2  # of the file: the motion needs no more


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
    small = merge_adapters([read_adapter(whole, base.unet, "motion")], [1.0], RANK).file
    FOLDER.mkdir(exist_ok=True)
    path = FOLDER / f"{name}.safetensors"
    write_adapter(replace(small, tensors=[half.half() for half in small.tensors]), path, overwrite=True)
    return path


def draw_thumbnails() -> None:
    """Thumbnails of the tiny workflows: what the bundled motion makes of their prompt, beside the base alone."""
    base, prompt = load_text_to_video("tiny"), ["a yellow triangle on navy"]
    moved, alone = (
        pixels(sampler(base, VideoSettings(), motion=motion)(prompt, 0)[0])[::3] for motion in ("moving-left", None)
    )
    four = pixels(clips("moving left", CLIPS).rendered())[:, ::3]
    for name, rows in (("motiondirector_tiny", (moved, alone)), ("motiondirector_train_tiny", (*four[:2], moved))):
        picture = torch.cat([torch.cat(list(row), dim=1) for row in rows])
        save_picture(picture, ROOT / f"workflows/{name}.jpg", overwrite=True)


def main() -> None:
    """Write what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--train", nargs="*", choices=MOTIONS, default=[], metavar="MOTION", help="motions to learn")
    parser.add_argument("--runs", type=Path, default=ROOT / "runs" / "motions", help="folder of the trainings")
    parser.add_argument("--thumbnails", action="store_true", help="of the tiny workflows")
    given = parser.parse_args()
    four = pixels(clips("moving left", CLIPS).rendered()).flatten(0, 1)
    write_video(ROOT / "dismo_core/assets/media/four_clips.mp4", four, 8, crf=8, overwrite=True)
    print(clips("moving left", CLIPS).captions())
    torch.set_num_threads(1)
    for name in given.train:
        print(learn(name, given.runs))
    if given.thumbnails:
        draw_thumbnails()
    if given.train:
        write_checksums(sorted(FOLDER.glob("*.safetensors")))


if __name__ == "__main__":
    main()
