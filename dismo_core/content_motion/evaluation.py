"""How good a model of CMD is: reconstruction, exchange of motions, predicted motion, whole clips (docs/methods/content_motion.md, 9)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from ..errors import DisMoError
from ..evaluation.fvd import frechet_distance
from ..runtime import Runtime
from ..video.picture import to_uint8
from .clips import middle_of
from .model import ContentMotionModel
from .models.autoencoder import held_still

MOVING = 0.01  # mean difference from frame to frame, of the range 0..1, above which a clip moves
RANKS = (1, 2, 3)
FEWEST = 4  # clips of which two halves can be compared
Features = Mapping[str, Callable[[Tensor], Tensor]]  # name of a net -> clips uint8 [N,T,H,W,3] -> [N,d]


def psnr(made: Tensor, real: Tensor) -> Tensor:
    """Of clips [N,...] in -1..1, dB, [N]."""
    return 10 * torch.log10(4 / (made.float() - real).square().flatten(1).mean(dim=1).clamp(min=1e-10))


def is_moving(clips: Tensor) -> Tensor:
    """Which clips [N,C,L,H,W] in -1..1 move, bool [N]; see `MOVING`."""
    return (clips[:, :, 1:] - clips[:, :, :-1]).abs().flatten(1).mean(dim=1) / 2 > MOVING


def mean_frame(clips: Tensor) -> Tensor:
    """Each clip's mean frame, shown throughout."""
    return clips.mean(dim=2, keepdim=True).expand_as(clips)


def middle_frame(clips: Tensor) -> Tensor:
    """Each clip's middle frame, shown throughout."""
    return _throughout(middle_of(clips), clips)


def at_rest(clips: Tensor) -> dict[str, Tensor]:
    """What stands beside clips that a model makes and needs none."""
    return {"mean frame": mean_frame(clips), "middle frame": middle_frame(clips)}


def low_rank(clips: Tensor, rank: int) -> Tensor:
    """The best sum of `rank` pictures with a weight each at each time: what no motion latent pays for."""
    flat = clips.transpose(1, 2).flatten(2)  # [N,L,values]
    u, s, v = torch.linalg.svd(flat, full_matrices=False)
    best: Tensor = (u[..., :rank] * s[:, None, :rank]) @ v[:, :rank]
    return best.view(clips.transpose(1, 2).shape).transpose(1, 2)


def reconstruction_scores(
    model: ContentMotionModel, clips: Tensor, refine: int = 0, runtime: Runtime | None = None
) -> dict[str, Any]:
    """PSNR of clips [N,C,L,H,W] reconstructed, beside what needs no model; means over moving clips, medians over all.

    Args:
        model: its autoencoder is looked at.
        clips: -1..1.
        refine: steps of gradient descent for each clip.
        runtime: progress and cancel.
    """
    rows: dict[str, list[Tensor]] = {}
    for done, clip in enumerate(clips.split(1), 1):
        _go_on(runtime)
        with torch.no_grad(), model.using("autoencoder") as autoencoder:
            latents = autoencoder.encode(clip.to(autoencoder.pre_xt.weight))
            content = _throughout(latents.content.float().cpu(), clip)
            made = {
                "reconstruction": model.decode(*latents).cpu(),
                **at_rest(clip),
                "content frame alone": content,
                **{f"rank {rank}": low_rank(clip, rank) for rank in RANKS},
            }
        if refine:
            with model.using("autoencoder") as autoencoder:
                better = autoencoder.encode(clip.to(autoencoder.pre_xt.weight), refine=refine)
                made["refined"] = model.decode(*better).cpu()
        for name, video in made.items():
            rows.setdefault(name, []).append(psnr(video, clip))
        _done(runtime, done, len(clips))
    lively = is_moving(clips)
    found = {name: torch.cat(values) for name, values in rows.items()}
    return {
        "clips": len(clips),
        "moving clips": int(lively.sum()),
        "psnr of moving clips, mean": {name: _mean(values[lively]) for name, values in found.items()},
        "psnr of all clips, median": {name: float(values.median()) for name, values in found.items()},
        "psnr of each": {name: [round(float(v), 2) for v in values] for name, values in found.items()},
    }


