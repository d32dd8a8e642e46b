"""A CogVideoX video model from files and choices, in the one order in which they go together."""

from __future__ import annotations

import os
from collections.abc import Callable

import torch

from ...cogvideox.attention import require_attention, set_attention
from ...cogvideox.base import CogVideoXBase, load_base
from ...cogvideox.parts import block_linears
from ...cogvideox.positions import Positions, require_positions
from ...memory.plan import MemoryPlan
from ...memory.precision import STORED, compute_dtype, store
from ...memory.speed import compile_blocks, require_step_cache, set_step_cache
from .adapter import CogVideoXMotionAdapter
from .adapter_parts import adapter_parts
from .cogvideox_model import CogVideoXModel
from .motion_checks import TRAINED_FRAMES


def check_choices(
    device: str | torch.device, *, precision: str, memory: str, attention: str, cache: str, positions: str
) -> None:
    """Raise for a choice that `load_video_model` does not know, or that this device has not."""
    device = torch.device(device)
    MemoryPlan({}, device, memory)
    compute_dtype(precision, device)
    require_positions(positions)
    require_step_cache(cache)
    require_attention(attention, device)


def load_video_model(
    adapter: str | os.PathLike[str],
    base: str | os.PathLike[str] | CogVideoXBase,
    device: str | torch.device,
    *,
    precision: str = "auto",
    memory: str = "auto",
    attention: str = "auto",
    compile: bool = False,
    cache: str = "off",
    positions: Positions = "auto",
    keep_tail: bool = False,
    match_colors: bool = False,
    text_encoder: str | os.PathLike[str] | None = None,
    vae: str | os.PathLike[str] | None = None,
    folder: str | os.PathLike[str] | None = None,
    stage: Callable[[str], None] = lambda label: None,
) -> CogVideoXModel:
    """The adapter on its base, its extractor among the parts of the memory plan. Weights stay on the host until used.

    Args:
        adapter: "large", a file or a folder, see `load_cogvideox_adapter`.
        base: diffusers folder, hub id, or a base loaded in `compute_dtype(precision, device)`.
        device: where it will run.
        precision: see `compute_dtype` and `store`.
        memory: see `MemoryPlan`.
        folder: see `MemoryPlan`.
        attention: see `set_attention`.
        compile: compile the blocks, with fused rounding of the adapter.
        cache: see `set_step_cache`.
        positions: see `CogVideoXModel`.
        keep_tail: see `CogVideoXModel`.
        match_colors: see `CogVideoXModel`.
        text_encoder: file in place of the base folder's, see `load_base`.
        vae: file in place of the base folder's, see `load_base`.
        stage: called with what is loaded next, see `Runtime`.

    Raises:
        DisMoError: files that are not there or do not fit, unknown choices, or a library that a choice needs.
    """
    from ..weights import load_cogvideox_adapter

    device = torch.device(device)
    # unknown choices are refused before anything is loaded
    check_choices(device, precision=precision, memory=memory, attention=attention, cache=cache, positions=positions)
    plan = MemoryPlan({}, device, memory, folder=folder)
    dtype = compute_dtype(precision, device)
    if not isinstance(base, CogVideoXBase):
        base = load_base(base, dtype, text_encoder=text_encoder, vae=vae, stage=stage)
    if precision in STORED:
        stage(f"storing the weights in {precision}")
    store(
        base.transformer, block_linears(base.transformer), precision, device
    )  # before something is added to the linears
    stage("loading the motion adapter")
    model: CogVideoXMotionAdapter = load_cogvideox_adapter(adapter, base=base, dtype=dtype)
    set_attention(base.transformer, attention, device)
    set_step_cache(base.transformer, cache)
    if compile:
        model.set_exact(False)
        compile_blocks(base.transformer, cache)
    plan.parts = adapter_parts(base, TRAINED_FRAMES, model.motion_extractor)
    model.plan = plan
    return CogVideoXModel(model, positions=positions, keep_tail=keep_tail, match_colors=match_colors)
