"""The person's mask in a clip by a model of transformers: SAM 3 by words, SAM 2 by a point."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import DisMoError, first_line
from ...imports import importing

SAM3, SAM2 = "facebook/sam3", "facebook/sam2.1-hiera-small"
_POINT = re.compile(r"\s*(\d+)\s*,\s*(\d+)\s*")


def segment_person(
    frames: NDArray[np.uint8],
    prompt: str,
    place: str | None = None,
    device: str = "cpu",
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> NDArray[np.uint8]:
    """Masks uint8 [F, H, W], 255 = person; of several things that the words mean, the one that is largest over the clip.

    Args:
        frames: uint8 [F, H, W, 3].
        prompt: words, such as "person", for SAM 3; or "x,y", a point on the person in the first frame, px, for SAM 2.
        place: folder of the model, or its name on the hub, from where it was downloaded; None = `SAM3` or `SAM2`.
        device: where it runs.
        progress: called with (frames done, in all).

    Raises:
        DisMoError: the model is not here, or it finds nothing.
    """
    point = _POINT.fullmatch(prompt)
    height, width = frames.shape[1:3]
    if point and not (int(point[1]) < width and int(point[2]) < height):
        raise DisMoError(f"The point {prompt} lies outside of the clip, which is {width}x{height} px.")
    if not prompt.strip():
        raise DisMoError('There are no words that say what to segment. Give some, such as "person", or a point "x,y".')
    kind = "Sam2Video" if point else "Sam3Video"
    model, processor = _loaded(kind, place or (SAM2 if point else SAM3), device)
    session = processor.init_video_session(
        video=frames,
        inference_device=device,
        processing_device="cpu",  # 150 frames of 1024x1024 px in float32 are 1.9 GB
        video_storage_device="cpu",
        dtype=model.dtype,
    )
    found = _by_point(model, processor, session, point) if point else _by_words(model, processor, session, prompt)
    masks: list[dict[int, NDArray[np.bool_]]] = [{} for _ in frames]
    areas: Counter[int] = Counter()
    for done, (index, things) in enumerate(found, 1):
        masks[index] = things
        areas.update({key: int(mask.sum()) for key, mask in things.items()})
        progress(done, len(frames))
    if not areas or areas.most_common(1)[0][1] == 0:
        raise DisMoError(f"The segmenter finds no {prompt!r} in the clip. Try other words, a point, or give the mask.")
    largest = areas.most_common(1)[0][0]
    empty = np.zeros((height, width), bool)
    return np.stack([np.where(things.get(largest, empty), 255, 0).astype(np.uint8) for things in masks])


def _by_words(model: Any, processor: Any, session: Any, words: str) -> Any:
    """Frame number and id -> mask, frame by frame."""
    processor.add_text_prompt(session, words)
    for found in model.propagate_in_video_iterator(session):
        shown = processor.postprocess_outputs(session, found)
        ids = [int(key) for key in shown["object_ids"]]
        yield found.frame_idx, dict(zip(ids, shown["masks"].cpu().numpy(), strict=True))


def _by_point(model: Any, processor: Any, session: Any, point: re.Match[str]) -> Any:
    """Likewise of the one thing at the point."""
    at = [[[[float(point[1]), float(point[2])]]]]
    processor.add_inputs_to_inference_session(session, 0, 1, input_points=at, input_labels=[[[1]]])
    for found in model.propagate_in_video_iterator(session, start_frame_idx=0):
        size = [[session.video_height, session.video_width]]
        (mask,) = processor.post_process_masks([found.pred_masks], original_sizes=size)
        yield found.frame_idx, {1: mask[0, 0].cpu().numpy() > 0}


def _loaded(kind: str, place: str, device: str) -> tuple[Any, Any]:
    with importing("transformers"):
        import transformers
        from transformers.utils.import_utils import is_torchvision_available
    if not hasattr(transformers, f"{kind}Model"):
        raise DisMoError(
            f"transformers {transformers.__version__} has no {kind}Model. Update it (pip install -U transformers), or give the person's "
            "mask.",
            hint="person mask",
        )
    try:
        found = transformers.AutoConfig.from_pretrained(place, local_files_only=True).model_type
        if not found.startswith(kind[:4].lower()):
            needs = "A point needs SAM 2" if kind == "Sam2Video" else "Words need SAM 3; SAM 2 takes a point, x,y"
            raise DisMoError(f"The segmenter {place} is of another kind, {found}. {needs}.")
        model = getattr(transformers, f"{kind}Model").from_pretrained(place, local_files_only=True)
        if not is_torchvision_available():
            raise DisMoError(
                f"The segmenter {place} needs torchvision, which prepares its pictures. Install it (pip install torchvision), or give the "
                "person's mask.",
                hint="person mask",
            )
        processor = getattr(transformers, f"{kind}Processor").from_pretrained(place, local_files_only=True)
    except (ImportError, OSError, ValueError, KeyError, TypeError) as error:
        raise DisMoError(
            f"The segmenter {place} does not load: {first_line(error)}. Download it (hf download {place}) after reading its licence, or "
            "give the person's mask, made for example with the SAM nodes of ComfyUI.",
            hint="person mask",
        ) from error
    return model.eval().to(device), processor
