"""The node that makes videos with adapters."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import folder_paths
import torch
from comfy_api.latest import io

from ..shared import compat, host
from ..shared.sockets import MotionClips, MotionDirectorAdapter, TextToVideoBase
from ..shared.video_of import video_of

if TYPE_CHECKING:
    from torch import Tensor

    from ...dismo_core import Runtime
    from ...dismo_core.motiondirector.adapter_file import AdapterFile
    from ...dismo_core.motiondirector.sampling import VideoSettings
    from ...dismo_core.text_to_video import TextToVideoBase as Base
    from .clip_list import ClipList

OUT_OF_MEMORY = (
    "Out of memory. Make fewer frames, then a smaller width and height; in Load Text to Video choose a memory setting further down the "
    "list or a smaller precision."
)


class MotionDirectorSample(io.ComfyNode):
    """DISMO_T2V_BASE + prompt + DISMO_MD_ADAPTER -> VIDEO."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """See `web/docs/DisMoMotionDirectorSample.md`."""
        return io.Schema(
            node_id="DisMoMotionDirectorSample",
            display_name="MotionDirector Sample (DisMo)",
            category="DisMo/motiondirector",
            description="Makes a video of a prompt that moves as the clips did from which a motion was learned, and looks like the "
            "pictures of an appearance; with either, both or none.",
            inputs=[
                TextToVideoBase.Input("base", tooltip="From Load Text to Video, the one that the adapters are for."),
                io.String.Input(
                    "prompt",
                    default="",
                    multiline=True,
                    tooltip="What the video shows, best in the form of the caption that was learned: a tank turns, for a car turns.",
                ),
                io.String.Input("negative_prompt", default="", multiline=True, tooltip="What it should not show."),
                MotionDirectorAdapter.Input(
                    "motion_lora", optional=True, tooltip="A motion, from Train or Load MotionDirector."
                ),
                io.Float.Input(
                    "motion_strength",
                    default=1.0,
                    min=-2.0,
                    max=4.0,
                    step=0.05,
                    tooltip="How strong the motion is: 0 = off, 1 = as learned, below 0 = away from it.",
                ),
                MotionDirectorAdapter.Input(
                    "appearance_lora", optional=True, tooltip="An appearance, from Train or Load MotionDirector."
                ),
                io.Float.Input(
                    "appearance_strength",
                    default=1.0,
                    min=-2.0,
                    max=4.0,
                    step=0.05,
                    tooltip="How strong the appearance is; of several in one file this is shared out.",
                ),
                MotionClips.Input(
                    "prior_clips",
                    optional=True,
                    tooltip="For noise_prior: the clip whose noise it is. Without it that of the training is taken, if it was kept.",
                ),
                io.Float.Input(
                    "noise_prior",
                    default=0.0,
                    min=0.0,
                    max=1.0,
                    step=0.05,
                    tooltip="Share of a clip's own noise to begin with: 0.1 to 0.5 makes camera moves and single clips follow more "
                    "closely, and look more like the clip. 0 for motions of several clips.",
                ),
                io.Int.Input(
                    "width",
                    default=0,
                    min=0,
                    max=4096,
                    step=8,
                    tooltip="Pixels, a multiple of 8; 0 = the base's own.",
                ),
                io.Int.Input("height", default=0, min=0, max=4096, step=8, tooltip="Likewise."),
                io.Int.Input(
                    "frames", default=16, min=1, max=128, tooltip="Of the video; as many as the clip had suits."
                ),
                io.Int.Input(
                    "steps", default=0, min=0, max=1000, tooltip="Denoising steps; 0 = the base's own (ZeroScope: 30)."
                ),
                io.Float.Input(
                    "guidance",
                    default=0.0,
                    min=0.0,
                    max=30.0,
                    step=0.1,
                    tooltip="How closely to follow the prompt; 1 = none, in half the time. 0 = the base's own (ZeroScope: 12).",
                ),
                io.Int.Input(
                    "seed",
                    default=0,
                    min=0,
                    max=0xFFFFFFFFFFFFFFFF,
                    control_after_generate=True,
                    tooltip="Start of the random numbers; the same seed gives the same video.",
                ),
                io.Float.Input(
                    "fps", default=8.0, min=1.0, max=60.0, step=0.1, tooltip="Frames per second of the video."
                ),
                compat.advanced(
                    io.Float.Input(
                        "motion_from",
                        default=0.0,
                        min=0.0,
                        max=1.0,
                        step=0.01,
                        optional=True,
                        tooltip="Share of the steps before which the motion is off; 0 = on from the first.",
                    )
                ),
                compat.advanced(
                    io.Float.Input(
                        "motion_until",
                        default=1.0,
                        min=0.0,
                        max=1.0,
                        step=0.01,
                        optional=True,
                        tooltip="Share of the steps after which the motion is off; 0.6 leaves the details to the base.",
                    )
                ),
            ],
            outputs=[
                io.Video.Output("video", display_name="video", tooltip="For Save Video."),
                io.Image.Output("images", display_name="images", tooltip="Its frames."),
            ],
            **compat.aliases("dismo", "motiondirector", "text to video", "zeroscope"),
        )

    @classmethod
    def execute(
        cls,
        base: Base,
        prompt: str,
        negative_prompt: str,
        motion_strength: float,
        appearance_strength: float,
        noise_prior: float,
        width: int,
        height: int,
        frames: int,
        steps: int,
        guidance: float,
        seed: int,
        fps: float,
        motion_lora: AdapterFile | None = None,
        appearance_lora: AdapterFile | None = None,
        prior_clips: ClipList | None = None,
        motion_from: float = 0.0,
        motion_until: float = 1.0,
    ) -> io.NodeOutput:
        """Put the adapters into the base, sample, take them out again."""
        from ...dismo_core.motiondirector.dual_path import DualPathLoRA
        from ...dismo_core.motiondirector.sampling import VideoSettings, check_settings, sample_videos

        adapters = {"motion": motion_lora, "appearance": appearance_lora}
        given = [required(part, adapter) for part, adapter in adapters.items() if adapter is not None]
        settings = VideoSettings(
            prompt=prompt,
            negative_prompt=negative_prompt,
            width=width,
            height=height,
            frames=frames,
            steps=steps,
            guidance=guidance,
            seed=seed,
            noise_prior=noise_prior,
            motion_from=motion_from,
            motion_until=motion_until,
        )
        check_settings(settings)
        runtime = host.runtime(base)
        # Outside inference mode: adapters become part of weights that can be trained later.
        with host.advising_on_memory(OUT_OF_MEMORY), torch.inference_mode(False), torch.no_grad():
            host.bring_to_device(base)
            inversion = None
            if noise_prior > 0:
                inversion = _inversion(base, settings, prior_clips, motion_lora, runtime)
            lora = DualPathLoRA.from_adapters(base.unet, given) if given else None
            try:
                if lora is not None:
                    lora.set_scales(
                        motion=motion_strength if lora.has_motion else None,
                        appearance=appearance_strength / lora.appearances if lora.appearances else None,
                    )
                video = sample_videos(base, settings, lora, inversion=inversion, runtime=runtime, previews=True)[0]
            finally:
                if lora is not None:
                    base.plan.release()
                    lora.remove()
        images = video.float().div_(255)
        return io.NodeOutput(video_of(images, fps), images)


def required(part: str, adapter: AdapterFile) -> AdapterFile:
    """The adapter, which must be of a part.

    Raises:
        DisMoError: it is of the other.
    """
    from ...dismo_core import DisMoError

    if adapter.part != part:
        raise DisMoError(
            f"{adapter.path.name} is an adapter of the {adapter.part}, and is connected as {part}_lora. Connect it to {adapter.part}_lora."
        )
    return adapter


def _inversion(
    base: Base, settings: VideoSettings, clips: ClipList | None, motion: AdapterFile | None, runtime: Runtime
) -> Tensor:
    """The noise of a clip, or of one of the clips that a motion was learned from; which one goes by the seed."""
    from ...dismo_core import DisMoError
    from ...dismo_core.motiondirector.cache import cache_beside, cache_clips, read_cache, with_inversion
    from ...dismo_core.motiondirector.clips import Size

    beside = cache_beside(motion.path) if motion is not None else None
    if clips is not None:
        clip = clips.clips[settings.seed % len(clips.clips)]
        own_width, own_height = base.size
        size = Size(settings.width or own_width, settings.height or own_height, clips.fit)
        parts = (base.name, str(base.dtype), clip.name, f"{size.width}x{size.height}", size.fit)
        folder = Path(folder_paths.get_temp_directory()) / "dismo_priors" / "_".join(parts)
        runtime.stage("encoding the clip")
        (cached,) = cache_clips(base, [clip], size, folder)
    elif beside is not None:
        several = read_cache(beside)
        cached = several[settings.seed % len(several)]
    else:
        raise DisMoError(
            f"A noise_prior of {settings.noise_prior:g} needs the clip whose noise it is. Connect prior_clips, or set it to 0."
        )
    runtime.stage("inverting the clip")
    inversion = with_inversion(base, cached, runtime=runtime).inversion
    assert inversion is not None
    return inversion
