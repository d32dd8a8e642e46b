"""What becomes of every option of `dismo 4d`; see `situations.py`."""

from __future__ import annotations

from types import SimpleNamespace

from situations import STOP, Situation, refused, used

CUT_OUT = [
    used("--frames 5", "frames=5"),
    used("--start 0.5", "start=0.5"),
    used("--length 2", "length=2.0"),
    used("--matting plain", "matting='plain'"),
    used("--crop union", "crop='union'"),
    used("--masks {other}", "masks='masks'"),
]
SHAPE = [used("--count 99", "99"), used("--thickness 0.5", "thickness=0.5")]
READ_4D = {
    "dismo_core.gaussians4d.clip.read_rgba": ([0] * 14, 8.0),
    "dismo_core.gaussians4d.cli.clip_options.read_masks": "masks",
}
FITTED_4D = READ_4D | {
    "dismo_core.gaussians4d.clip.prepare_clip": SimpleNamespace(rgba=[0] * 14),
    "dismo_core.gaussians4d.fit_clip.fit_clip": STOP,
}
FOUR_D = {
    "4d demo": Situation("4d demo", [used("--out {video}", "is a file"), used("--steps 7", "steps=7")], FITTED_4D),
    "4d video": Situation(
        "4d video {clip}",
        [
            *CUT_OUT,
            *SHAPE,
            used("-o {video}", "is a file"),
            used("--frame 3", "frame=3"),
            used("--steps 7", "steps=7"),
            used("--fit-size 32", "size=32"),
            used("--rigid 2", "rigid=400.0"),
            used("--smooth 2", "smooth=40000.0"),
            used("--seed 7", "seed=7"),
            used("--camera still", "'still'"),
            used("--background black", "'black'"),
            used("--device cpu:0", "index=0"),
            used("--overwrite", "write_results", beside="-o {full}"),
        ],
        FITTED_4D
        | {
            "dismo_core.gaussians4d.fit_clip.fit_clip": "fitted",
            "dismo_core.gaussians4d.cli.video.write_results": STOP,
        },
    ),
    "4d prepare": Situation(
        "4d prepare {clip}",
        [
            *CUT_OUT,
            used("-o {video}", "is a file"),
            used("--size 64", "size=64"),
            used("--overwrite", "prepare_clip", beside="-o {frames}"),
        ],
        READ_4D | {"dismo_core.gaussians4d.clip.prepare_clip": STOP},
    ),
    "4d prepare of a picture": Situation(
        "4d prepare {wide}",
        [
            *(
                refused(words, "is for clips")
                for words in ("--frames 5", "--start 1", "--length 1", "--crop none", "--masks {other}")
            ),
            used("--matting plain", "'plain'"),
            used("-o {clear}", "exists already"),
            used("--overwrite", "matte", beside="-o {clear}"),
        ],
        {"dismo_core.gaussians4d.matting.matte": STOP},
        more=True,
    ),
    "4d static": Situation(
        "4d static {picture}",
        [*SHAPE, used("-o {wide}", "exists already"), used("--overwrite", "inflate_silhouette", beside="-o {wide}")],
        {
            "dismo_core.gaussians4d.matting.matte": None,
            "dismo_core.gaussians4d.prepare.recenter": None,
            "dismo_core.gaussians4d.inflate.inflate_silhouette": STOP,
        },
    ),
    "4d fit": Situation(
        "4d fit input={frames}",
        [
            used("--config 4d", "zero123"),
            used("--gaussians none.ply", "no file none.ply"),
            refused("--guidance {full}", "ask for no zero123"),
            used("--restart", "no fit that was broken off"),
            used("--device cpu:0", "index=0"),
            used("--overwrite", "fit_clip", beside="outdir={full}"),
        ],
        FITTED_4D,
    ),
    "4d fit with a zero123": Situation(
        "4d fit input={frames} --config 4d",
        [used("--guidance {full}", "has no part unet")],
        FITTED_4D,
        more=True,
    ),
    "4d view": Situation(
        "4d view {glb}",
        [
            used("-o page.html", "page.html"),
            used("--no-open", "html_viewer"),
            used("--overwrite", "overwrite=True"),
        ],
        {"dismo_core.gaussians4d.viewer.html_viewer": None, "webbrowser.open": True},
    ),
    "4d white-background": Situation(
        "4d white-background {frames}",
        [used("-o {full}", "exists already"), used("--overwrite", "atomic_folder", beside="-o {full}")],
        {"dismo_core.gaussians4d.cli.white_background.atomic_folder": STOP},
    ),
}
