"""Gaussians of one picture by networks: pictures of its other sides, then Gaussians of them (docs/methods/gaussians4d.md, 4.1 and 4.2)."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from inspect import signature
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..errors import DisMoError, first_line
from ..imports import importing
from ..memory.plan import MemoryPlan, Part
from ..runtime import Runtime
from ..weights.base_folder import read_config
from ..weights.files import read_weights
from ..weights.load import build
from .cameras import FOV_Y, multiview_cameras, orbit_pose, orbit_views, plucker_rays
from .clip import Clip4D
from .gaussians import Gaussians
from .lgm import LGM, lgm_sizes
from .multiview import MultiViewUNet
from .posed import PosedGaussians
from .rasterizer import rasterize

log = logging.getLogger(__name__)
SIDE, SEARCHED_AT = 256, 512  # px, of the networks; at which the front is looked for
VIEWS, STEPS, GUIDANCE = 4, 30, 5.0
RADIUS, AZIMUTHS = 1.5, (0.0, 90.0, 180.0, 270.0)
LATENT_SCALE = 0.18215
AT_ONCE = 8  # views that are drawn together
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet
UNET_FILE = "diffusion_pytorch_model.safetensors"
PARTS = ("unet", "vae", "text_encoder", "image_encoder", "tokenizer")


@dataclass
class StaticLGM:
    """The two networks with their encoders.

    Args:
        multiview: pictures of four sides, `MultiViewUNet`.
        vae: diffusers' AutoencoderKL.
        image_encoder: CLIP ViT-H, transformers' CLIPVisionModel or alike.
        text_encoder: of Stable Diffusion 2.1, transformers' CLIPTextModel.
        tokenizer: its.
        processor: transformers' CLIPImageProcessor.
        scheduler: diffusers' DDIMScheduler.
        lgm: Gaussians of the four.
        plan: where they lie.
    """

    multiview: MultiViewUNet
    vae: Any
    image_encoder: Any
    text_encoder: Any
    tokenizer: Any
    processor: Any
    scheduler: Any
    lgm: LGM
    plan: MemoryPlan

    @torch.no_grad()
    def pose(self, clip: Clip4D, frame: int = 0, seed: int = 0, *, runtime: Runtime | None = None) -> PosedGaussians:
        """Gaussians of a frame of a clip, with the frame's view in front.

        Args:
            clip: prepared.
            frame: of it.
            seed: of the noise.
            runtime: progress and cancel.

        Raises:
            DisMoError: no such frame, or nothing was made of it.
        """
        if not 0 <= frame < len(clip.rgba):
            raise DisMoError(f"frame must be 0 to {len(clip.rgba) - 1}, the frames of the clip, not {frame}.")
        runtime = runtime or Runtime.on(self.plan.device)
        picture = clip.frames(SIDE)[0][frame]
        runtime.stage("making pictures of the other sides")
        self.plan.make_room(runtime)
        views = self.sides(picture, seed, runtime)
        runtime.stage("making Gaussians of them")
        first = self.gaussians(views)
        runtime.stage("looking for the front")
        best = front(first, picture, runtime)
        log.info("The picture is seen from %d degrees.", best)
        drawn = rasterize(*first.activated(), _views([best + a for a in AZIMUTHS]), SEARCHED_AT, SEARCHED_AT).image
        again = self.gaussians(drawn.clamp(0, 1)[..., ::2, ::2])
        return PosedGaussians(again, RADIUS, FOV_Y, frame)

    @torch.no_grad()
    def sides(self, picture: Tensor, seed: int, runtime: Runtime) -> Tensor:
        """Pictures [4,3,256,256], 0..1, from in front, the right, behind and the left; DDIM with guidance.

        Args:
            picture: [3,256,256], 0..1, on white.
            seed: of the noise.
            runtime: progress and cancel.
        """
        device, rows = self.plan.device, VIEWS + 1
        generator = torch.Generator().manual_seed(seed)
        pixels = (picture.clamp(0, 1) * 255).byte().movedim(0, -1).cpu().numpy()
        with self.plan.using("image_encoder") as encoder:
            given = self.processor(images=pixels, return_tensors="pt")["pixel_values"].to(_weight(encoder))
            image = encoder(given, output_hidden_states=True).hidden_states[-2]
        with self.plan.using("text_encoder") as encoder:
            longest = self.tokenizer.model_max_length
            ids = self.tokenizer("", padding="max_length", max_length=longest, truncation=True, return_tensors="pt")
            text = encoder(ids["input_ids"].to(device))[0]
        with self.plan.using("vae") as vae:
            noisy = vae.encode((2 * picture[None] - 1).to(_weight(vae))).latent_dist.sample(generator)
            latent = noisy * LATENT_SCALE
        x = torch.randn(rows, *latent.shape[1:], generator=generator).to(latent)
        tokens = torch.cat((torch.zeros_like(image), image)).repeat_interleave(rows, 0)
        latents = torch.cat((torch.zeros_like(latent), latent))
        cameras = multiview_cameras(VIEWS, 0, True).repeat(2, 1).to(latent)
        context = text.expand(2 * rows, -1, -1)
        self.scheduler.set_timesteps(STEPS)
        with self.plan.using("unet") as unet:
            for number, step in enumerate(self.scheduler.timesteps):
                time = torch.full((2 * rows,), int(step), device=device)
                free, told = unet(torch.cat((x, x)), time, context, cameras, rows, tokens, latents).chunk(2)
                x = self.scheduler.step(free + GUIDANCE * (told - free), step, x).prev_sample
                runtime.progress(number + 1, STEPS, None)
                runtime.check_cancel()
        with self.plan.using("vae") as vae:
            made = torch.cat([vae.decode(row[None] / LATENT_SCALE).sample for row in x[:VIEWS]])
        order = [1, 2, 3, 0]  # the network's first view is the left one
        return ((made.float() + 1) / 2).clamp(0, 1)[order]

    @torch.no_grad()
    def gaussians(self, views: Tensor) -> Gaussians:
        """Of pictures [4,3,256,256], 0..1, from the four sides.

        Raises:
            DisMoError: all of them are transparent.
        """
        with self.plan.using("lgm") as lgm:
            weight = _weight(lgm)
            mean, deviation = (views.new_tensor(v)[:, None, None] for v in (MEAN, DEVIATION))
            rays = plucker_rays(torch.stack([orbit_pose(0.0, a, RADIUS) for a in AZIMUTHS]), SIDE).to(views)
            rows = lgm(torch.cat(((views - mean) / deviation, rays), dim=1)[None].to(weight))[0]
        made = Gaussians.from_activated(rows.float().cpu())
        if not len(made):
            raise DisMoError(
                "The network made nothing but transparent Gaussians of the picture. Take another frame or seed."
            )
        return made


@torch.no_grad()
def front(gaussians: Gaussians, picture: Tensor, runtime: Runtime | None = None) -> int:
    """The azimuth, in whole degrees, from which Gaussians look most as a picture [3,S,S], 0..1."""
    runtime = runtime or Runtime.cpu()
    side, wanted = picture.shape[-1], picture.cpu()
    best, least = 0, float("inf")
    for begin in range(-180, 180, AT_ONCE):
        azimuths = list(range(begin, begin + AT_ONCE))
        drawn = rasterize(*gaussians.activated(), _views(azimuths), SEARCHED_AT, SEARCHED_AT).image.clamp(0, 1)
        errors = (F.interpolate(drawn, (side, side), mode="area") - wanted).square().mean((1, 2, 3))
        if float(errors.min()) < least:
            best, least = azimuths[int(errors.argmin())], float(errors.min())
        runtime.progress(begin + 180 + AT_ONCE, 360, None)
        runtime.check_cancel()
    return best


def load_static_lgm(
    lgm: str | os.PathLike[str],
    imagedream: str | os.PathLike[str],
    *,
    device: str | torch.device = "cpu",
    dtype: torch.dtype | None = None,
    memory: str = "auto",
) -> StaticLGM:
    """Both networks from files; no code of the folder is run.

    Args:
        lgm: the released file of LGM, of any of its sizes.
        imagedream: folder as `ashawkey/imagedream-ipmv-diffusers` has it.
        device: where they run.
        dtype: in which; None = float32 on a CPU, else float16.
        memory: see `MemoryPlan`.

    Raises:
        DisMoError: a file or part that is missing, damaged, or of another model.
    """
    path, where = Path(imagedream), torch.device(device)
    dtype = dtype or (torch.float32 if where.type == "cpu" else torch.float16)
    if missing := [part for part in PARTS if not (path / part).is_dir()]:
        raise DisMoError(f"{path} has no part {', '.join(missing)}: it is not a whole ImageDream in diffusers' format.")
    with importing("diffusers"):
        from diffusers import AutoencoderKL, DDIMScheduler
    with importing("transformers"):
        from transformers import AutoTokenizer, CLIPImageProcessor, CLIPTextModel, CLIPVisionModel

    def part(make: Callable[..., Any], name: str, **more: Any) -> Any:
        try:
            return make(str(path / name), local_files_only=True, **more)
        except (OSError, ValueError, RuntimeError, KeyError) as error:
            raise DisMoError(
                f"The part {name} of {path} cannot be loaded: {first_line(error)}. Fetch it again."
            ) from error

    def module(make: Callable[..., Any], name: str) -> Any:
        return part(make, name, torch_dtype=dtype).eval().requires_grad_(False)

    weights = read_weights(lgm)
    network = _ready(build(weights, {"LGM": partial(LGM, **lgm_sizes(weights.tensors, str(lgm)))}), dtype)
    file = next(iter(sorted((path / "unet").glob("*.safetensors"))), path / "unet" / UNET_FILE)
    known = set(signature(MultiViewUNet).parameters)
    sizes = {key: value for key, value in read_config(path / "unet").items() if key in known}
    unet = _ready(build(read_weights(file), {"ImageDream": partial(MultiViewUNet, **sizes)}), dtype)
    vae, image = module(AutoencoderKL.from_pretrained, "vae"), module(CLIPVisionModel.from_pretrained, "image_encoder")
    text = module(CLIPTextModel.from_pretrained, "text_encoder")
    parts = {"unet": unet, "vae": vae, "image_encoder": image, "text_encoder": text, "lgm": network}
    plan = MemoryPlan({name: Part(made, None, 1 << 30) for name, made in parts.items()}, where, memory)
    scheduler = DDIMScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", clip_sample=False, set_alpha_to_one=False, steps_offset=1
    )  # fmt: skip
    tokenizer = part(AutoTokenizer.from_pretrained, "tokenizer")
    return StaticLGM(unet, vae, image, text, tokenizer, CLIPImageProcessor(), scheduler, network, plan)


def _ready(network: nn.Module, dtype: torch.dtype) -> Any:
    return network.to(dtype).eval().requires_grad_(False)


def _weight(network: nn.Module) -> Tensor:
    return next(network.parameters())


def _views(azimuths: list[Any]) -> Tensor:
    count = len(azimuths)
    return orbit_views([0.0] * count, [float(a) for a in azimuths], [RADIUS] * count)
