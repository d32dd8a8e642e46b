"""A loaded video model, and what it makes of pictures and motions as the options of `dismo transfer` say."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import DisMoError
from .clip import motion_of
from .cogvideox_options import load_cogvideox
from .layered_options import load_layered, read_mask

if TYPE_CHECKING:
    from torch import Tensor

    from ...diffusion.per_segment import PerSegment
    from ...runtime import Runtime
    from ..adapter.cogvideox_model import CogVideoXModel
    from ..models.extractor import MotionExtractor
    from ..motion import Motion
    from ..video_model import MotionVideoModel

log = logging.getLogger(__name__)

LAYERED_FPS = 8.0  # at which clips are read for the layered model: the pace that its head knows
LAYERED_KIND, GENERATOR_KIND, COGVIDEOX_KIND = "layered model", "frame generator", "CogVideoX"


class Mover:
    """Models are loaded once, whatever is moved with them.

    Args:
        arguments: of `dismo transfer`, checked.
        kind: of the model: one of the three above.
        runtime: device, progress, cancel.
    """

    def __init__(self, arguments: argparse.Namespace, kind: str, runtime: Runtime) -> None:
        self.arguments, self.kind, self.runtime = arguments, kind, runtime
        self.model: MotionVideoModel = {
            COGVIDEOX_KIND: self._cogvideox,
            GENERATOR_KIND: self._frame_generator,
            LAYERED_KIND: self._layered,
        }[kind]()
        self._extractor: MotionExtractor | None = None

    def motion(self, path: str) -> Motion:
        """The motion in a motion file, or that of a clip, as long as the model can make it."""
        from ..video_model import fit_motion

        motion = kept_motion(path) or self._extracted(path)
        fitted = fit_motion(self.model, motion, "trim")
        if fitted.frames != motion.frames:
            log.info("This model makes %d frames of the motion's %d.", fitted.frames, motion.frames)
        return fitted

    def frames(
        self, motion: Motion, picture: str, seed: int, segment_pictures: Sequence[str] = ()
    ) -> tuple[Tensor | Sequence[Tensor], float]:
        """Move a picture.

        Args:
            motion: from `motion`.
            picture: its path.
            seed: of the sampling.
            segment_pictures: those that begin later segments of a long video.

        Returns:
            Frames uint8 [T,H,W,3], or a sequence that draws them as they are asked for, and their rate.
        """
        from ...settings import SamplingSettings
        from ...video import read_image
        from ...video.quality import quality_warning
        from ..curve import read_curve
        from ..layered.model import LayeredModel
        from ..video_model import transfer_in_own_shape

        arguments, model = self.arguments, self.model
        image = read_image(picture, background=arguments.background)
        settings = SamplingSettings(
            prompt=arguments.prompt,
            negative_prompt=arguments.negative_prompt,
            steps=arguments.steps,
            guidance=arguments.guidance,
            strength=arguments.strength,
            seed=seed,
            start_percent=arguments.start_percent,
            end_percent=arguments.end_percent,
            curve=() if arguments.curve is None else tuple(read_curve(arguments.curve)(motion.frames)),
        )
        if isinstance(model, LayeredModel):  # its frames are drawn as they are written: any length fits into memory
            frames_to_draw = model.render(motion, image, settings, mask=read_mask(arguments), runtime=self.runtime)
            return frames_to_draw, frames_to_draw.fps
        if self.kind == GENERATOR_KIND:  # CogVideoX tells its stages itself
            self.runtime.stage("moving the picture")
        pictures = [image, *(read_image(path, background=arguments.background) for path in segment_pictures)]
        frames = transfer_in_own_shape(model, motion, pictures, settings, arguments.fit, runtime=self.runtime)
        if warning := quality_warning(frames, image, arguments.strength):
            log.warning("%s", warning)
        return frames, motion.fps

    def _extracted(self, path: str) -> Motion:
        """By the extractor that is named, or that belongs to the model."""
        arguments = self.arguments
        if self.kind == COGVIDEOX_KIND and not arguments.extractor:
            adapter = self._cogvideox_model.adapter
            if adapter.plan is not None:
                with adapter.plan.using("motion_extractor") as extractor:
                    return motion_of(path, arguments, self.runtime, extractor)
        if self._extractor is None:
            self._extractor = self._load_extractor(arguments.extractor or self._own_extractor())
        return motion_of(path, arguments, self.runtime, self._extractor)

    def _load_extractor(self, name: str) -> MotionExtractor:
        from ..weights import load_motion_extractor

        self.runtime.stage("loading the extractor")
        extractor = load_motion_extractor(name, self.arguments.device)
        if self.kind == LAYERED_KIND and extractor.extractor_id != self.model.extractor_id:
            raise DisMoError(
                f"The layered model {self.arguments.model} reads motions of extractor {self.model.extractor_id}; --extractor {name} "
                f"is {extractor.extractor_id}. Give the extractor that it was fitted to."
            )
        return extractor

    def _own_extractor(self) -> str:
        """The extractor that `dismo train` left beside a frame generator; else the bundled one."""
        model = self.arguments.model
        beside = Path(model).with_name("motion_extractor.safetensors")
        return str(beside) if self.kind == GENERATOR_KIND and Path(model).suffix and beside.is_file() else "tiny"

    def _cogvideox(self) -> MotionVideoModel:
        arguments = self.arguments
        self._cogvideox_model: CogVideoXModel = load_cogvideox(
            arguments,
            arguments.model,
            arguments.device,
            self.runtime,
            positions=arguments.positions,
            keep_tail=arguments.long_keep_tail,
            match_colors=arguments.long_match_colors,
        )
        if not arguments.lora:
            return self._cogvideox_model
        from ..adapter.with_loras import WithLoRAs

        loras: dict[str, tuple[PerSegment, ...]] = {}
        for file, strengths in zip(arguments.lora, lora_strengths(arguments), strict=True):
            loras[file] = (*loras.get(file, ()), strengths)
        return WithLoRAs(self._cogvideox_model, loras)

    def _frame_generator(self) -> MotionVideoModel:
        from ..rollout import FrameGeneratorModel
        from ..weights import load_frame_generator

        return FrameGeneratorModel(load_frame_generator(self.arguments.model, self.arguments.device))

    def _layered(self) -> MotionVideoModel:
        arguments = self.arguments
        fps = arguments.fps if "fps" in arguments.given else 0.0
        model = load_layered(arguments, arguments.model, arguments.device, fps)
        arguments.fps = LAYERED_FPS  # of clips; --fps is the video's
        return model


def lora_strengths(arguments: argparse.Namespace) -> list[PerSegment]:
    """What `--lora-strength` says of each `--lora`.

    Raises:
        DisMoError: more strengths than LoRAs, or one that cannot be.
    """
    from ..adapter.with_loras import read_strengths

    texts = arguments.lora_strength
    if len(texts) > len(arguments.lora):
        raise DisMoError(
            f"There are {len(texts)} --lora-strength and {len(arguments.lora)} --lora. Give at most one each."
        )
    return [read_strengths(text) for text in [*texts, *["1"] * (len(arguments.lora) - len(texts))]]


def kept_motion(path: str) -> Motion | None:
    """The motion in a motion file, or of preset:NAME; None where the path is that of a clip."""
    from ..motion import PRESET, Motion

    if path.startswith(PRESET):
        from ..presets import motion_preset

        return motion_preset(path.removeprefix(PRESET))
    if Path(path).suffix not in (".safetensors", ".sft"):
        return None
    return Motion.load(path)
