"""What DEMO's small weights do on pairs of object and motion that no training saw: `python -m benchmarks.demo_t2v_tiny`.

Clips are read by `evaluation/objects.py`. Beside the samples stand the drawn clips through the autoencoder (the most that can be read),
the model without its motion half (strength 0), with the motion prompts of other clips, and with the content's prompt for the motion, too.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor

from benchmarks.report import OUT, table, write_json
from dismo_core import demo_t2v as demo
from dismo_core.demo_t2v.training.drawn_clips import TAUGHT, draw_taught
from dismo_core.diffusion.frame_vae import frame_posteriors
from dismo_core.evaluation.objects import SeenObjects, name_moves, name_paces, see_objects
from dismo_core.synthetic.captioned import CaptionedClips
from dismo_core.synthetic.captioned_moves import ALL_MOVES, PACES, WAYS
from dismo_core.synthetic.draws import Draws

SEED = 20_261_201  # of clips and noise; the training draws with others
BATCH = 8
INVERTED, REMADE = 50, 8  # steps of the inversion, and clips that go there and back
SCALES = (1.0, 3.0, 6.0, 9.0, 12.0)  # of the motion's guidance
NAMES = tuple(ALL_MOVES)
SENSES = {"clockwise": 1.0, "counterclockwise": -1.0, "growing": 1.0, "shrinking": -1.0}
LEAST_TURN = 0.3  # radians, of what turns
COLUMNS = (
    "move",
    "direction",
    "pace",
    "turn",
    "growth",
    "still",
    "bouncing",
    "color",
    "ground",
    "shape",
    "in all frames",
)


def sampled(model: demo.DemoTextToVideo, seen: Sequence[str], motions: Sequence[str], **options: float) -> SeenObjects:
    """What is seen in samples of these prompts; sample i has noise of its own, the same in every call."""
    made = []
    for first in range(0, len(seen), BATCH):
        part = slice(first, first + BATCH)
        made.append(
            see_objects(model.sample(seen[part], motions[part], seed=SEED + first, **options).float() / 127.5 - 1)
        )
    return _joined(made)


def right(seen: SeenObjects, move: Tensor, clips: CaptionedClips) -> dict[str, float]:
    """Shares of clips that are as they should be, by `COLUMNS`; NaN where no clip should.

    Args:
        seen: what was made.
        move: [B], places in `ALL_MOVES`.
        clips: their appearances.
    """
    words = [NAMES[number].split() for number in move.tolist()]
    wanted = torch.tensor([_without_pace(number) for number in move.tolist()])
    named = name_moves(seen, WAYS)
    found = seen.found.float().mean(dim=1) >= 0.9
    growth = (seen.area[:, -3:].mean(dim=1) / seen.area[:, :3].mean(dim=1).clamp_min(1)).log()
    senses = torch.tensor([SENSES.get(told[-1], 0.0) for told in words])
    paced = found & torch.tensor([pace == told[-1] for pace, told in zip(name_paces(seen), words, strict=True)])

    def share(true: Tensor, of: Callable[[list[str]], bool] = lambda told: True) -> float:
        return float(true[torch.tensor([of(told) for told in words])].float().mean())

    return {
        "move": share(named == wanted),
        "direction": share(named == wanted, lambda told: told[0] == "moving"),
        "pace": share(paced, lambda told: told[-1] in PACES),
        "turn": share(found & (seen.turn[:, -1] * senses > LEAST_TURN), lambda told: told[0] == "turning"),
        "growth": share(found & (growth * senses > 0), lambda told: told[0] in SENSES),
        "still": share(named == wanted, lambda told: told[0] == "standing"),
        "bouncing": share(named == wanted, lambda told: told[0] == "bouncing"),
        "color": share(seen.main_color() == clips.color),
        "ground": share(seen.main_ground() == clips.ground),
        "shape": share(seen.shape == clips.shape),
        "in all frames": share(seen.steady()),
    }


def others(move: Tensor) -> Tensor:
    """Another taught move for each, [B], of all the others in turn; without a pace, which has a column of its own."""
    taught = sorted({_without_pace(NAMES.index(name)) for name in TAUGHT})
    own = [taught.index(_without_pace(number)) for number in move.tolist()]
    return torch.tensor([taught[(k + 1 + place % (len(taught) - 1)) % len(taught)] for place, k in enumerate(own)])


def decoded(model: demo.DemoTextToVideo, clips: CaptionedClips) -> SeenObjects:
    """The drawn clips, encoded and decoded."""
    frames = clips.rendered().movedim(-1, 2)
    made = []
    for part in frames.split(BATCH):
        mean, _ = frame_posteriors(model.autoencoder, part)
        made.append(see_objects(model.decode(mean).float() / 127.5 - 1))
    return _joined(made)


def remade(model: demo.DemoTextToVideo, clips: CaptionedClips) -> list[float]:
    """PSNR, dB, of each clip that goes to noise and back with its own words, beside the clip through the autoencoder."""
    found = []
    for frames, seen, number in zip(clips.rendered(), clips.captions(False), clips.move.tolist(), strict=True):
        fitted = model.fit(((frames + 1) * 127.5).round().to(torch.uint8))
        words = model.encode(seen, NAMES[number])
        noise = model.invert(fitted, words, steps=INVERTED)
        again = model.sample_latents(words, model.negative(), noise, steps=INVERTED, guidance=1.0)
        wanted = model.decode(frame_posteriors(model.autoencoder, fitted[None])[0])
        error = (model.decode(again).float() - wanted.float()).square().mean()
        found.append(float(10 * (255**2 / error).log10()))
    return found


def rank_correlation(first: Sequence[float], second: Sequence[float]) -> float:
    """Spearman's, without ties."""
    ranks = [torch.tensor(values).argsort().argsort().double() for values in (first, second)]
    return float(torch.corrcoef(torch.stack(ranks))[0, 1])


