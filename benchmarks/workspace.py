"""Does a `MemoryPlan` reckon with what the parts of CogVideoX take beside their weights? Its estimates and counted bytes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from benchmarks.live_bytes import LiveBytes
from dismo_core import CogVideoXMotionAdapter
from dismo_core.cogvideox.sampling import rotary_positions
from dismo_core.dismo.adapter.adapter_parts import WINDOWS, adapter_parts


@torch.no_grad()
def workspaces(adapter: CogVideoXMotionAdapter, frames: int) -> dict[str, dict[str, float]]:
    """Way to run a part -> GB estimated, GB counted, and counted / estimated.

    Args:
        adapter: where its base lies it runs; on `meta` bytes are counted and nothing is computed.
        frames: of the video.
    """
    base, extractor, device = adapter.base, adapter.motion_extractor, adapter.base.transformer.device
    parts = adapter_parts(base, frames, extractor)
    config: Any = base.transformer.config
    tokens, latent_frames = config.max_text_seq_length, (frames - 1) // config.temporal_compression_ratio + 1
    options = {"device": device, "dtype": adapter.dtype}

    def step(halves: int) -> None:
        base.transformer(
            hidden_states=torch.zeros(
                halves, latent_frames, config.in_channels, config.sample_height, config.sample_width, **options
            ),
            encoder_hidden_states=torch.zeros(halves, tokens, config.text_embed_dim, **options),
            timestep=torch.zeros(halves, device=device),
            image_rotary_emb=rotary_positions(base.transformer, latent_frames, device),
        )

    def decode() -> None:
        size = config.sample_height, config.sample_width
        base.vae.decode(torch.zeros(1, config.out_channels, latent_frames, *size, **options))

    def extract() -> None:
        width = extractor.query_tokens.shape[-1]
        shape = WINDOWS, extractor.window, extractor.frame_encoder.side**2, width
        extractor.motion(torch.zeros(shape, device=device))

    width = adapter.init_gru_state.numel()
    adapter.set_conditions(torch.zeros(1, latent_frames, width, **options))
    base.vae.disable_tiling()
    found = {
        "transformer": _row(parts["transformer"].workspace, lambda: step(2)),
        "transformer, halves in turn": _row(parts["transformer"].work(low_memory=True), lambda: step(1)),
        "VAE": _row(parts["vae"].workspace, decode),
    }
    base.vae.enable_tiling()
    found["VAE, tiled"] = _row(parts["vae"].work(low_memory=True), decode)
    base.vae.disable_tiling()
    prompt = torch.zeros(1, tokens, dtype=torch.long, device=device)
    found["text encoder"] = _row(parts["text_encoder"].workspace, lambda: base.text_encoder(prompt))
    found["motion extractor"] = _row(parts["motion_extractor"].workspace, extract)
    adapter.set_conditions(None)
    return found


def _row(estimate: int, run: Callable[[], None]) -> dict[str, float]:
    with LiveBytes() as live:
        run()
    return {"estimated_gb": estimate / 1e9, "counted_gb": live.peak / 1e9, "counted_of_estimated": live.peak / estimate}
