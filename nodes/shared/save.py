"""The node that writes a video file."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import folder_paths
from comfy.cli_args import args
from comfy_api.latest import io, ui

from . import compat, host
from .audio import to_audio

if TYPE_CHECKING:
    from comfy_api.latest import Input

# The id SaveVideo is ComfyUI's own and would silently win, hence DisMoSaveVideo.


class SaveVideo(io.ComfyNode):
    """VIDEO -> file in the output folder."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """See `web/docs/DisMoSaveVideo.md`."""
        return io.Schema(
            node_id="DisMoSaveVideo",
            display_name="Save Video (DisMo)",
            category="DisMo",
            description="Writes a video into the output folder, with the workflow in it: "
            "drop the file on the page to get the graph back (mp4, webm, webp; a gif cannot hold it).",
            inputs=[
                io.Video.Input("video", tooltip="The video to save, with its sound if it has any."),
                io.String.Input(
                    "filename_prefix",
                    default="video/dismo",
                    tooltip="Folder and beginning of the file name, inside the output folder. "
                    "May hold values such as %year%-%month%-%day%.",
                ),
                io.Combo.Input(
                    "format",
                    options=["mp4", "webm", "webp", "gif"],
                    default="mp4",
                    tooltip="mp4 (H.264) plays everywhere; webm (VP9) is smaller; webp and gif are animated pictures "
                    "without sound.",
                ),
                io.Int.Input(
                    "crf",
                    default=18,
                    min=0,
                    max=51,
                    tooltip="Quality of mp4, webm and webp: 0 = best, largest; 51 = worst, smallest. gif ignores it.",
                ),
            ],
            outputs=[],
            hidden=[io.Hidden.prompt, io.Hidden.extra_pnginfo],
            is_output_node=True,
            **compat.aliases("dismo", "export video", "save gif", "save webp"),
        )

    @classmethod
    def execute(cls, video: Input.Video, filename_prefix: str, format: str, crf: int) -> io.NodeOutput:
        """Number the file as ComfyUI does, then leave it to `dismo_core.write_video`."""
        from ...dismo_core import write_video
        from ...dismo_core.video.picture import to_rgb

        components = video.get_components()
        images = components.images
        height, width = images.shape[1:3]
        folder, name, counter, subfolder, _ = folder_paths.get_save_image_path(
            filename_prefix, folder_paths.get_output_directory(), width, height
        )
        progress = host.runtime().progress
        file = f"{name}_{counter:05}_.{format}"
        write_video(
            os.path.join(folder, file),
            ((to_rgb(image) * 255).round().byte() for image in images),
            components.frame_rate,
            format=format,
            crf=crf,
            audio=None if format in ("webp", "gif") else to_audio(components.audio),
            metadata=None if args.disable_metadata else graph_tags(cls.hidden.prompt, cls.hidden.extra_pnginfo),
            progress=lambda done, _: progress(done, len(images), None),
        )
        saved = [ui.SavedResult(file, subfolder, io.FolderType.output)]
        if (
            format == "gif"
        ):  # what is animated and neither webp nor png, the page takes for a video file, which a gif is not
            return io.NodeOutput(ui={"images": saved, "animated": (False,)})
        return io.NodeOutput(ui=ui.PreviewVideo(saved))


def graph_tags(prompt: Any, extra_pnginfo: dict[str, Any] | None) -> dict[str, str]:
    """What ComfyUI's page reads from a file to restore its graph: `prompt`, and above all `workflow`, as JSON."""
    tags = dict(extra_pnginfo or {})
    if prompt is not None:
        tags["prompt"] = prompt
    return {key: json.dumps(value) for key, value in tags.items()}
