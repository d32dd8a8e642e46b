"""What becomes of every option of `dismo mimo`; see `situations.py`."""

from pathlib import Path

from option_cases import RUN
from situations import STOP, Situation, refused, said, used
from torch import nn

from dismo_core.mimo.weight_layout import Layout

WRITTEN = [
    used("-o {video}", "exists already"),
    used("--overwrite", "_frames(", beside="-o {video}"),
    used("--crf 99", "crf must be"),
]
OF_RELEASE = [
    said(words, "has no effect")
    for words in ("-L 5", "--fps 5", "--clip_length 5", "--ref_pad", "--use_bk", "--assets_dir x")
]
NETWORK = [
    used("--weights {clips}", "load_mimo("),
    used("--lora x", "lora=PosixPath('x')"),
    used("--ref {picture}", "neither transparency nor a background of one color"),
    used("--alpha {wide}", "Give one mask"),
    used("--template {video}", "no template"),
    used("--max-frames 7", ", 7, "),
    used("-W 64", "width=64"),
    used("-H 64", "height=64"),
    used("--seed 7", "seed=7"),
    used("--cfg 2", "guidance=2.0"),
    used("--steps 7", "steps=7"),
    used("--window 9", "window=9"),
    used("--open-windows", "closed_loop=False"),
    used("--clip-windows", "window_per_clip=True"),
    used("--resume {video}", "is a file. Give --resume a folder"),
    used("--precision bf16", "torch.bfloat16"),
    used("--memory full", "'full'"),
    used("--device cpu:0", "cpu:0"),
    *OF_RELEASE,
    *WRITTEN,
]
LOADED = {"dismo_core.mimo.load_pipeline.load_mimo": None}

READING = [
    used("--frames 7", "frames=7"),
    used("--stride 7", "stride=7"),
    used("--apart 7", "apart=7"),
]
STAGE = [
    *RUN,
    *READING,
    used("--data x", "find_templates(['x']"),
    used("--weights x", "find_layout(PosixPath('x')"),
    used("--size 64", "size=64"),
    used("--batch 7", "batch=7"),
    used("--steps 7", "steps=7"),
    used("--lr 7", "lr=7.0"),
    used("--lr-warmup 7", "warmup=7"),
    used("--average 0.7", "average=0.7"),
    used("--accumulation 7", "accumulation=7"),
    used("--save-every 40", "save_every=40"),
    used("--log-every 40", "log_every=40"),
    used("--precision bf16", "torch.bfloat16"),
    used("--precision fp16", "torch.float16"),
    used("--optimizer adamw8bit", "adamw8bit"),
    used("--samples", "template_example("),
    used("--device cpu:0", "index=0"),
]


class Unet(nn.Module):
    """Knows how many channels it takes."""

    def __init__(self):
        super().__init__()
        self.conv_in = nn.Conv2d(8, 1, 1)


STAGE_TRACED = {
    "dismo_core.training.optimizers.check_optimizer": None,
    "dismo_core.mimo.weight_layout.find_layout": Layout({"denoising_unet_path": Path("x")}),
    "dismo_core.mimo.training.template_files.find_templates": [],
    "dismo_core.mimo.training.template_files.usable": [Path("x")],
    "dismo_core.mimo.load_pipeline.load_networks": (nn.Identity(), Unet(), nn.Identity()),
    "dismo_core.mimo.load_pipeline.load_encoders": (nn.Identity(),) * 2,
    "dismo_core.mimo.training.template_latents.encode_templates": [],
    "dismo_core.mimo.training.template_latents.template_example": None,
    "dismo_core.mimo.training.on_templates.train_stage": STOP,
}

