"""The recipe of the small weights: the motion half, and what makes motion in the bundled base, on drawn clips (docs/demo-t2v.md)."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from ...files import atomic_write, save_tensors
from ...imports import importing
from ...synthetic.captioned import SIZE
from ...synthetic.captioned_moves import ALL_MOVES, PACES
from ...synthetic.draws import Draws
from ...text_to_video.byte_pairs import END
from ...text_to_video.clip_tokens import END_ID, START_ID, tokenize
from ...text_to_video.training.latents import CHANNELS, MEAN_SCALE
from ...text_to_video.training.opposites import PROBE_SEED, opposite, told_apart
from ...text_to_video.training.parts import TEXT_WIDTH, TOKENS, caption_words
from ...text_to_video.weights import tiny_folder
from ...training.loop import Schedule, TrainingRun, fit
from ...training.muon import Muon
from ...training.precision import fast_products, product_dtype
from ...weights.files import WeightFile
from ...weights.geometry import KEY
from ...weights.load import write_checksums
from ..bundled import BASE_KEY, STEMS
from ..loading import DEFAULTS_KEY, base_unet_file, unet_of
from ..losses import Flow
from ..models.towers import TextTower
from ..models.unet import UNet
from ..noise_levels import alphas_cumprod
from ..tower_files import read_text_tower
from ..tower_texts import TowerTexts
from .demo_training import DemoTraining
from .drawn_clips import FIRST, TAUGHT, DrawnClips, draw_taught, drawn_latents
from .motion_batches import MotionBatches
from .motion_half import LossWeights, MotionHalf

FRAMES, SHORT = 16, 8  # of a clip, and of one at first
HEADS, INNER = 4, 128  # of the text towers
OUTER = ("input_blocks.0.0", "unet.out.2", "embedding")  # first and last layers: no maps between features
NEW = 5.0  # the rate of what begins from nothing, against that of the base's own layers
DEFAULTS = {
    "steps": 20, "guidance": 2.0, "negative_prompt": "", "size": [SIZE, SIZE], "frames": FRAMES, "fps": 8.0,
    "preview": [[float(row == column) / MEAN_SCALE for column in range(3)] for row in range(CHANNELS)],
}  # fmt: skip
LOWEST_LEVEL = 300  # of the noise, with short clips: below it the clip itself tells how it moves
Report = Callable[[str, int, int, dict[str, float]], None]  # stage, steps done, steps in all, logged numbers


@dataclass(frozen=True)
class Stage:
    """A part of the run.

    Args:
        training: its numbers, in the terms of the trainer.
        moves: that its clips have -> how often, relative to the others.
    """

    training: DemoTraining
    moves: Mapping[str, float]


@dataclass(frozen=True)
class DrawnRecipe:
    """Numbers of the run.

    Args:
        first_steps: optimizer steps with clips of 8 frames and the first few moves.
        short_steps: optimizer steps after them, with all moves.
        steps: optimizer steps after those, with 16 frames.
        batch: clips to a step.
        lr: largest learning rate of the base's own layers, of Muon.
        seed: of everything.
    """

    first_steps: int = 2200
    short_steps: int = 3000
    steps: int = 1400
    batch: int = 8
    lr: float = 1e-3
    seed: int = 0

    def stages(self) -> dict[str, Stage]:
        """By name, in their order."""
        return {
            "first": Stage(self._training(self.first_steps, SHORT), FIRST),
            "short": Stage(self._training(self.short_steps, SHORT), TAUGHT),
            "whole": Stage(self._training(self.steps, FRAMES), TAUGHT),
        }

    def _training(self, steps: int, frames: int) -> DemoTraining:
        return DemoTraining(
            steps=steps, batch=self.batch, lr=self.lr,
            weights=LossWeights(1.0, 0.0, 0.0), video_motion="x0", diffusion="x0", p_zero=0.1, p_zero_motion=0.1, negative_prompt="",
            freeze_unet=False, first_block=0, lowest_level=LOWEST_LEVEL if frames == SHORT else 0,
            size=(SIZE, SIZE), frames=frames, seed=self.seed,
        )  # fmt: skip


def start(seed: int) -> MotionHalf:
    """What the run begins with: the bundled base, told place and time, and a motion encoder from nothing.

    Every M begins as a copy of the S before it, as published. The base's own text encoder is no start for the motion encoder: it says
    nothing of the words for motions, which that base never heeded.
    """
    torch.manual_seed(seed)
    file = base_unet_file(tiny_folder())
    first = file.tensors["input_blocks.0.0.weight"].float()
    planes = 0.1 * torch.randn(len(first), 3, *first.shape[2:])
    tensors = file.tensors | {"input_blocks.0.0.weight": torch.cat((first, planes), dim=1)}
    geometry = json.loads(file.metadata[KEY]) | {"coordinates": True, "dropout": 0.0}
    unet = unet_of(WeightFile(file.path, tensors, {KEY: json.dumps(geometry)}), torch.float32)
    half = MotionHalf(unet, small_tower(), freeze_unet=False, first_block=0)
    half.motion_encoder.requires_grad_(True)
    unet.checkpointing = False
    return half


def first_layer(unet: UNet) -> nn.Conv2d:
    """That reads the latents."""
    first: Any = unet.input_blocks[0]
    return cast(nn.Conv2d, first[0])


def known_tokens() -> list[int]:
    """Ids of CLIP's vocabulary that a caption can have, ascending."""
    return sorted({int(token) for token in tokenize([*caption_words(), *PACES]).flatten() if token})


