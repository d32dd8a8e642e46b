"""4D: the rasterizer beside a dense one, and what a fit and its judge hold in memory.

The zero123 is a stand-in of full size on the meta device: nothing is computed, no weights are needed, all live tensors are counted.
Times are processor time of one thread; each row is the median of its turns.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.live_bytes import LiveBytes
from benchmarks.report import OUT, table, write_json
from benchmarks.suite import verdict
from dismo_core.gaussians4d import DynamicFit, Gaussians, HexPlaneDeformation, Zero123Guidance, init_ball, rasterize
from dismo_core.gaussians4d.cameras import FOV_Y, focal_length, orbit_views
from dismo_core.gaussians4d.gaussians import rotation_matrices
from dismo_core.gaussians4d.gsplat_backend import BLUR, NEAR
from dismo_core.gaussians4d.rasterizer import LEAST_ALPHA, LEAST_TRANSMITTANCE, MOST_ALPHA
from dismo_core.gaussians4d.zero123 import zero123_alphas_cumprod

MIB = 2**20
COUNT = 1500
SIZES = (64, 128)
EDGE = 1e-5  # relative distance from a cut, within which rounding may decide
SAMPLES = (16, 112)  # of the judge in a step: one view of 16 frames, four of 28


def dense(gaussians: Gaussians, view: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """Every Gaussian at every pixel, in one batch: image [3,S,S] on white; and [S,S], how near, relatively, a pixel's sum comes to
    one of the two cuts (of alpha and of transmittance), where the picture jumps and rounding decides."""
    g = gaussians.activated()
    place = g.means @ view[:3, :3].mT + view[:3, 3]
    order = place[:, 2].argsort(stable=True)
    place, colors, opacities = place[order], g.colors[order], g.opacities[order]
    half = rotation_matrices(g.quaternions[order]) * g.scales[order][:, None]
    focal, z = focal_length(size, FOV_Y), place[:, 2]
    zero = torch.zeros_like(z)
    jacobian = torch.stack(
        (focal / z, zero, -focal * place[:, 0] / z**2, zero, focal / z, -focal * place[:, 1] / z**2), -1
    ).view(-1, 2, 3)
    flat = jacobian @ view[:3, :3] @ half
    inverse = torch.linalg.inv(flat @ flat.mT + BLUR * torch.eye(2).to(flat))
    middle = focal * place[:, :2] / z[:, None] + size / 2
    y, x = torch.meshgrid(torch.arange(size) + 0.5, torch.arange(size) + 0.5, indexing="ij")
    away = torch.stack((x, y), -1).view(-1, 1, 2) - middle
    power = -0.5 * ((away[..., None, :] @ inverse)[..., 0, :] * away).sum(-1)
    alpha = (opacities * power.exp()).clamp_max(MOST_ALPHA) * (z > NEAR)
    margin = (alpha.detach() / LEAST_ALPHA - 1).abs().amin(1)
    alpha = torch.where(alpha < LEAST_ALPHA, 0, alpha)
    after = (1 - alpha).cumprod(1)
    before = torch.cat((torch.ones_like(after[:, :1]), after[:, :-1]), 1)
    weight = torch.where(after < LEAST_TRANSMITTANCE, 0, alpha * before)
    image = weight @ colors + (1 - weight.sum(1, keepdim=True))
    margin = torch.minimum(margin, (after.detach() / LEAST_TRANSMITTANCE - 1).abs().amin(1))
    return image.mT.view(3, size, size), margin.view(size, size)


def seconds(run: Callable[[], Any], turns: int) -> float:
    """Median of processor time."""
    run()
    taken = []
    for _ in range(turns):
        begin = time.process_time()
        run()
        taken.append(time.process_time() - begin)
    return statistics.median(taken)


def rasterizers(size: int, turns: int) -> dict[str, float]:
    """Forward and backward of both, and how far ours is from the dense sum in double precision: but for pixels on the edge of a cut, and
    at those."""
    ball = init_ball(COUNT, np.random.RandomState(0))
    view = orbit_views([10.0], [30.0], [1.5])
    wanted = torch.rand(3, size, size, generator=torch.Generator().manual_seed(0))
    leaves = [value.clone().requires_grad_() for value in (ball.means, ball.colors_dc, ball.log_scales)]

    def made(dtype: torch.dtype = torch.float32) -> Gaussians:
        raw = (leaves[0], leaves[1], ball.opacity_logits + 2, leaves[2], ball.quaternions)
        return Gaussians(*(value.to(dtype) for value in raw))

    def tiled() -> Tensor:
        return rasterize(*made().activated(), view, size, size).image[0]

    def whole() -> Tensor:
        return dense(made(), view[0], size)[0]

    def step(draw: Callable[[], Tensor]) -> Tensor:
        for leaf in leaves:
            leaf.grad = None
        image = draw()
        (image - wanted).square().mean().backward()
        return image.detach()

    with torch.no_grad():
        exact, margin = dense(made(torch.float64), view[0].double(), size)
    apart = (step(tiled) - exact).abs().amax(0)
    on_edge = margin < EDGE
    ours, theirs = seconds(lambda: step(tiled), turns), seconds(lambda: step(whole), turns)
    return {
        "tiled, s": ours,
        "dense, s": theirs,
        "times as fast": theirs / ours,
        "apart": float(apart[~on_edge].max()),
        "apart on an edge": float(apart[on_edge].max()) if bool(on_edge.any()) else 0.0,
        "pixels on an edge": float(on_edge.sum()),
    }


def random_guidance(narrower: int = 1) -> Zero123Guidance:
    """Networks of zero123's architecture, so many times narrower; on whatever device is the default."""
    from diffusers import AutoencoderKL, UNet2DConditionModel

    unet = UNet2DConditionModel(
        sample_size=32,
        in_channels=8,
        cross_attention_dim=768,
        attention_head_dim=8,
        block_out_channels=tuple(width // narrower for width in (320, 640, 1280, 1280)),
        norm_num_groups=32 // narrower,
    )
    vae = AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        block_out_channels=tuple(width // narrower for width in (128, 256, 512, 512)),
        layers_per_block=2,
        latent_channels=4,
        norm_num_groups=32 // narrower,
    )
    parts = [part.eval().requires_grad_(False) for part in (unet, vae, nn.Linear(772, 768))]
    return Zero123Guidance(parts[0], parts[1], parts[2], zero123_alphas_cumprod())


def full_size_guidance() -> Zero123Guidance:
    """In half precision, on the meta device."""
    with torch.device("meta"):
        guidance = random_guidance()
    for part in (guidance.unet, guidance.vae, guidance.camera_projection):
        part.half()
    return guidance


def chunk_times(turns: int) -> dict[str, float]:
    """Processor time of a judged step, 16 pictures, by a judge an eighth as wide: in chunks of four, and in one backward through all."""
    frames = 4
    embedding, condition = torch.zeros(frames, 768), torch.zeros(frames, 4, 32, 32)
    pictures, masks = torch.rand(frames, 3, 64, 64), torch.rand(frames, 1, 64, 64)
    torch.manual_seed(0)
    guidance, loss = random_guidance(8), Zero123Guidance.loss
    taken = {}
    for name, chunk in (("in chunks, s", 4), ("one backward, s", 16)):
        fit = DynamicFit(
            init_ball(COUNT, np.random.RandomState(0)),
            HexPlaneDeformation(),
            pictures,
            masks,
            guidance,
            embedding,
            condition,
            chunk=chunk,
            generator=torch.Generator().manual_seed(0),
        )
        guidance.loss = partial(loss, guidance, chunk=chunk)
        rng = np.random.RandomState(0)
        taken[name] = seconds(lambda fit=fit, rng=rng: fit.step(rng), turns)  # type: ignore[misc]
    return taken | {"times as long": taken["in chunks, s"] / taken["one backward, s"]}


def judged(guidance: Zero123Guidance, samples: int, chunk: int) -> float:
    """MiB that a judgement holds at most, beside weights and pictures."""
    with torch.device("meta"):
        images = torch.zeros(samples, 3, 256, 256, requires_grad=True)
        angles = [torch.zeros(samples)] * 3
        embedding = torch.zeros(samples, 768, dtype=torch.float16)
        latents = torch.zeros(samples, 4, 32, 32, dtype=torch.float16)
        noise = torch.zeros(samples, 4, 32, 32, dtype=torch.float16)
    with LiveBytes() as live:
        guidance.loss(images, *angles, embedding, latents, 0.5, noise, chunk=chunk).backward()
    return (live.peak - images.nbytes) / MIB  # its own gradient is there in any case


def fitted(frames: int, frames_per_step: int) -> float:
    """MiB that a step of a fit without a judge holds at most, beside the frames."""
    field = HexPlaneDeformation((32, 32, 32, max(2, frames)))
    pictures, masks = torch.rand(frames, 3, 64, 64), torch.rand(frames, 1, 64, 64)
    ball = init_ball(COUNT, np.random.RandomState(0))
    fit = DynamicFit(ball, field, pictures, masks, frames_per_step=frames_per_step)
    rng = np.random.RandomState(0)
    fit.step(rng)
    with LiveBytes() as live:
        fit.step(rng)
    return live.peak / MIB


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print the tables, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=int, default=5, help="of each row (default 5)")
    parser.add_argument("--out", type=Path, default=OUT / "gaussians4d.json")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    drawn = {str(size): rasterizers(size, options.turns) for size in SIZES}
    rows = [(f"{size} px", *(f"{value:.3g}" for value in found.values())) for size, found in drawn.items()]
    print(table(f"{COUNT} Gaussians, forward and backward, one thread", ("", *drawn[str(SIZES[0])]), rows))
    times = chunk_times(options.turns)
    print(table("A judged step, 16 pictures, one thread", ("", ""), [(k, f"{v:.3g}") for k, v in times.items()]))
    guidance = full_size_guidance()
    few, many = SAMPLES
    memory = {
        "chunks, few": judged(guidance, few, 8),
        "chunks, many": judged(guidance, many, 8),
        "one backward, many": judged(guidance, many, many),
    }
    memory["growth"] = memory["chunks, many"] / memory["chunks, few"]
    memory["of one backward"] = memory["chunks, many"] / memory["one backward, many"]
    print(
        table(f"A zero123 judges {few} and {many} samples, MiB", ("", ""), [(k, f"{v:.3g}") for k, v in memory.items()])
    )
    fits = {f"{frames} frames": fitted(frames, 3) for frames in (14, 56)}
    fits["growth"] = fits["56 frames"] / fits["14 frames"]
    print(table("A step of the default fit, MiB", ("", ""), [(k, f"{v:.3g}") for k, v in fits.items()]))
    result = {"rasterizer": drawn, "guidance": memory, "fit": fits, "times": times}
    print(verdict("gaussians4d", result))
    write_json(options.out, "gaussians4d", result)


if __name__ == "__main__":
    main()
