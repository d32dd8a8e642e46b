"""Drawn clips to learn from: their captions are true, and their latents need no autoencoder."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from ...synthetic.captioned import COLORS, SIZE, CaptionedClips, draw_captioned
from ...synthetic.captioned_moves import ALL_MOVES, PACES, WAYS
from ...synthetic.draws import Draws
from ...text_to_video.training.latents import FACTOR, thumbnail_latents
from ..tower_texts import TowerTexts
from .kept_clips import KeptClip

CLIPS = 1 << 16  # of an epoch; those of the next one are others
# Moves that are taught -> how often, relative to the others. A few at first, whose words come to act soonest.
FIRST = dict.fromkeys(
    ("moving left", "moving right", "moving up", "moving down", "growing", "shrinking", "standing still"), 1.0
)
TAUGHT = (
    {f"moving {way}": 0.75 for way in WAYS}
    | {f"moving {way} {pace}": 0.4 for way in WAYS for pace in PACES}
    | {"growing": 1.25, "shrinking": 1.25, "turning clockwise": 1.75, "turning counterclockwise": 1.75}
    | {"bouncing": 1.75, "standing still": 0.75}
)
SPREAD = 0.2  # see `draw_moves`: near the middle the words tell most of a way
TOLD_ALONE = 0.5  # share of the motion's texts that say the motion and nothing else
HELD_OUT_EVERY = 10  # one of so many pairs of color, shape and move is never learned from


def is_held_out(clips: CaptionedClips) -> Tensor:
    """Which clips have a pair of object and move that no training sees, [B]."""
    thing = clips.color + len(COLORS) * clips.shape
    return (thing + 3 * clips.move) % HELD_OUT_EVERY == 0


def draw_taught(
    clips: int,
    draws: Draws,
    frames: int,
    held_out: bool = False,
    spread: float = SPREAD,
    moves: Mapping[str, float] = TAUGHT,
) -> CaptionedClips:
    """Clips of the moves that are taught: of pairs of object and move that are learned from, or of the others.

    Args:
        clips: B.
        draws: source of chance.
        frames: N, 2 or more.
        held_out: whether they are of the others.
        spread: see `draw_moves`.
        moves: likewise.
    """
    drawn = draw_captioned(3 * HELD_OUT_EVERY * clips + 64, draws, frames, moves, spread)
    chosen = (is_held_out(drawn) == held_out).nonzero()[:clips, 0]
    return drawn.some(chosen)


def drawn_latents(clips: CaptionedClips) -> Tensor:
    """[B, 12, N, 8, 8], see `thumbnail_latents`."""
    return thumbnail_latents(clips.rendered(2 * SIZE // FACTOR, FACTOR // 2)).transpose(1, 2)


class DrawnClips:
    """See `Clips`. What is seen and how it moves are told apart: the text of the content never says the motion.

    Args:
        content: reads what is seen.
        frames: of a clip.
        moves: see `draw_moves`.
        with_video: whether the clip itself is wanted.
    """

    def __init__(
        self, content: TowerTexts, frames: int, moves: Mapping[str, float] = TAUGHT, with_video: bool = False
    ) -> None:
        self.content, self.frames, self.moves, self.with_video = content, frames, moves, with_video

    def __len__(self) -> int:
        return CLIPS

    def draw(self, number: int, generator: torch.Generator) -> KeptClip:
        """See `Clips`; which it is follows from the generator alone."""
        draws = Draws(int(torch.randint(1 << 60, (), generator=generator)))
        clip = draw_taught(1, draws, self.frames, moves=self.moves)
        latents = drawn_latents(clip)[0]
        (seen,), (whole,) = clip.captions(False), clip.captions()
        move = tuple(ALL_MOVES)[int(clip.move)]
        told = move if float(draws.rand(1)) < TOLD_ALONE else whole
        text = self.content([seen], torch.device("cpu"))[0]
        video = clip.rendered()[0].movedim(-1, 1) if self.with_video else None
        return KeptClip(told, latents, torch.zeros_like(latents), text, video, None)