def small_tower() -> TextTower:
    """A text tower for captions alone, at random."""
    known = known_tokens()
    return TextTower(TEXT_WIDTH, 2, HEADS, TEXT_WIDTH, len(known) + 1, TOKENS, complete=False, inner=INNER, known=known)


def content_tower() -> TextTower:
    """The base's text encoder for the same ids."""
    with importing("transformers"):
        from transformers import CLIPTokenizer

    tower, base = small_tower(), read_text_tower(tiny_folder() / "text_encoder", torch.float32)
    tokenizer = CLIPTokenizer.from_pretrained(tiny_folder() / "tokenizer")
    state = base.state_dict()
    rows = state["token_embedding.weight"]
    own = rows[tokenizer.pad_token_id].repeat(tower.geometry["vocabulary"], 1)
    for word in caption_words():
        ids = tokenize([word])[0]
        number, *others = ids[(ids != START_ID) & (ids != END_ID) & (ids != 0)].tolist()
        if not others:
            own[known_tokens().index(number) + 1] = rows[tokenizer.convert_tokens_to_ids(f"{word}{END}")]
    own[known_tokens().index(START_ID) + 1] = rows[tokenizer.bos_token_id]
    tower.load_state_dict(state | {"token_embedding.weight": own})
    return tower.eval().requires_grad_(False)


class Probe:
    """What the network knows of the motion's words: its error under the right and under the opposite motion, at some noise levels.

    Args:
        content: reads what is seen.
        stage: whose clips it has.
        clips: how many are drawn; those whose move has an opposite are looked at.
        levels: of the noise.
    """

    def __init__(
        self, content: TowerTexts, stage: Stage, clips: int = 32, levels: tuple[int, ...] = (700, 850)
    ) -> None:
        drawn = draw_taught(clips, Draws(PROBE_SEED), stage.training.frames, moves=stage.moves)
        moves = [tuple(ALL_MOVES)[number] for number in drawn.move.tolist()]
        chosen = [k for k in range(clips) if opposite(moves[k]) != moves[k]]
        self.latents = drawn_latents(drawn)[chosen]
        seen = drawn.captions(False)
        self.content = torch.cat([content([seen[k]], torch.device("cpu")) for k in chosen])
        told = [moves[k] for k in chosen]
        self.texts = [tokenize(texts) for texts in (told, [opposite(move) for move in told])]
        self.levels = levels

    def __call__(self, done: int, model: nn.Module) -> dict[str, float]:
        """See `told_apart`."""
        half: Any = model
        kept = alphas_cumprod(half.unet.betas).float()
        with torch.no_grad(), fast_products("cpu"):
            states = [half.motion_encoder(tokens) for tokens in self.texts]

        def clean(noisy: Tensor, level: int, turned: bool) -> Tensor:
            noise = half.unet(noisy, torch.tensor([level]), self.content, states[turned])
            return cast(Tensor, (noisy - (1 - kept[level]).sqrt() * noise) / kept[level].sqrt())

        return told_apart(self.latents, kept, self.levels, clean)


