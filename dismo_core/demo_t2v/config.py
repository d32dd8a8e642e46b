"""The two YAML files and the two JSON files of the published code, and what their keys mean here (docs/methods/demo_t2v.md, 5 and 6)."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..errors import DisMoError, first_line
from ..files import read_json, read_yaml
from .model import NEGATIVE

log = logging.getLogger(__name__)

# Keys of the published files that change nothing here, with the reason; of a whole section where a name has a dot and a star.
WITHOUT_EFFECT = {
    "deepspeed_config": "DeepSpeed is not used; weights and products are in the precision that is asked for",
    "scale": "it is the autoencoder's, which tells it itself",
    "scale_factor": "it is the autoencoder's, which tells it itself",
    "chunk_size": "frames are encoded one by one",
    "default_fps": "it is read nowhere",
    "sample_fps": "the published code has 3 frames to a second in its text, whatever stands here",
    "y_dim": "it is read nowhere",
    "upper_len": "it is read nowhere",
    "misc_dropout": "it is read nowhere",
    "text_reweight": "it is read nowhere",
    "use_sim_mask": "it is read nowhere",
    "temporal_attn_times": "it is read nowhere",
    "dist_backend": "the devices decide",
    "ENABLE": "it is read nowhere",
    "TASK_TYPE": "the command decides",
    "UNet.*": "the network's shape is told by its file",
    "Diffusion.*": "the noise levels are those of the published training",
    "embedder.*": "the tower's shape is told by its file",
    "motion_encoder.*": "the tower's shape is told by its file",
    "auto_encoder.*": "the autoencoder's shape is told by its file",
    "infer_dataset.*": "the table decides",
    "Pretrain.*": "the file is read strictly, whatever stands here",
}
# Known keys -> type.
_NUMBER = (int, float)
KNOWN: dict[str, Any] = {
    "infer_dataset.csv_path": str, "infer_dataset.repeat_times": int, "infer_dataset.type": str, "batch_size": int, "decoder_bs": int,
    "embedder.pretrained": str, "motion_encoder.pretrained": str, "auto_encoder.pretrained": str, "Pretrain.resume_checkpoint": str,
    "max_frames": int, "resolution": list, "guide_scale": _NUMBER, "ddim_timesteps": int, "negative_prompt": str, "inference_seed": int,
    "model_name": str, "log_dir": str, "use_fp16": bool,
}  # fmt: skip
TRAINING: dict[str, Any] = {
    "train_dataset.csv_path": str, "train_dataset.video_folder": str, "train_dataset.folder": str,
    "train_dataset.shards": str, "cache": str, "sample_steps": int, "batch_size": int, "accumulation": int,
    "lr": _NUMBER, "motion_lr": _NUMBER, "schedule": str, "clip": _NUMBER, "video_motion_weight": _NUMBER, "text_motion_weight": _NUMBER,
    "regularization_weight": _NUMBER, "video_motion": str, "diffusion": str, "lowest_level": int,
    "text_motion_gradient": bool, "p_zero": _NUMBER, "p_zero_motion": _NUMBER,
    "negative_prompt": str, "freeze_unet": bool, "stop_grad_index": int, "optimizer": str, "resolution": list, "max_frames": int,
    "num_steps": int, "save_every": int, "log_every": int, "keep": int, "seed": int, "deepspeed_config": str, "use_fp16": bool,
    "embedder.pretrained": str, "motion_encoder.pretrained": str, "auto_encoder.pretrained": str, "Pretrain.resume_checkpoint": str,
    "flow_weights": str, "log_dir": str,
}  # fmt: skip
# Keys of the training's file with another meaning or none, beside those of `WITHOUT_EFFECT`.
TRAINING_WITHOUT_EFFECT = {
    "resume_step": "a run goes on from its own newest checkpoint",
    "train_dataset.page_dir": "it is used nowhere",
    "train_dataset.type": "the table or the folder decides",
    "use_ema": "the published training has no average of the weights",
}
_FIELDS = {
    "batch_size": "batch", "accumulation": "accumulation", "lr": "lr", "motion_lr": "motion_lr", "schedule": "schedule", "clip": "clip",
    "video_motion": "video_motion", "diffusion": "diffusion", "lowest_level": "lowest_level",
    "text_motion_gradient": "text_motion_gradient", "p_zero": "p_zero", "p_zero_motion": "p_zero_motion",
    "negative_prompt": "negative_prompt", "freeze_unet": "freeze_unet", "stop_grad_index": "first_block", "optimizer": "optimizer",
    "max_frames": "frames", "save_every": "save_every", "log_every": "log_every", "keep": "keep", "seed": "seed",
    "sample_steps": "sample_steps",
}  # fmt: skip
CHANGED_PATHS = {
    "motion_encoder.pretrained": "motion_encoder",
    "embedder.pretrained": "content_encoder",
    "auto_encoder.pretrained": "autoencoder",
    "Pretrain.resume_checkpoint": "unet",
}


@dataclass(frozen=True)
class GenerateConfig:
    """A run over a table of prompts.

    Args:
        table: CSV of prompts; None = none named.
        repeat: clips of each prompt.
        batch: clips made together.
        decoder_batch: frames decoded together.
        weights: part -> file, see `PARTS` in `loading.py`.
        size: (height, width), px.
        frames: of a clip.
        guidance: of both texts.
        steps: of the sampling.
        negative_prompt: what is led away from.
        seed: of the noise.
        folder: takes the clips.
        half: whether float16 is asked for.
    """

    table: Path | None = None
    repeat: int = 1
    batch: int = 1
    decoder_batch: int = 16
    weights: tuple[tuple[str, str], ...] = ()
    size: tuple[int, int] | None = None
    frames: int = 0
    guidance: float = 0.0
    steps: int = 0
    negative_prompt: str = NEGATIVE
    seed: int = 42
    folder: Path = Path("inference")
    half: bool = False


def read_generate_config(path: str | os.PathLike[str] | None, pairs: Sequence[str] = ()) -> GenerateConfig:
    """The published YAML of inference, changed by KEY VALUE pairs.

    Args:
        path: of the file; None = the defaults.
        pairs: KEY, VALUE, KEY, VALUE ...: dotted keys, values as YAML writes them.

    Raises:
        DisMoError: not YAML, a pair without a value or with an unknown key, a value of another type.
    """
    content = read_yaml(Path(path)) if path is not None else {}
    told = flattened(content)
    changed = read_pairs(pairs, KNOWN)
    source = str(path) if path is not None else "the command line"
    told = checked(told | changed, KNOWN, source)
    default = GenerateConfig()
    size = told.get("resolution")
    if size is not None and (len(size) != 2 or not all(isinstance(side, int) for side in size)):
        raise DisMoError(f"{source}: resolution is {size!r}; it is [height, width] in px, such as [256, 256].")
    name = told.get("model_name", "DEMO")
    kind = told.get("infer_dataset.type", "InferenceDatasetRepeat")
    table = told.get("infer_dataset.csv_path")
    return replace(
        default,
        table=Path(table) if table else None,
        repeat=told.get("infer_dataset.repeat_times", default.repeat),
        batch=told.get("batch_size", default.batch),
        decoder_batch=told.get("decoder_bs", default.decoder_batch),
        weights=tuple((part, told[key]) for key, part in CHANGED_PATHS.items() if told.get(key)),
        size=(size[0], size[1]) if size else None,
        frames=told.get("max_frames", default.frames),
        guidance=float(told.get("guide_scale", default.guidance)),
        steps=told.get("ddim_timesteps", default.steps),
        negative_prompt=told.get("negative_prompt", default.negative_prompt),
        seed=told.get("inference_seed", default.seed),
        folder=Path(told.get("log_dir", "inference")) / f"{name}_{kind}",
        half=told.get("use_fp16", default.half),
    )


@dataclass(frozen=True)
class TrainConfig:
    """A training as a whole.

    Args:
        training: arguments of `DemoTraining`.
        losses: arguments of `LossWeights`.
        table: CSV in WebVid's form; None = a folder.
        videos: folder of the videos; of a table's, or with a text beside each.
        shards: folder or pattern of our shards instead.
        cache: folder for latents and texts, see `train_motion`.
        weights: part -> file; "unet" is the base, or DEMO's own.
        flow: RAFT's weights; None = torch's cache.
        folder: of the run.
        half: whether float16 is asked for.
        sharded: whether weights are shared out among the processes.
        offload: whether they and the optimizer wait in main memory.
    """

    training: dict[str, Any]
    losses: dict[str, float]
    table: Path | None
    videos: Path | None
    shards: str | None
    cache: Path | None
    weights: dict[str, str]
    flow: Path | None
    folder: Path
    half: bool
    sharded: bool
    offload: bool


def read_train_config(path: str | os.PathLike[str], pairs: Sequence[str] = ()) -> TrainConfig:
    """The published YAML of training with the JSON that it names, changed by KEY VALUE pairs; see `read_generate_config`.

    The published file counts batches of one process in `num_steps`; here they are divided by the accumulation.

    Raises:
        DisMoError: see `read_generate_config`.
    """
    told = checked(
        flattened(read_yaml(Path(path))) | read_pairs(pairs, TRAINING), TRAINING, str(path), TRAINING_WITHOUT_EFFECT
    )
    json_path = told.get("deepspeed_config")
    deepspeed = read_deepspeed(json_path) if json_path and Path(json_path).is_file() else {}
    if json_path and not deepspeed:
        log.warning("%s: there is no %s; what it would say is left as it is.", path, json_path)
    training = {
        name: value for name, value in deepspeed.items() if name in ("batch", "accumulation", "clip", "schedule")
    }
    training |= {field: told[key] for key, field in _FIELDS.items() if key in told}
    if "num_steps" in told:
        training["steps"] = max(1, told["num_steps"] // training.get("accumulation", 1))
    if "resolution" in told:
        training["size"] = tuple(told["resolution"])
    losses = {
        name: float(told[f"{name}_weight"])
        for name in ("video_motion", "text_motion", "regularization")
        if f"{name}_weight" in told
    }
    table = told.get("train_dataset.csv_path")
    videos = told.get("train_dataset.video_folder") or told.get("train_dataset.folder")
    return TrainConfig(
        training=training,
        losses=losses,
        table=Path(table) if table else None,
        videos=Path(videos) if videos else None,
        shards=told.get("train_dataset.shards"),
        cache=Path(told["cache"]) if told.get("cache") else None,
        weights={part: told[key] for key, part in CHANGED_PATHS.items() if told.get(key)},
        flow=Path(told["flow_weights"]) if told.get("flow_weights") else None,
        folder=Path(told.get("log_dir", "workspace")) / Path(path).stem,
        half=bool(told.get("use_fp16", deepspeed.get("half", False))),
        sharded=bool(deepspeed.get("sharded", False)),
        offload=bool(deepspeed.get("offload", False)),
    )


def flattened(content: Mapping[str, Any], below: str = "") -> dict[str, Any]:
    """Nested keys as dotted ones."""
    found: dict[str, Any] = {}
    for key, value in content.items():
        name = f"{below}{key}"
        found |= flattened(value, f"{name}.") if isinstance(value, Mapping) else {name: value}
    return found


def read_pairs(words: Sequence[str], known: Mapping[str, Any]) -> dict[str, Any]:
    """KEY VALUE pairs of a command line.

    Raises:
        DisMoError: an odd number of words, an unknown key, or a value that is no YAML.
    """
    import yaml

    if len(words) % 2:
        raise DisMoError(f"{words[-1]} stands without a value. Keys and values come in pairs, such as: batch_size 1")
    found = {}
    for key, written in zip(words[::2], words[1::2], strict=True):
        if key not in known:
            raise DisMoError(f"There is no key {key}. Known are: {', '.join(sorted(known))}.")
        try:
            found[key] = yaml.safe_load(written)
        except yaml.YAMLError as error:
            raise DisMoError(f"The value of {key} is {written!r}, which is no YAML ({first_line(error)}).") from error
    return found


def checked(
    told: Mapping[str, Any], known: Mapping[str, Any], source: str, more: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """What is known of dotted keys and has the right type; the log says what becomes of the others.

    Raises:
        DisMoError: a value of another type.
    """
    reasons = WITHOUT_EFFECT | dict(more or {})
    found = {}
    for key, value in told.items():
        section = f"{key.split('.')[0]}.*"
        if key not in known:
            reason = reasons.get(key) or reasons.get(section) or reasons.get(key.rpartition(".")[2])
            if reason:
                log.info("%s: %s changes nothing: %s.", source, key, reason)
            else:
                log.warning("%s: the key %s is not known and changes nothing.", source, key)
        elif value is not None:
            kind = known[key]
            if not isinstance(value, kind) or (isinstance(value, bool) and kind in (int, _NUMBER)):
                kinds = " or ".join(one.__name__ for one in (kind if isinstance(kind, tuple) else (kind,)))
                raise DisMoError(
                    f"{source}: {key} is {value!r}, a {type(value).__name__}, where {kinds} belongs. Correct it."
                )
            found[key] = value
    return found


def read_deepspeed(path: str | os.PathLike[str]) -> dict[str, Any]:
    """What the published training's JSON for DeepSpeed means here, by the names of `TrainConfig`; the rest is said to change nothing.

    Raises:
        DisMoError: it cannot be read.
    """
    told = flattened(read_json(path))
    meaning = {
        "train_micro_batch_size_per_gpu": "batch",
        "gradient_accumulation_steps": "accumulation",
        "gradient_clipping": "clip",
        "fp16.enabled": "half",
    }
    found = {meaning[key]: value for key, value in told.items() if key in meaning}
    if told.get("scheduler.type") == "OneCycle":
        found["schedule"] = "one_cycle"
    if int(told.get("zero_optimization.stage", 0)) >= 1:
        found["sharded"] = True
        found["offload"] = told.get("zero_optimization.offload_optimizer.device") == "cpu"
    used = {*meaning, "scheduler.type", "zero_optimization.stage", "zero_optimization.offload_optimizer.device"}
    if ignored := sorted(key for key in told if key not in used):
        log.info("%s: these keys change nothing here: %s.", path, ", ".join(ignored))
    return found
