"""What becomes of every option of `dismo motiondirector`, see `situations.py`."""

from __future__ import annotations

from pathlib import Path as FilePath
from types import SimpleNamespace

import torch
from situations import STOP, Situation, refused, said, used

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
    used("--convolutions", "convolutions=True"),
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
            refused("--tiny", "is for an adapter and its clip"),
            *(
                refused(words, "is for --tiny")
                for words in ("--train-steps 7", "--clips 2", "--appearances 2", "--controls")
            ),
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
    "motiondirector evaluate on drawn clips": Situation(
        "motiondirector evaluate --tiny --device cpu",
        [
            *(
                refused(words, "is for an adapter and its clip")
                for words in (
                    "--clip {other}",
                    "--prompt y",
                    "--width 64",
                    "--height 64",
                    "--num-frames 3",
                    "--fps 3",
                    "--lora_scale 0.5",
                    "--clip-model {full}",
                )
            ),
            used("--model {base}", "load('{base}'"),
            used("--num-steps 3", "steps=3"),
            used("--guidance-scale 3", "guidance=3.0"),
            used("--seed 7", "seed=7"),
            used("--train-steps 7", "steps=7"),
            used("--appearances 2", "appearances=2"),
            used("--clips 1", "moves=('turning clockwise',)"),
            used("--controls", "controls=True"),
            used("--output {video}", "exists already"),
            used("--overwrite", "evaluate_drawn", beside="-o {video}"),
            *RUNNING,
        ],
        {
            "dismo_core.motiondirector.cli.evaluate_tiny.load": SimpleNamespace(size=(64, 64), name="toy"),
            "dismo_core.motiondirector.drawn_evaluation.evaluate_drawn": STOP,
        },
        more=True,
    ),
    "motiondirector demo": Situation(
        "motiondirector demo --device cpu",
        [
            used("--out {video}", "is a file"),
            used("--model {base}", "load('{base}'"),
            used("--steps 7", "steps=7"),
            *RUNNING,
        ],
        {
            "dismo_core.motiondirector.cli.demo.load": SimpleNamespace(size=(64, 64), name="toy"),
            "dismo_core.motiondirector.drawn.learn_drawn": STOP,
            "dismo_core.motiondirector.drawn.sampler": STOP,
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
