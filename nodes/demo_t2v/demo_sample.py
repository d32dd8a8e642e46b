"""The node that makes clips of two prompts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from comfy_api.latest import io

from ..shared import compat, host
from ..shared.sockets import DemoConditioning, DemoModel
from ..shared.video_of import video_of
from .advice import OUT_OF_MEMORY

if TYPE_CHECKING:
    from torch import Tensor

    from ...dismo_core.demo_t2v import DemoTextToVideo
    from .prompts import DemoPrompts


class DemoSample(io.ComfyNode):
    """DISMO_DEMO_COND -> VIDEO."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """See `web/docs/DisMoDemoSample.md`."""
        return io.Schema(
            node_id="DisMoDemoSample",
            display_name="DEMO Sample (DisMo)",
            category="DisMo/DEMO",
            description="Makes clips of a prompt for what is seen and one for how it moves.",
            inputs=[
                DemoModel.Input("model", tooltip="From Load DEMO."),
                DemoConditioning.Input("conditioning", tooltip="From DEMO Prompts, with the same model."),
                io.Int.Input(
                    "seed",
                    default=0,
                    min=0,
                    max=0xFFFFFFFFFFFFFFFF,
                    control_after_generate=True,
                    tooltip="Start of the random numbers; the same seed gives the same clip, in any batch.",
                ),
                io.Int.Input(
                    "steps",
                    default=0,
                    min=0,
                    max=1000,
                    tooltip="Denoising steps; 0 = the model's own (50). Numbers that do not divide 1000 give a few more, as published.",
                ),
                io.Float.Input(
                    "guidance",
                    default=0.0,
                    min=0.0,
                    max=30.0,
                    step=0.1,
                    tooltip="How closely to follow the prompt; 0 = the model's own (9), 1 = not led.",
                ),
                io.Float.Input(
                    "motion_guidance",
                    default=-1.0,
                    min=-1.0,
                    max=30.0,
                    step=0.1,
                    tooltip="How closely to follow the motion prompt; -1 = as guidance. Another value costs half as much time again.",
                ),
                io.Float.Input(
                    "motion_strength",
                    default=1.0,
                    min=0.0,
                    max=2.0,
                    step=0.05,
                    tooltip="How much the motion modules do: 1 = as trained, 0 = the base without them, 2 = twice as much.",
                ),
                io.Int.Input(
                    "width",
                    default=0,
                    min=0,
                    max=4096,
                    step=64,
                    tooltip="Pixels, a multiple of 64; 0 = the model's own (256).",
                ),
                io.Int.Input("height", default=0, min=0, max=4096, step=64, tooltip="Likewise."),
                io.Int.Input("frames", default=0, min=0, max=64, tooltip="Of the clip; 0 = the model's own (16)."),
                io.Int.Input("batch", default=1, min=1, max=64, tooltip="Clips of one seed, made together."),
                io.Float.Input(
                    "fps",
                    default=0.0,
                    min=0.0,
                    max=60.0,
                    step=0.1,
                    tooltip="Frames per second of the video; 0 = the model's own (8).",
                ),
                io.Latent.Input(
                    "start_noise",
                    optional=True,
                    tooltip="Noise of a clip, from DEMO Invert: the clip moves as the motion prompt says. It brings its own size, length "
                    "and number; set guidance to 1, and as many steps as the inversion had.",
                ),
            ],
            outputs=[
                io.Video.Output(
                    "video", display_name="video", is_output_list=True, tooltip="The clips, a list of batch videos."
                ),
                io.Image.Output(
                    "images", display_name="images", tooltip="The frames of all clips, one clip after the other."
                ),
                io.Latent.Output(
                    "latent", display_name="latent", tooltip="Their latents, for VAE Decode with any SD 1.x VAE."
                ),
            ],
            **compat.aliases("dismo", "demo", "text to video", "t2v"),
        )

    @classmethod
    def execute(
        cls,
        model: DemoTextToVideo,
        conditioning: DemoPrompts,
        seed: int,
        steps: int,
        guidance: float,
        motion_guidance: float,
        motion_strength: float,
        width: int,
        height: int,
        frames: int,
        batch: int,
        fps: float,
        start_noise: dict[str, Any] | None = None,
    ) -> io.NodeOutput:
        """Sample, decode; latents as ComfyUI's own nodes take them."""
        own_height, own_width = model.defaults.size
        with host.advising_on_memory(OUT_OF_MEMORY):
            if start_noise is None:
                noise = model.noise(seed, batch, frames, (height or own_height, width or own_width))
            else:
                noise = as_clip(start_noise["samples"])
            host.bring_to_device(model)
            runtime = host.runtime(model)
            latents = model.sample_latents(
                conditioning.positive,
                conditioning.negative,
                noise,
                steps=steps,
                guidance=guidance,
                motion_guidance=None if motion_guidance < 0 else motion_guidance,
                motion_strength=motion_strength,
                runtime=runtime,
            )
            clips = model.decode(latents, runtime)
        images = clips.float().div_(255)
        scaling = float(model.autoencoder.config["scaling_factor"])
        latent = {"samples": as_latent(latents) / scaling}
        return io.NodeOutput(
            [video_of(clip, fps or model.defaults.fps) for clip in images], images.flatten(0, 1), latent
        )


def as_latent(latents: Tensor) -> Tensor:
    """[B, C, F, h, w] -> [B F, C, h, w], the pictures that ComfyUI's nodes take."""
    return latents.transpose(1, 2).flatten(0, 1)


def as_clip(samples: Tensor) -> Tensor:
    """[F, C, h, w] -> [1, C, F, h, w]."""
    return samples.transpose(0, 1)[None]
