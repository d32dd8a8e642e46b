"""Jobs: ways to sample a video with CogVideoX and the motion adapter, and what one job costs."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from copy import copy
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.random_cogvideox import bare, straightforward
from dismo_core import CogVideoXMotionAdapter
from dismo_core.cogvideox.base import CogVideoXBase
from dismo_core.cogvideox.sampling import Guidance, rotary_positions, sample_video
from dismo_core.dismo.adapter.adapter_parts import adapter_parts
from dismo_core.memory.plan import MemoryPlan
from dismo_core.memory.speed import compile_blocks, set_step_cache
from dismo_core.video.picture import to_uint8

CAP = 7e9  # bytes of GPU memory that the capped rows may reserve
GUIDANCE = 6.0


@dataclass(frozen=True)
class Row:
    """One way to sample.

    Args:
        name: in the table.
        loop: "adapter", "bare" (the base alone) or "straightforward" (nothing is made once).
        exact: rounding of the adapter as the reference. cache: of steps. halves: run the guidance halves in turn.
        memory: setting of a memory plan; empty = everything lies on the device.
        low_memory: guidance halves in turn and tiled decoding. capped: within `CAP` bytes. compiled: blocks or their parts.
        outside: the adapter acts in the first step alone, which is not timed.
    """

    name: str
    loop: str = "adapter"
    exact: bool = True
    cache: str = "off"
    halves: bool = False
    memory: str = ""
    low_memory: bool = False
    capped: bool = False
    compiled: bool = False
    outside: bool = False


@dataclass
class Measured:
    """Of one row, over the turns: seconds a step, peak bytes on the GPU and of anonymous memory on the host, and the share
    of attention and feed-forward calls (by guidance halves) that the last block really ran."""

    seconds: list[float] = field(default_factory=list)
    reserved: int = 0
    host: int = 0
    ran: dict[str, float] = field(default_factory=dict)


class Bench:
    """A model and its inputs; runs rows."""

    def __init__(self, adapter: CogVideoXMotionAdapter, device: torch.device, frames: int, with_bare: bool) -> None:
        self.adapter, self.device, self.frames = adapter, device, frames
        self.base: CogVideoXBase | None = bare(adapter.base) if with_bare else None
        generator = torch.Generator().manual_seed(0)
        height, width = adapter.size
        self.picture = torch.rand(1, height, width, 3, generator=generator) * 2 - 1
        self.clip = torch.rand(1, frames, 64, 64, 3, generator=generator) * 2 - 1
        self.embeddings = torch.randn(1, frames - 4, adapter.motion_extractor.d_motion, generator=generator)
        self.jobs = 0

    def run(self, row: Row, steps: int, measured: Measured | None = None) -> Tensor:
        """Make one video, uint8 [frames,H,W,3]."""
        times: list[float] = []
        host = 0

        def progress(*_: object) -> None:
            nonlocal host
            times.append(self._now())
            host = max(host, _host_bytes())

        self.jobs += 1
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()
        with ExitStack() as stack:
            if row.compiled:
                stack.enter_context(_compiled(self._transformer(row), row.cache))
            counts = stack.enter_context(_counted(self._transformer(row)))
            video = self._sample(row, steps, progress, stack)
        if measured is not None:
            measured.seconds.append((times[-1] - times[0]) / (steps - 1))
            measured.host = max(measured.host, host)
            measured.ran = {name: count / (2 * steps) for name, count in counts.items()}
            if self.device.type == "cuda":
                measured.reserved = max(measured.reserved, torch.cuda.max_memory_reserved())
        return video

    def _sample(self, row: Row, steps: int, progress: Callable[..., None], stack: ExitStack) -> Tensor:
        adapter, prompt = self.adapter, f"prompt {self.jobs}"  # a new one: its encoding belongs to the job
        generator = torch.Generator().manual_seed(1)
        if row.loop == "bare":
            assert self.base is not None
            with torch.no_grad():
                texts = adapter.encode_prompts([prompt, "negative"], self.device).split(1)
                guidance = Guidance(texts[0], texts[1], GUIDANCE)
                picture = self.picture[0].to(self.device, adapter.dtype)
                return to_uint8(sample_video(self.base, picture, self.frames, guidance, steps, generator, progress))
        driving: dict[str, Any] = {"motion_videos": self.clip} if row.memory else {"motions": self.embeddings}
        if row.loop == "straightforward":
            stack.enter_context(straightforward(adapter, self.embeddings.to(self.device)))
        if row.capped:
            stack.enter_context(_capped())
        if row.memory:
            parts = adapter_parts(adapter.base, self.frames, adapter.motion_extractor)
            adapter.plan = MemoryPlan(parts, self.device, row.memory, low_memory=row.low_memory)
            stack.callback(adapter.base.vae.disable_tiling)
            stack.callback(setattr, adapter, "plan", None)
            stack.callback(adapter.plan.release)
            adapter.plan.load()
        adapter.set_exact(row.exact)
        adapter.sequential_guidance = row.halves
        set_step_cache(adapter.base.transformer, row.cache)
        return adapter.sample(
            **driving,
            images=self.picture,
            prompts=prompt,
            num_frames=self.frames,
            n_steps=steps,
            text_guidance_scale=GUIDANCE,
            generator=generator,
            strength=0.0 if row.loop == "straightforward" else 1.0,
            progress=progress,
            end_percent=1e-6 if row.outside else 1.0,
        )[0]

    def _transformer(self, row: Row) -> Any:
        return self.base.transformer if row.loop == "bare" and self.base else self.adapter.base.transformer

    def _now(self) -> float:
        if self.device.type != "cuda":
            return time.process_time()
        torch.cuda.synchronize()
        return time.perf_counter()

    def flops(self) -> dict[str, float]:
        """Of one step, both guidance halves: linears of the bare base, linears with the adapter, attention."""
        adapter, counts = self.adapter, []
        transformer: Any = adapter.base.transformer
        config = transformer.config
        latent_frames, height, width = (self.frames + 3) // 4, config.sample_height, config.sample_width
        set_step_cache(transformer, "off")
        x = torch.randn(1, latent_frames, config.in_channels, height, width, device=self.device, dtype=adapter.dtype)
        conditions = adapter.encode_motion(motions=self.embeddings)
        with torch.no_grad():
            text = adapter.encode_prompts(["prompt"], self.device)
            t, rotary = torch.zeros(1, device=self.device), rotary_positions(transformer, latent_frames, self.device)
            for wanted in (None, conditions):
                adapter.set_conditions(wanted)
                with FlopCounterMode(display=False) as counter:
                    Guidance(text, text, GUIDANCE).velocity(transformer, x, t, rotary)
                counts.append({str(op): n for op, n in counter.get_flop_counts()["Global"].items()})
        adapter.set_conditions(None)
        linears = [sum(n for op, n in count.items() if "mm" in op) for count in counts]
        tokens = config.max_text_seq_length + latent_frames * (height // 2) * (width // 2)
        channels = config.num_attention_heads * config.attention_head_dim
        attention = 2 * config.num_layers * 4 * channels * tokens**2  # halves, layers, two products
        return {"bare": linears[0], "adapter": linears[1], "attention": attention}


@contextmanager
def _counted(transformer: Any) -> Iterator[dict[str, int]]:
    """Guidance halves that the last block's attention and feed-forward have seen; nothing of compiled blocks."""
    block, counts = transformer.transformer_blocks[-1], dict[str, int]()
    if block._compiled_call_impl is not None or block.ff._compiled_call_impl is not None:
        yield counts
        return

    def count(name: str) -> Any:
        counts[name] = 0
        return lambda module, args, output: counts.__setitem__(name, counts[name] + len(output))

    handles = [
        block.attn1.to_q.register_forward_hook(count("attention")),
        block.ff.register_forward_hook(count("feed_forward")),
    ]
    try:
        yield counts
    finally:
        for handle in handles:
            handle.remove()


@contextmanager
def _compiled(transformer: Any, cache: str) -> Iterator[None]:
    processors = [block.attn1.processor for block in transformer.transformer_blocks]
    for block in transformer.transformer_blocks:
        block.attn1.processor = copy(block.attn1.processor)
    compile_blocks(transformer, cache)
    try:
        yield
    finally:
        for block, processor in zip(transformer.transformer_blocks, processors, strict=True):
            block.attn1.processor = processor
            for module in (block, block.norm1, block.norm2, block.ff):
                module._compiled_call_impl = None


@contextmanager
def _capped() -> Iterator[None]:
    total = torch.cuda.get_device_properties(torch.cuda.current_device()).total_memory
    torch.cuda.set_per_process_memory_fraction(CAP / total)
    try:
        yield
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)


def _host_bytes() -> int:
    """Memory of this process that lies in no file."""
    import psutil

    memory = psutil.Process().memory_info()
    return int(memory.rss - getattr(memory, "shared", 0))
