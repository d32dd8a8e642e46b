"""A folder of small made CMD models that fit each other, and a folder of made clips, for the tests of commands and nodes."""

from __future__ import annotations

from pathlib import Path

import torch

from dismo_core import content_motion as cm
from dismo_core.content_motion.checkpoints import save_model
from dismo_core.content_motion.training.start import begin_as_mean
from dismo_core.video import write_video

SIDE, FRAMES, CLASSES = 16, 8, 4
WIDTH = dict(width=32, depth=1)


def made_models(folder: Path) -> Path:
    """An autoencoder that reconstructs roughly, and diffusion models with random weights, whose samples move."""
    torch.manual_seed(0)
    autoencoder = cm.ContentMotionAutoencoder(patch_size=2, positions="rotary", **WIDTH)
    begin_as_mean(autoencoder, FRAMES, SIDE // 2, SIDE // 2)
    for layer in (autoencoder.post_xt, autoencoder.post_yt):  # else nothing moves before it is trained
        torch.nn.init.normal_(layer.weight, std=0.02)
    sizes = dict(heads=2, table="grid", **WIDTH)
    motion = cm.MotionDiT(latent_size=(FRAMES, SIDE), content_size=(SIDE, SIDE), content_patch_size=4, **sizes)
    content = cm.ContentDiT(image_size=(SIDE, SIDE), patch_size=4, num_classes=CLASSES, **sizes)
    for model in (motion, content):
        torch.nn.init.normal_(model.final_layer.linear.weight, std=0.02)
    for name, model in (("autoencoder", autoencoder), ("motion_model", motion), ("content_model", content)):
        save_model(model, folder / f"{name}.safetensors")
    return folder


def made_clips(folder: Path, classes: int = 3, each: int = 4, frames: int = 12) -> Path:
    """FOLDER/class<c>/<n>.mp4: squares that go to the right, at a rate of their class."""
    for label in range(classes):
        for number in range(each):
            clip = torch.full((frames, 24, 32, 3), 40 * label + 10 * number, dtype=torch.uint8)
            for frame in range(frames):
                left = 2 + (label + 1) * frame // 2
                clip[frame, 4 + number : 12 + number, left : left + 8] = 255 - 30 * number
            write_video(folder / f"class{label}" / f"{number}.mp4", clip, 8, crf=0)
    return folder
