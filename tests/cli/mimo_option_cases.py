"""What becomes of every option of `dismo mimo`; see `option_cases.py`."""

from option_cases import STOP, Situation, refused, said, used

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
    used("--ref {picture}", "neither transparency nor a white background"),
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
    used("--precision bf16", "torch.bfloat16"),
    used("--memory full", "'full'"),
    used("--device cpu:0", "cpu:0"),
    *OF_RELEASE,
    *WRITTEN,
]
LOADED = {"dismo_core.mimo.load_pipeline.load_mimo": None}

MIMO = {
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
        ],
        {"dismo_core.mimo.templates.build.build_template": STOP},
    ),
    "mimo template build with a background": Situation(
        "mimo template build {clip} --mask {other} --background {other}",
        [refused("--align translation", "Leave one of them out"), refused("--dilate 7", "Leave one of them out")],
        {"dismo_core.mimo.templates.build.build_template": STOP},
        more=True,
    ),
    "mimo template info": Situation("mimo template info {template}", []),
    "mimo template check": Situation("mimo template check {template}", []),
    "mimo template zip": Situation(
        "mimo template zip {template}",
        [used("-o out.txt", "ends in .zip"), used("--overwrite", "overwrite=True")],
        {"dismo_core.mimo.templates.save_template.save_template": STOP},
    ),
    "mimo animate": Situation(
        "mimo animate --weights {weights} --template {template} --ref {character}",
        NETWORK,
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
    "mimo evaluate": Situation(
        "mimo evaluate",
        [
            used("--scenes 5", "evaluate_insertion(5"),
            used("-o {video}", "exists already"),
            used("--overwrite", "(", beside="-o {video}"),
        ],
        {"dismo_core.mimo.evaluate.evaluate_insertion": STOP},
    ),
}
