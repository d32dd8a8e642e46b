"""What becomes of every option of `dismo demo-t2v`, see `situations.py`."""

from __future__ import annotations

from types import SimpleNamespace

import torch
from situations import STOP, Situation, refused, used

RUNNING = [
    used("--weights {full}", "load('{full}'"),
    used("--precision fp8", "'fp8'"),
    used("--memory full", "'full'"),
    used("--device cpu:0", "'cpu:0'"),
]
MODEL = SimpleNamespace(defaults=SimpleNamespace(size=(256, 256), fps=8.0, frames=16), check_size=lambda size: size)
GENERATING = {
    "dismo_core.demo_t2v.cli.generate.load": MODEL,
    "dismo_core.demo_t2v.table_run.run_table": STOP,
    "torch.distributed.run.main": STOP,
}

DEMO_T2V = {
    "demo-t2v generate": Situation(
        "demo-t2v generate --prompt x",
        [
            used("--prompt y", "prompt='y'"),
            used("--motion-prompt up", "motion_prompt='up'"),
            used("--negative-motion still", "negative_motion='still'"),
            used("--motion-guidance 7", "motion_guidance=7.0"),
            used("--motion-strength 0,1", "motion_strength=(0.0, 1.0)"),
            refused("--overflow cut", "is for a table"),
            used("--resume", "resume=True"),
            used("--devices 0,2", "'--nproc-per-node', '2'"),
            used("--cfg {config}", "strange is not known"),
            *RUNNING,
        ],
        GENERATING,
    ),
    "demo-t2v generate of a table": Situation(
        "demo-t2v generate --cfg {config}",
        [refused("--motion-prompt up", "in a table it is the column")],
        GENERATING,
        more=True,
    ),
    "demo-t2v reanimate": Situation(
        "demo-t2v reanimate {clip} -o out.mp4 --caption man",
        [
            used("-o other.mp4", "other.mp4"),
            used("--caption woman", "caption='woman'"),
            used("--motion-caption up", "motion_caption='up'"),
            used("--motion-prompt up", "motion_prompt='up'"),
            used("--start 0.5", "start=0.5"),
            used("--steps 7", "steps=7"),
            used("--guidance 7", "guidance=7.0"),
            used("--motion-guidance 7", "motion_guidance=7.0"),
            used("--frames 7", "frames=7"),
            used("--width 64", "width=64"),
            used("--height 64", "height=64"),
            used("--overwrite", "overwrite=True"),
            *RUNNING,
        ],
        {"dismo_core.demo_t2v.cli.reanimate.load": MODEL, "dismo_core.demo_t2v.cli.reanimate.reanimated": STOP},
    ),
    "demo-t2v train": Situation(
        "demo-t2v train --cfg {config}",
        [
            used("--cfg other.yaml", "other.yaml"),
            used("--out elsewhere", "PosixPath('elsewhere')"),
            used("--device cpu:0", "'cpu:0'"),
            refused("--drawn", "and not both"),
            refused("--first-steps 3", "belongs to --drawn"),
            refused("--short-steps 3", "belongs to --drawn"),
            refused("--steps 3", "belongs to --drawn"),
            refused("--seed 3", "belongs to --drawn"),
        ],
        {
            "dismo_core.demo_t2v.config.read_train_config": SimpleNamespace(
                training={},
                losses=dict(text_motion=0.0, regularization=0.0),
                weights=dict.fromkeys(("unet", "content_encoder", "autoencoder"), "/"),
                flow=None,
                folder="run",
                half=False,
                sharded=False,
                offload=False,
                cache=None,
            ),
            "dismo_core.demo_t2v.cli.train._videos": [],
            "dismo_core.demo_t2v.cli.train.chosen_device": "cpu",
            "dismo_core.demo_t2v.tower_files.read_text_tower": torch.nn.Identity(),
            "dismo_core.demo_t2v.cli.train._unet": None,
            "dismo_core.demo_t2v.loading.read_autoencoder": torch.nn.Identity(),
            "dismo_core.demo_t2v.training.train_motion.train_motion": STOP,
        },
    ),
    "demo-t2v train on drawn clips": Situation(
        "demo-t2v train --drawn",
        [
            used("--out elsewhere", "PosixPath('elsewhere')"),
            used("--first-steps 3", "first_steps=3"),
            used("--short-steps 3", "short_steps=3"),
            used("--steps 3", ", steps=3"),
            used("--seed 3", "seed=3"),
            refused("--device cpu:0", "runs on the CPU"),
            refused("--cfg {config}", "and not both"),
        ],
        {"dismo_core.demo_t2v.training.drawn.train_drawn": STOP},
        more=True,
    ),
    "evaluate release-demo": Situation(
        "evaluate release-demo --device cpu",
        [
            used("--weights {clips}", "find_files([PosixPath"),
            used("-o {video}", "exists already"),
            used("--overwrite", "release_report", beside="-o {video}"),
            used("--steps 7", ", 7, "),
            used("--frames 7", ", 7)"),
            used("--precision bf16", "precision='bf16'"),
            used("--memory full", "memory='full'"),
            used("--device cpu:0", "cpu:0"),
        ],
        {
            "dismo_core.demo_t2v.loading.find_files": {},
            "dismo_core.demo_t2v.loading.load_demo": None,
            "dismo_core.demo_t2v.release.release_report": STOP,
        },
    ),
}
