"""What becomes of every option of every command: used, refused, or named in a line.

A situation is a command with as many words as it needs. Of what it calls, the functions in `traced` are replaced: their calls
are written down, and what stands here is returned; at `STOP` the command ends. An option is used where the calls, or the error,
are others than without it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path as FilePath
from types import SimpleNamespace
from typing import Any

import torch

from dismo_core.dismo.layered.head import MotionHead
from dismo_core.dismo.layered.layers import Layers
from dismo_core.dismo.layered.model import LayeredModel
from dismo_core.dismo.layered.path import Path
from dismo_core.dismo.layered.rendered import RenderedFrames
from dismo_core.dismo.layered.renderer import Renderer
from dismo_core.dismo.layered.segmenter import Segmenter
from dismo_core.dismo.motion import Motion
from dismo_core.settings import SamplingDefaults

STOP = object()


@dataclass(frozen=True)
class Case:
    """An option with its value, and what becomes of it.

    Args:
        words: the option with its value.
        outcome: "used", "refused" or "said".
        text: that the calls, the error or the log then hold.
        beside: words that stand in both lines that are compared.
    """

    words: str
    outcome: str
    text: str
    beside: str = ""

    @property
    def option(self) -> str:
        return self.words.split()[0]


@dataclass(frozen=True)
class Situation:
    """A command as it is called.

    Args:
        words: of the line, with {names} of files.
        cases: of its options; all of them must be there, unless it is `more`, which adds to another situation.
        traced: dotted name -> what it returns.
        more: whether only some options are looked at.
    """

    words: str
    cases: list[Case]
    traced: dict[str, Any] = field(default_factory=dict)
    more: bool = False


def used(words: str, text: str, beside: str = "") -> Case:
    return Case(words, "used", text, beside)


def refused(words: str, text: str) -> Case:
    return Case(words, "refused", text)


def said(words: str, text: str) -> Case:
    return Case(words, "said", text)


MOTION = Motion(torch.zeros(5, 4), 8.0, "clip.mp4", "0" * 16)


class Model:
    """A video model whose call is written down."""

    defaults = SamplingDefaults(steps=3, guidance=1.0, negative_prompt="", fps=8.0, size=(64, 64))
    adapter = SimpleNamespace(plan=None)

    def valid_lengths(self, motion: Motion) -> list[int]:
        return [motion.frames]

    def transfer(self, motion: Motion, image: Any, settings: Any, *, mask: Any = None, runtime: Any) -> Any:
        self.trace(motion.frames, image, settings, runtime.device)
        return torch.zeros(9, 64, 64, 3, dtype=torch.uint8)


class Layered(LayeredModel):
    """A layered model whose drawing is written down."""

    trace: Any  # put there by the test

    def __init__(self) -> None:
        super().__init__(MotionHead(4), Segmenter((8, 8)))

    def render(
        self, motion: Motion, image: Any, settings: Any = None, *, mask: Any = None, runtime: Any, **_: Any
    ) -> Any:
        self.trace(motion.frames, image, settings, mask, runtime.device)
        return RenderedFrames(
            Renderer(Layers(torch.zeros(64, 64, 3, dtype=torch.uint8), torch.zeros(3, 64, 64))),
            Path(torch.zeros(8, 8), 8.0),
            (0.0, 0.0),
            8.0,
        )


WRITTEN = {
    "dismo_core.video.audio.read_audio": None,
    "dismo_core.video.write_video": STOP,
    "dismo_core.video.png_frames.write_frames": STOP,
    "dismo_core.dismo.weights.load_motion_extractor": None,
    "dismo_core.dismo.extract.extract_motion": MOTION,
}
TINY = WRITTEN | {
    "dismo_core.dismo.weights.load_frame_generator": None,
    "dismo_core.dismo.rollout.FrameGeneratorModel": Model(),
}
LAYERED = WRITTEN | {
    "dismo_core.dismo.weights.load_layered_model": Layered(),
    "dismo_core.dismo.weights.load_motion_extractor": SimpleNamespace(extractor_id=""),
}
LARGE = WRITTEN | {"dismo_core.dismo.adapter.load.load_video_model": Model()}

SAMPLED = [
    used("--fps 12", "fps=12.0"),
    used("--start 0.5", "start=0.5"),
    used("--frames 9", "frames=9"),
    used("--reverse", "reverse=True"),
    used("--background white", "background='white'"),
]
WRITING = [
    used("--image {wide}", "write_video"),
    used("-o frames/", "write_frames"),
    used("--overwrite", "overwrite=True", beside="-o {video}"),
    used("--crf 30", "crf=30"),
    used("--ping-pong", "16 frames"),
    used("--strength 0.5", "strength=0.5"),
    used("--curve 0:1,4:0.5", "needs the embedding of the still first frame"),
    used("--device cpu:0", "index=0"),
]
RESULT = [
    *WRITING,
    used("--steps 2", "steps=2"),
    used("--seed 7", "seed=7"),
    used("--fit pad", "write_video", beside="--image {wide}"),
]
NOT_LAYERED = [
    refused(words, "belongs to the layered model")
    for words in ("--mask {picture}", "--moves both", "--borders crop", "--shutter 90")
]
WARPED = [
    *WRITING,
    used("--mask {picture}", "transfer("),
    used("--moves both", "moves='both'"),
    used("--borders crop", "borders='crop'"),
    used("--shutter 90", "shutter=90.0"),
    *(refused(words, "belongs to models that make frames") for words in ("--steps 2", "--seed 7", "--fit pad")),
]
TRACKED = [
    used("--image {wide}", "motion_tracks"),
    used("-o {video}", "exists already"),
    used("--overwrite", "motion_tracks", beside="-o {video}"),
    used("--drawn {wide}", "exists already"),
    used("--camera {weights}", "writes .json or .csv"),
    used("--points 5", "points=5"),
    used("--own-points {points}", "[[1., 2.]]"),
    used("--width 640", "(480, 640)"),
    used("--height 640", "(640, 832)"),
    used("--length 5", "frames=5"),
    used("--rate 5", "fps=5.0"),
    used("--strength 0.5", "strength=0.5"),
    used("--model {weights}", "load_layered_model('{weights}'"),
    used("--mask {picture}", "motion_tracks"),
    used("--moves both", "moves='both'"),
    used("--device cpu:0", "'cpu:0'"),
]
TRACKING = {
    "dismo_core.dismo.weights.load_motion_extractor": None,
    "dismo_core.dismo.weights.load_layered_model": None,
    "dismo_core.dismo.extract.extract_motion": MOTION,
    "dismo_core.dismo.layered.tracks.motion_tracks": STOP,
}
CLIP = [
    *SAMPLED,
    used("--motion {other}", "other.mp4"),
    used("--extractor {weights}", "load_motion_extractor('{weights}'"),
    used("--audio keep", "read_audio"),
]
OF_COGVIDEOX = [
    refused(words, "belongs to CogVideoX")
    for words in (
        "--text-encoder {weights}",
        "--vae {weights}",
        "--memory full",
        "--precision fp32",
        "--attention sdpa",
        "--compile",
        "--cache off",
        "--prompt x",
        "--negative-prompt x",
        "--guidance 3",
        "--positions auto",
        "--long-keep-tail",
        "--long-match-colors",
    )
]
CHOICES = [
    used("--text-encoder {weights}", "text_encoder='{weights}'"),
    used("--vae {weights}", "vae='{weights}'"),
    used("--memory full", "memory='full'"),
    used("--precision fp32", "precision='fp32'"),
    used("--attention sdpa", "attention='sdpa'"),
    used("--compile", "compile=True"),
    used("--cache pyramid", "cache='pyramid'"),
]

SCHEDULE = [
    used("--steps 7", "steps=7"),
    used("--lr 0.5", "lr=0.5"),
    used("--lr-warmup 7", "warmup=7"),
    used("--clip 7", "clip=7.0"),
    used("--average 0.5", "average=0.5"),
    used("--accumulation 7", "accumulation=7"),
    used("--save-every 7", "save_every=7"),
    used("--log-every 7", "log_every=7"),
    used("--draw-every 7", "draw_every=7"),
    used("--keep 7", "keep=7"),
]
RUN = [
    used("--out elsewhere", "elsewhere"),
    used("--resume never", "not empty", beside="--out {full}"),
    used("--no-resume", "not empty", beside="--out {full}"),
    used("--seed 7", "seed=7"),
]
OF_LAYERED = [refused(words, "belongs to `dismo train layered`") for words in ("--extractor tiny", "--clips 2000")]
EVALUATED = [
    *SAMPLED,
    used("--extractor {weights}", "load_motion_extractor('{weights}'"),
    used("-o {video}", "exists already"),
    used("--overwrite", "extract_motion", beside="-o {video}"),
    used("--device cpu:0", "'cpu:0'"),
]
EVALUATING = {
    "dismo_core.dismo.weights.load_motion_extractor": None,
    "dismo_core.dismo.extract.extract_motion": STOP,
}
FINETUNING = {
    "dismo_core.dismo.cli.finetune._adapter": None,
    "dismo_core.dismo.training.finetune.finetune": STOP,
}

REPORTED = [used("-o {video}", "exists already"), used("--overwrite", "(", beside="-o {video}")]
PIPELINE_OPTIONS = [
    *REPORTED,
    used("--sheet {video}", "exists already"),
    used("--extractor {weights}", "Pipeline('{weights}'"),
    used("--model {weights}", "Pipeline('tiny', '{weights}'"),
    used("--device cpu:0", "'cpu:0'"),
]
PIPELINE = {
    "dismo_core.dismo.evaluation.pipeline.Pipeline": SimpleNamespace(
        model=SimpleNamespace(extractor_id="0" * 16),
        transfer="transfer",
        with_mask="transferred",
        layered=None,
        ablations=lambda: {"motion zeroed": "zeroed"},
    )
}
DATA_OF_MD = (
    "--video {clip}",
    "--videos {clips}",
    "--images {wide}",
    "--caption x",
    "--frames 3",
    "--fps 4",
    "--start 1",
    "--end 2",
)
SIZES_OF_MD = ("--width 64", "--height 64", "--fit stretch", "--mode both")
RUNNING = [
    used("--precision fp8", "'fp8'"),
    used("--memory full", "'full'"),
    used("--device cpu:0", "'cpu:0'"),
]
TRAINED = [
    used("--base {base}", "load('{base}'"),
    used("--out elsewhere", "PosixPath('elsewhere')"),
    used("--no-resume", "is not empty", beside="--out {full}"),
    used("--steps 7", "steps=7"),
    used("--lr 0.5", "learning_rate=0.5"),
    used("--rank 7", "rank=7"),
    used("--single-appearance", "single_appearance=True"),
    used("--flip 0.5", "flip=0.5"),
    used("--dropout 0.5", "dropout=0.5"),
    used("--dropout-until 7", "dropout_until_step=7"),
    used("--weight-decay 0.5", "weight_decay=0.5"),
    used("--optimizer adamw8bit", "optimizer='adamw8bit'"),
    used("--clip 7", "clip=7.0"),
    used("--accumulation 7", "accumulation=7"),
    used("--offset-noise 0.5", "offset_noise=0.5"),
    used("--no-checkpointing", "checkpointing=False"),
    used("--warm-start {full}", "warm_start='{full}'"),
    used("--save-every 7", "save_every=7"),
    used("--seed 7", "seed=7"),
    used("--preview-prompt x", "prompts=('x',)", beside="--preview-every 7"),
    used("--preview-every 7", "every=7"),
    used("--keep-inversion", "keep_inversion=True"),
    used("--skip-bad", "skip_bad=True"),
    *RUNNING,
]
TRAINING_MD = {
    "dismo_core.motiondirector.cli.train.load": SimpleNamespace(size=(16, 16)),
    "dismo_core.motiondirector.runs.run_training": STOP,
}
CLIP_OF_MD = [
    used("--frames 3", "frames=3"),
    used("--fps 4", "fps=4.0"),
    used("--width 64", "width=64"),
    used("--height 64", "height=64"),
    used("--fit stretch", "fit='stretch'"),
    used("--caption x", "'x'"),
    used("--mode motion", "appearance=False"),
    refused("--strict", "is for --config"),
]
PUBLISHED_SAMPLE = "motiondirector sample -p x -r 5 --device cpu"
SAMPLING_MD = {
    "dismo_core.motiondirector.adapter_file.find_adapter": FilePath("run/lora/adapter.pt"),
    "dismo_core.motiondirector.cli.sample.load": SimpleNamespace(size=(16, 16), name="toy"),
    "dismo_core.motiondirector.cli.sample._adapted": None,
    "dismo_core.motiondirector.cache.encoded_clip": None,
    "dismo_core.motiondirector.cache.read_cache": [None],
    "dismo_core.motiondirector.cache.with_inversion": SimpleNamespace(inversion="inversion"),
    "dismo_core.motiondirector.sampling.sample_videos": torch.zeros(2, 3, 8, 8, 3, dtype=torch.uint8),
    "dismo_core.video.write.write_video": None,
}
TWO_ADAPTERS = SimpleNamespace(count=2, part="appearance", rank=4)
MOTIONDIRECTOR = {
    "motiondirector train": Situation(
        "motiondirector train --video {clip} --out run --device cpu",
        [
            *TRAINED,
            *CLIP_OF_MD,
            used("--config {weights}", "does not go with --config"),
            used("--video {other}", "other.mp4"),
            refused("--videos {clips}", "Give one of --config, --video"),
            refused("--images {wide}", "Give one of --config, --video"),
            used("--start 1", "start=1.0"),
            used("--end 2", "end=2.0"),
        ],
        TRAINING_MD,
    ),
    "motiondirector train on a folder": Situation(
        "motiondirector train --videos {clips} --out run --device cpu",
        [
            *CLIP_OF_MD,
            used("--videos {labelled}/a", "/a'"),
            *(refused(w, "is for --video") for w in ("--start 1", "--end 2")),
        ],
        TRAINING_MD,
        more=True,
    ),
    "motiondirector train on pictures": Situation(
        "motiondirector train --images {wide} --out run --device cpu",
        [
            used("--images {clear}", "clear.png"),
            used("--caption x", "'x'"),
            *(refused(w, "is for clips") for w in ("--fps 4", "--frames 3")),
            refused("--mode both", "needs clips"),
        ],
        TRAINING_MD,
        more=True,
    ),
    "motiondirector train by a config": Situation(
        "motiondirector train --config {config} --out run --device cpu",
        [
            *TRAINED,
            used("--strict", "there is no key strange"),
            *(refused(words, "does not go with --config") for words in (*DATA_OF_MD, *SIZES_OF_MD)),
        ],
        TRAINING_MD,
        more=True,
    ),
    "motiondirector sample": Situation(
        f"{PUBLISHED_SAMPLE} -cf {{full}} -np 0.5 --prior-clip {{clip}}",
        [
            used("--model {base}", "load('{base}'"),
            used("--prompt y", "prompt='y'"),
            used("--negative-prompt y", "negative_prompt='y'"),
            used("--output_dir elsewhere", "elsewhere/x_5.mp4"),
            used("--batch-size 2", "batch=2"),
            used("--width 64", "width=64"),
            used("--height 64", "height=64"),
            used("--num-frames 3", "frames=3"),
            used("--num-steps 3", "steps=3"),
            used("--guidance-scale 3", "guidance=3.0"),
            used("--fps 3", "3.0"),
            used("--seed 7", "seed=7"),
            used("--repeat_num 2", "x_6.mp4"),
            used("--checkpoint_folder {clips}", "find_adapter(PosixPath('{clips}')"),
            used("--checkpoint_index 7", "checkpoint-7"),
            used("--lora_scale 0.5", "0.5, 1.0"),
            *(
                refused(words, "does not go with --checkpoint_folder")
                for words in ("--temporal_path_folder {full}", "--temporal_path_scale 2")
            ),
            used("--spatial_path_folder {clips}", "find_adapter('{clips}', 'appearance')"),
            refused("--spatial_path_scale 2", "is for an appearance adapter"),
            refused("--appearance-index 1", "is for an appearance adapter"),
            used("--motion-from 0.5", "motion_from=0.5"),
            used("--motion-until 0.5", "motion_until=0.5"),
            *(said(words, "changes nothing") for words in ("--lora_rank 8", "--xformers", "--sdp")),
            used("--noise_prior 0.25", "noise_prior=0.25"),
            used("--prior-clip {other}", "name='other'"),
            refused("--prior-cache {full}", "does not go with --prior-clip"),
            used("--keep-variance", "renormalise=False"),
            used("--tile", "[3, 8, 16, 3]", beside="-B 2"),
            used("--gif", "x_5.gif"),
            *RUNNING,
        ],
        SAMPLING_MD,
    ),
    "motiondirector sample with two adapters": Situation(
        f"{PUBLISHED_SAMPLE} -tlp {{full}} -slp {{full}} -np 0.5 --prior-cache {{full}}",
        [
            used("-tlp {clips}", "find_adapter('{clips}', 'motion')"),
            used("-tps 0.5", "0.5, 1.0"),
            used("-sps 0.5", "1.0, 0.5"),
            used("--appearance-index 1", "1.0, 1)"),
            used("--prior-cache {clips}", "read_cache('{clips}')"),
            *(refused(words, "is for --checkpoint_folder") for words in ("--checkpoint_index 7", "--lora_scale 0.5")),
        ],
        SAMPLING_MD,
        more=True,
    ),
    "motiondirector evaluate": Situation(
        "motiondirector evaluate {full} --clip {clip} -p x --device cpu",
        [
            used("--clip {other}", "other.mp4"),
            used("--prompt y", "['x', 'y']"),
            used("--model {base}", "load('{base}'"),
            used("--width 64", "width=64"),
            used("--height 64", "height=64"),
            used("--num-frames 3", "frames=3"),
            used("--num-steps 3", "steps=3"),
            used("--guidance-scale 3", "guidance=3.0"),
            used("--fps 3", "fps=3.0"),
            used("--seed 7", "seed=7"),
            used("--lora_scale 0.5", "0.5)"),
            used("--clip-model {full}", "ClipSimilarity('{full}'"),
            used("--output {video}", "exists already"),
            used("--overwrite", "judge_adapter", beside="-o {video}"),
            *RUNNING,
        ],
        {
            "dismo_core.motiondirector.adapter_file.find_adapter": FilePath("run/lora/adapter.pt"),
            "dismo_core.motiondirector.cli.evaluate.load": SimpleNamespace(size=(16, 16)),
            "dismo_core.motiondirector.cli.evaluate.driving_clip": None,
            "dismo_core.motiondirector.cli.evaluate.adapted": None,
            "dismo_core.evaluation.similarity.ClipSimilarity": None,
            "dismo_core.motiondirector.judge.judge_adapter": STOP,
        },
    ),
    "motiondirector inspect": Situation(
        "motiondirector inspect {weights}",
        [
            used("--base {base}", "'{base}'"),
            used("--probe {wide}", "exists already"),
            *(refused(words, "is for --probe") for words in ("--prompt x", "--overwrite", "--device cpu")),
        ],
        {"dismo_core.motiondirector.cli.files._read": STOP},
    ),
    "motiondirector inspect with a probe": Situation(
        "motiondirector inspect {weights} --probe probe.png --device cpu",
        [
            used("--prompt x", "'x'"),
            used("--overwrite", "_read", beside="--probe {wide}"),
            used("--device cpu:0", "'cpu:0'"),
            used("--base {base}", "load('{base}'"),
        ],
        {
            "dismo_core.motiondirector.cli.files._read": SimpleNamespace(
                count=1, part="motion", rank=4, layers=[], pairs=lambda k: [], metadata={"base": "toy"}
            ),
            "dismo_core.motiondirector.cli.files.load": SimpleNamespace(unet=None),
            "dismo_core.motiondirector.cli.files._lora": None,
            "dismo_core.motiondirector.probe.probe_motion": STOP,
        },
        more=True,
    ),
    "motiondirector convert": Situation(
        "motiondirector convert {weights} out.pt",
        [
            used("--base {base}", "'{base}'"),
            used("--index 1", "one_adapter("),
            used("--sum", "sum_adapters("),
            used("--overwrite", "overwrite=True"),
        ],
        {
            "dismo_core.motiondirector.cli.files._read": TWO_ADAPTERS,
            "dismo_core.motiondirector.merge.one_adapter": TWO_ADAPTERS,
            "dismo_core.motiondirector.merge.sum_adapters": TWO_ADAPTERS,
            "dismo_core.motiondirector.adapter_file.write_adapter": STOP,
        },
    ),
    "motiondirector merge": Situation(
        "motiondirector merge {weights} {other} -o out.pt",
        [
            used("--output elsewhere.pt", "elsewhere.pt"),
            used("--scale 1 2", "[1.0, 2.0]"),
            used("--rank 7", ", 7)"),
            used("--overwrite", "overwrite=True"),
            used("--base {base}", "'{base}'"),
        ],
        {
            "dismo_core.motiondirector.cli.files._read": TWO_ADAPTERS,
            "dismo_core.motiondirector.merge.merge_adapters": SimpleNamespace(file=TWO_ADAPTERS),
            "dismo_core.motiondirector.adapter_file.write_adapter": STOP,
        },
    ),
}
SITUATIONS = {
    "demo": Situation("demo", [used("--out {video}", "is a file")]),
    "extract": Situation(
        "extract {clip}",
        [
            *SAMPLED,
            used("-o m.pt", "end in .safetensors"),
            used("--extractor {weights}", "load_motion_extractor('{weights}'"),
            used("--overwrite", "extract_motion", beside="-o {motion}"),
            used("--device cpu:0", "'cpu:0'"),
        ],
        {"dismo_core.dismo.weights.load_motion_extractor": None, "dismo_core.dismo.extract.extract_motion": STOP},
    ),
    "extract a folder": Situation(
        "extract {clips}",
        [
            *SAMPLED,
            used("-o elsewhere", "'elsewhere'"),
            used("--extractor {weights}", "load_motion_extractor('{weights}'"),
            refused("--overwrite", "--overwrite is for a single motion file"),
            used("--device cpu:0", "'cpu:0'"),
        ],
        {"dismo_core.dismo.weights.load_motion_extractor": None, "dismo_core.dismo.extract_many.extract_many": STOP},
    ),
    "transfer of a clip": Situation(
        "transfer --motion {clip} --image {picture}",
        [
            *CLIP,
            *WARPED,
            *OF_COGVIDEOX,
            used("--model tiny", "FrameGeneratorModel"),
            used("--base {base}", "weights download cogvideox5b_i2v_large"),
        ],
        TINY | LAYERED,
    ),
    "transfer of a motion": Situation(
        "transfer --motion {motion} --image {picture}",
        [
            *(
                refused(words, "is for clips")
                for words in ("--start 0", "--frames 25", "--reverse", "--extractor tiny")
            ),
            used("--fps 12", "fps=12.0"),
            used("--motion {longer}", "transfer(10"),
            used("--background white", "transfer", beside="--image {clear}"),
            refused("--audio keep", "a motion file holds no sound"),
            *WARPED,
            *OF_COGVIDEOX,
            used("--model tiny", "FrameGeneratorModel"),
            used("--base {base}", "weights download cogvideox5b_i2v_large"),
        ],
        TINY | LAYERED,
    ),
    "transfer of a clip by the frame generator": Situation(
        "transfer --motion {clip} --image {picture} --model tiny",
        [
            *CLIP,
            *RESULT,
            *NOT_LAYERED,
            *OF_COGVIDEOX,
            used("--model {weights}", "load_frame_generator('{weights}'"),
            refused("--base {base}", "needs none"),
        ],
        TINY,
    ),
    "transfer of a motion by the frame generator": Situation(
        "transfer --motion {motion} --image {picture} --model tiny",
        [
            *(
                refused(words, "is for clips")
                for words in ("--fps 8", "--start 0", "--frames 25", "--reverse", "--extractor tiny")
            ),
            used("--motion {longer}", "transfer(10"),
            used("--background white", "transfer", beside="--image {clear}"),
        ],
        TINY,
        more=True,
    ),
    "transfer with CogVideoX": Situation(
        "transfer --motion {clip} --image {picture} --base {base} --prompt x",
        [
            *CLIP,
            *RESULT,
            *NOT_LAYERED,
            *CHOICES,
            used("--model {weights}", "{weights}"),
            used("--base nowhere/at/all", "no folder nowhere"),
            used("--prompt y", "prompt='y'"),
            used("--negative-prompt y", "negative_prompt='y'"),
            used("--guidance 3", "guidance=3.0"),
            used("--positions sincos", "positions='sincos'"),
            used("--long-keep-tail", "keep_tail=True"),
            used("--long-match-colors", "match_colors=True"),
        ],
        LARGE,
    ),
    "transfer with CogVideoX and no prompt": Situation(
        "transfer --motion {clip} --image {picture} --base {base}",
        [
            refused("--guidance 3", "beside a --prompt only"),
            refused("--negative-prompt x", "beside a --prompt only"),
            refused("--cache faster", "needs a --prompt"),
            refused("--model tiny", "--base belongs to CogVideoX"),
        ],
        LARGE,
        more=True,
    ),
    "transfer with CogVideoX and no guidance": Situation(
        "transfer --motion {clip} --image {picture} --base {base} --prompt x --guidance 1",
        [refused("--negative-prompt x", "above 1 only"), refused("--cache faster", "above 1")],
        LARGE,
        more=True,
    ),
    "transfer into a gif": Situation(
        "transfer --motion {clip} --image {picture} -o out.gif",
        [refused("--crf 30", "no quality"), refused("--audio keep", "hold no sound")],
        LAYERED,
        more=True,
    ),
    "transfer into PNG files": Situation(
        "transfer --motion {clip} --image {picture} -o frames/",
        [
            refused("--crf 30", "lossless"),
            refused("--audio keep", "hold no sound"),
            used("--overwrite", "overwrite=True", beside="-o {frames}/"),
        ],
        LAYERED,
        more=True,
    ),
    "transfer with sound": Situation(
        "transfer --motion {clip} --image {picture} --audio keep",
        [refused("--reverse", "sound is played forwards"), refused("--ping-pong", "sound is played forwards")],
        LAYERED,
        more=True,
    ),
    "tracks of a clip": Situation(
        "tracks --motion {clip} --image {picture}",
        [
            *SAMPLED,
            used("--motion {other}", "other.mp4"),
            used("--extractor {weights}", "load_motion_extractor('{weights}'"),
            *TRACKED,
        ],
        TRACKING,
    ),
    "tracks of a motion": Situation(
        "tracks --motion {motion} --image {picture}",
        [
            *(
                refused(words, "is for clips")
                for words in ("--fps 8", "--start 0", "--frames 25", "--reverse", "--extractor tiny")
            ),
            used("--motion {longer}", "motion_tracks"),
            used("--background white", "motion_tracks", beside="--image {clear}"),
            *TRACKED,
        ],
        TRACKING,
    ),
    "tracks of own points": Situation(
        "tracks --motion {motion} --image {picture} --own-points {points}",
        [refused("--points 5", "does not go with --own-points")],
        TRACKING,
        more=True,
    ),
    "shards": Situation(
        "shards {clips}",
        [
            used("-o elsewhere", "'elsewhere'"),
            used("--captions table.csv", "captions='table.csv'"),
            used("--shard-size 7", "shard_size=7000000"),
            used("--check", "no .tar file"),
        ],
        {"dismo_core.data.write.write_shards": STOP},
    ),
    "shards --check": Situation(
        "shards {shards} --check",
        [refused(words, "writes nothing") for words in ("-o x", "--captions x", "--shard-size 500")],
        {"dismo_core.data.check.check_shards": STOP},
        more=True,
    ),
    "train on drawn clips": Situation(
        "train tiny --out run",
        [
            *RUN,
            used("--compile", "compile=True", beside="--no-compile"),
            used("--batch 7", "clips=7"),
            used("--device cpu:0", "'cpu:0'"),
            used("--start {full}", "{full}"),
            used("--warmup-steps 7", "warmup_steps=7"),
            used("--joint-steps 7", "joint_steps=7"),
            used("--anneal-steps 7", "anneal_steps=7"),
            used("--refine-steps 7", "refine_steps=7"),
            used("--data {shards}", "train_videos"),
            *OF_LAYERED,
            *(
                refused(words, "belongs to training on videos")
                for words in (
                    *(case.words for case in SCHEDULE),
                    "--workers 0",
                    "--precision auto",
                    "--wandb x",
                    "--load-checkpoint {weights}",
                    "--dino {weights}",
                    "--autoencoder {full}",
                    "--download",
                    "--reference",
                    "--no-borders",
                    "--fsdp",
                )
            ),
        ],
        {
            "dismo_core.dismo.training.tiny.train_tiny": STOP,
            "dismo_core.dismo.training.presets.build": (None, None),
            "dismo_core.dismo.training.videos.train_videos": STOP,
        },
    ),
    "train on videos": Situation(
        "train small --data {shards} --out run --device cpu",
        [
            *RUN,
            *SCHEDULE,
            used("--data {more_shards}", "more.tar"),
            used("--batch 7", "batch=7"),
            used("--workers 7", "workers=7"),
            used("--precision bf16", "torch.bfloat16"),
            used("--device cpu:0", "index=0"),
            used("--compile", "compile=True"),
            used("--wandb x", "pip install wandb"),
            used("--load-checkpoint {weights}", "extractor_weights=PosixPath('{weights}')"),
            used("--dino {weights}", "dino=PosixPath('{weights}')"),
            used("--autoencoder {full}", "autoencoder=PosixPath('{full}')"),
            used("--download", "download=True"),
            used("--reference", "reference=True"),
            used("--no-borders", "inside=True"),
            refused("--fsdp", "start them with torchrun"),
            *OF_LAYERED,
            *(
                refused(words, "belongs to training on drawn clips")
                for words in ("--start {full}", *(f"--{n}-steps 7" for n in ("warmup", "joint", "anneal", "refine")))
            ),
        ],
        {
            "dismo_core.dismo.training.presets.build": (None, None),
            "dismo_core.dismo.training.videos.train_videos": STOP,
        },
    ),
    "train a layered model": Situation(
        "train layered --out run",
        [
            *RUN[:3],
            used("--seed 7", "seed=7"),
            used("--clips 2000", "2000"),
            used("--extractor {weights}", "load_motion_extractor('{weights}'"),
            used("--steps 0", "load_layered_model"),
            used("--device cpu:0", "'cpu:0'"),
            used("--lr -1", "--lr must be above 0"),
            used("--lr-warmup -1", "warmup must be above 0"),
            used("--clip -1", "--clip must be above 0"),
            used("--average 2", "--average must be below 1"),
            used("--save-every -1", "--save-every must be above 0"),
            used("--log-every -1", "--log-every must be above 0"),
            used("--keep -1", "--keep must be above 0"),
            *(
                refused(words, "has no part in training a layered model")
                for words in (
                    "--accumulation 7",
                    "--draw-every 7",
                    "--data {shards}",
                    "--batch 7",
                    "--compile",
                    "--workers 0",
                    "--precision auto",
                    "--wandb x",
                    "--load-checkpoint {weights}",
                    "--dino {weights}",
                    "--autoencoder {full}",
                    "--download",
                    "--reference",
                    "--no-borders",
                    "--fsdp",
                    "--start {full}",
                    *(f"--{n}-steps 7" for n in ("warmup", "joint", "anneal", "refine")),
                )
            ),
        ],
        {
            "dismo_core.dismo.weights.load_motion_extractor": SimpleNamespace(extractor_id="0" * 16),
            "dismo_core.dismo.training.fit_head.read_drawn_clips": (None, None),
            "dismo_core.dismo.training.fit_head.fit_head": (None, {}),
            "dismo_core.dismo.training.segmenter.train_segmenter": STOP,
            "dismo_core.dismo.weights.load_layered_model": STOP,
        },
    ),
    "train tiny on videos": Situation(
        "train tiny --data {shards} --out run",
        [
            refused(words, "is for small and large")
            for words in ("--dino {weights}", "--autoencoder {full}", "--download")
        ],
        more=True,
    ),
    "train with an autoencoder": Situation(
        "train small --data {shards} --out run --autoencoder {full}",
        [refused("--download", "does not go with --autoencoder")],
        more=True,
    ),
    "finetune": Situation(
        "finetune --base {base} --data {shards} --out run --device cpu",
        [
            *RUN,
            *SCHEDULE,
            used("--base nowhere/at/all", "no folder nowhere"),
            used("--data {more_shards}", "more.tar"),
            used("--load-checkpoint {weights}", "load_checkpoint='{weights}'"),
            used("--extractor tiny", "extractor='tiny'"),
            used("--rank 7", "rank=7"),
            used("--frames 9", "frames=9"),
            used("--fps 7", "fps=7.0"),
            used("--cache kept", "cache=PosixPath('kept')"),
            used("--compile", "compile=True"),
            used("--batch 7", "batch=7"),
            used("--workers 7", "workers=7"),
            used("--precision bf16", "torch.bfloat16"),
            used("--device cpu:0", "index=0"),
            used("--wandb x", "pip install wandb"),
        ],
        FINETUNING,
    ),
    "finetune from a file": Situation(
        "finetune --base {base} --data {shards} --out run --load-checkpoint {weights} --cache kept",
        [refused("--rank 7", "is for a new adapter"), refused("--workers 2", "does not go with --cache")],
        FINETUNING,
        more=True,
    ),
    "evaluate knn": Situation(
        "evaluate knn {labelled} -k 1",
        [*EVALUATED, used("-k 50", "-k is 50"), used("--test nowhere", "nowhere is not a folder")],
        EVALUATING,
    ),
    "evaluate knn of few clips": Situation(
        "evaluate knn {labelled}", [said("-k 2", "has 2 clips")], EVALUATING, more=True
    ),
    "evaluate disentangle": Situation("evaluate disentangle {twice_labelled}", EVALUATED, EVALUATING),
    "evaluate scenes": Situation(
        "evaluate scenes --model tiny",
        [
            *PIPELINE_OPTIONS,
            used("--steps 2", "2, 0)"),
            used("--seed 7", "0, 7)"),
            used("--scenes 5", "draw_scenes(5)"),
            used("--columns same", "{{'transfer': (['same'], 'transferred')"),
            used("--no-ablations", "{{'transfer': (['same', 'elsewhere'], 'transferred'), 'true video'"),
            used("--no-controls", "'motion zeroed': (['same'], 'zeroed')}}"),
            refused("--controls-only", "loads no model"),
        ],
        PIPELINE
        | {
            "dismo_core.evaluation.scene_scores.by_transfer": "made",
            "dismo_core.evaluation.scene_scores.by_control": "drawn",
            "dismo_core.synthetic.held_out.scenes.draw_scenes": "scenes",
            "dismo_core.evaluation.scene_scores.score_scenes": STOP,
        },
    ),
    "evaluate scenes, controls alone": Situation(
        "evaluate scenes --controls-only",
        [
            refused(words, "loads no model")
            for words in (
                "--extractor tiny",
                "--model tiny",
                "--device cpu",
                "--steps 2",
                "--seed 2",
                "--no-ablations",
            )
        ],
        more=True,
    ),
    "evaluate scenes with the layered model": Situation(
        "evaluate scenes",
        [refused("--steps 2", "belongs to the frame generator"), refused("--seed 7", "belongs to the frame generator")],
        PIPELINE,
        more=True,
    ),
    "evaluate masks": Situation(
        "evaluate masks",
        [
            *REPORTED,
            used("--sheet {video}", "exists already"),
            used("--model {weights}", "load_layered_model('{weights}'"),
            used("--device cpu:0", "'cpu:0'"),
            used("--scenes 5", ", 5, <"),
        ],
        {
            "dismo_core.dismo.weights.load_layered_model": SimpleNamespace(find="find"),
            "dismo_core.dismo.evaluation.masks.judge_masks": STOP,
        },
    ),
    "evaluate drift": Situation(
        "evaluate drift",
        [
            *REPORTED,
            used("--extractor {weights}", "load_motion_extractor('{weights}'"),
            used("--model {weights}", "load_layered_model('{weights}'"),
            used("--device cpu:0", "'cpu:0'"),
            used("--clips 5", ", 5, <"),
        ],
        {
            "dismo_core.dismo.weights.load_motion_extractor": None,
            "dismo_core.dismo.weights.load_layered_model": None,
            "dismo_core.dismo.evaluation.drift.measure_drift": STOP,
        },
    ),
    "evaluate edits": Situation(
        "evaluate edits --model tiny",
        [
            *PIPELINE_OPTIONS,
            used("--steps 2", "2, 0)"),
            used("--seed 7", "0, 7)"),
            used("--scenes 5", "draw_scenes(5)"),
            used("--edits nothing", "There is no edit 'nothing'"),
        ],
        PIPELINE
        | {
            "dismo_core.synthetic.held_out.scenes.draw_scenes": "scenes",
            "dismo_core.dismo.evaluation.edits.pairs": [1],
            "dismo_core.dismo.evaluation.edits.compare_edits": STOP,
        },
    ),
    "evaluate real-clips": Situation(
        "evaluate real-clips", PIPELINE_OPTIONS, PIPELINE | {"dismo_core.evaluation.real_clips.evaluate": STOP}
    ),
    "evaluate readout": Situation(
        "evaluate readout",
        [
            *REPORTED,
            used("--extractor {weights}", "load_motion_extractor('{weights}'"),
            used("--fit 3", "3, 1, <"),
            used("--scenes 5", "5, 20240607"),
        ],
        {
            "dismo_core.dismo.weights.load_motion_extractor": None,
            "dismo_core.dismo.evaluation.readout.read_scenes": None,
            "dismo_core.dismo.evaluation.readout.fit": STOP,
        },
    ),
    "evaluate families": Situation(
        "evaluate families",
        [
            *REPORTED,
            used("--sheet {video}", "exists already"),
            used("--extractor {weights}", "load_motion_extractor('{weights}'"),
            used("--each 3", "draw_clips(3, 8)"),
            used("--appearances 3", "draw_clips(8, 3)"),
        ],
        {
            "dismo_core.dismo.weights.load_motion_extractor": None,
            "dismo_core.evaluation.disentangle.require_scikit_learn": None,
            "dismo_core.synthetic.held_out.families.draw_clips": STOP,
        },
    ),
    "evaluate transfer": Situation(
        "evaluate transfer {clip} {other}",
        [
            used("--start 0.5", "start=0.5"),
            used("--clip {full}", "CLIP model"),
            used("-o {video}", "exists already"),
            used("--overwrite", "measure_pair", beside="-o {video}"),
            refused("--device cpu", "is where the CLIP model runs"),
        ],
        {"dismo_core.evaluation.transfer.measure_pair": STOP},
    ),
    "evaluate transfer with CLIP": Situation(
        "evaluate transfer {clip} {other} --clip {full}",
        [used("--device cpu:0", "'cpu:0'"), said("--clip {full}", "--clip changes nothing")],
        {
            "dismo_core.evaluation.similarity.ClipSimilarity": SimpleNamespace(),
            "dismo_core.evaluation.transfer.measure_pair": STOP,
        },
        more=True,
    ),
    "evaluate release": Situation(
        "evaluate release --extractor {weights} --adapter {weights} --base {base} --device cpu",
        [
            *CHOICES,
            used("--base nowhere/at/all", "no folder nowhere"),
            used("--extractor none.pt", "no file none.pt"),
            used("--adapter none.pt", "no file none.pt"),
            used("--out {video}", "exists already"),
            used("--overwrite", "release_report", beside="--out {video}"),
            used("--steps 20", "release_report"),
            used("--device cpu:0", "index=0"),
        ],
        {
            "dismo_core.dismo.adapter.load.load_video_model": None,
            "dismo_core.dismo.weights.load_motion_extractor": None,
            "dismo_core.dismo.evaluation.release.release_report": STOP,
        },
    ),
    **MOTIONDIRECTOR,
    "weights": Situation("weights", []),
    "weights list": Situation("weights list", []),
    "weights download": Situation(
        "weights download motion_extractor_large",
        [used("--to elsewhere", "elsewhere")],
        {"dismo_core.weights.hub.fetch": STOP},
    ),
    "weights verify": Situation("weights verify", []),
    "weights convert": Situation(
        "weights convert {weights} out.safetensors",
        [used("--overwrite", "overwrite=True")],
        {"dismo_core.weights.convert.convert": STOP},
    ),
}
