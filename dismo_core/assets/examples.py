"""The bundled examples: a driving clip and a picture each. Sources and licences stand in CREDITS.md beside this file."""

from __future__ import annotations

from pathlib import Path

from ..errors import DisMoError

_FOLDER = Path(__file__).parent / "media"
_EXAMPLES = {
    "drawn": ("drawn_clip.mp4", "drawn_picture.png"),
    "camera": ("camera_clip.mp4", "camera_picture.jpg"),
    "cutout": ("drawn_clip.mp4", "cutout_picture.jpg"),
}
_CLIPS = {"fish": "fish_clip.webp", "four clips": "four_clips.mp4"}
_MASKS = {"cutout": "cutout_mask.png"}
_BATCHES = {
    "ten pictures": ("drawn_clip.mp4", "ten_pictures.jpg", "ten_masks.png"),
    "lilac pictures": ("drawn_clip.mp4", "lilac_pictures.jpg", "lilac_masks.png"),
}
TILE = 256  # px, side of each picture of a batch; they lie in one file


def example_names() -> list[str]:
    """Names of the examples, the default first."""
    return list(_EXAMPLES)


def example(name: str) -> tuple[Path, Path]:
    """(driving clip, picture) of an example.

    Raises:
        DisMoError: no such example.
    """
    if name not in _EXAMPLES:
        raise DisMoError(f"There is no example {name!r}. Choose one of: {', '.join(_EXAMPLES)}.")
    clip, picture = _EXAMPLES[name]
    return _FOLDER / clip, _FOLDER / picture


def all_names() -> list[str]:
    """Names of all examples: those with one picture, those with a batch of them, clips without a picture."""
    return [*_EXAMPLES, *_BATCHES, *_CLIPS]


def example_batch(name: str) -> tuple[Path, Path, Path]:
    """(driving clip, pictures, masks) of an example with several pictures, both in tiles of `TILE`, row by row.

    Raises:
        DisMoError: no such example.
    """
    if name not in _BATCHES:
        raise DisMoError(f"There is no example {name!r} of several pictures. Choose one of: {', '.join(_BATCHES)}.")
    clip, pictures, masks = _BATCHES[name]
    return _FOLDER / clip, _FOLDER / pictures, _FOLDER / masks


def example_mask(name: str) -> Path | None:
    """What moves in the picture of an example, white; None where it comes without a mask."""
    return _FOLDER / _MASKS[name] if name in _MASKS else None


def clip_names() -> list[str]:
    """Names of the clips that come without a picture."""
    return list(_CLIPS)


def example_clip(name: str) -> Path:
    """A clip that comes without a picture: "fish", 14 frames with transparency; "four clips", one after the other, of two seconds each,
    which move left, differ in appearance, and have 16 frames of 64 px.

    Raises:
        DisMoError: no such clip.
    """
    if name not in _CLIPS:
        raise DisMoError(f"There is no example clip {name!r}. Choose one of: {', '.join(_CLIPS)}.")
    return _FOLDER / _CLIPS[name]
