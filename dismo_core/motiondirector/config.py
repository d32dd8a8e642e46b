"""The YAML files of the published code, and what their keys mean here (docs/methods/motiondirector.md, 4, 6 and 7)."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import DisMoError
from ..files import read_yaml
from .clips import Clip, Size, folder_clips, json_clips, picture_clips, video_chunks
from .training import TrainingSettings

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Preview:
    """What is sampled during training.

    Args:
        prompts: none = the first clip's caption.
        every: steps between previews; 0 = never.
        frames: of a preview.
        width: px; 0 = that of training.
        height: likewise.
        steps: of the sampling.
        guidance: see `VideoSettings`.
        appearance_scale: of all appearance adapters.
        noise_prior: see `VideoSettings`.
    """

    prompts: tuple[str, ...] = ()
    every: int = 0
    frames: int = 16
    width: int = 0
    height: int = 0
    steps: int = 30
    guidance: float = 12.0
    appearance_scale: float = 0.0
    noise_prior: float = 0.0


@dataclass(frozen=True)
class RunConfig:
    """A training as a whole.

    Args:
        base: as `load_text_to_video` takes it.
        output: folder of runs.
        clips: reads the clips; called once.
        size: that they are brought to.
        training: see there.
        preview: see there.
        cache: folder of latents to use; None = the run's own.
        fps: of previews, and told in the adapters' files.
        precision: of the base.
    """

    base: str
    output: Path
    clips: Callable[[], list[Clip]]
    size: Size
    training: TrainingSettings
    preview: Preview = field(default_factory=Preview)
    cache: Path | None = None
    fps: float = 8.0
    precision: str = "auto"


# Keys that the published files hold and that change nothing here, with the reason.
WITHOUT_EFFECT = {
    "cache_latents": "latents are always cached",
    "use_unet_lora": "adapters are what is trained",
    "enable_xformers_memory_efficient_attention": "PyTorch's own attention is used",
    "enable_torch_2_attn": "PyTorch's own attention is used",
    "text_encoder_gradient_checkpointing": "the text encoder is not trained",
    "save_pretrained_model": "the base is not changed, so it is not written",
    "logger_type": "numbers go to log.jsonl",
    "eval_train": "it is read nowhere",
    "trainable_modules": "adapters are what is trained",
    "extra_unet_params": "adapters are what is trained",
    "extra_text_encoder_params": "adapters are what is trained",
    "train_text_encoder": "adapters are what is trained",
    "unfreeze_norms": "adapters are what is trained",
    "resume_step": "a run is resumed from the newest checkpoint in its own folder",
    "resume_from_checkpoint": "a run is resumed from the newest checkpoint in its own folder",
    "lr_warmup_steps": "the published rate is constant",
    "text_lora_dropout": "the text encoder is not trained",
    "use_text_lora": "the text encoder is not trained",
    "lora_version": "there is one kind of adapter",
    "save_lora_for_webui": "files are safetensors",
    "only_lora_for_webui": "files are safetensors",
    "lora_bias": "adapters have no bias",
    "scale_lr": "the rate is taken as it is",
    "max_grad_norm": "the published gradients are not clipped",
    "rescale_schedule": "the published code changes a table that nothing reads; `zero_terminal_snr: true` does what it names",
    "validation_data.sample_preview": "previews are made every validation_steps",
    "validation_data.num_inv_steps": "the inversion has 50 steps",
    "train_data.sample_start_idx": "it is read by JSON data alone",
}
_NUMBER = (int, float)
# Key -> (field of `TrainingSettings`, type).
_TRAINING: dict[str, tuple[str, Any]] = {
    "learning_rate": ("learning_rate", _NUMBER),
    "lora_rank": ("rank", int),
    "lora_unet_dropout": ("dropout", _NUMBER),
    "max_train_steps": ("steps", int),
    "checkpointing_steps": ("save_every", int),
    "gradient_checkpointing": ("checkpointing", bool),
    "single_spatial_lora": ("single_appearance", bool),
    "train_temporal_lora": ("motion", bool),
    "adam_weight_decay": ("weight_decay", _NUMBER),
    "adam_epsilon": ("epsilon", _NUMBER),
    "seed": ("seed", int),
    "lora_path": ("warm_start", str),
    "dropout_until_step": ("dropout_until_step", int),
    "zero_terminal_snr": ("zero_terminal_snr", bool),
}
# What the published code takes where a key is absent.
_ABSENT = {
    "learning_rate": 5e-5, "lora_rank": 16, "lora_unet_dropout": 0.1, "max_train_steps": 500, "checkpointing_steps": 500,
    "gradient_checkpointing": False, "adam_weight_decay": 1e-2,
}  # fmt: skip
_OTHER = {
    "pretrained_model_path": str, "output_dir": str, "dataset_types": (list, tuple, str), "train_data": dict, "extra_train_data": list,
    "validation_data": dict, "validation_steps": int, "train_batch_size": int, "gradient_accumulation_steps": int,
    "random_hflip_img": _NUMBER, "use_offset_noise": bool, "offset_noise_strength": _NUMBER, "use_8bit_adam": bool, "adam_beta1": _NUMBER,
    "adam_beta2": _NUMBER, "mixed_precision": str, "extend_dataset": bool, "cached_latent_dir": str, "lr_scheduler": str,
}  # fmt: skip
_DATA = {
    "width": int, "height": int, "use_bucketing": bool, "sample_start_idx": int, "fps": _NUMBER, "frame_step": int, "n_sample_frames": int,
    "path": str, "fallback_prompt": str, "single_video_path": str, "single_video_prompt": str, "image_dir": str, "single_img_prompt": str,
    "json_path": str, "vid_data_key": str, "preprocessed": bool,
}  # fmt: skip
_VALIDATION = {
    "prompt": (list, str), "num_frames": int, "width": int, "height": int, "num_inference_steps": int, "guidance_scale": _NUMBER,
    "spatial_scale": _NUMBER, "noise_prior": _NUMBER,
}  # fmt: skip
_TYPES = ("folder", "single_video", "image", "json")


def read_config(path: str | os.PathLike[str], *, strict: bool = False) -> RunConfig:
    """A YAML file of the published code. Paths in it are looked for from where the command runs, as published.

    Args:
        path: of the file.
        strict: refuse keys that nobody knows; otherwise they are named in the log.

    Raises:
        DisMoError: not YAML, an unknown key, a value of another type, a path that is not there.
    """
    content = read_yaml(Path(path))
    _check_keys(content, {**{key: kind for key, (_, kind) in _TRAINING.items()}, **_OTHER}, "", path, strict)
    data = [(content.get("dataset_types", "json"), content.get("train_data") or {})]
    for more in content.get("extra_train_data") or []:
        if not isinstance(more, Mapping) or not {"dataset_types", "train_data"} <= more.keys():
            raise DisMoError(
                f"{path}: each entry of extra_train_data has the keys dataset_types and train_data, not {more!r}."
            )
        data.append((more["dataset_types"], more["train_data"]))
    for _, one in data:
        _check_keys(one, _DATA, "train_data", path, strict)
    shown = content.get("validation_data") or {}
    _check_keys(shown, _VALIDATION, "validation_data", path, strict)
    first = data[0][1]
    fit = "official" if first.get("use_bucketing") else "stretch"
    size = Size(first.get("width", 256), first.get("height", 256), fit)
    training = _training(content)
    sources = [source for kinds, one in data for source in _sources(kinds, one, training.seed, path)]
    extend = bool(content.get("extend_dataset"))
    prompts = shown.get("prompt") or ()
    cache = content.get("cached_latent_dir")
    if cache and not Path(cache).is_dir():
        raise DisMoError(
            f"{path}: cached_latent_dir is {cache}, where no folder is. Leave it out, and latents are cached in the run's folder."
        )
    return RunConfig(
        base=content.get("pretrained_model_path") or "tiny",
        output=Path(content.get("output_dir") or "outputs/train"),
        clips=lambda: _combined(sources, extend),
        size=size,
        training=training,
        preview=Preview(
            prompts=(prompts,) if isinstance(prompts, str) else tuple(str(prompt) for prompt in prompts),
            every=content.get("validation_steps", 100) if shown else 0,
            frames=shown.get("num_frames", 16),
            width=shown.get("width", 0),
            height=shown.get("height", 0),
            steps=shown.get("num_inference_steps", 30),
            guidance=float(shown.get("guidance_scale", 12)),
            appearance_scale=float(shown.get("spatial_scale", 0)),
            noise_prior=float(shown.get("noise_prior", 0)),
        ),
        cache=Path(cache) if cache else None,
        fps=float(first.get("fps", 8)),
        precision={"no": "fp32"}.get(content.get("mixed_precision", "fp16"), content.get("mixed_precision", "fp16")),
    )


def _check_keys(content: Any, known: Mapping[str, Any], below: str, path: str | os.PathLike[str], strict: bool) -> None:
    if not isinstance(content, Mapping):
        raise DisMoError(f"{path}: {below} must hold keys with values, not {content!r}.")
    for key, value in content.items():
        name = f"{below}.{key}" if below else str(key)
        if name in WITHOUT_EFFECT:
            log.info("%s: %s changes nothing: %s.", path, name, WITHOUT_EFFECT[name])
        elif key not in known:
            near = ", ".join(sorted(known))
            if strict:
                raise DisMoError(f"{path}: there is no key {name}. Known are: {near}.")
            log.warning("%s: the key %s is not known and changes nothing.", path, name)
        elif value is not None and (
            not isinstance(value, known[key]) or (isinstance(value, bool) and known[key] in (int, _NUMBER))
        ):
            wanted = known[key] if isinstance(known[key], tuple) else (known[key],)
            kinds = " or ".join(kind.__name__ for kind in wanted)
            raise DisMoError(
                f"{path}: {name} is {value!r}, a {type(value).__name__}, where {kinds} belongs. Correct it."
            )


def _training(content: Mapping[str, Any]) -> TrainingSettings:
    given = {key: content[key] for key in _TRAINING if content.get(key) is not None}
    fields = {_TRAINING[key][0]: value for key, value in {**_ABSENT, **given}.items()}
    batch = content.get("train_batch_size") or 1
    if batch > 1:
        log.info("train_batch_size %d: so many clips one after the other, their gradients averaged.", batch)
    if content.get("lr_scheduler", "constant") != "constant":
        log.warning(
            "lr_scheduler %r is not done: the rate is constant, as in the published files.", content["lr_scheduler"]
        )
    offset = bool(content.get("use_offset_noise")) and not content.get("rescale_schedule")
    flip = content.get("random_hflip_img") or -1
    return TrainingSettings(
        **fields,
        accumulation=batch * (content.get("gradient_accumulation_steps") or 1),
        flip=max(0.0, float(flip)),
        offset_noise=float(content.get("offset_noise_strength", 0.1)) if offset else 0.0,
        optimizer="adamw8bit" if content.get("use_8bit_adam") else "adamw",
        betas=(float(content.get("adam_beta1", 0.9)), float(content.get("adam_beta2", 0.999))),
    )


Source = Callable[[], list[Clip]]


def _sources(kinds: Any, data: Mapping[str, Any], seed: int, path: str | os.PathLike[str]) -> list[Source]:
    """What reads the clips of each data set; its files must be there."""
    frames = data.get("n_sample_frames", 16)
    found: list[Source] = []
    for kind in [kinds] if isinstance(kinds, str) else kinds:
        if kind not in _TYPES:
            raise DisMoError(f"{path}: there is no data set type {kind!r}. Known are: {', '.join(_TYPES)}.")
        key = {"folder": "path", "single_video": "single_video_path", "image": "image_dir", "json": "json_path"}[kind]
        place = data.get(key)
        if not place:
            raise DisMoError(f"{path}: data of the type {kind} needs train_data.{key}.")
        if not Path(place).exists():
            beside = sorted(other.name for other in Path(place).parent.glob("*")) if Path(place).parent.is_dir() else []
            near = f" Beside it are: {', '.join(beside[:8])}." if beside else ""
            raise DisMoError(f"{path}: train_data.{key} is {place}, which is not there.{near} Correct the path.")
        found.append(_source(kind, place, data, frames, seed))
    return found


def _source(kind: str, place: str, data: Mapping[str, Any], frames: int, seed: int) -> Source:
    fps, step, fallback = float(data.get("fps", 8)), data.get("frame_step", 1), data.get("fallback_prompt", "")
    if kind == "folder":
        return lambda: folder_clips(place, fallback=fallback, frames=frames, fps=fps, seed=seed)
    if kind == "single_video":
        caption = data.get("single_video_prompt", "")
        return lambda: video_chunks(place, caption, frames=frames, fps=None, step=step)
    if kind == "image":
        given = data.get("single_img_prompt") or ""
        caption_or_none = given if len(given) > 1 else None  # as published: a single letter is no prompt
        return lambda: picture_clips(place, caption_or_none, fallback=fallback)
    return lambda: json_clips(place, frames=frames, step=step, first=data.get("sample_start_idx", 1))


def _combined(sources: list[Source], extend: bool) -> list[Clip]:
    """The clips of all data sets; `extend` repeats shorter sets to the length of the longest."""
    sets = [source() for source in sources]
    longest = max(map(len, sets))
    if extend:
        sets = [[clips[i % len(clips)] for i in range(longest)] for clips in sets if clips]
    return [clip for clips in sets for clip in clips]
