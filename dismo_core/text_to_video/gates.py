"""The gates of the tiny base, each a few numbers with n, chance and what the same readings say of the data themselves.

(a) the autoencoder keeps what is read off a clip; (b) samples hold one object that moves smoothly and as fast as in the data;
(c) an adapter trained on one clip moves other prompts so; (d) the object moves as the caption says.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..evaluation.fidelity import motion_fidelity
from ..evaluation.objects import SeenObjects, name_moves, see_objects
from ..evaluation.tracks import track_grid
from ..synthetic.captioned import COLORS, GROUNDS, SHAPES, CaptionedClips, draw_captioned
from ..synthetic.captioned_moves import MOVES
from ..synthetic.draws import Draws

SEED = 20_261_129  # of clips and noise; the training draws with small seeds
TRANSFERRED = ("circling clockwise", "zigzagging", "bouncing", "moving left", "growing", "turning clockwise")
Make = Callable[[Sequence[str], int], Tensor]  # captions and a seed -> frames [B, N, 64, 64, 3] in -1..1


@dataclass(frozen=True)
class Number:
    """One number of a gate.

    Args:
        value: measured, a share 0..1 unless its name says px.
        chance: what a model would get that knows nothing of it; None = that has no meaning.
        ceiling: the same readings of the data, drawn or decoded.
        count: clips.
    """

    value: float
    chance: float | None
    ceiling: float
    count: int


def autoencoder_gate(through: Callable[[Tensor], Tensor], clips: int = 48) -> dict[str, Number]:
    """Gate (a).

    Args:
        through: frames [B, N, 64, 64, 3] in -1..1 -> the same, encoded and decoded.
        clips: drawn clips that are read.
    """
    drawn = draw_captioned(clips, Draws(SEED))
    truth = drawn.rendered()
    seen, before = see_objects(through(truth)), see_objects(truth)
    rows = _appearances(seen, before, drawn) | {"move": _named(seen, before, drawn.move)}
    turns = (drawn.trajectory.angle[:, -1] != 0).nonzero()[:, 0]

    def turned(what: SeenObjects) -> float:
        error = (what.turn - drawn.trajectory.angle)[turns].abs().amax(dim=1)
        return float((error < 0.25).float().mean())

    if len(turns):
        rows["turn"] = Number(turned(seen), None, turned(before), len(turns))
    return rows


def coherence_gate(make: Make, decoded: Make | None = None, clips: int = 48) -> dict[str, Number]:
    """Gate (b), for captions that say the look alone.

    Args:
        make: samples.
        decoded: gives the drawn clips as they come out of the decoder; None = as they are drawn.
        clips: samples.
    """
    drawn = draw_captioned(clips, Draws(SEED + 1))
    truth = drawn.rendered() if decoded is None else decoded(drawn.captions(), 0)
    return coherence(see_objects(make(drawn.captions(False), SEED)), see_objects(truth), drawn)


def coherence(seen: SeenObjects, before: SeenObjects, drawn: CaptionedClips) -> dict[str, Number]:
    """The numbers of gate (b) of samples that were seen, beside clips of the data."""
    clips = len(drawn.move)

    def share(what: Tensor) -> float:
        return float(what.float().mean())

    def smooth(what: SeenObjects) -> Tensor:
        return what.smooth(torch.Generator().manual_seed(0)) & what.steady()

    def both(read: Callable[[SeenObjects], Tensor], chance: float | None = None) -> Number:
        return Number(share(read(seen)), chance, share(read(before)), clips)

    rows = {
        "steady": both(SeenObjects.steady, 0.0),
        "smooth": both(smooth, 0.0),
        "still": both(lambda what: _mean_speed(what) < 0.3),
    }
    for name, part in (("speed, px, quarter", 0.25), ("speed, px, median", 0.5), ("speed, px, three quarters", 0.75)):
        rows[name] = Number(_quantile(seen, part), None, _quantile(before, part), clips)
    return rows | _appearances(seen, before, drawn)


def words_gate(make: Make, clips: int = 56) -> dict[str, Number]:
    """Gate (d): is the move of a sample the one that its caption names?"""
    drawn = draw_captioned(clips, Draws(SEED + 2))
    seen, before = see_objects(make(drawn.captions(), SEED + 2)), see_objects(drawn.rendered())
    rows = {"move": _named(seen, before, drawn.move)}
    for word in ("moving", "circling", "turning"):
        these = torch.tensor([tuple(MOVES)[k].startswith(word) for k in drawn.move.tolist()]).nonzero()[:, 0]
        if len(these):
            rows[word] = _named(seen, before, drawn.move, these)
    return rows


def transfer_gate(
    make: Make,
    adapted: Callable[[CaptionedClips], Make],
    moves: Sequence[str] = TRANSFERRED,
    prompts: int = 4,
    through: Callable[[Tensor], Tensor] | None = None,
) -> dict[str, Number]:
    """Gate (c): a drawn clip of each of these moves is learned, and other appearances are asked for, from the same noise.

    Of each move there are two rows of two measures, `same_way` and motion fidelity: with the adapter (scale 1) and of the base alone
    (scale 0). Beside them stand, as chance, clips of other moves, and as the most that can be read, this very way with the appearances
    that were asked for. Rows named "all" are means over the moves.

    Args:
        make: samples of the base.
        adapted: a clip -> samples with what was learned of its motion.
        moves: some of `MOVES`.
        prompts: samples of each, of colors, grounds and shapes that the clip does not have.
        through: encodes and decodes the clips of the ceiling, see `autoencoder_gate`; None = as they are drawn.
    """
    rows: dict[str, Number] = {}
    for case in transfer_cases(moves, SEED + 3, prompts):
        name, frames = case.move, case.clip.rendered()
        captions, likest = case.asked.captions(False), case.asked.moving_as(case.clip).rendered()
        others = case.others.rendered()
        before = make(captions, SEED + 3)
        after = adapted(case.clip)(captions, SEED + 3)
        for measure, measured in (("way", ways), ("fidelity", fidelities)):
            chance, most = (
                mean(measured(made, frames)) for made in (others, likest if through is None else through(likest))
            )
            for scale, made in ((1, after), (0, before)):
                row = Number(mean(measured(made, frames)), chance, most, len(captions))
                rows[f"{name}, {measure}, scale {scale}"] = row
        for scale, made in ((1, after), (0, before)):
            took = float((see_objects(made).main_color() == case.clip.color).float().mean())
            rows[f"{name}, the clip's color, scale {scale}"] = Number(took, 1 / len(COLORS), 0.0, len(captions))
    for kind in dict.fromkeys(key.split(", ", 1)[1] for key in rows):
        rows[f"all, {kind}"] = _mean([row for key, row in rows.items() if key.split(", ", 1)[1] == kind])
    return rows


@dataclass(frozen=True)
class TransferCase:
    """A drawn clip whose motion is to be put on other appearances.

    Args:
        move: of the clip, one of `MOVES`.
        clip: one.
        asked: appearances to ask for, of colors, grounds and shapes that the clip does not have; how these clips move does not count.
        others: clips of other moves with such appearances.
    """

    move: str
    clip: CaptionedClips
    asked: CaptionedClips
    others: CaptionedClips


def transfer_cases(moves: Sequence[str], seed: int, prompts: int = 4) -> list[TransferCase]:
    """A case for each of the moves; one that comes again has another clip.

    Args:
        moves: some of `MOVES`.
        seed: of the clips.
        prompts: appearances to ask for, and clips of other moves.
    """
    drawn = draw_captioned(24 * len(MOVES), Draws(seed))
    cases = []
    for place, name in enumerate(moves):
        own = drawn.move == list(MOVES).index(name)
        number = int(own.nonzero()[moves[:place].count(name)])
        clip = drawn.some(slice(number, number + 1))
        unlike = (drawn.color != clip.color) & (drawn.ground != clip.ground) & (drawn.shape != clip.shape)
        unlike &= drawn.shape != 0  # of a disc a turn is not seen
        asked, others = (drawn.some(which.nonzero()[:prompts, 0]) for which in (unlike, unlike & ~own))
        cases.append(TransferCase(name, clip, asked, others))
    return cases


def ways(made: Tensor, clip: Tensor) -> list[float]:
    """`same_way` of frames [B, N, 64, 64, 3] and those of one clip [1, N, 64, 64, 3], -1..1 each."""
    found: list[float] = same_way(see_objects(made), see_objects(clip)).tolist()
    return found


def fidelities(made: Tensor, clip: Tensor) -> list[float]:
    """Motion fidelity, likewise."""
    source, *tracks = (track_grid(((frames + 1) * 127.5).round().to(torch.uint8)) for frames in (*clip, *made))
    return [motion_fidelity(source, track) for track in tracks]


def mean(values: Sequence[float]) -> float:
    """Of one or more numbers."""
    return sum(values) / len(values)


def _mean(rows: Sequence[Number]) -> Number:
    value, chance, most = (mean([getattr(row, name) or 0.0 for row in rows]) for name in ("value", "chance", "ceiling"))
    return Number(value, chance, most, sum(row.count for row in rows))


def same_way(seen: SeenObjects, way: SeenObjects) -> Tensor:
    """Cosine of all rates (of place, of size and of turn, the latter two at the rim) of clips and one other clip, [B], -1..1.

    0 where either stands still or the object is not there.
    """
    first, second = (_rates(what) for what in (seen, way))
    size = first.norm(dim=1) * second.norm(dim=1)
    return torch.where(size > 1, (first * second).sum(dim=1) / size.clamp_min(1), 0.0)


def _rates(seen: SeenObjects) -> Tensor:
    """[B, 4 (N - 1)], px a frame."""
    radius = (seen.area / torch.pi).sqrt()
    growth = radius[:, 1:] - radius[:, :-1]
    turn = radius[:, 1:] * (seen.turn[:, 1:] - seen.turn[:, :-1])
    rates = torch.cat((seen.place[:, 1:] - seen.place[:, :-1], torch.stack((growth, turn), dim=-1)), dim=-1)
    return torch.where(seen.found[:, 1:, None] & seen.found[:, :-1, None], rates, 0.0).flatten(1)


def _appearances(seen: SeenObjects, before: SeenObjects, drawn: CaptionedClips) -> dict[str, Number]:
    def right(read: Callable[[SeenObjects], Tensor], truth: Tensor, kinds: int) -> Number:
        value, ceiling = (float((read(what) == truth).float().mean()) for what in (seen, before))
        return Number(value, 1 / kinds, ceiling, len(truth))

    return {
        "color": right(SeenObjects.main_color, drawn.color, len(COLORS)),
        "ground": right(SeenObjects.main_ground, drawn.ground, len(GROUNDS)),
        "shape": right(lambda what: what.shape, drawn.shape, len(SHAPES)),
    }


def _named(seen: SeenObjects, before: SeenObjects, move: Tensor, these: Tensor | None = None) -> Number:
    these = torch.arange(len(move)) if these is None else these
    named, ceiling = name_moves(seen), name_moves(before)
    weight = torch.tensor(list(MOVES.values()))
    chance = float(
        (weight / weight.sum())[move[these]].mean()
    )  # of a model that moves as the data do, whatever the caption
    value, most = (float((x == move)[these].float().mean()) for x in (named, ceiling))
    return Number(value, chance, most, len(these))


def _mean_speed(seen: SeenObjects) -> Tensor:
    speed: Tensor = (seen.place[:, 1:] - seen.place[:, :-1]).norm(dim=-1)
    return speed.nanmean(dim=1)


def _quantile(seen: SeenObjects, part: float) -> float:
    return float(_mean_speed(seen).nanquantile(part))
