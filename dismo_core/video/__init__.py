"""Clips and pictures in and out: streaming readers, a writer that leaves no half files."""

from .clip import Audio, Video, VideoInfo
from .images import read_image
from .probe import probe
from .read import iter_video, read_video
from .write import output_format, write_video

__all__ = [
    "Audio",
    "Video",
    "VideoInfo",
    "iter_video",
    "output_format",
    "probe",
    "read_image",
    "read_video",
    "write_video",
]
