"""MIMO against figures of the published code at toy size: the largest difference of each part beside what is allowed.

The figures, weights and inputs are those of the tests (`tests/mimo`), which hold every one of them.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests/mimo"), str(ROOT / "tests"), str(ROOT)]

import numpy as np  # noqa: E402
import torch  # noqa: E402
from mimo_goldens import cases, draw, golden, goldens, painted, pixels  # noqa: E402
from mimo_toy import networks, pipeline  # noqa: E402
from test_mimo_compose import scene  # noqa: E402
from test_mimo_networks import faint, loss_inputs  # noqa: E402
from test_mimo_occlusion import fragment_masks, occlusion_inputs  # noqa: E402
from test_mimo_sampling import CASES, REFERENCE, options, pictures  # noqa: E402

from benchmarks.report import OUT, table, write_json  # noqa: E402
from dismo_core import mimo  # noqa: E402
from dismo_core.mimo.compositing.blend import CASES as CASES_OF_BORDERS  # noqa: E402


def largest(found: Any, name: str) -> float:
    """Largest difference from a figure."""
    return float(np.abs(np.asarray(found, np.float64) - golden(name).astype(np.float64)).max())


def pose_guider() -> float:
    """Its features."""
    return largest(networks()[2](torch.sigmoid(draw("pose.in", (1, 3, 3, 72, 80)))), "pose.out")


def _tokens() -> dict[str, torch.Tensor]:
    found: dict[str, torch.Tensor] = networks()[0](draw("reference.latent", (1, 4, 9, 10)), draw("context", (1, 1, 24)))
    return found


def reference_unet() -> float:
    """Its sixteen outputs; three of them where its residual streams are small."""
    errors = [largest(value, f"reference.tokens.{name}") for name, value in _tokens().items()]
    small = faint(mimo.ReferenceUNet, "reference.")(
        draw("reference.latent", (1, 4, 9, 10)), draw("context", (1, 1, 24))
    )
    for place in cases("reference.faint.", ""):
        errors.append(largest(small[f"{place}.transformer_blocks.0"], f"reference.faint.{place}"))
    return max(errors)


def denoising_unet() -> float:
    """Alone, with pose, with the reference, guided, with small residual streams, one frame and a whole window."""
    unet, context = networks()[1], draw("context", (1, 1, 24))
    sample, pose = draw("denoise.sample", (1, 8, 3, 9, 10)), draw("denoise.pose", (1, 32, 3, 9, 10))
    rows = torch.cat((torch.zeros_like(context), context))
    twice = [x.repeat(2, 1, 1, 1, 1) for x in (sample, pose)]
    found = {
        "plain": unet(sample, 640, context),
        "pose": unet(sample, 640, context, pose=pose),
        "reference": unet(sample, 640, context, pose=pose, reference=_tokens()),
        "guided": unet(twice[0], 640, rows, pose=twice[1], reference=_tokens(), reference_rows=[False, True]),
        "frame1": unet(draw("denoise.one", (1, 8, 1, 9, 10)), 999, context),
        "faint": faint(mimo.DenoisingUNet, "denoising.")(sample, 640, context),
        "frames32": unet(draw("denoise.long", (1, 8, 32, 9, 10)), 1, context)[:, :, [0, 1, 15, 31]],
    }
    return max(largest(value, f"denoise.{name}") for name, value in found.items())


def loss() -> float:
    """The training loss, with and without weights."""
    plain = mimo.training_loss(*networks(), **loss_inputs(), snr_gamma=None)
    return max(largest(plain, "loss.plain"), largest(mimo.training_loss(*networks(), **loss_inputs()), "loss.min_snr"))


def schedule() -> float:
    """Signal, timesteps, steps."""
    errors = [largest(mimo.DDIM(25).alphas_cumprod[::37], "ddim.alphas")]
    shape = (1, 4, 2, 3, 3)
    for name in (name for name in goldens() if name.startswith("ddim.") and ".step" in name):
        count, number = int(name.split(".")[1]), int(name.split("step")[1])
        steps = mimo.DDIM(count)
        errors.append(largest(steps.timesteps, f"ddim.{count}.timesteps"))
        after = steps.step(draw("ddim.velocity", shape), steps.timesteps[number], draw("ddim.sample", shape))
        errors.append(largest(after, name))
    return max(errors)


def sampling() -> float:
    """The picture's embedding, a background's latent; latents and a frame of whole samplings."""
    pipe = pipeline()
    background = pipe.encode_background(pictures("background", 1)[0], width=96, height=80)
    errors = [
        largest(pipe.encode_picture(REFERENCE)[0], "sample.clip"),
        largest(background, "sample.background_latent"),
    ]
    for case in CASES:
        frames = CASES[case][0]
        shown = [pictures(kind, frames) for kind in ("pose", "background")]
        latents = pipe.sample_latents(REFERENCE, *shown, **options(case))
        errors.append(largest(latents[0], f"sample.{case}.latents"))
        errors.append(largest(pipe.decode(latents[:, :, -1:]), f"sample.{case}.frames"))
    return max(errors)


def crops() -> float:
    """Plans of crops: frames and boxes."""
    errors = []
    for case in cases("crop.", ".boxes"):
        frames, height, width, overlap = (int(n) for n in golden(f"crop.{case}.size"))
        video = painted(golden(f"crop.{case}.rects"), frames, height, width)
        clips = mimo.plan_crops(video, overlap=overlap, as_released=True)
        errors.append(largest([index for clip in clips for index in clip.frames], f"crop.{case}.frames"))
        errors.append(largest([clip.box for clip in clips], f"crop.{case}.boxes"))
    return max(errors)


def numbers() -> float:
    """Windows, frame numbers of other rates, padding, the box of animate, border cases."""
    errors = [
        largest(mimo.context_windows(*map(int, case.split("."))), f"windows.{case}") for case in cases("windows.", "")
    ]
    for case in cases("resample.", ""):
        errors.append(largest(mimo.resample_indices(*map(int, case.split("."))), f"resample.{case}"))
    added = [mimo.pad_square(np.zeros((h, w, 3), np.uint8), 0)[1] for h, w in golden("pad.sizes")]
    errors.append(largest(added, "pad.expected"))
    for case in cases("union.", ".box"):
        frames, height, width, _ = (int(n) for n in golden(f"crop.{case}.size"))
        video = painted(golden(f"crop.{case}.rects"), frames, height, width)
        errors.append(largest(mimo.union_box(video), f"union.{case}.box"))
    for x0, x1, y0, y1, case in golden("border.cases"):
        errors.append(float(mimo.border_case((x0, x1, y0, y1), width=40, height=30) != CASES_OF_BORDERS[case]))
    return max(errors)


def pictures_around() -> float:
    """Silhouettes, the reference picture, what the network gets of a crop, composites; in levels of 255."""
    frames, height, width, _ = (int(n) for n in golden("crop.specks.size"))
    raw = mimo.silhouette(painted(golden("crop.specks.rects"), frames, height, width)[:2])
    body, clips, made, source, background, occlusion, masks = scene()
    front = {"source": source, "occlusion": occlusion[..., 0]}
    found = {
        "silhouette.raw": raw,
        "silhouette.clean": [mimo.clean_silhouette(mask) for mask in raw],
        "prepare.out": mimo.prepare_reference(pixels("prepare.picture", (61, 47, 3)), golden("prepare.alpha")),
        "compose.occluded": mimo.compose(made, clips, background, masks=masks, **front),
        "compose.plain": mimo.compose(made, clips, background, masks=masks)[3:6],
        "compose.pose_input": mimo.crop_square(body, clips, 0)[-1],
        "compose.background_input": mimo.crop_square(background, clips, 255)[-1],
    }
    return max(largest(value, name) for name, value in found.items())


def in_front() -> float:
    """Which segments stand in front, and which frames are looked at."""
    kept, front = mimo.occluders(*occlusion_inputs())
    frames = mimo.occlusion_frames(fragment_masks(), 5, 4)
    found = {"occlusion.kept": kept, "occlusion.union": front, "occlusion.frames": frames}
    return max(largest(value, name) for name, value in found.items())


def area() -> float:
    """Masks resized by area."""
    errors = []
    for name in (name for name in goldens() if name.startswith("area.")):
        height, width, rows, columns = map(int, name.split(".")[1:5])
        mask = pixels("area", (height, width)).astype(np.float32) / np.float32(255)
        errors.append(largest(mimo.resize_area(mask, columns, rows), name))
    return max(errors)


PARTS: dict[str, tuple[Callable[[], float], float]] = {
    "pose guider": (pose_guider, 5e-5),
    "reference UNet": (reference_unet, 5e-5),
    "denoising UNet": (denoising_unet, 5e-5),
    "training loss": (loss, 5e-5),
    "schedule": (schedule, 1e-6),
    "sampled latents and frames": (sampling, 2e-4),
    "crop plans": (crops, 0.0),
    "windows, frame numbers, boxes": (numbers, 0.0),
    "silhouettes, crops, composites": (pictures_around, 0.0),
    "what stands in front": (in_front, 0.0),
    "resizing by area": (area, 1e-6),
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Compare, print the table, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=OUT / "mimo_parity.json")
    given = parser.parse_args(arguments)
    with torch.no_grad():
        found = {name: measure() for name, (measure, _) in PARTS.items()}
    rows = [
        (name, f"{found[name]:.1e}", f"{limit:.0e}", "reached" if found[name] <= limit else "MISSED")
        for name, (_, limit) in PARTS.items()
    ]
    print(table("MIMO against the published code, toy size, float32, CPU", ("", "largest error", "allowed", ""), rows))
    write_json(given.out, "mimo_parity", {"errors": found})


if __name__ == "__main__":
    main()
