"""What becomes of every option of the commands of DisMo and of those that no method owns; see `situations.py`."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import torch
from situations import STOP, Situation, refused, said, used

from dismo_core.dismo.layered.head import MotionHead
from dismo_core.dismo.layered.layers import Layers
from dismo_core.dismo.layered.model import LayeredModel
from dismo_core.dismo.layered.path import Path
from dismo_core.dismo.layered.rendered import RenderedFrames
from dismo_core.dismo.layered.renderer import Renderer
from dismo_core.dismo.layered.segmenter import Segmenter
from dismo_core.dismo.motion import Motion
from dismo_core.settings import SamplingDefaults

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
LARGE = WRITTEN | {
    "dismo_core.dismo.adapter.load.load_video_model": Model(),
    "dismo_core.dismo.adapter.with_loras.WithLoRAs": Model(),
}
MANY = TINY | {
    "dismo_core.video.write_video": None,
    "dismo_core.dismo.cli.transfer_many._write_index": None,
    "dismo_core.dismo.cli.transfer_many._write_sheet": None,
}

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
    used("--curve 0:1,4:0.5", "curve=(1.0, 0.875, 0.75, 0.625, 0.5, 0.5, 0.5"),
    used("--device cpu:0", "index=0"),
    refused("--format gif", "is for many"),
]
RESULT = [
    *WRITING,
    used("--steps 2", "steps=2"),
    used("--seed 7", "seed=7"),
    used("--fit pad", "write_video", beside="--image {wide}"),
    refused("--seeds same", "is for many"),
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
    *(
        refused(words, "belongs to models that make frames")
        for words in ("--steps 2", "--seed 7", "--fit pad", "--seeds same")
    ),
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
        "--start-percent 0.5",
        "--end-percent 0.5",
        "--segment-images {wide}",
        "--lora {weights}",
        "--lora-strength 1",
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
OF_TEXT_TO_VIDEO = [
    refused(words, "belongs to `dismo train text-to-video-tiny`")
    for words in ("--autoencoder-steps 7", "--denoiser-steps 7")
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
PRESETS_MADE = [
    used("-o {kept}", "exists already"),
    used("--extractor {weights}", "load_motion_extractor('{weights}'"),
    used("--frames 9", "9"),
    used("--fps 12", "12.0"),
    used("--strength 3", "--strength must be 0 to 2"),
    used("--overwrite", "Runtime(", beside="-o {kept}"),
    used("--device cpu:0", "'cpu:0'"),
]
PRESETS_TRACED = {
    "dismo_core.dismo.weights.load_motion_extractor": SimpleNamespace(extractor_id="0" * 16),
    "dismo_core.dismo.presets.made": STOP,
    "dismo_core.dismo.drawn_path.path_motion": STOP,
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
            used("--start-percent 0.5", "start_percent=0.5"),
            used("--end-percent 0.5", "end_percent=0.5"),
            used("--segment-images {wide} {wide}", "[3, 64, 64, 3]"),
            used("--lora {weights}", "{weights}': (PerSegment(values=('1',)"),
            used("--lora-strength 0.5", "PerSegment(values=('0.5',)", beside="--lora {weights}"),
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
    "transfer of many": Situation(
        "transfer --motion {clips} --image {picture} --model tiny",
        [
            used("--seeds same", "seed=0"),
            used("--seed 7", "seed=8"),
            used("--format webp", "_1.webp"),
            used("-o elsewhere", "elsewhere"),
            used("--image {clips}/*.png", "names no picture: of 0 files"),
            refused("-o out.mp4", "is no folder"),
            refused("--audio keep", "is for one video"),
            refused("--ping-pong", "is for one video"),
        ],
        MANY,
        more=True,
    ),
    "transfer of many with CogVideoX": Situation(
        "transfer --motion {clips} --image {picture} --base {base}",
        [refused("--segment-images {wide}", "is for one picture")],
        LARGE,
        more=True,
    ),
    "transfer of many by the layered model": Situation(
        "transfer --motion {clips} --image {picture}",
        [refused("--mask {picture}", "is for one picture")],
        LAYERED,
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
    "presets": Situation(
        "presets pan-left",
        [
            *PRESETS_MADE,
            *(refused(words, "give --path") for words in ("--width 100", "--height 100", "--pace spaced", "--reverse")),
            refused("--list", "makes none"),
            refused("--path [[1,2],[9,9]]", "leave pan-left away"),
        ],
        PRESETS_TRACED,
    ),
    "presets, of a path": Situation(
        "presets --path [[1,2],[300,90]]",
        [
            *PRESETS_MADE,
            used("--width 100", "size=(512, 100)"),
            used("--height 100", "size=(100, 512)"),
            used("--pace spaced", "pace='spaced'"),
            used("--reverse", "reverse=True"),
            refused("--list", "which makes nothing"),
            used("--path [[3,4],[300,90]]", "[[3,4],[300,90]]"),
        ],
        PRESETS_TRACED,
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
            *OF_TEXT_TO_VIDEO,
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
            *OF_TEXT_TO_VIDEO,
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
            *OF_TEXT_TO_VIDEO,
        ],
        {
            "dismo_core.dismo.weights.load_motion_extractor": SimpleNamespace(extractor_id="0" * 16),
            "dismo_core.dismo.training.fit_head.read_drawn_clips": (None, None),
            "dismo_core.dismo.training.fit_head.fit_head": (None, {}),
            "dismo_core.dismo.training.segmenter.train_segmenter": STOP,
            "dismo_core.dismo.weights.load_layered_model": STOP,
        },
    ),
    "train a text-to-video base": Situation(
        "train text-to-video-tiny --out run",
        [
            *RUN[:3],
            used("--seed 7", "seed=7"),
            used("--autoencoder-steps 7", "autoencoder_steps=7"),
            used("--denoiser-steps 7", "denoiser_steps=7"),
            *OF_LAYERED,
            *(
                refused(words, "has no part in training a text-to-video base")
                for words in (
                    "--device cpu:0",
                    "--steps 7",
                    "--lr 7",
                    "--lr-warmup 7",
                    "--clip 7",
                    "--average 0.5",
                    "--save-every 7",
                    "--log-every 7",
                    "--keep 7",
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
        {"dismo_core.text_to_video.training.tiny.train_tiny": STOP},
        more=True,
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
    "evaluate presets": Situation(
        "evaluate presets",
        [
            *REPORTED,
            used("--sheet {video}", "exists already"),
            used("--extractor {weights}", "load_motion_extractor('{weights}'"),
            used("--model {weights}", "load_layered_model('{weights}'"),
            used("--device cpu:0", "'cpu:0'"),
            used("--presets roll-left", "motion_preset('roll-left'"),
            used("--pictures 0", "--pictures is 0"),
        ],
        {
            "dismo_core.dismo.weights.load_layered_model": None,
            "dismo_core.dismo.weights.load_motion_extractor": None,
            "dismo_core.dismo.presets.motion_preset": STOP,
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
            refused("--motiondirector", "is for CogVideoX"),
        ],
        {
            "dismo_core.dismo.adapter.load.load_video_model": None,
            "dismo_core.dismo.weights.load_motion_extractor": None,
            "dismo_core.dismo.evaluation.release.release_report": STOP,
        },
    ),
    "evaluate release of MotionDirector": Situation(
        "evaluate release --motiondirector --adapter {weights} --base {base} --device cpu",
        [
            *(
                refused(words, "is for CogVideoX, not for --motiondirector")
                for words in (
                    "--extractor {weights}",
                    "--text-encoder {weights}",
                    "--vae {weights}",
                    "--attention sdpa",
                    "--compile",
                    "--cache pyramid",
                )
            ),
            used("--memory full", "memory='full'"),
            used("--precision fp32", "precision='fp32'"),
            used("--steps 20", "20, "),
            used("--out {video}", "exists already"),
            used("--overwrite", "release_report", beside="--out {video}"),
        ],
        {
            "dismo_core.text_to_video.base.load_text_to_video": None,
            "dismo_core.motiondirector.release.release_report": STOP,
        },
        more=True,
    ),
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
