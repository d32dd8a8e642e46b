"""How good an adapter is: does the motion come over, and does the appearance stay away?

For each prompt one video is sampled with the adapter and one, from the same noise, without it. Motion fidelity to the clip is that of Yatim
et al. 2024 (`dismo_core/evaluation/fidelity.py`); appearance leak is the overlap of color histograms with the driving clip. Both
mean something only beside the numbers of the base alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

from torch import Tensor

from ..errors import DisMoError
from ..evaluation.colors import color_overlap
from ..evaluation.fidelity import motion_fidelity
from ..evaluation.tracks import track_grid
from ..runtime import Runtime
from .sampling import VideoSettings, sample_videos

if TYPE_CHECKING:
    from ..evaluation.similarity import ClipSimilarity
    from ..text_to_video.base import TextToVideoBase
    from .dual_path import DualPathLoRA


@dataclass(frozen=True)
class Judged:
    """One prompt.

    Args:
        prompt: of both videos.
        fidelity: motion fidelity to the clip with the adapter, -1..1.
        fidelity_of_base: without it.
        leak: share of the clip's colors, with the adapter, 0..1.
        leak_of_base: without it.
        prompt_kept: CLIP cosine to the prompt with the adapter; None without a CLIP model.
        prompt_of_base: without it.
    """

    prompt: str
    fidelity: float
    fidelity_of_base: float
    leak: float
    leak_of_base: float
    prompt_kept: float | None
    prompt_of_base: float | None

    def numbers(self) -> dict[str, float | None]:
        """All but the prompt."""
        return {name: value for name, value in asdict(self).items() if name != "prompt"}


def judge_adapter(
    base: TextToVideoBase,
    lora: DualPathLoRA,
    clip: Tensor,
    prompts: Sequence[str],
    settings: VideoSettings,
    *,
    similarity: ClipSimilarity | None = None,
    runtime: Runtime | None = None,
) -> tuple[list[Judged], list[Tensor]]:
    """Numbers for each prompt; see the module.

    Args:
        base: with the adapters in it.
        lora: the adapters, with the scales that are judged.
        clip: the driving clip, uint8 [T,H,W,3], as many frames as are sampled.
        prompts: unrelated ones tell most.
        settings: of the sampling; the prompt is put in.
        similarity: a CLIP model.
        runtime: stages and progress.

    Returns:
        Numbers, and rows for a contact sheet: the clip, then with and without the adapter for each prompt.

    Raises:
        DisMoError: the clip has another length, or nothing in it can be followed.
    """
    if len(clip) != settings.frames:
        raise DisMoError(
            f"The clip has {len(clip)} frames, and videos of {settings.frames} are made. They must be as long."
        )
    source, scales = track_grid(clip), lora.scales
    found, rows = [], [clip]
    for prompt in prompts:
        made: dict[str, Tensor] = {}
        for name in ("with", "without"):
            off = name == "without"
            lora.set_scales(
                appearance=[0.0] * lora.appearances if off else scales["appearance"],
                motion=None if not lora.has_motion else 0.0 if off else scales["motion"][0],
            )
            made[name] = sample_videos(base, replace(settings, prompt=prompt), lora, runtime=runtime)[0]
        fidelities = [motion_fidelity(source, track_grid(video)) for video in made.values()]
        leaks = [color_overlap(clip, video) for video in made.values()]
        kept = [similarity(video, prompt)[0] if similarity else None for video in made.values()]
        found.append(Judged(prompt, *fidelities, *leaks, *kept))
        rows += made.values()
    lora.set_scales(appearance=scales["appearance"] or None, motion=scales["motion"][0] if lora.has_motion else None)
    return found, rows


def mean_of(rows: Sequence[Judged]) -> dict[str, float | None]:
    """Mean of each number over the prompts."""
    columns = [row.numbers() for row in rows]
    return {
        name: None if columns[0][name] is None else sum(column[name] or 0.0 for column in columns) / len(columns)
        for name in columns[0]
    }
