"""What becomes of every option of `dismo 4d`; see `situations.py`."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import torch
from option_cases import MOTION, Layered
from situations import STOP, Situation, refused, used

from dismo_core.errors import DisMoError

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
CUT_OUT_4D = {
    "dismo_core.gaussians4d.matting.matte": None,
    "dismo_core.gaussians4d.prepare.recenter": np.zeros((256, 256, 4), np.uint8),
}


class Posing:
    """A static model that says its seed."""

    def pose(self, clip, frame, seed, *, runtime):
        raise DisMoError(f"Not with the seed {seed} on {runtime.device!r}.")


MODEL = [
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
]
WRITTEN_4D = FITTED_4D | {
    "dismo_core.gaussians4d.fit_clip.fit_clip": "fitted",
    "dismo_core.gaussians4d.cli.model_options.write_results": STOP,
}
FOUR_D = {
    "4d demo": Situation("4d demo", [used("--out {video}", "is a file"), used("--steps 7", "steps=7")], FITTED_4D),
    "4d video": Situation(
        "4d video {clip}",
        [
            *CUT_OUT,
            *MODEL,
        ],
        WRITTEN_4D,
    ),
    "4d picture": Situation(
        "4d picture {picture} --motion {clip}",
        [
            used("--motion none.mp4", "no clip none.mp4"),
            used("--strength 0.7", "strength=0.7"),
            used("--matting plain", "'plain'"),
            used("--frames 5", "frames=5"),
            *MODEL,
        ],
        WRITTEN_4D
        | {
            "dismo_core.gaussians4d.matting.matte": np.zeros((64, 64, 4), np.uint8),
            "dismo_core.dismo.extract.extract_motion": MOTION,
            "dismo_core.dismo.weights.load_motion_extractor": "extractor",
            "dismo_core.dismo.weights.load_layered_model": Layered(),
        },
    ),
    "4d text": Situation(
        "4d text fish",
        [
            used("--base none", "none"),
            used("--motion-adapter none.safetensors", "none.safetensors"),
            used("--as-it-is", "prompt='fish'"),
            used("--frames 5", "frames=5"),
            used("--sampling-steps 3", "steps=3"),
            used("--guidance 2", "guidance=2.0"),
            used("--fps 5", "5.0"),
            used("--matting plain", "'plain'"),
            *MODEL,
        ],
        WRITTEN_4D
        | {
            "dismo_core.text_to_video.base.load_text_to_video": SimpleNamespace(unet="unet"),
            "dismo_core.motiondirector.sampling.sample_videos": [torch.zeros(2, 4, 4, 3, dtype=torch.uint8)],
            "dismo_core.video.write_video": None,
        },
    ),
    "4d evaluate": Situation(
        "4d evaluate",
        [
            *(refused(words, "is for a model") for words in ("--truth {frames}", "--azimuths 30", "--clip {full}")),
            used("--seeds 2", "2"),
            used("--steps 7", "object_rows(7"),
            used("-o {clear}", "exists already"),
            used("--device cpu:0", "index=0"),
            used("--overwrite", "object_rows", beside="-o {clear}"),
        ],
        {
            "dismo_core.gaussians4d.evaluate.object_rows": [],
            "dismo_core.gaussians4d.evaluate.clip_rows": STOP,
        },
    ),
    "4d evaluate a model": Situation(
        "4d evaluate {glb}",
        [
            *(refused(words, "changes nothing for a model") for words in ("--seeds 2", "--steps 7")),
            used("--truth {frames} {full}", "2 folders"),
            used("--azimuths 30 60", "2 azimuths"),
            used("--clip {full}", "ClipSimilarity", beside="--truth {frames} --azimuths 30"),
        ],
        {
            "dismo_core.gaussians4d.model4d.read_weights": STOP,
            "dismo_core.evaluation.similarity.ClipSimilarity": "similarity",
        },
        more=True,
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
    "4d drive": Situation(
        "4d drive {wide} --model {full}",
        [
            used("--model {clips}", "clips"),
            used("--seed 7", "seed=7"),
            used("--bg black", "background='black'"),
            used("--is_pad", "pad=True"),
            used("--frames 5", "frames=5"),
            used("--steps 3", "steps=3"),
            used("--size 64", "size=64"),
            used("--matting plain", "'plain'"),
            used("--device cpu:0", "index=0"),
            used("--overwrite", "check_folder", beside="--seed 3"),
        ],
        {
            "dismo_core.gaussians4d.matting.matte": np.zeros((4, 4, 4), np.uint8),
            "dismo_core.gaussians4d.export.check_folder": None,
            "dismo_core.gaussians4d.drive.drive": STOP,
        },
    ),
    "4d static": Situation(
        "4d static {picture}",
        [
            *SHAPE,
            used("-o {wide}", "exists already"),
            used("--overwrite", "inflated", beside="-o {wide}"),
            used("--method lgm", "needs the weights"),
            *(
                refused(words, "is for --method lgm")
                for words in ("--lgm a", "--imagedream a", "--seed 1", "--memory full", "--device cpu")
            ),
            *(
                refused(words, "is for --method sds")
                for words in ("--guidance a", "--config dg", "--kind xl", "--steps 7")
            ),
        ],
        CUT_OUT_4D | {"dismo_core.gaussians4d.posed.inflated": STOP},
    ),
    "4d static from a ball": Situation(
        "4d static {picture} --method sds --guidance {full}",
        [
            *(refused(words, "is for --method lgm") for words in ("--lgm a", "--imagedream a")),
            used("--guidance {clips}", "clips"),
            used("--config dghd", "views=16"),
            used("--kind stable", "'stable'"),
            used("--steps 7", "steps=7"),
            used("--seed 7", "seed=7"),
            used("--memory full", "memory='full'"),
            used("--device cpu:0", "index=0"),
        ],
        CUT_OUT_4D
        | {
            "dismo_core.gaussians4d.zero123.load_zero123": "judge",
            "dismo_core.gaussians4d.static_sds.gaussians_from_ball": STOP,
        },
        more=True,
    ),
    "4d static by networks": Situation(
        "4d static {picture} --method lgm --lgm {weights} --imagedream {full}",
        [
            *(refused(words, "is for --method inflate") for words in ("--count 99", "--thickness 0.5")),
            used("--lgm {glb}", "model.glb"),
            used("--imagedream {clips}", "clips"),
            used("--seed 7", "the seed 7"),
            used("--memory full", "memory='full'"),
            used("--device cpu:0", "index=0"),
        ],
        CUT_OUT_4D | {"dismo_core.gaussians4d.static_lgm.load_static_lgm": Posing()},
        more=True,
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
        "4d fit input={frames} --config 4d --gaussians any.ply",
        [used("--guidance {full}", "has no part unet")],
        FITTED_4D | {"dismo_core.gaussians4d.posed.read_posed": SimpleNamespace(radius=1.5)},
        more=True,
    ),
    "4d refine": Situation(
        "4d refine input={frames}",
        [
            used("--config 5d", "no preset '5d'"),
            used("--svd {clips}", "clips"),
            used("--device cpu:0", "index=0"),
            used("--overwrite", "refine_texture", beside="outdir={full}"),
        ],
        READ_4D
        | {
            "dismo_core.gaussians4d.cli.refine._source": SimpleNamespace(
                moving=SimpleNamespace(frames=[0]), four="model"
            ),
            "dismo_core.gaussians4d.clip.prepare_clip": SimpleNamespace(rgba=[0], fps=8.0),
            "dismo_core.gaussians4d.refine.refine_texture": STOP,
        },
    ),
    "evaluate release-4d": Situation(
        "evaluate release-4d --svd {full}",
        [
            used("--lgm {weights}", "belong together"),
            used("--imagedream {full}", "belong together"),
            used("--stable-zero123 {full}", "stable_zero123"),
            used("--zero123-xl {full}", "zero123_xl"),
            used("--svd {clips}", "clips"),
            used("--steps 7", "7"),
            used("--size 64", "64"),
            used("-o {clear}", "exists already"),
            used("--device cpu:0", "index=0"),
            used("--overwrite", "release_report", beside="-o {clear}"),
        ],
        {"dismo_core.gaussians4d.release.release_report": STOP},
    ),
    "evaluate release-4d without a Stable Video Diffusion": Situation(
        "evaluate release-4d --stable-zero123 {full}",
        [refused(words, "is for --svd") for words in ("--steps 7", "--size 64")],
        {"dismo_core.gaussians4d.release.release_report": STOP},
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
