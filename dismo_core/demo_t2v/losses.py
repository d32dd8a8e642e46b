"""The four losses of DEMO's training (Ruan et al. 2024, section 3; docs/methods/demo_t2v.md, 6)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from ..errors import DisMoError
from .noise_levels import PUBLISHED, alphas_cumprod

Flow = Callable[[Tensor, Tensor], Tensor]  # frames (N,3,H,W) and those after them -> (N,2,H,W), px
FLOW_SIZE = 128  # px; maps are enlarged to this before flow is measured on them
ERRORS_OF = ("noise", "x0")


def training_losses(
    unet: Any,
    latents: Tensor,
    t: Tensor,
    noise: Tensor,
    content: Tensor,
    motion: Tensor,
    eot_index: Tensor,
    *,
    video: Tensor | None = None,
    flow: Flow | None = None,
    video_motion: str = "noise",
    diffusion: str = "noise",
    betas: tuple[float, float] = PUBLISHED,
) -> dict[str, Tensor]:
    """Losses of each sample.

    Args:
        unet: a `UNet`, or what wraps it.
        latents: clean, [B, C, F, h, w].
        t: noise levels, [B].
        noise: as the latents.
        content: text of the content, [B, L, D].
        motion: text of the motion, [B, L, D].
        eot_index: [B], the token of the motion's text whose maps are compared with the clip.
        video: the clip, [B, F, 3, H, W] in -1..1; needed where flow is given.
        flow: of neighbouring frames; None = no text-motion loss, and no maps are made.
        video_motion: "noise": differences of neighbouring frames of the noise, as published; "x0": of the clean latents,
            as in the paper.
        diffusion: what the error is of, "noise", as published, or "x0": then little noise weighs as much as much of it does.
        betas: of the network's noise levels, see `alphas_cumprod`.

    Returns:
        "diffusion", "video_motion", and "text_motion" where flow is given; each [B].

    Raises:
        DisMoError: no such `video_motion` or `diffusion`; flow without a video.
    """
    check_errors_of(video_motion=video_motion, diffusion=diffusion)
    if flow is not None and video is None:
        raise DisMoError("The text-motion loss compares maps with the clip itself: give video, or leave flow out.")
    kept = alphas_cumprod(betas).to(latents.device)[t][:, None, None, None, None]
    signal, spread = kept.sqrt().to(latents.dtype), (1 - kept).sqrt().to(latents.dtype)
    noisy = signal * latents + spread * noise
    out = unet(noisy, t, content, motion, eot_index=None if flow is None else eot_index)
    predicted, maps = (out, []) if flow is None else out
    clean = (noisy - spread * predicted) / signal
    error = (predicted - noise if diffusion == "noise" else clean - latents).square()
    if video_motion == "noise":
        moved = (_between_frames(predicted).abs() - _between_frames(noise).abs()).square()
    else:
        moved = (_between_frames(clean) - _between_frames(latents)).square()
    losses = {"diffusion": error.flatten(1).mean(dim=1), "video_motion": moved.flatten(1).mean(dim=1)}
    if flow is not None and video is not None:
        losses["text_motion"] = text_motion_loss(maps, video, flow)
    return losses


def check_errors_of(**chosen: str) -> None:
    """Raise where an error is of something else than noise or clean latents.

    Raises:
        DisMoError: the name, what was chosen, and what there is.
    """
    for name, value in chosen.items():
        if value not in ERRORS_OF:
            raise DisMoError(f"There is no {name} {value!r}. Choose one of {', '.join(ERRORS_OF)}.")


def text_motion_loss(maps: Sequence[Tensor], video: Tensor, flow: Flow) -> Tensor:
    """Minus the cosine between the motion of the maps and that of the clip, [B], -1..1; mean over the sizes of maps.

    Args:
        maps: [B, h, w, F] each; those of one size are averaged.
        video: [B, F, 3, H, W] in -1..1.
        flow: of neighbouring frames.
    """
    sizes: dict[int, list[Tensor]] = {}
    for one in maps:
        sizes.setdefault(one.shape[1], []).append(one)
    seen = _flows(video, flow)
    losses = []
    for several in sizes.values():
        shown = torch.stack(several).mean(dim=0).permute(0, 3, 1, 2)[:, :, None].expand(-1, -1, 3, -1, -1)
        if shown.shape[-2] < FLOW_SIZE:
            wide = shown.shape[:2]
            enlarged = F.interpolate(shown.flatten(0, 1), (FLOW_SIZE, FLOW_SIZE), mode="bilinear", align_corners=False)
            shown = enlarged.unflatten(0, wide)
        found = _flows(shown, flow)
        wanted = F.interpolate(seen.flatten(0, 1), found.shape[-2:], mode="bilinear", align_corners=False)
        losses.append(-F.cosine_similarity(found.flatten(1), wanted.reshape(len(found), -1), dim=1))
    return torch.stack(losses).mean(dim=0)


def regularization_loss(states: Tensor, eot_index: Tensor, image_embeddings: Tensor) -> Tensor:
    """Minus the cosine between the motion's text at its end and the picture of a frame, [B]: content words stay known.

    Args:
        states: of the motion's text, [B, L, D].
        eot_index: [B], position of the end of text.
        image_embeddings: of the image tower, [B, D].
    """
    ends = states[torch.arange(len(states), device=states.device), eot_index]
    return -F.cosine_similarity(ends, image_embeddings, dim=1)


def _between_frames(x: Tensor) -> Tensor:
    return x[:, :, 1:] - x[:, :, :-1]


def _flows(video: Tensor, flow: Flow) -> Tensor:
    """[B, F, 3, H, W] -> [B, F - 1, 2, H, W]."""
    first, second = video[:, :-1], video[:, 1:]
    flows: Tensor = flow(first.flatten(0, 1), second.flatten(0, 1)).unflatten(0, first.shape[:2])
    return flows