def _without_pace(number: int) -> int:
    return NAMES.index(" ".join(word for word in NAMES[number].split() if word not in PACES))


def _joined(several: Sequence[SeenObjects]) -> SeenObjects:
    return SeenObjects(
        *(torch.cat([getattr(one, name) for one in several]) for name in SeenObjects.__dataclass_fields__)
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Sample, read, print the table, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", default="tiny", help="of DEMO: tiny, or a folder (default tiny)")
    parser.add_argument("--clips", type=int, default=200, help="held-out pairs (default 200)")
    parser.add_argument("--controls", type=int, default=100, help="of them for each control (default 100)")
    parser.add_argument("--out", type=Path, default=OUT / "demo_t2v_tiny.json")
    options = parser.parse_args(arguments)
    model = demo.load_demo(options.weights)
    clips = draw_taught(options.clips, Draws(SEED), model.defaults.frames, held_out=True)
    seen, moves = clips.captions(False), [NAMES[number] for number in clips.move.tolist()]
    few = slice(0, options.controls)
    some, move = clips.some(few), clips.move[few]
    rows = {"drawn clips, decoded": right(decoded(model, some), move, some)}
    made = sampled(model, seen, moves)
    rows["motion prompt alone"] = right(made, clips.move, clips)
    rows["the whole sentence as motion prompt"] = right(sampled(model, seen[few], clips.captions()[few]), move, some)
    swapped = others(move)
    after = sampled(model, seen[few], [NAMES[number] for number in swapped.tolist()])
    rows["motion prompt swapped, same noise"] = right(after, swapped, some)
    same = {
        "color": (after.main_color() == made.main_color()[few]),
        "ground": (after.main_ground() == made.main_ground()[few]),
        "shape": (after.shape == made.shape[few]),
    }
    kept = {name: float(value.float().mean()) for name, value in same.items()}
    rows["control: strength 0"] = right(sampled(model, seen[few], moves[few], motion_strength=0.0), move, some)
    rows["control: motion prompts of other clips"] = right(after, move, some)
    rows["control: content prompt as motion prompt"] = right(sampled(model, seen[few], seen[few]), move, some)
    going = [place for place, number in enumerate(move.tolist()) if NAMES[number].startswith("moving")]
    speeds = [
        float(
            sampled(model, [seen[k] for k in going], [moves[k] for k in going], motion_guidance=scale).speed().nanmean()
        )
        for scale in SCALES
    ]
    print(table(f"DEMO tiny, {options.clips} held-out pairs, {options.controls} of each control",
                ("", *COLUMNS), [(name, *(f"{row[column]:.2f}" for column in COLUMNS)) for name, row in rows.items()]))  # fmt: skip
    print(
        "Kept while the motion prompt is swapped: " + ", ".join(f"{name} {value:.2f}" for name, value in kept.items())
    )
    pairs = ", ".join(f"{scale:g}: {speed:.2f}" for scale, speed in zip(SCALES, speeds, strict=True))
    correlation = rank_correlation(SCALES, speeds)
    print(f"Speed by scale of the motion's guidance, px a frame: {pairs}; rank correlation {correlation:.2f}")
    decibels = remade(model, some.some(slice(0, REMADE)))
    print(f"To noise and back in {INVERTED} steps, dB: " + ", ".join(f"{value:.1f}" for value in decibels))
    found = {"rows": rows, "kept": kept, "speeds": speeds, "correlation": correlation, "remade": decibels}
    write_json(options.out, "demo_t2v_tiny", found)


if __name__ == "__main__":
    main()
