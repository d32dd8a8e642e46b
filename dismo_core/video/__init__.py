"""Clips and pictures in and out: streaming readers, a writer that leaves no half files."""

from .clip import Audio, Video, VideoInfo
from .images import read_image
from .probe import probe
from .read import iter_video, read_video
from .write import check_output, write_video

__all__ = [
    "Audio",
    "Video",
    "VideoInfo",
    "check_output",
    "iter_video",
    "probe",
    "read_image",
    "read_video",
    "write_video",
]