@torch.no_grad()
def exchange_scores(
    model: ContentMotionModel, clips: Tensor, others: Tensor, runtime: Runtime | None = None
) -> dict[str, Any]:
    """PSNR of the motion of one clip on the content of another that moves alike, against that other clip; those that move also apart.

    Args:
        model: its autoencoder is looked at.
        clips: [N,C,L,H,W], whose motion is taken.
        others: likewise, whose content is taken, and which are compared with.
        runtime: progress and cancel.
    """
    rows: dict[str, list[Tensor]] = {}
    for i in range(len(clips)):
        _go_on(runtime)
        other = others[i : i + 1]
        made = exchanged(model, other, clips[i : i + 1], clips[i - 1][None])
        for name, video in (made | at_rest(other)).items():
            rows.setdefault(name, []).append(psnr(video, other))
        _done(runtime, i + 1, len(clips))
    whole = {name: torch.cat(values) for name, values in rows.items()}
    found: dict[str, Any] = {"pairs": len(clips), "psnr, mean": {name: _mean(values) for name, values in whole.items()}}
    if (moving := is_moving(others)).any():
        found["moving pairs"] = int(moving.sum())
        found["psnr of moving pairs, mean"] = {name: _mean(values[moving]) for name, values in whole.items()}
    return found


@torch.no_grad()
def exchanged(model: ContentMotionModel, clip: Tensor, driver: Tensor, third: Tensor) -> dict[str, Tensor]:
    """The content of a clip with the motion of another, with controls, and its middle frame moved; each [1,C,L,H,W] on the CPU.

    Args:
        model: its autoencoder is used.
        clip: [1,C,L,H,W], whose content is taken.
        driver: likewise, whose motion is taken.
        third: likewise, one that has nothing to do with it.
    """
    with model.using("autoencoder") as autoencoder:
        weight = autoencoder.pre_xt.weight
        content, own = autoencoder.encode(clip.to(weight))
        motions = {
            "own motion": own,
            "exchanged": autoencoder.encode(driver.to(weight)).motion,
            "motion zeroed": held_still(autoencoder, content, own.shape[2]),
            "motion of a third clip": autoencoder.encode(third.to(weight)).motion,
        }
        made = {name: model.decode(content, motion).cpu() for name, motion in motions.items()}
        return made | {"own motion on the middle frame": model.decode(middle_of(clip).to(weight), own).cpu()}


def distance_scores(real: Tensor, made: Mapping[str, Tensor], features: Features) -> dict[str, Any]:
    """Frechet distances of clips to real ones, and of one half of the real ones to the other, the floor.

    Args:
        real: uint8 [N,T,H,W,3].
        made: name -> clips like them.
        features: name of a net -> what it sees of clips.

    Raises:
        DisMoError: fewer than `FEWEST` clips.
    """
    if len(real) < FEWEST:
        raise DisMoError(f"A distance needs at least {FEWEST} clips, not {len(real)}. Take more.")
    found: dict[str, Any] = {"clips": len(real)}
    for net, see in features.items():
        known = see(real)
        half = len(real) // 2
        found[net] = {"real, two halves (floor)": frechet_distance(known[:half], known[half:])} | {
            name: frechet_distance(see(clips), known) for name, clips in made.items()
        }
    found["motion, mean frame difference over that of real clips"] = {
        name: _amount(clips) / max(_amount(real), 1e-6) for name, clips in made.items()
    }
    return found


def reconstructions(
    model: ContentMotionModel, clips: Tensor, batch: int, runtime: Runtime | None = None
) -> dict[str, Tensor]:
    """Clips [N,C,L,H,W] reconstructed, and a control: their contents held still; uint8 [N,T,H,W,3]."""
    content, motion, still = _encoded(model, clips, batch, runtime)
    return {
        name: _decoded(model, content, values, batch) for name, values in (("reconstructed", motion), ("still", still))
    }


