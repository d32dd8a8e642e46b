"""A video with transparency: WebM, VP9."""

from __future__ import annotations

import os
from collections.abc import Iterable
from fractions import Fraction

import av
from torch import Tensor

from ..errors import DisMoError, first_line
from ..files import atomic_write


def write_alpha_webm(
    path: str | os.PathLike[str], frames: Iterable[Tensor], fps: float, *, crf: int = 18, overwrite: bool = False
) -> None:
    """Write frames with alpha; the file appears once it is whole.

    Args:
        path: of the .webm file.
        frames: uint8 [H,W,4], straight alpha, of one size with even sides.
        fps: frames per second.
        crf: 0 (best) to 63.
        overwrite: replace an existing file.

    Raises:
        DisMoError: the encoder is missing or refuses, or the file exists.
    """
    rate = Fraction(fps).limit_denominator(1001)
    with atomic_write(path, overwrite=overwrite) as temporary:
        try:
            with av.open(str(temporary), "w", format="webm") as container:
                stream = container.add_stream(
                    "libvpx-vp9", rate=rate, options={"crf": str(crf), "b": "0", "auto-alt-ref": "0", "cpu-used": "4"}
                )
                assert isinstance(stream, av.VideoStream)
                stream.pix_fmt = "yuva420p"
                for number, frame in enumerate(frames):
                    if number == 0:
                        stream.height, stream.width = frame.shape[:2]
                    picture = av.VideoFrame.from_ndarray(frame.numpy(), format="rgba")
                    picture.pts, picture.time_base = number, 1 / rate
                    container.mux(stream.encode(picture))
                container.mux(stream.encode())
        except av.error.FFmpegError as error:
            if isinstance(error, (MemoryError, OSError)):
                raise
            raise DisMoError(f"The webm encoder refused the frames: {first_line(error)}. Try another size.") from error
