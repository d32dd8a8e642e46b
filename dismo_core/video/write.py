"""Frames into a file: MP4, WebM, animated WebP or GIF, whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from fractions import Fraction
from numbers import Real
from pathlib import Path

import torch
from torch import Tensor

from ..errors import DisMoError
from ..files import atomic_write
from .clip import Audio

_FORMATS = {".mp4": "mp4", ".webm": "webm", ".webp": "webp", ".gif": "gif"}
_MAX_CRF = {"mp4": 51, "webm": 63, "webp": 51, "gif": 51}
_GIF_MAX_FPS = 50

Progress = Callable[[int, int], None]


def write_video(
    path: str | os.PathLike[str],
    frames: Tensor | Iterable[Tensor],
    fps: float | Fraction,
    *,
    format: str | None = None,
    crf: int = 18,
    audio: Audio | None = None,
    metadata: Mapping[str, str] | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
    full_range: bool = False,
) -> None:
    """Write a video. It appears under its name only once it is whole.

    MP4 is H.264 and WebM is VP9, both 4:2:0 with BT.709 colors, tagged so; odd sides gain one row or column, a copy of
    the edge. WebP and GIF keep all frames in memory while they are written.

    Args:
        path: the file to make; its folder is made if missing.
        frames: uint8 [T, H, W, 3], RGB, or any iterable of uint8 [H, W, 3] (taken one at a time).
        fps: frames per second, above 0, at most 1000 (GIF: 50). Floats of NTSC rates are taken as
            their fraction (30000/1001).
        format: "mp4", "webm", "webp" or "gif"; None goes by the suffix of `path`.
        crf: 0 (best) to 51 (WebM: 63); WebP takes 100 - crf as its quality, GIF ignores it.
        audio: sound to carry, cut to the length of the video and mixed down to stereo from more channels; AAC in
            MP4, Opus in WebM, refused for WebP and GIF.
        metadata: texts to keep in the container, e.g. ComfyUI's `prompt` and `workflow` (JSON): tags in MP4 and WebM
            (which stores their names in capitals), EXIF in WebP, the comment in GIF.
        overwrite: replace an existing file.
        progress: called as (done, total) after each frame, total 0 where unknown; what it raises passes through.
        full_range: of MP4, store 0..255 instead of 16..235: for masks, whose levels are data.

    Raises:
        DisMoError: bad arguments or frames, an existing or unwritable file, a full disk, an encoder that is missing.
    """
    kind, rate = check_output(path, fps, format=format, crf=crf)
    _check_audio(audio, kind)
    texts = dict(metadata or {})
    for key, value in texts.items():
        if not (isinstance(key, str) and key and isinstance(value, str)):
            raise DisMoError(f"metadata must map text to text, not {key!r} to {type(value).__name__}. Use json.dumps.")
    total = len(frames) if isinstance(frames, Sequence) or (isinstance(frames, Tensor) and frames.ndim) else 0
    checked = _checked(frames, total, progress)
    with atomic_write(path, overwrite=overwrite) as temporary:
        first = next(checked, None)  # only now, so that an existing file is refused before any frame is made
        if first is None:
            raise DisMoError(f"There are no frames to write to {path}. Give at least one.")
        if kind in ("webp", "gif"):
            from .write_pillow import write_animation

            write_animation(temporary, first, checked, rate, kind, 100 - crf, texts)
        else:
            from .write_av import write_container

            write_container(temporary, first, checked, rate, kind, crf, audio, texts, full_range)


def check_output(
    path: str | os.PathLike[str], fps: float | Fraction, *, format: str | None = None, crf: int = 18
) -> tuple[str, Fraction]:
    """The format (mp4, webm, webp or gif) and the rate that `write_video` would write.

    Asked before long work, so that nobody waits in vain.

    Raises:
        DisMoError: an unknown format or suffix, or two that disagree; a rate or quality that the format does not have.
    """
    kind = _format(Path(path), format)
    if type(crf) is not int or not 0 <= crf <= _MAX_CRF[kind]:
        raise DisMoError(f"crf must be a whole number from 0 (best) to {_MAX_CRF[kind]} for {kind}, not {crf!r}.")
    return kind, _rate(fps, kind)


def _format(path: Path, format: str | None) -> str:
    by_suffix = _FORMATS.get(path.suffix.lower())
    known = ", ".join(sorted(_FORMATS.values()))
    if format is None:
        if by_suffix is None:
            raise DisMoError(f"{path}: the suffix {path.suffix!r} is no video format known here. Use one of {known}.")
        return by_suffix
    if format not in _FORMATS.values():
        raise DisMoError(f"format must be one of {known}, or None to go by the suffix, not {format!r}.")
    if by_suffix not in (None, format):
        raise DisMoError(f"{path} would be a {format} file with the suffix {path.suffix}. Make the two agree.")
    return format


def _rate(fps: float | Fraction, kind: str) -> Fraction:
    limit = _GIF_MAX_FPS if kind == "gif" else 1000
    if not isinstance(fps, Real) or isinstance(fps, bool) or not 0 < fps <= limit:
        raise DisMoError(f"fps must be a number above 0 and at most {limit} for {kind}, not {fps!r}.")
    rate = Fraction(fps).limit_denominator(10_000)  # 30000/1001 comes back exactly from its float
    if rate <= 0:
        raise DisMoError(f"fps is {fps!r}, too slow to write. Use at least 0.001.")
    return rate


def _check_audio(audio: Audio | None, kind: str) -> None:
    if audio is None:
        return
    if kind in ("webp", "gif"):
        raise DisMoError(f"{kind} files hold no sound. Write mp4 or webm, or leave the audio away.")
    wave, rate = audio.waveform, audio.sample_rate
    if not (isinstance(wave, Tensor) and wave.ndim == 2 and wave.dtype == torch.float32 and 1 <= wave.shape[0] <= 8):
        shape = f"{wave.dtype} {list(wave.shape)}" if isinstance(wave, Tensor) else type(wave).__name__
        raise DisMoError(
            f"The sound must be float32 [C, N] with 1 to 8 channels, not {shape}, without a batch dimension."
        )
    if type(rate) is not int or not 1000 <= rate <= 384_000:
        raise DisMoError(f"The sample rate of the sound must be a whole number from 1000 to 384000, not {rate!r}.")
    if not bool(torch.isfinite(wave).all()):
        raise DisMoError("The sound holds NaN or infinite values. Replace them, or leave the audio away.")


def _checked(frames: Tensor | Iterable[Tensor], total: int, progress: Progress | None) -> Iterator[Tensor]:
    if isinstance(frames, Tensor) and frames.ndim != 4:
        raise DisMoError(f"Frames must be uint8 [T, H, W, 3], not {frames.dtype} {list(frames.shape)}.")
    shape: torch.Size | None = None
    for index, frame in enumerate(frames):
        if not isinstance(frame, Tensor):
            raise DisMoError(f"Frame {index} must be a uint8 tensor [H, W, 3], not {type(frame).__name__}.")
        if frame.dtype != torch.uint8 or frame.ndim != 3 or frame.shape[2] != 3 or 0 in frame.shape:
            raise DisMoError(
                f"Frame {index} must be uint8 [H, W, 3] in RGB, not {frame.dtype} {list(frame.shape)}. "
                "Scale floats to 0..255, round them and convert to uint8."
            )
        if shape is not None and frame.shape != shape:
            raise DisMoError(
                f"Frame {index} is {list(frame.shape)}, but frame 0 is {list(shape)}. All frames must have one size."
            )
        shape = frame.shape
        yield frame.detach().cpu()
        if progress is not None:
            progress(index + 1, total)