def train_drawn(folder: Path, recipe: DrawnRecipe, report: Report = lambda stage, done, total, row: None) -> MotionHalf:
    """Run or resume all stages; each has its checkpoints and `log.jsonl` in a folder of its own.

    Returns:
        The whole network with averaged weights.
    """
    half = start(recipe.seed)
    for name, stage in recipe.stages().items():
        train_stage(half, folder / name, stage, partial(report, name))
    return half.eval()


def train_stage(
    half: MotionHalf,
    folder: Path,
    stage: Stage,
    progress: Callable[[int, int, dict[str, float]], None],
    flow: Flow | None = None,
) -> None:
    """Run or resume one stage, in place.

    Args:
        half: see `start`.
        folder: takes checkpoints and `log.jsonl`.
        stage: see there.
        progress: called with (steps done, in all, logged numbers).
        flow: for the text-motion loss; None = without it.
    """
    training = stage.training
    content = TowerTexts(content_tower())
    negative = content([""], torch.device("cpu"))[0]
    run = TrainingRun(
        folder,
        Schedule(training.steps, training.lr, warmup=50),
        {"seed": training.seed, "batch": training.batch},
        progress,
        on_log=Probe(content, stage),
        autocast=product_dtype("cpu"),
        optimizer=partial(_optimizer, half, training.lr),
        saved=half.trained().__contains__,
    )
    clips = DrawnClips(content, training.frames, stage.moves, with_video=flow is not None)
    fit(half, MotionBatches(half, clips, negative, training, flow), run)


def _optimizer(half: MotionHalf, lr: float, _: Any) -> Muon:
    """Muon; what begins from nothing learns faster."""
    new = {id(p) for module in (*half.unet.motion_modules(), half.motion_encoder) for p in module.parameters()}
    new.add(id(first_layer(half.unet).weight))
    named = [(name, p) for name, p in half.named_parameters() if p.requires_grad]
    groups: list[dict[str, Any]] = [
        {"params": [p for _, p in named if id(p) in new], "lr": NEW * lr, "peak": NEW * lr},
        {"params": [p for _, p in named if id(p) not in new], "lr": lr, "peak": lr},
    ]
    return Muon(groups, lr, plain=[p for name, p in named if any(kind in name for kind in OUTER)])


def export_drawn(half: MotionHalf, folder: Path) -> list[Path]:
    """Write what was trained in half precision, checksums beside it; existing files are replaced.

    Args:
        half: see `train_drawn`.
        folder: is made; takes the files that `load_demo` reads.
    """
    folder.mkdir(parents=True, exist_ok=True)
    trained = half.trained()
    unet = {name: value for name, value in half.unet.state_dict().items() if f"unet.{name}" in trained}
    towers = {"motion_encoder": half.motion_encoder, "content_encoder": content_tower()}
    about = {KEY: json.dumps(half.unet.geometry), DEFAULTS_KEY: json.dumps(DEFAULTS), BASE_KEY: "text_to_video tiny"}
    written = [_write(folder / f"{STEMS['unet']}.safetensors", unet, about)]
    for part, tower in towers.items():
        path = folder / f"{STEMS[part]}.safetensors"
        written.append(_write(path, tower.state_dict(), {KEY: json.dumps(tower.geometry)}))
    write_checksums(written)
    return written


def _write(path: Path, tensors: Mapping[str, Tensor], about: dict[str, str]) -> Path:
    half = {name: value.detach().to(torch.float16).contiguous() for name, value in tensors.items()}
    with atomic_write(path, overwrite=True) as temporary:
        save_tensors(half, temporary, about | {"license": "CC0-1.0"})
    return path
