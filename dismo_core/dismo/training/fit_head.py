"""The motion head, fitted on drawn clips in closed form."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from ...errors import DisMoError
from ...files import atomic_write, save_tensors
from ...weights.files import read_weights
from ..layered.head import NUMBERS, MotionHead
from ..layered.path import GROUND, THING
from ..models.extractor import MotionExtractor
from ..motion import LOOK_AHEAD, SOURCES
from .drawn_clips import ClipGenerator
from .readings import true_readings

SEED = 11
CLIPS = 12_800
BATCH = 32  # clips that are drawn and read at once
KEPT_EVERY = 20  # batches
RIDGE = 1e-6  # of the variance of the embeddings
UNSEEN = 0.1  # share of the clips that the head is judged on
ENOUGH = 10  # clips for each number of an embedding
STILL = 1e-6  # sides of the picture, or radians: no movement
SHRUNK = (6, 7)  # growth and turn of the thing: what is hard to see is read as less, clip after clip alike
SLOWEST, FASTEST = 0.4, 1.2  # factors on the rates of the clips
TURNING = 0.3  # share of growth and rotation


@torch.no_grad()
def read_drawn_clips(
    extractor: MotionExtractor,
    clips: int,
    *,
    seed: int = SEED,
    keep: Path | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> tuple[Tensor, Tensor]:
    """Embeddings [N, 4, d] of drawn clips, and what really moves in them [N, 4, 4, 8], see `true_readings`.

    Args:
        extractor: where it lies is where clips are drawn and read.
        clips: N, rounded up to whole batches of `BATCH`.
        seed: of the clips.
        keep: file that holds what was read, every few batches, so that nothing is read twice; None = none.
        progress: called with (clips done, in all).

    Raises:
        DisMoError: the file holds readings of another extractor or seed.
    """
    size, device = extractor.size[0], extractor.query_tokens.device
    drawn = ClipGenerator(size, seed, device=device)
    count = -(-clips // BATCH)
    pace = SLOWEST + (FASTEST - SLOWEST) * torch.rand(count, generator=torch.Generator().manual_seed(seed))
    about = {"extractor": extractor.extractor_id, "seed": str(seed)}
    embeddings, truth = _kept(keep, about) or (torch.empty(0, SOURCES, extractor.d_motion), _no_truth())
    first = min(count, len(embeddings) // BATCH)
    found = [(embeddings[: first * BATCH], truth[: first * BATCH])]
    for number in range(first, count):
        seen = drawn.seen_motion(number, BATCH, TURNING, float(pace[number]))
        found.append((extractor.motion(extractor.encode(seen.frames)).float().cpu(), true_readings(seen, size).cpu()))
        progress((number + 1) * BATCH, count * BATCH)
        if keep is not None and (number + 1 == count or (number + 1) % KEPT_EVERY == 0):
            found = [_joined(found)]
            with atomic_write(keep, overwrite=True) as temporary:
                save_tensors({"embeddings": found[0][0], "truth": found[0][1]}, temporary, about)
    return _joined(found)


def _joined(parts: list[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
    return torch.cat([part[0] for part in parts]), torch.cat([part[1] for part in parts])


def _no_truth() -> Tensor:
    return torch.empty(0, SOURCES, LOOK_AHEAD, NUMBERS)


def _kept(path: Path | None, about: dict[str, str]) -> tuple[Tensor, Tensor] | None:
    """What an earlier run read; None where there is no such file."""
    if path is None or not path.is_file():
        return None
    file = read_weights(path)
    if (found := {name: file.metadata.get(name) for name in about}) != about:
        raise DisMoError(f"{path} holds readings of {found}, not of {about}. Choose another folder.")
    return file.tensors["embeddings"].clone(), file.tensors["truth"].clone()


def fit_head(embeddings: Tensor, truth: Tensor, extractor_id: str) -> tuple[MotionHead, dict[str, float]]:
    """Ridge regression, and how much of unseen clips it explains.

    Args:
        embeddings: [N, 4, d].
        truth: [N, 4, 4, 8].
        extractor_id: of the extractor that made them.

    Returns:
        The head, and R² four frames ahead by the name of the number, of clips in which anything moves.
    """
    seen = int(len(embeddings) * (1 - UNSEEN)) * embeddings.shape[1]
    x, y = embeddings.double().flatten(0, 1), truth.double().flatten(0, 1).flatten(1)
    weight, bias = _regression(x[:seen], y[:seen])
    left = (x[seen:] @ weight + bias - y[seen:]).square()
    explained = 1 - left.sum(0) / (y[seen:] - y[seen:].mean(0)).square().sum(0)
    head = MotionHead(x.shape[1], extractor_id)
    cases = [(weight, bias), _alone(x[:seen], y[:seen], weight, bias)]
    with torch.no_grad():
        gains = _gains(x[:seen] @ weight + bias, y[:seen])
        head.linear.weight.copy_(torch.cat([w * gains for w, _ in cases], dim=1).T)
        head.linear.bias.copy_(torch.cat([b * gains for _, b in cases]))
        head.spread.copy_(left.mean(0).sqrt().unflatten(0, (LOOK_AHEAD, NUMBERS)))
    names = [f"{part} {kind}" for part in ("ground", "thing") for kind in ("x", "y", "growth", "turn")]
    return head.eval().requires_grad_(False), dict(zip(names, explained[-NUMBERS:].tolist(), strict=True))


def _regression(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Weights [d, n] and bias [n]."""
    mean, middle = x.mean(0), y.mean(0)
    z = x - mean
    square = z.T @ z
    ridge = RIDGE * square.diagonal().mean() * torch.eye(len(square), dtype=square.dtype)
    weight = torch.linalg.solve(square + ridge, z.T @ (y - middle))
    return weight, middle - mean @ weight


def _alone(x: Tensor, y: Tensor, weight: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
    """Regressions of each part on clips in which the other stands still; `weight` and `bias` where there are too few."""
    shaped = y.unflatten(1, (LOOK_AHEAD, NUMBERS))
    weight, bias = weight.unflatten(1, shaped.shape[1:]).clone(), bias.unflatten(0, shaped.shape[1:]).clone()
    for part, other in ((GROUND, THING), (THING, GROUND)):
        alone = shaped[:, -1, other].abs().amax(dim=1) < STILL
        if int(alone.sum()) < ENOUGH * x.shape[1]:
            continue
        w, b = _regression(x[alone], shaped[alone][..., part].flatten(1))
        weight[..., part], bias[..., part] = w.unflatten(1, (LOOK_AHEAD, -1)), b.unflatten(0, (LOOK_AHEAD, -1))
    return weight.flatten(1), bias.flatten()


def _gains(found: Tensor, true: Tensor) -> Tensor:
    """Factors that undo how much too little is read, of clips in which nothing else moves, [32].

    A regression halves what it can hardly see. Along a path its errors cancel, and what it lacks adds up.
    """
    gains = torch.ones(found.shape[1], dtype=found.dtype)
    shaped = true.unflatten(1, (LOOK_AHEAD, NUMBERS))
    for number in SHRUNK:
        others = [k for k in range(NUMBERS) if k != number]
        alone = (shaped[:, -1, others].abs().amax(dim=1) < STILL) & (shaped[:, -1, number].abs() > 1e-4)
        for column in range(number, found.shape[1], NUMBERS):
            a, b = found[alone, column], true[alone, column]
            gains[column] = b.square().sum() / (a * b).sum()
    return gains.nan_to_num(1.0).clamp(1, 3)