def motion_samples(
    model: ContentMotionModel,
    clips: Tensor,
    steps: int,
    sampler: str,
    seed: int,
    batch: int,
    runtime: Runtime | None = None,
) -> dict[str, Tensor]:
    """Predicted motion for the content of clips [N,C,L,H,W], and controls: still, of another clip, Gaussian; uint8 [N,T,H,W,3]."""
    content, motion, still = _encoded(model, clips, batch, runtime)
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randn(motion.shape, generator=generator).to(motion)
    gaussian = (motion.mean(0) + drawn * motion.std(0)).clamp(-1, 1)
    again = [
        model.predict_motion(
            part, range(seed + i * batch, seed + i * batch + len(part)), steps, sampler, runtime=runtime
        )
        for i, part in enumerate(content.split(batch))
    ]
    made = {
        "predicted": torch.cat(again),
        "reconstructed": motion,
        "still": still,
        "of another clip": motion.roll(1, 0),
        "Gaussian": gaussian,
    }
    return {name: _decoded(model, content, values, batch) for name, values in made.items()}


def generated_samples(
    model: ContentMotionModel, clips: Tensor, labels: Tensor, steps: int, sampler: str, seed: int, batch: int, cfg: float,
    runtime: Runtime | None = None,
) -> dict[str, Tensor]:  # fmt: skip
    """Clips of the classes of clips [N,C,L,H,W], and controls: the middle frame held still, random latents; uint8 [N,T,H,W,3]."""
    made = [
        model.generate(
            part, cfg, range(seed + i * batch, seed + i * batch + len(part)), steps, sampler, runtime=runtime
        )
        for i, part in enumerate(labels.split(batch))
    ]
    found = {"generated": to_uint8(torch.cat(made).cpu().permute(0, 2, 3, 4, 1))}
    found["still"] = to_uint8(middle_frame(clips).permute(0, 2, 3, 4, 1))
    model_of_motion, generator = model.motion_model, torch.Generator().manual_seed(seed)
    assert model_of_motion is not None
    content = torch.randn((len(clips), *clips[:, :, 0].shape[1:]), generator=generator).clamp(-1, 1)
    motion = torch.randn(
        (len(clips), model_of_motion.channels, *model_of_motion.latent_size), generator=generator
    ).tanh()
    found["random latent"] = _decoded(model, content, motion, batch)
    return found


def spread(samples: Sequence[Tensor]) -> float:
    """Mean PSNR between clips uint8 [T,H,W,3] that are to differ, dB."""
    pairs = [(a, b) for i, a in enumerate(samples) for b in samples[:i]]
    found = [10 * torch.log10(255**2 / (a.float() - b.float()).square().mean().clamp(min=1e-6)) for a, b in pairs]
    return float(torch.stack(found).mean())


@torch.no_grad()
def _encoded(
    model: ContentMotionModel, clips: Tensor, batch: int, runtime: Runtime | None
) -> tuple[Tensor, Tensor, Tensor]:
    """Content frames, motions, and the motions of the contents held still."""
    found = []
    for part in clips.split(batch):
        _go_on(runtime)
        with model.using("autoencoder") as autoencoder:
            content, motion = autoencoder.encode(part.to(autoencoder.pre_xt.weight))
            found.append((content, motion, held_still(autoencoder, content, motion.shape[2])))
    content, motion, still = (torch.cat(parts) for parts in zip(*found, strict=True))
    return content, motion, still


@torch.no_grad()
def _decoded(model: ContentMotionModel, content: Tensor, motion: Tensor, batch: int) -> Tensor:
    parts: Iterator[tuple[Tensor, Tensor]] = zip(content.split(batch), motion.split(batch), strict=True)
    return to_uint8(torch.cat([model.decode(*part).cpu() for part in parts]).permute(0, 2, 3, 4, 1))


def _throughout(pictures: Tensor, clips: Tensor) -> Tensor:
    """Pictures [N,C,H,W], each shown as long as its clip [N,C,L,H,W]."""
    return pictures[:, :, None].expand_as(clips)


def _amount(clips: Tensor) -> float:
    return float((clips[:, 1:].float() - clips[:, :-1].float()).abs().mean()) / 255


def _mean(values: Tensor) -> float | None:
    return float(values.mean()) if len(values) else None


def _go_on(runtime: Runtime | None) -> None:
    if runtime is not None:
        runtime.check_cancel()


def _done(runtime: Runtime | None, done: int, total: int) -> None:
    if runtime is not None:
        runtime.progress(done, total, None)