MIMO = {
    "mimo train tiny": Situation(
        "mimo train tiny --out run",
        [
            *RUN,
            used("--steps 7", "stage2_steps=7"),
            *(used(f"--{name}-steps 7", f"{name}_steps=7") for name in ("encoder", "stage1", "stage2")),
        ],
        {"dismo_core.mimo.training.tiny.train_tiny": STOP},
    ),
    **{
        f"mimo train {stage}": Situation(
            f"mimo train {stage} --data t --weights w --out run --device cpu",
            [
                *STAGE,
                used(option, f"checkpointing={value}"),
                used("--occlusion-channels", ", 12)"),
            ],
            STAGE_TRACED,
        )
        for stage, option, value in (
            ("stage1", "--gradient-checkpointing", True),
            ("stage2", "--no-gradient-checkpointing", False),
        )
    },
    "mimo train lora": Situation(
        "mimo train lora --data t --weights w --out run --device cpu",
        [*STAGE, used("--no-gradient-checkpointing", "checkpointing=False"), used("--rank 4", "rank=4")],
        STAGE_TRACED,
    ),
    "mimo train check": Situation(
        "mimo train check {template}",
        [*READING, used("--stage stage2", "frames=24, stride=4")],
        {"dismo_core.mimo.training.template_files.problems": []},
    ),
    "mimo demo": Situation("mimo demo", [used("--out {video}", "is a file")]),
    "mimo insert": Situation(
        "mimo insert --template {template} --video {character}",
        [
            used("--template {video}", "no template"),
            used("--max-frames 0", "max_frames must be 1 or more"),
            used("--video {picture}", "neither transparency"),
            used("--alpha {wide}", "Give one mask"),
            used("--anchor centre", "anchor='centre'"),
            used("--scale none", "scale='none'"),
            used("--size 2", "size=2.0"),
            used("--offset 3 4", "offset=(3.0, 4.0)"),
            used("--time loop", "time='loop'"),
            used("--smooth 9", "smooth=9"),
            used("--feather 2", "feather=2.0"),
            used("--flip", "flip=True"),
            used("--shadow", "shadow=True"),
            used("--match-colours", "match_colour=True"),
            *WRITTEN,
        ],
        {"dismo_core.mimo.insertion.insert.inserted_frames": STOP},
    ),
    "mimo template build": Situation(
        "mimo template build {clip} --mask {other}",
        [
            used("--mask {clip}", "build_template"),
            used("--body {other}", "body="),
            used("--background {other}", "background="),
            used("--occlusion {other}", "occlusion="),
            used("--start 1", "start=1.0"),
            used("--max-frames 9", "max_frames=9"),
            used("--align translation", "align='translation'"),
            used("--dilate 7", "dilate=7"),
            used("-o {video}", "is a file"),
            used("--overwrite", "build_template", beside="-o {template}"),
            refused("--segment person", "--segment is for finding a mask"),
            refused("--segmenter x", "--segmenter is for finding a mask"),
            refused("--device cpu:0", "--device is for finding a mask"),
        ],
        {"dismo_core.mimo.templates.build.build_template": STOP},
    ),
    "mimo template build with a segmenter": Situation(
        "mimo template build {clip} --segment person",
        [used("--segment dog", "'dog'"), used("--segmenter x", "'x'"), used("--device cpu:0", "cpu:0")],
        {"dismo_core.mimo.templates.segment.segment_person": STOP},
        more=True,
    ),
    "mimo template build with a background": Situation(
        "mimo template build {clip} --mask {other} --background {other}",
        [refused("--align translation", "Leave one of them out"), refused("--dilate 7", "Leave one of them out")],
        {"dismo_core.mimo.templates.build.build_template": STOP},
        more=True,
    ),
    "mimo template info": Situation(
        "mimo template info {template}",
        [
            used("--sheet {video}", "exists already"),
            used("--overwrite", "overwrite=True", beside="--sheet {video}"),
            refused("--overwrite", "there is no --sheet"),
        ],
        {"dismo_core.video.sheets.save_picture": STOP},
    ),
    "mimo template check": Situation("mimo template check {template}", []),
    "mimo template zip": Situation(
        "mimo template zip {template}",
        [used("-o out.txt", "ends in .zip"), used("--overwrite", "overwrite=True")],
        {"dismo_core.mimo.templates.save_template.save_template": STOP},
    ),
    "mimo animate": Situation(
        "mimo animate --weights {weights} --template {template} --ref {character}",
        [*NETWORK, used("--transparent {video}", "is a file, not a folder")],
        {**LOADED, "dismo_core.mimo.generate.animated_frames": STOP},
    ),
    "mimo edit": Situation(
        "mimo edit --weights {weights} --template {template} --ref {character}",
        [
            *NETWORK,
            used("--as-released", "as_released=True"),
            used("--feather 0.2", "ramp=0.2"),
            used("--blend-masks {clips}", "has no alpha2_"),
        ],
        {**LOADED, "dismo_core.mimo.generate.edited_frames": STOP},
    ),
    "mimo edit with masks": Situation(
        "mimo edit --weights {weights} --template {template} --ref {character} --blend-masks {clips}",
        [refused("--feather 0.2", "both say how the crop fades")],
        more=True,
    ),
    "evaluate release-mimo": Situation(
        "evaluate release-mimo --weights {weights} --device cpu",
        [
            used("--weights {clips}", "load_mimo("),
            used("-o {video}", "exists already"),
            used("--overwrite", "load_mimo", beside="-o {video}"),
            used("--steps 7", ", 7, "),
            used("--size 64", ", 64, "),
            used("--precision bf16", "torch.bfloat16"),
            used("--memory full", "'full'"),
            used("--device cpu:0", "cpu:0"),
        ],
        {
            **LOADED,
            "dismo_core.mimo.weight_layout.find_layout": Layout({}),
            "dismo_core.mimo.release.release_report": STOP,
        },
    ),
    "mimo evaluate": Situation(
        "mimo evaluate",
        [
            used("--scenes 5", "evaluate_insertion(5"),
            used("--weights {clips}", "load_mimo('"),
            used("-o {video}", "exists already"),
            used("--overwrite", "(", beside="-o {video}"),
        ],
        {
            "dismo_core.mimo.evaluate.evaluate_insertion": STOP,
            "dismo_core.mimo.load_pipeline.load_mimo": None,
            "dismo_core.mimo.evaluate_network.evaluate_network": STOP,
        },
    ),
}
