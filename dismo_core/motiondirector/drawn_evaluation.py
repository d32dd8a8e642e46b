"""How well MotionDirector works on drawn clips: motion that comes over, appearance that stays away, prompts that are kept.

Of each clip the dual path is trained, and for the same steps an ordinary LoRA; both are asked for appearances that the clip does not
have, from the same noise as the base alone. Beside every number stand chance (drawn clips of other moves) and what a perfect
transfer would read as (the clip's own way with the appearances that were asked for, through the VAE).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import Tensor

from ..evaluation.colors import color_overlap
from ..evaluation.objects import see_objects
from ..runtime import Runtime
from ..synthetic.captioned import CaptionedClips
from ..text_to_video.gates import TransferCase, fidelities, mean, transfer_cases, ways
from .cache import with_inversion
from .drawn import as_clip, learn_drawn, pixels, same_motion, sampler, through_vae
from .sampling import VideoSettings, sample_latents
from .training import TrainingSettings

if TYPE_CHECKING:
    from ..text_to_video.base import TextToVideoBase

HELD_OUT = (
    *("turning clockwise", "turning counterclockwise") * 2,
    *("growing", "shrinking") * 2,
    *("bouncing",) * 4,
)  # of each one clip
SEED = 20_261_131  # of clips and noise; no training draws with it
CHANCE, CEILING, BASE, DUAL, ORDINARY = "other clips", "the clip's own way", "base alone", "dual path", "ordinary LoRA"
CONTROLS: dict[str, tuple[float, dict[str, Any]]] = {
    "away (scale -1)": (-1.0, {}),
    "until 0.6": (1.0, {"motion_until": 0.6}),
    "from 0.4": (1.0, {"motion_from": 0.4}),
    "prior 0.3": (1.0, {"noise_prior": 0.3}),
    "prior 0.5": (1.0, {"noise_prior": 0.5}),
}  # name -> (scale of the motion adapter, changed settings)


@dataclass(frozen=True)
class Measured:
    """Videos of one kind for one clip, means over the prompts.

    Args:
        move: of the clip.
        kind: of videos, one of the names above.
        fidelity: motion fidelity to the clip, -1..1.
        way: `same_way` with it, -1..1.
        leak: share of the colors of the clips that were learned from, 0..1.
        kept: share of videos whose object has the color and the shape that the prompt names.
        prompts: how many.
    """

    move: str
    kind: str
    fidelity: float
    way: float
    leak: float
    kept: float
    prompts: int

    def numbers(self) -> dict[str, float]:
        """What is measured."""
        return {name: getattr(self, name) for name in ("fidelity", "way", "leak", "kept")}


def evaluate_drawn(
    base: TextToVideoBase,
    training: TrainingSettings,
    videos: VideoSettings,
    folder: Path,
    *,
    moves: Sequence[str] = HELD_OUT,
    prompts: int = 4,
    appearances: int = 1,
    controls: bool = False,
    runtime: Runtime | None = None,
) -> tuple[list[Measured], list[list[Tensor]]]:
    """Train, sample and measure; see the module.

    Args:
        base: the tiny base, or another that knows the captions of the drawn clips.
        training: of the dual path; an ordinary LoRA is trained likewise.
        videos: of all samples.
        folder: takes the runs; a run that is there is resumed.
        moves: of the clips.
        prompts: of each clip.
        appearances: clips that each motion is learned from; of several, others than the clip on its very way, see `same_motion`.
        controls: also a negative scale, a part of the steps, and noise priors.
        runtime: stages and progress.

    Returns:
        The numbers, and for each clip rows of a contact sheet, uint8 [N,H,W,3]: the clip, and a video of each kind.
    """
    runtime = runtime or Runtime.on(base.device)
    found: list[Measured] = []
    sheets = []
    for number, case in enumerate(transfer_cases(moves, SEED, prompts)):
        runtime.stage(f"clip {number + 1} of {len(moves)}: {case.move}")
        learned = same_motion(case.clip, appearances) if appearances > 1 else case.clip
        made = _videos(base, training, videos, folder / str(number), case, learned, controls)
        clip, shown = case.clip.rendered(), learned.rendered()
        found += [_measured(case, kind, frames, clip, shown) for kind, frames in made.items()]
        sheets.append([pixels(clip[0]), *(pixels(frames[0]) for kind, frames in made.items() if kind != CHANCE)])
        runtime.progress(number + 1, len(moves), None)
    return found, sheets


def _videos(
    base: TextToVideoBase,
    training: TrainingSettings,
    videos: VideoSettings,
    folder: Path,
    case: TransferCase,
    learned: CaptionedClips,
    controls: bool,
) -> dict[str, Tensor]:
    """Kind -> frames [prompts, N, 64, 64, 3] in -1..1."""
    captions, frames, caption = case.asked.captions(False), case.clip.rendered()[0], case.clip.captions(False)[0]
    dual = learn_drawn(base, learned, training, folder / "dual")
    ordinary = learn_drawn(base, learned, replace(training, together=True), folder / "ordinary")
    made = {
        CHANCE: case.others.rendered(),
        CEILING: through_vae(base, case.asked.moving_as(case.clip).rendered()),
        BASE: sampler(base, videos)(captions, SEED),
        DUAL: sampler(base, videos, motion=dual["motion"])(captions, SEED),
        ORDINARY: sampler(base, videos, motion=ordinary["motion"], appearance=ordinary["appearance"])(captions, SEED),
    }
    if controls:
        inversion = with_inversion(base, as_clip(base, frames, caption)).inversion
        for kind, (scale, changes) in CONTROLS.items():
            changed = replace(videos, **changes)
            make = sampler(base, changed, motion=dual["motion"], scale=scale, inversion=inversion)
            made[kind] = make(captions, SEED)
    return made


def _measured(case: TransferCase, kind: str, made: Tensor, clip: Tensor, learned: Tensor) -> Measured:
    seen = see_objects(made)
    asked = case.others if kind == CHANCE else case.asked
    kept = (seen.main_color() == asked.color) & (seen.shape == asked.shape)
    leaks = [color_overlap(pixels(source), pixels(frames)) for frames in made for source in learned]
    numbers = (mean(fidelities(made, clip)), mean(ways(made, clip)), mean(leaks), float(kept.float().mean()))
    return Measured(case.move, kind, *numbers, len(made))


def means(rows: Sequence[Measured]) -> dict[str, dict[str, float]]:
    """Kind -> mean of each number over the clips."""
    return {
        kind: {
            name: mean([row.numbers()[name] for row in rows if row.kind == kind])
            for name in ("fidelity", "way", "leak", "kept")
        }
        for kind in dict.fromkeys(row.kind for row in rows)
    }


def inversion_error(base: TextToVideoBase, moves: Sequence[str] = HELD_OUT, steps: int = 50) -> list[float]:
    """Root mean square error of clips that are inverted and sampled again, over that of their latents; one number a clip."""
    errors = []
    for case in transfer_cases(moves, SEED, 1):
        clip = with_inversion(base, as_clip(base, case.clip.rendered()[0], ""), steps=steps)
        settings = VideoSettings(frames=clip.latents.shape[2], steps=steps, guidance=1.0, noise_prior=1.0)
        again = sample_latents(base, settings, inversion=clip.inversion)
        errors.append(float((again.cpu() - clip.latents).norm() / clip.latents.norm()))
    return errors
