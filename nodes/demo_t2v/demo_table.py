"""The node that makes the clips of a table of prompts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from comfy_api.latest import io

from ..shared import compat, host
from ..shared.sockets import DemoModel
from ..shared.video_of import video_of
from . import demo_files
from .advice import OUT_OF_MEMORY

if TYPE_CHECKING:
    from ...dismo_core.demo_t2v import DemoTextToVideo


class DemoPromptTable(io.ComfyNode):
    """Prompts of a table -> VIDEOs."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """See `web/docs/DisMoDemoPromptTable.md`."""
        return io.Schema(
            node_id="DisMoDemoPromptTable",
            display_name="DEMO Prompt Table (DisMo)",
            category="DisMo/DEMO",
            description="Makes the clips of a table of prompts, one after the other. A row that cannot be made is named and left out.",
            inputs=[
                DemoModel.Input("model", tooltip="From Load DEMO."),
                io.String.Input(
                    "table",
                    default="prompt,motion_prompt\na red ball on grass,the ball rolls to the left",
                    multiline=True,
                    tooltip="Rows of a CSV: prompt, and if you like motion_prompt, negative_prompt, seed, guidance, motion_guidance, "
                    "frames.",
                ),
                io.Combo.Input(
                    "file",
                    options=demo_files.tables(),
                    default="none",
                    tooltip="A CSV in the input folder, instead of table.",
                ),
                io.Int.Input("repeats", default=1, min=1, max=100, tooltip="Clips of each row."),
                io.Int.Input(
                    "seed",
                    default=0,
                    min=0,
                    max=0xFFFFFFFFFFFFFFFF,
                    control_after_generate=True,
                    tooltip="Of rows that name none.",
                ),
                io.Int.Input("steps", default=0, min=0, max=1000, tooltip="Denoising steps; 0 = the model's own (50)."),
                io.Float.Input(
                    "guidance",
                    default=0.0,
                    min=0.0,
                    max=30.0,
                    step=0.1,
                    tooltip="How closely to follow the prompt, in rows that say nothing; 0 = the model's own (9).",
                ),
                io.Float.Input(
                    "motion_guidance",
                    default=-1.0,
                    min=-1.0,
                    max=30.0,
                    step=0.1,
                    tooltip="How closely to follow the motion prompt, likewise; -1 = as guidance.",
                ),
                io.Float.Input(
                    "motion_strength",
                    default=1.0,
                    min=0.0,
                    max=2.0,
                    step=0.05,
                    tooltip="How much the motion modules do: 1 = as trained, 0 = the base without them.",
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
                io.Int.Input(
                    "frames",
                    default=0,
                    min=0,
                    max=64,
                    tooltip="Of the clips, in rows that say nothing; 0 = the model's own (16).",
                ),
                io.Int.Input("batch", default=1, min=1, max=64, tooltip="Clips made together."),
                io.Float.Input(
                    "fps",
                    default=0.0,
                    min=0.0,
                    max=60.0,
                    step=0.1,
                    tooltip="Frames per second of the videos; 0 = the model's own (8).",
                ),
            ],
            outputs=[
                io.Video.Output("videos", display_name="videos", is_output_list=True, tooltip="The clips, a list."),
                io.String.Output(
                    "names", display_name="names", is_output_list=True, tooltip="A safe file name for each."
                ),
            ],
            **compat.aliases("dismo", "demo", "prompt list", "batch prompts", "csv"),
        )

    @classmethod
    def execute(
        cls,
        model: DemoTextToVideo,
        table: str,
        file: str,
        repeats: int,
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
    ) -> io.NodeOutput:
        """Read the rows, make their clips, say which could not be made."""
        from ...dismo_core import DisMoError
        from ...dismo_core.demo_t2v.prompt_table import read_table, table_rows
        from ...dismo_core.demo_t2v.table_run import TableSettings, jobs_of, make_clips

        rows = table_rows(table, "the table") if file == demo_files.NONE else read_table(demo_files.table_path(file))
        own_height, own_width = model.defaults.size
        settings = TableSettings(
            repeat=repeats,
            batch=batch,
            seed=seed,
            steps=steps,
            guidance=guidance,
            motion_guidance=None if motion_guidance < 0 else motion_guidance,
            motion_strength=motion_strength,
            size=(height or own_height, width or own_width),
            frames=frames,
        )
        jobs = jobs_of(rows, settings, model)
        problems = list(dict.fromkeys(job.row.problem for job in jobs if job.row.problem))
        videos, names = [], []
        with host.advising_on_memory(OUT_OF_MEMORY):
            host.bring_to_device(model)
            for job, clip in make_clips(model, jobs, settings, host.runtime(model)):
                if isinstance(clip, DisMoError):
                    problems.append(f"{job.file}: {clip}")
                else:
                    videos.append(video_of(clip.float() / 255, fps or model.defaults.fps))
                    names.append(Path(job.file).stem)
        if not videos:
            raise DisMoError(f"No row of the table could be made: {'; '.join(problems)}.")
        host.notify(f"Not made: {'; '.join(problems)}." if problems else None)
        return io.NodeOutput(videos, names)
