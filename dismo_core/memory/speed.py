"""Faster sampling: blocks compiled, and work left out between similar steps. Both are off unless asked for."""

from __future__ import annotations

import logging
from typing import Any, Literal, get_args

from torch import nn

from ..errors import DisMoError
from ..imports import importing

log = logging.getLogger(__name__)

StepCache = Literal["off", "first block", "pyramid", "faster"]
STEP_CACHES: tuple[str, ...] = get_args(StepCache)
ATTENTION_CACHES = ("pyramid", "faster")
FIRST_BLOCK_THRESHOLD = 0.05  # relative change of what the first block adds, from step to step
WATCH = "dismo_step_watch"


def compile_blocks(transformer: nn.Module, cache: str = "off", backend: str = "inductor") -> None:
    """Compile the repeated block instead of the whole transformer: two graphs (the first block gets strided tensors)
    serve all blocks. diffusers' own `compile_repeated_blocks` does not know CogVideoX's.

    Caches that leave attention out put a hook of its own into every block, which counts steps: traced, it would make a new
    graph for each block and step. With these the parts of a block are compiled, and the hook stays outside.

    Args:
        transformer: after `set_attention`.
        cache: step cache that is in force, see `set_step_cache`.
        backend: of torch.compile.
    """
    for block in transformer.get_submodule("transformer_blocks").children():
        if cache in ATTENTION_CACHES:
            attention: Any = block.get_submodule("attn1")
            attention.processor.compile(backend)
            for part in ("norm1", "norm2", "ff"):
                block.get_submodule(part).compile(backend=backend)
        else:
            block.compile(backend=backend)


def set_step_cache(transformer: Any, kind: str, threshold: float = FIRST_BLOCK_THRESHOLD) -> None:
    """Leave out work in denoising steps that resemble the ones before; settings as diffusers recommends for CogVideoX.

    | kind | leaves out | needs |
    | --- | --- | --- |
    | first block | all blocks but the first, while what that one adds changes little | |
    | pyramid | attention, in every second step between time 800 and 100 | both guidance halves in one batch |
    | faster | attention in every second step, the half without prompt in four of five | as pyramid; guidance above 1 |

    The transformer must be called inside `cache_context`, with keywords, and reset after each video with
    `_reset_stateful_cache`, as `sampling` does.

    Args:
        transformer: diffusers CogVideoX transformer.
        kind: one of `STEP_CACHES`; "off" undoes.
        threshold: for first block, how little is little.

    Raises:
        DisMoError: no such kind. During sampling: guidance halves that come one after the other.
    """
    require_step_cache(kind)
    with importing("diffusers"):
        from diffusers.hooks.faster_cache import FasterCacheConfig
        from diffusers.hooks.first_block_cache import FirstBlockCacheConfig
        from diffusers.hooks.hooks import HookRegistry
        from diffusers.hooks.pyramid_attention_broadcast import PyramidAttentionBroadcastConfig

    registry = HookRegistry.check_if_exists_or_initialize(transformer)
    if transformer.is_cache_enabled:
        transformer.disable_cache()
        registry.remove_hook(WATCH, recurse=False)
    if kind == "off":
        return
    watch = _step_watch(kind)
    if kind == "first block":
        config: Any = FirstBlockCacheConfig(threshold)
    elif kind == "pyramid":
        config = PyramidAttentionBroadcastConfig(
            spatial_attention_block_skip_range=2,
            spatial_attention_timestep_skip_range=(100, 800),
            current_timestep_callback=lambda: watch.timestep,
        )
    else:
        config = FasterCacheConfig(
            spatial_attention_block_skip_range=2,
            spatial_attention_timestep_skip_range=(-1, 681),
            low_frequency_weight_update_timestep_range=(99, 641),
            high_frequency_weight_update_timestep_range=(-1, 301),
            unconditional_batch_skip_range=5,
            unconditional_batch_timestep_skip_range=(-1, 781),
            attention_weight_callback=lambda _: 0.3,
            tensor_format="BFCHW",
            current_timestep_callback=lambda: watch.timestep,
        )
    transformer.enable_cache(config)
    registry.register_hook(watch, WATCH)
    registry._child_registries_cache = None  # diffusers 0.38 to 0.40 go on with the hooks that were there before


def require_step_cache(kind: str) -> None:
    """Raise unless `kind` is one of `STEP_CACHES`."""
    if kind not in STEP_CACHES:
        raise DisMoError(f"There is no step cache {kind!r}. Choose one of {', '.join(STEP_CACHES)}.")


def _step_watch(kind: str) -> Any:
    with importing("diffusers"):
        from diffusers.hooks.hooks import BaseState, ModelHook, StateManager

    class Half(StateManager):
        """Is told which guidance half runs: since diffusers 0.41 by an object that bears its name, before by the name."""

        name = ""

        def set_context(self, context: Any) -> None:
            self.name = getattr(context, "name", context)

    class StepWatch(ModelHook):
        """Knows the time of the step that runs, and refuses halves that a cache would take for one another."""

        _is_stateful = True

        def __init__(self) -> None:
            super().__init__()  # type: ignore[no-untyped-call]
            self.timestep = 0
            self.half = Half(BaseState)  # type: ignore[arg-type]

        def pre_forward(self, module: nn.Module, *args: Any, **kwargs: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
            self.timestep = int(kwargs["timestep"][0])
            half = self.half.name
            if (kind == "pyramid" and half == "uncond") or (kind == "faster" and half != "cond_uncond"):
                raise DisMoError(
                    f"The step cache {kind!r} needs both guidance halves in one batch, and the sampler runs {half!r} "
                    "alone. Use a guidance above 1, and where memory is so short that the halves run in turn another memory setting "
                    "or a shorter video; or the step cache 'first block'."
                )
            return args, kwargs

        def reset_state(self, module: nn.Module) -> nn.Module:
            return module

    return StepWatch()
