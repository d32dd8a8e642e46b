"""Holes filled with texture of the same picture: each part is copied from where the surroundings look alike.

Patches of a small version of the picture are matched from coarse to fine (Wexler et al. 2007; the search is PatchMatch,
Barnes et al. 2009). What is found are ways from a pixel to its source; along them the full picture is copied, so the filling is
as sharp as the picture, whatever its size.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import interpolate, pad, unfold

from ...video.fill import dilated, push_pull

LONGEST = 128  # px of the small version
RADIUS = 3  # of a patch, px
ROUNDS, LAST_ROUNDS = 6, 3  # of matching and mixing at each scale, and at the finest, where they cost most
LEAST = 24  # px; below it there is no coarser scale
SEED = 0


def copy_fill(image: Tensor, hole: Tensor) -> Tensor:
    """Fill a hole with texture from around it.

    Args:
        image: [3, H, W], 0..1.
        hole: [H, W], 0 or 1, what is to be filled; not looked at.

    Returns:
        [3, H, W]: the picture where there is no hole. Smooth (`push_pull`) where no patch lies outside the hole; the picture
        itself where nothing at all does.
    """
    if not bool((hole == 0).any()):
        return image
    factor = min(1.0, LONGEST / max(hole.shape))
    size = max(1, round(hole.shape[0] * factor)), max(1, round(hole.shape[1] * factor))
    rim = max(1, round(RADIUS / factor) - 1)
    rows, columns = _around(hole, rim + 1)
    part, gap = image[:, rows, columns], hole[rows, columns]
    sources = _sources(*_scaled(image, hole, size))
    if sources is None:
        return push_pull(image, 1 - hole)
    copied = _copied(image, sources, rows, columns)
    beside = (
        dilated(gap, rim) - gap
    )  # it is copied there too: by how much that misses the picture, the hole is corrected
    copied = copied + push_pull(part - copied, beside)
    filled = image.clone()
    filled[:, rows, columns] = torch.where(gap > 0, copied.clamp(0, 1), part)
    return filled


def _around(hole: Tensor, margin: int) -> tuple[slice, slice]:
    """Rows and columns of a hole with a margin."""
    found = []
    for axis, side in ((1, hole.shape[0]), (0, hole.shape[1])):
        places = torch.nonzero((hole > 0).any(axis)).flatten()
        found.append(slice(max(0, int(places[0]) - margin), min(side, int(places[-1]) + 1 + margin)))
    return found[0], found[1]


def _scaled(image: Tensor, hole: Tensor, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """The picture and its hole in another size; in the hole what `push_pull` makes of its surroundings."""
    known = interpolate((1 - hole)[None, None], size, mode="area")[0, 0]
    small = interpolate((image * (1 - hole))[None], size, mode="area")[0] / known.clamp_min(1e-6)
    gap = known < 0.99
    return push_pull(small, (~gap).to(small)), gap


def _sources(small: Tensor, gap: Tensor) -> Tensor | None:
    """Where each pixel in and around the hole is copied from, (row, column) of all pixels [2, h, w]; None = no patch is whole.

    On the CPU, whatever the device: a search among a few thousand pixels, in many small steps.
    """
    small, gap = small.cpu(), gap.cpu()
    scales = [(small, gap)]
    while min(scales[-1][1].shape) // 2 >= LEAST:
        size = (scales[-1][1].shape[0] // 2, scales[-1][1].shape[1] // 2)
        scales.append(_scaled(small, gap.to(small), size))
    rng = torch.Generator().manual_seed(SEED)
    found: Tensor | None = None
    guess: Tensor | None = None
    for picture, hole in reversed(scales):
        if not bool(hole.any()):
            continue
        if found is not None:
            guess = _finer(found, hole.shape)
        matched = _matched(picture, hole, guess, LAST_ROUNDS if picture is small else ROUNDS, rng)
        if matched is None:
            return None
        found = matched
    return found


def _finer(sources: Tensor, size: torch.Size) -> Tensor:
    """Sources of a scale for the next one: each way, longer by as much as the picture."""
    h, w = sources.shape[1:]
    ways = sources - _places(h, w)
    ways = interpolate(ways.float()[None], tuple(size), mode="nearest")[0]
    ratio = torch.tensor([size[0] / h, size[1] / w])[:, None, None]
    limits = torch.tensor([size[0] - 1, size[1] - 1])[:, None, None]
    return torch.minimum((_places(*size) + (ways * ratio).round().long()).clamp_min(0), limits)


def _places(h: int, w: int) -> Tensor:
    return torch.stack(torch.meshgrid(torch.arange(h), torch.arange(w), indexing="ij"))


def _matched(picture: Tensor, hole: Tensor, guess: Tensor | None, rounds: int, rng: torch.Generator) -> Tensor | None:
    """`_sources` at one scale, from a guess."""
    h, w = hole.shape
    whole = ~(dilated(hole.float(), RADIUS) > 0)
    inner = torch.zeros_like(whole)
    inner[RADIUS : h - RADIUS, RADIUS : w - RADIUS] = True
    whole &= inner
    choices = torch.nonzero(whole.flatten()).flatten()
    if not len(choices):
        return None
    targets = torch.nonzero(dilated(hole.float(), RADIUS).flatten() > 0).flatten()
    known = _patches(picture)
    place = torch.full((h * w,), -1)
    place[targets] = torch.arange(len(targets))
    if guess is None:
        source = choices[torch.randint(0, len(choices), (len(targets),), generator=rng)]
    else:
        source = (guess[0] * w + guess[1]).flatten()[targets]
        source = torch.where(
            whole.flatten()[source], source, choices[torch.randint(0, len(choices), (len(targets),), generator=rng)]
        )
    image = picture
    for _ in range(rounds):
        wanted = _patches(image)[targets]
        source, distance = _searched(wanted, known, source, targets, place, whole.flatten(), choices, w, rng)
        image = _mixed(picture, hole, targets, source, distance, w)
    sources = torch.arange(h * w)
    sources[targets] = source
    return torch.stack((sources // w, sources % w)).view(2, h, w)


def _patches(image: Tensor) -> Tensor:
    """The patch around each pixel, [h w, 3 (2 RADIUS + 1)^2]."""
    side = 2 * RADIUS + 1
    around = pad(image[None], (RADIUS,) * 4, mode="replicate")
    return unfold(around, side)[0].T.contiguous()


def _searched(
    wanted: Tensor,
    known: Tensor,
    source: Tensor,
    targets: Tensor,
    place: Tensor,
    whole: Tensor,
    choices: Tensor,
    width: int,
    rng: torch.Generator,
) -> tuple[Tensor, Tensor]:
    """Better sources: those of neighbors, moved along, and random ones nearer and nearer."""
    distance = (wanted - known[source]).square().sum(1)

    def offer(candidate: Tensor) -> None:
        nonlocal source, distance
        candidate = candidate.clamp(0, len(whole) - 1)
        candidate = torch.where(whole[candidate], candidate, source)
        new = (wanted - known[candidate]).square().sum(1)
        source = torch.where(new < distance, candidate, source)
        distance = torch.minimum(new, distance)

    for step in (1, -1, width, -width, 4, -4, 4 * width, -4 * width):
        neighbor = place[(targets - step).clamp(0, len(place) - 1)]
        offer(torch.where(neighbor >= 0, source[neighbor.clamp_min(0)] + step, source))
    reach = max(width, len(whole) // width)
    while reach >= 1:
        rows, columns = (torch.randint(-reach, reach + 1, source.shape, generator=rng) for _ in range(2))
        offer(source + rows * width + columns)
        reach //= 2
    offer(choices[torch.randint(0, len(choices), source.shape, generator=rng)])
    return source, distance


def _mixed(picture: Tensor, hole: Tensor, targets: Tensor, source: Tensor, distance: Tensor, width: int) -> Tensor:
    """The picture with its hole painted by all patches that reach into it, the better ones more."""
    spread = distance.quantile(0.75).clamp_min(1e-6)
    weight = torch.exp(-distance / (2 * spread))
    flat = picture.flatten(1)
    total, weights = torch.zeros_like(flat), torch.zeros(flat.shape[1])
    for dy in range(-RADIUS, RADIUS + 1):
        for dx in range(-RADIUS, RADIUS + 1):
            rows, columns = targets // width + dy, targets % width + dx
            inside = (rows >= 0) & (rows < hole.shape[0]) & (columns >= 0) & (columns < width)
            to, from_ = (targets + dy * width + dx)[inside], (source + dy * width + dx)[inside]
            total.index_add_(1, to, flat[:, from_] * weight[inside])
            weights.index_add_(0, to, weight[inside])
    mixed = total / weights.clamp_min(1e-9)
    return torch.where(hole[None], mixed.view_as(picture), picture)


def _copied(image: Tensor, sources: Tensor, rows: slice, columns: slice) -> Tensor:
    """A part of the full picture, copied along the ways of the small one, between which it changes over gradually."""
    height, width = image.shape[-2:]
    h, w = sources.shape[1:]
    ways = (sources - _places(h, w)) * torch.tensor([height / h, width / w])[:, None, None]
    ways = ways.round().to(image.device)
    y = torch.arange(rows.start, rows.stop, device=image.device)[:, None]
    x = torch.arange(columns.start, columns.stop, device=image.device)[None]
    v, u = (y + 0.5) * h / height - 0.5, (x + 0.5) * w / width - 0.5
    out = torch.zeros_like(image[:, rows, columns])
    for corner_y in (0, 1):
        for corner_x in (0, 1):
            row, column = v.floor() + corner_y, u.floor() + corner_x
            weight = (1 - (v - row).abs()) * (1 - (u - column).abs())
            row, column = row.long().clamp(0, h - 1), column.long().clamp(0, w - 1)
            from_y = (y + ways[0][row, column]).long().clamp(0, height - 1)
            from_x = (x + ways[1][row, column]).long().clamp(0, width - 1)
            out += weight * image[:, from_y, from_x]
    return out
