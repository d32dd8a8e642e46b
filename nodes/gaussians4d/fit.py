"""The node that fits a moving object to a clip."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from comfy_api.latest import io

from ..shared import compat, host
from ..shared.sockets import Clip4D, Gaussians, Guidance4D, Model4D

if TYPE_CHECKING:
    from ...dismo_core.gaussians4d import Gaussians4D
    from ...dismo_core.gaussians4d.clip import Clip4D as Clip
    from ...dismo_core.gaussians4d.fit_clip import FitSettings
    from ...dismo_core.gaussians4d.posed import PosedGaussians
    from ...dismo_core.gaussians4d.zero123 import Zero123

# Choice -> preset of the core
PRESETS = {"inflate": "inflate", "demo": "4d_demo", "low": "4d_low", "default": "4d", "consistent4d": "4d_c4d"}
SHOWN = 256  # px


class Fit(io.ComfyNode):
    """DISMO_4D_CLIP + DISMO_GAUSSIANS -> DISMO_4D."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """See `web/docs/DisMo4DFit.md`."""
        return io.Schema(
            node_id="DisMo4DFit",
            display_name="Fit 4D (DisMo)",
            category="DisMo/4D",
            description="Moves Gaussians as the subject of a clip moves. About a minute on a CPU with the defaults.",
            inputs=[
                Clip4D.Input("clip", tooltip="From Prepare 4D Clip."),
                Gaussians.Input("gaussians", tooltip="From 4D Gaussians from Clip, or Load 4D Gaussians."),
                Guidance4D.Input(
                    "guidance",
                    optional=True,
                    tooltip="A zero123 that judges the other sides while they are fitted; needs a graphics card. Empty = none.",
                ),
                io.Combo.Input(
                    "preset",
                    options=["auto", "inflate", "demo", "low", "default", "consistent4d"],
                    default="auto",
                    tooltip="inflate = without a guidance, on any computer; the others are those of DreamGaussian4D and need one: demo is "
                    "the quickest, low needs less memory. auto = inflate, or default where a guidance is connected.",
                ),
                io.Int.Input(
                    "steps",
                    default=0,
                    min=0,
                    max=100000,
                    tooltip="Of the fit; more takes longer. 0 = those of the preset: 300 or 500.",
                ),
                io.Float.Input(
                    "radius",
                    default=0.0,
                    min=0.0,
                    max=100.0,
                    step=0.05,
                    tooltip="Distance of the camera from the object. 0 = as the Gaussians say: 1.5, or 2 for those of DreamGaussian.",
                ),
                io.Float.Input(
                    "rigid",
                    default=1.0,
                    min=0.0,
                    max=100.0,
                    step=0.1,
                    tooltip="How stiff the object is, times the preset's. More where sides and back dissolve or wobble.",
                ),
                io.Float.Input(
                    "smooth",
                    default=1.0,
                    min=0.0,
                    max=100.0,
                    step=0.1,
                    tooltip="How even the motion is, times the preset's. Less where fast parts are blurred.",
                ),
                io.Int.Input(
                    "seed",
                    default=0,
                    min=0,
                    max=0xFFFFFFFFFFFFFFFF,
                    control_after_generate=True,
                    tooltip="Of all random numbers; equal seeds give equal models on one machine.",
                ),
                Model4D.Input(
                    "resume",
                    optional=True,
                    tooltip="A model of this clip, from which the fit goes on instead of the Gaussians.",
                ),
            ],
            outputs=[
                Model4D.Output("model4d", display_name="model4d", tooltip="Goes into Render 4D and Save 4D."),
                io.Image.Output(
                    "fitted", display_name="fitted", tooltip="The model as the camera of the clip sees it."
                ),
                io.String.Output("report", display_name="report", tooltip="How well the clip is met."),
            ],
            **compat.aliases("dismo", "4d", "video to 4d", "gaussian splatting", "dreamgaussian4d"),
        )

    @classmethod
    def execute(
        cls,
        clip: Clip,
        gaussians: PosedGaussians,
        preset: str,
        steps: int,
        radius: float,
        rigid: float,
        smooth: float,
        seed: int,
        guidance: Zero123 | None = None,
        resume: Gaussians4D | None = None,
    ) -> io.NodeOutput:
        """Choose the settings, then leave it to `fit_clip`."""
        from ...dismo_core.gaussians4d.fit_clip import fit_clip
        from ...dismo_core.gaussians4d.measures import measure
        from ...dismo_core.gaussians4d.views import plan, render

        settings = replace(
            _settings(preset, guidance, rigid, smooth),
            seed=seed % 2**32,
            frame=gaussians.frame,
            radius=radius or gaussians.radius,
        )
        if steps:
            settings = replace(settings, steps=steps)
        with host.advising_on_memory(), torch.inference_mode(False), torch.enable_grad():
            if guidance is not None:
                host.bring_to_device(guidance)
            four = fit_clip(
                clip,
                settings,
                gaussians=gaussians.gaussians,
                surface=gaussians.surface,
                resume=resume,
                zero123=guidance,
                runtime=host.runtime(guidance),
            )
        found = measure(four, clip)
        known = [rgb for rgb, _, _ in render(four, plan("still", four.frames), SHOWN, SHOWN)]
        report = (
            f"Known view: {found.psnr:.1f} dB, worst frame {found.worst:.1f} dB; masks agree by {found.iou:.2f}. "
            f"Area from the side, over that from in front: {found.side_area:.2f}. Sides and back are inferred."
        )
        return io.NodeOutput(four, torch.stack(known), report)


def _settings(preset: str, guidance: Zero123 | None, rigid: float, smooth: float) -> FitSettings:
    """Of a preset; `rigid` and `smooth` scale its priors.

    Raises:
        DisMoError: a preset that needs a guidance without one, or the other way round.
    """
    from ...dismo_core import DisMoError
    from ...dismo_core.gaussians4d.fit_clip import FitSettings
    from ...dismo_core.gaussians4d.presets import settings_of

    if preset == "auto":
        preset = "inflate" if guidance is None else "default"
    if preset not in PRESETS:
        raise DisMoError(f"preset is one of auto, {', '.join(PRESETS)}, not {preset!r}.")
    settings = FitSettings.of(settings_of(PRESETS[preset]))
    judged = settings.views > 0
    if judged and guidance is None:
        raise DisMoError(
            f"The preset {preset} needs a guidance, and none is connected. Connect one, or choose the preset inflate."
        )
    if guidance is not None and not judged:
        raise DisMoError("The preset inflate uses no guidance, but one is connected. Choose auto, or disconnect it.")
    priors = settings.priors
    return replace(settings, priors=replace(priors, rigid=priors.rigid * rigid, smooth=priors.smooth * smooth))
