"""The sizes of CMD's models, read off their weights and the options they were trained with (docs/methods/content_motion.md, 7.2)."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor

from ..errors import DisMoError
from ..weights.geometry import maker
from .checkpoints import Checkpoint
from .models.autoencoder import ContentMotionAutoencoder
from .models.content_dit import ContentDiT
from .models.dit import SIZES, preset_sizes
from .models.motion_dit import MotionDiT
from .models.rotary import RELEASED_HEAD

RELEASED_HEADS = 8  # of the autoencoder, whatever its width
VAE_FACTOR = 8  # pixels for one latent of Stable Diffusion
Size = tuple[int, int]


def autoencoder_of(checkpoint: Checkpoint) -> Callable[[], ContentMotionAutoencoder]:
    """What makes the autoencoder of a file.

    Raises:
        DisMoError: the file does not say enough, or something that cannot be.
    """
    name, tensors = str(checkpoint.file.path), checkpoint.file.tensors
    if own := maker(checkpoint.file.metadata, name, lambda geometry: ContentMotionAutoencoder(**geometry)):
        return own
    width, channels, patch, _ = _shape(tensors, "to_logit.1.weight", 4, name)
    released = tuple(_shape(tensors, "encoder.frame_rot_emb.inv_freqs", 1, name)) == (RELEASED_HEAD // 2,)
    if not released:
        raise DisMoError(
            f"{name} holds rotary tables of another size than the release: it was trained with positions, and does not say its heads. "
            "Take the safetensors file that its training wrote."
        )
    sizes: dict[str, Any] = {
        **dict(width=width, depth=_depth(tensors, "encoder.layers"), heads=RELEASED_HEADS, patch_size=patch),
        **dict(channels=channels, motion_channels=_shape(tensors, "pre_xt.weight", 4, name)[0]),
        "mode": checkpoint.options.get("mode", "pixel" if channels == 3 else "latent"),
    }
    return lambda: ContentMotionAutoencoder(**sizes)


def motion_model_of(
    checkpoint: Checkpoint,
    size: Size | None = None,
    frames: int | None = None,
    heads: int | None = None,
    preset: str | None = None,
) -> Callable[[], MotionDiT]:
    """What makes the motion model of a file.

    Args:
        checkpoint: see `read_checkpoint`.
        size: (H, W) of the content frame, where the file does not say.
        frames: of a clip, likewise.
        heads: of attention, where the width is none of the presets'.
        preset: such as "L/2", which the file must be of.

    Raises:
        DisMoError: the file does not say enough, or contradicts what is given.
    """
    name, tensors = str(checkpoint.file.path), checkpoint.file.tensors
    made = maker(checkpoint.file.metadata, name, lambda geometry: MotionDiT(**_tuples(geometry)))
    width, channels, patch, _ = _shape(tensors, "x_embedder.proj.weight", 4, name)
    _, content_channels, content_patch, _ = _shape(tensors, "keyframe_embedder.proj.weight", 4, name)
    depth = _depth(tensors, "blocks")
    _require_preset(preset or checkpoint.options.get("motion_model_config"), depth, width, patch, name)
    if made:
        return made
    area = _shape(tensors, "keyframe_pos_embed", 3, name)[1] * content_patch**2
    values = _shape(tensors, "pos_embed", 3, name)[1] * patch**2
    size = _content_size(size, checkpoint.options, area, name)
    frames = frames or checkpoint.options.get("n_frames")
    if frames is None:
        raise DisMoError(f"{name} does not say how many frames its clips have. Give frames=.")
    if values % frames:
        raise DisMoError(
            f"{name} was trained on motion latents of {values} positions in all, which {frames} frames do not divide. Give the right "
            "frames=."
        )
    sizes: dict[str, Any] = {
        **dict(latent_size=(frames, values // frames), channels=channels, content_size=size, table="grid"),
        **dict(content_channels=content_channels, patch_size=patch, content_patch_size=content_patch),
        **dict(width=width, depth=depth, heads=_heads(width, heads, name)),
    }
    return lambda: MotionDiT(**sizes)


def content_model_of(
    checkpoint: Checkpoint, size: Size | None = None, heads: int | None = None, preset: str | None = None
) -> Callable[[], ContentDiT]:
    """What makes the content model of a file; see `motion_model_of`."""
    name, tensors = str(checkpoint.file.path), checkpoint.file.tensors
    made = maker(checkpoint.file.metadata, name, lambda geometry: ContentDiT(**_tuples(geometry)))
    width, channels, patch, _ = _shape(tensors, "x_embedder.proj.weight", 4, name)
    depth = _depth(tensors, "blocks")
    _require_preset(preset, depth, width, patch, name)
    if made:
        return made
    area = _shape(tensors, "pos_embed", 3, name)[1] * patch**2
    sizes: dict[str, Any] = {
        **dict(image_size=_content_size(size, checkpoint.options, area, name), channels=channels, patch_size=patch),
        **dict(num_classes=_shape(tensors, "y_embedder.embedding_table.weight", 2, name)[0] - 1, table="grid"),
        **dict(width=width, depth=depth, heads=_heads(width, heads, name)),
    }
    return lambda: ContentDiT(**sizes)


def _content_size(size: Size | None, options: Mapping[str, Any], area: int, name: str) -> Size:
    """(H, W) of the content frame, which must have `area` values a channel."""
    if size is None and (told := options.get("image_size")):
        height, width = (told, told) if isinstance(told, int) else told
        factor = VAE_FACTOR if options.get("mode") == "latent" and height * width != area else 1
        size = (height // factor, width // factor)
    if size is None:
        side = math.isqrt(area)
        square = f", such as {side}x{side}" if side * side == area else ""
        raise DisMoError(
            f"{name} does not say the size of its content frames ({area} values a channel{square}). Give size=."
        )
    if size[0] * size[1] != area:
        raise DisMoError(
            f"{name} was trained on content frames of {area} values a channel, not on {size[0]}x{size[1]}. Give the right size= "
            "(height, width)."
        )
    return size


def _require_preset(preset: str | None, depth: int, width: int, patch: int, name: str) -> None:
    if preset is None:
        return
    wanted = preset_sizes(preset)
    if (wanted["depth"], wanted["width"], wanted["patch_size"]) != (depth, width, patch):
        raise DisMoError(
            f"{name} has {depth} blocks of width {width} and patches of {patch}; {preset} has {wanted['depth']}, {wanted['width']} and "
            f"{wanted['patch_size']}. Leave the option out: the file knows its size."
        )


def _heads(width: int, heads: int | None, name: str) -> int:
    known = {preset_width: preset_heads for _, preset_width, preset_heads in SIZES.values()}
    found = heads or known.get(width)
    if found is None:
        raise DisMoError(
            f"{name} has the width {width}, which is none of the presets' ({', '.join(map(str, sorted(known)))}), and does not say its "
            "heads. Give heads=."
        )
    return found


def _depth(tensors: Mapping[str, Tensor], prefix: str) -> int:
    numbers = [int(found[1]) for name in tensors if (found := re.match(rf"{re.escape(prefix)}\.(\d+)\.", name))]
    return max(numbers, default=-1) + 1


def _shape(tensors: Mapping[str, Tensor], entry: str, axes: int, name: str) -> list[int]:
    tensor = tensors.get(entry)
    if tensor is None or tensor.ndim != axes or 0 in tensor.shape:
        found = "no such entry" if tensor is None else str(list(tensor.shape))
        raise DisMoError(
            f"{name} has {found} for {entry}, which tells the model's size. It is damaged or of another kind."
        )
    return list(tensor.shape)


def _tuples(geometry: dict[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in geometry.items()}
