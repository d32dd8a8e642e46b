"""A text-to-video base, frozen: UNet, VAE, text encoder, tokenizer (docs/methods/motiondirector.md, 1)."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ..errors import DisMoError
from ..imports import importing
from ..memory.mmap_weights import fill
from ..memory.plan import MemoryPlan, Part
from ..memory.precision import PRECISIONS, compute_dtype, store
from ..weights.base_folder import find_base, read_config
from ..weights.shards import shards
from .names import clip_name, vae_name
from .text import TextEncoding
from .weights import BASES, PARTS, PUBLISHED_SAMPLING, SIZES, tiny_folder

if TYPE_CHECKING:
    from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
    from diffusers.models.unets.unet_3d_condition import UNet3DConditionModel
    from diffusers.schedulers.scheduling_ddim import DDIMScheduler

log = logging.getLogger(__name__)
FRAMES = 2 * 16  # reckoned with at first: of a clip, for both halves of the guidance
# Numbers that the UNet's pass needs for each latent of a clip and channel of its widest transformer, whole and in pieces, counted by
# `python -m benchmarks.text_to_video_memory`.
SAMPLING, TRAINING = (21, 11), (118, 118)


@dataclass
class TextToVideoBase:
    """The parts of a text-to-video model, in evaluation mode, without gradients. Its plan moves them.

    Args:
        unet: as diffusers defines it.
        vae: as diffusers defines it; it sees single frames.
        text_encoder: of transformers; the CLIP text model.
        tokenizer: of the text encoder.
        scheduler: DDIM with the base's stored numbers.
        name: what it was loaded from, for messages and file metadata.
        device: where it runs.
        memory: how it lies in memory, see `MemoryPlan`.
        licence: of the weights, empty where it is not known.
        sampling: (steps, guidance) that suit it.
    """

    unet: UNet3DConditionModel
    vae: AutoencoderKL
    text_encoder: Any
    tokenizer: Any
    scheduler: DDIMScheduler
    name: str
    device: torch.device
    memory: str = "auto"
    licence: str = ""
    sampling: tuple[int, float] = PUBLISHED_SAMPLING
    plan: MemoryPlan = field(init=False)

    def __post_init__(self) -> None:
        width, height = self.size
        self.plan = MemoryPlan(self._parts(width, height, FRAMES, SAMPLING), self.device, self.memory)
        self._encoding = TextEncoding(self.tokenizer, self.text_encoder)

    @property
    def dtype(self) -> torch.dtype:
        """The precision that it computes in."""
        return self.vae.dtype

    @property
    def scale(self) -> int:
        """Pixels of a frame to one latent, per side."""
        return int(2 ** (len(self.vae.config["block_out_channels"]) - 1))

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) that it was made for, px; of other bases than the published ones the UNet's own sample size."""
        if self.name in SIZES:
            return SIZES[self.name]
        side = self.unet.config["sample_size"]
        height, width = (side, side) if isinstance(side, int) else side
        return int(width * self.scale), int(height * self.scale)

    @property
    def text_width(self) -> int:
        """Numbers to a token."""
        return int(self.unet.config["cross_attention_dim"])

    def encode_prompts(self, prompts: Sequence[str]) -> Tensor:
        """Prompts -> [len(prompts), tokens, width], each computed once and held in main memory.

        Raises:
            DisMoError: half a character in a prompt, or NaN.
        """
        return self._encoding(prompts, self.device, self.plan.using)

    def tokens(self, prompt: str) -> Tensor:
        """Token ids of a prompt, int64 [tokens], cut and padded as the text encoder takes them."""
        return self._encoding.tokens(prompt)[0]

    def plan_for(
        self, width: int, height: int, frames: int, clips: int = 1, numbers: tuple[int, int] = SAMPLING
    ) -> None:
        """Reckon with videos of this size from now on.

        Args:
            width: px.
            height: px.
            frames: of a clip.
            clips: computed together, each half of the guidance among them.
            numbers: `SAMPLING` or `TRAINING`.
        """
        parts = self._parts(width, height, frames * clips, numbers)
        if parts != self.plan.parts:
            self.plan.release()  # what was settled for another size
            self.plan.parts = parts

    def _parts(self, width: int, height: int, frames: int, numbers: tuple[int, int]) -> dict[str, Part]:
        channels = self.vae.config["block_out_channels"]
        # the widest point of the VAE is its last stage, in which a frame has the resolution of pixels
        decoding = 6 * width * height * channels[0] * 2 * self.dtype.itemsize
        one = frames * (width * height // self.scale**2) * _widest(self.unet) * self.dtype.itemsize
        whole, pieces = (count * one for count in numbers)
        return {
            "unet": Part(self.unet, self.unet, whole, pieces, repeated=True),
            "vae": Part(self.vae, None, decoding),
            "text_encoder": Part(self.text_encoder, None, 1 << 26),
        }


def _widest(unet: UNet3DConditionModel) -> int:
    """Channels of the transformer over frames at full resolution, where a pass needs the most."""
    width: int = unet.transformer_in.proj_in.out_features
    return width


def load_text_to_video(
    source: str | os.PathLike[str] = "tiny",
    *,
    device: str | torch.device = "cpu",
    dtype: torch.dtype | None = None,
    precision: str = "auto",
    memory: str = "auto",
    download: bool = False,
    stage: Callable[[str], None] = lambda label: None,
) -> TextToVideoBase:
    """A text-to-video base: "tiny" (bundled), a diffusers folder, or a hub id that is on this machine.

    Args:
        source: "tiny", a folder with model_index.json, or a name or hub id such as `cerspense/zeroscope_v2_576w`.
        device: where it runs.
        dtype: that it computes in; None = that of `precision`.
        precision: one of auto, bf16, fp16, fp32, and fp8, int8, nf4, in which the UNet's large matrices are stored. auto is fp32 on a CPU,
            else bf16, or fp16 where the device has no bf16.
        memory: see `MemoryPlan`.
        download: fetch what a hub id lacks on this machine; otherwise the network is never touched.
        stage: called with what is loaded next, see `Runtime`.

    Raises:
        DisMoError: nothing there, a file missing or damaged, or a model of another kind.
    """
    where = torch.device(device)
    if precision not in PRECISIONS:
        raise DisMoError(f"There is no precision {precision!r}. Choose one of {', '.join(PRECISIONS)}.")
    if dtype is None:
        dtype = torch.float32 if precision == "auto" and where.type == "cpu" else compute_dtype(precision, where)
    name = os.fspath(source)
    folder = tiny_folder() if name == "tiny" else find_base(source, BASES, download=download)
    known = next((model for model in BASES if model.name in (folder.name, name.rpartition("/")[2])), None)
    if known is not None and known.licence:
        log.warning("%s: %s", known.name, known.licence)  # a warning, so that scripts without logging show it, too
    stage("loading the UNet")
    unet = load_unet(folder / "unet", dtype)
    store(unet, attention_linears(unet), precision, where)
    stage("loading the VAE")
    vae = load_vae(folder / "vae", dtype)
    own = read_config(folder, "model_index.json").get("sampling")
    stage("loading the text encoder")
    return TextToVideoBase(
        unet=unet,
        vae=vae,
        text_encoder=load_text_encoder(folder / "text_encoder", dtype),
        tokenizer=load_tokenizer(folder / "tokenizer"),
        scheduler=load_scheduler(folder / "scheduler"),
        name=known.name if known else folder.name if name != "tiny" else "tiny",
        device=where,
        memory=memory,
        licence=known.licence if known else "",
        sampling=(int(own["steps"]), float(own["guidance"])) if own else PUBLISHED_SAMPLING,
    )


def load_unet(folder: Path, dtype: torch.dtype) -> UNet3DConditionModel:
    """The UNet of a folder.

    Raises:
        DisMoError: a model of another kind, or files that do not fit.
    """
    with importing("diffusers"):
        from diffusers.models.unets.unet_3d_condition import UNet3DConditionModel

    config = read_config(folder)
    if config.get("_class_name", "UNet3DConditionModel") != "UNet3DConditionModel":
        raise DisMoError(
            f"{folder} is a {config['_class_name']}, not the UNet3DConditionModel of ModelScope's text-to-video family. Choose a base such "
            f"as {BASES[0].repo}."
        )
    with torch.device("meta"):
        unet: UNet3DConditionModel = UNet3DConditionModel.from_config(config)
    fill(unet, shards(folder, PARTS["unet"]), dtype)
    unet.eval().requires_grad_(False)
    return unet


def empty_unet(source: str | os.PathLike[str]) -> UNet3DConditionModel:
    """The UNet of a base on the meta device, from its config alone: names and shapes without numbers.

    Args:
        source: "tiny" or a diffusers folder.

    Raises:
        DisMoError: nothing there.
    """
    with importing("diffusers"):
        from diffusers.models.unets.unet_3d_condition import UNet3DConditionModel

    folder = tiny_folder() if os.fspath(source) == "tiny" else find_base(source, BASES)
    with torch.device("meta"):
        unet: UNet3DConditionModel = UNet3DConditionModel.from_config(read_config(folder / "unet"))
    return unet


def default_unet() -> UNet3DConditionModel:
    """A UNet of the published bases' shape on the meta device: names and shapes without numbers."""
    with importing("diffusers"):
        from diffusers.models.unets.unet_3d_condition import UNet3DConditionModel

    with torch.device("meta"):
        unet: UNet3DConditionModel = UNet3DConditionModel()
    return unet


def load_vae(folder: Path, dtype: torch.dtype) -> AutoencoderKL:
    """The VAE of a folder; attention under its old names, too."""
    with importing("diffusers"):
        from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL

    with torch.device("meta"):
        vae: AutoencoderKL = AutoencoderKL.from_config(read_config(folder))
    fill(vae, shards(folder, PARTS["vae"]), dtype, rename=vae_name)
    return vae.eval().requires_grad_(False)


def load_text_encoder(folder: Path, dtype: torch.dtype) -> Any:
    """The CLIP text model of a folder, under the names of any version of transformers."""
    with importing("transformers"):
        from transformers import CLIPTextConfig, CLIPTextModel

    config = {key: value for key, value in read_config(folder).items() if key not in ("architectures", "model_type")}
    with torch.device("meta"):
        encoder: torch.nn.Module = CLIPTextModel(CLIPTextConfig(**config))
    nested = any(name.startswith("text_model.") for name in encoder.state_dict())
    fill(encoder, shards(folder, PARTS["text_encoder"]), dtype, rename=lambda key: clip_name(key, nested))
    for module in encoder.modules():
        if (ids := getattr(module, "position_ids", None)) is not None:  # in no file
            module.register_buffer("position_ids", torch.arange(ids.shape[-1])[None], persistent=False)
    return encoder.eval().requires_grad_(False)


def load_tokenizer(folder: Path) -> Any:
    """The CLIP tokenizer of a folder.

    Raises:
        DisMoError: no tokenizer there.
    """
    with importing("transformers"):
        from transformers import AutoTokenizer

    if not any((folder / name).is_file() for name in ("vocab.json", "tokenizer.json")):
        raise DisMoError(f"{folder} holds no tokenizer: neither vocab.json nor tokenizer.json. Fetch one of them.")
    return AutoTokenizer.from_pretrained(folder, local_files_only=True)


def load_scheduler(folder: Path) -> DDIMScheduler:
    """DDIM with the numbers of a folder, whichever scheduler it names."""
    with importing("diffusers"):
        from diffusers.schedulers.scheduling_ddim import DDIMScheduler

    scheduler: DDIMScheduler = DDIMScheduler.from_config(read_config(folder, "scheduler_config.json"))
    return scheduler


def attention_linears(unet: torch.nn.Module) -> list[str]:
    """Names of the linears in the UNet's transformer blocks: its large matrices."""
    return [
        name
        for name, module in unet.named_modules()
        if isinstance(module, torch.nn.Linear) and ".transformer_blocks." in f".{name}"
    ]
