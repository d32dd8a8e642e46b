"""The node that learns a motion."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from comfy_api.latest import InputImpl, io

from ..shared import compat, host
from ..shared.sockets import MotionClips, MotionDirectorAdapter, TextToVideoBase
from . import adapter_files

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch import Tensor

    from ...dismo_core import Runtime
    from ...dismo_core.motiondirector.config import RunConfig
    from ...dismo_core.motiondirector.training import TrainingSettings
    from ...dismo_core.text_to_video import TextToVideoBase as Base
    from .clip_list import ClipList

OUT_OF_MEMORY = (
    "Out of memory. Fewer frames help most (frame_count in Motion Clips), then a smaller size (width, height there), then a smaller rank. "
    "In Load Text to Video a smaller precision helps, too."
)


class TrainMotionDirector(io.ComfyNode):
    """DISMO_MOTION_CLIPS -> DISMO_MD_ADAPTER of the motion, and of the appearance."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """See `web/docs/DisMoTrainMotionDirector.md`."""
        return io.Schema(
            node_id="DisMoTrainMotionDirector",
            display_name="Train MotionDirector (DisMo)",
            category="DisMo/motiondirector",
            description="Learns the motion of clips as a small file, and their appearance apart. A training that was stopped goes on when "
            "it is queued again; a finished one is not repeated.",
            inputs=[
                TextToVideoBase.Input("base", tooltip="From Load Text to Video. The adapters are for this base alone."),
                MotionClips.Input("clips", tooltip="From Motion Clips: one clip, a few of one motion, or pictures."),
                io.String.Input(
                    "name",
                    default="motion",
                    tooltip="Of the folder in output/motiondirector that holds checkpoints, previews and curves. A few letters are added "
                    "that change with what is trained and how.",
                ),
                io.Combo.Input(
                    "mode",
                    options=["motion", "appearance", "both"],
                    default="both",
                    tooltip="both = learn the appearance apart, so that the motion does not take it along; motion = the motion alone, "
                    "faster; appearance = what pictures look like.",
                ),
                io.Int.Input(
                    "steps",
                    default=150,
                    min=1,
                    max=20000,
                    tooltip="Of the training. 50 to 150 for one clip, 300 to 500 for several, 300 to 1000 for pictures. More can be added "
                    "later: the run goes on.",
                ),
                io.Float.Input(
                    "learning_rate",
                    default=5e-4,
                    min=1e-7,
                    max=1.0,
                    step=1e-6,
                    tooltip="How far each step goes.",
                ),
                io.Int.Input(
                    "rank",
                    default=32,
                    min=1,
                    max=256,
                    tooltip="Size of the adapters: larger ones hold more and need more memory.",
                ),
                io.Boolean.Input(
                    "keep_inversion",
                    default=True,
                    tooltip="Also keep the noise that each clip comes from: noise_prior of MotionDirector Sample then needs no clip.",
                ),
                io.String.Input(
                    "preview_prompt",
                    default="",
                    multiline=True,
                    tooltip="Of the previews. Empty = the first clip's caption; another subject shows whether the motion comes over.",
                ),
                io.Int.Input(
                    "preview_every",
                    default=50,
                    min=0,
                    max=20000,
                    tooltip="Steps between previews; 0 = one at the end.",
                ),
                io.Int.Input(
                    "save_every",
                    default=50,
                    min=1,
                    max=20000,
                    tooltip="Steps between checkpoints. A run that is stopped goes on from the last one.",
                ),
                io.Int.Input(
                    "seed",
                    default=0,
                    min=0,
                    max=0xFFFFFFFF,
                    control_after_generate=False,  # unsaid, the page draws another seed after each run, and so trains again
                    tooltip="Start of the random numbers; the same seed trains the same adapters.",
                ),
                compat.advanced(
                    io.Boolean.Input(
                        "single_appearance",
                        default=False,
                        optional=True,
                        tooltip="One appearance for all clips, not one each. Of pictures always.",
                    )
                ),
                compat.advanced(
                    io.Float.Input(
                        "flip",
                        default=0.0,
                        min=0.0,
                        max=1.0,
                        step=0.05,
                        optional=True,
                        tooltip="Share of the steps that see a mirrored picture; for pictures alone.",
                    )
                ),
                compat.advanced(
                    io.Float.Input(
                        "dropout",
                        default=0.1,
                        min=0.0,
                        max=0.9,
                        step=0.05,
                        optional=True,
                        tooltip="Share of the updates that is left out at random while training.",
                    )
                ),
                compat.advanced(
                    io.Float.Input(
                        "weight_decay",
                        default=0.01,
                        min=0.0,
                        max=1.0,
                        step=0.001,
                        optional=True,
                        tooltip="Of AdamW: how strongly weights are drawn towards zero.",
                    )
                ),
                compat.advanced(
                    io.Combo.Input(
                        "optimizer",
                        options=["adamw", "adamw8bit"],
                        default="adamw",
                        optional=True,
                        tooltip="adamw8bit needs bitsandbytes and a GPU; it takes a quarter of the optimizer's memory.",
                    )
                ),
                compat.advanced(
                    io.Boolean.Input(
                        "checkpointing",
                        default=True,
                        optional=True,
                        tooltip="Compute activations a second time instead of keeping them: much less memory, a third slower. It changes "
                        "no number.",
                    )
                ),
                compat.advanced(
                    io.Boolean.Input(
                        "resume",
                        default=True,
                        optional=True,
                        tooltip="Go on with the same training where it was stopped. Off = begin again, in a folder of its own.",
                    )
                ),
                compat.advanced(
                    io.Boolean.Input(
                        "convolutions",
                        default=False,
                        optional=True,
                        tooltip="Also change the convolutions over frames, which the published method leaves alone. The tiny base learns a "
                        "motion only so. Such a file does not load in the published code.",
                    )
                ),
                compat.advanced(
                    io.Int.Input(
                        "clips_per_step",
                        default=1,
                        min=1,
                        max=64,
                        optional=True,
                        tooltip="Clips that each step learns from, one after the other: slower steps that are less led astray by one clip.",
                    )
                ),
            ],
            outputs=[
                MotionDirectorAdapter.Output(
                    "motion_lora", display_name="motion_lora", tooltip="The motion; nothing in the mode appearance."
                ),
                MotionDirectorAdapter.Output(
                    "appearance_lora",
                    display_name="appearance_lora",
                    tooltip="The appearance; nothing in the mode motion.",
                ),
                io.Image.Output(
                    "curves", display_name="curves", tooltip="Losses, and the size of the updates against the weights."
                ),
                io.Video.Output(
                    "preview", display_name="preview", tooltip="A video of preview_prompt with the adapters."
                ),
            ],
            **compat.aliases("dismo", "motiondirector", "train lora", "learn motion"),
        )

    @classmethod
    def execute(
        cls,
        base: Base,
        clips: ClipList,
        name: str,
        mode: str,
        steps: int,
        learning_rate: float,
        rank: int,
        keep_inversion: bool,
        preview_prompt: str,
        preview_every: int,
        save_every: int,
        seed: int,
        single_appearance: bool = False,
        flip: float = 0.0,
        dropout: float = 0.1,
        weight_decay: float = 0.01,
        optimizer: str = "adamw",
        checkpointing: bool = True,
        resume: bool = True,
        convolutions: bool = False,
        clips_per_step: int = 1,
    ) -> io.NodeOutput:
        """Say what is trained, then leave it to `run_training`."""
        from ...dismo_core import DisMoError
        from ...dismo_core.motiondirector.adapter_file import read_adapter
        from ...dismo_core.motiondirector.runs import finished_preview, run_key, run_training
        from ...dismo_core.motiondirector.training import TrainingSettings
        from ...dismo_core.video import read_image

        if mode != "appearance" and any(clip.picture for clip in clips.clips):
            raise DisMoError(
                f"There are pictures among the clips, which have no motion, and the mode is {mode}. Train pictures in a node of their own "
                "with the mode appearance; both files go together into MotionDirector Sample."
            )
        settings = TrainingSettings(
            steps=steps,
            learning_rate=learning_rate,
            rank=rank,
            motion=mode != "appearance",
            appearance=mode != "motion",
            single_appearance=single_appearance or clips.only_pictures(),
            flip=flip,
            dropout=dropout,
            weight_decay=weight_decay,
            optimizer=optimizer,
            checkpointing=checkpointing,
            convolutions=convolutions,
            accumulation=clips_per_step,
            save_every=save_every,
            seed=seed,
        )
        config = run_config(base, clips, settings, preview_prompt.strip(), preview_every)
        folder = adapter_files.run_folder(name, run_key(base, config), resume)
        watched = _Watched(host.runtime(base))
        with host.advising_on_memory(OUT_OF_MEMORY), host.training():
            host.bring_to_device(base)
            done = run_training(
                base,
                config,
                folder,
                keep_inversion=keep_inversion and mode != "appearance",
                runtime=watched.runtime,
                report=watched.loss,
                shown=watched.show,
            )
            preview = finished_preview(base, config, folder, done, watched.runtime)
            files = {part: read_adapter(path, base.unet) for part, path in done.adapters.items()}
        return io.NodeOutput(
            files.get("motion"),
            files.get("appearance"),
            read_image(done.curves)[None],
            InputImpl.VideoFromFile(str(preview)),
        )


def run_config(base: Base, clips: ClipList, settings: TrainingSettings, prompt: str, preview_every: int) -> RunConfig:
    """A training of clips as `run_training` takes it."""
    from pathlib import Path

    from ...dismo_core.motiondirector.config import Preview, RunConfig

    frames = 1 if clips.only_pictures() else max(len(clip.read()) for clip in clips.clips)
    return RunConfig(
        base=base.name,
        output=Path(),
        clips=lambda: list(clips.clips),
        size=clips.size(base),
        training=settings,
        preview=Preview(
            prompts=(prompt,) if prompt else (),
            every=preview_every,
            frames=frames,
            steps=0,
            guidance=0.0,
            appearance_scale=float(clips.only_pictures()),
        ),
        fps=clips.fps,
    )


class _Watched:
    """A runtime whose progress shows the newest picture, and on the node the loss of each step."""

    def __init__(self, told: Runtime) -> None:
        self._told = told
        self._picture: Image | None = None
        self.runtime = replace(told, progress=self._progress)

    def _progress(self, done: int, total: int, picture: Image | None) -> None:
        self._told.progress(done, total, picture or self._picture)
        self._picture = None  # the page keeps what it shows

    def show(self, picture: Tensor) -> None:
        """A picture uint8 [H,W,3] to show with the next step."""
        from PIL import Image as images

        self._picture = images.fromarray(picture.numpy())

    def loss(self, done: int, total: int, row: dict[str, float]) -> None:
        """Numbers of a step."""
        said = ", ".join(f"{part} {row[part]:.4f}" for part in ("motion", "appearance") if part in row)
        self._told.stage(f"training, step {done} of {total}: loss {said}")
