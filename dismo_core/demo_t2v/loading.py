"""DEMO from files: which are needed, where they are looked for, what is said when one is not there."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..errors import DisMoError
from ..memory.mmap_weights import adopt
from ..memory.precision import PRECISIONS, compute_dtype, store
from ..text_to_video.base import attention_linears, load_vae
from ..text_to_video.weights import tiny_folder
from ..weights.base_folder import read_config
from ..weights.files import WeightFile
from ..weights.geometry import KEY
from ..weights.manifest import default_folder
from ..weights.shards import opened, shards
from ..weights.unwrapped import read_unwrapped
from .autoencoder import PREFIX, REPLACEMENT, autoencoder_from_ldm
from .base_names import from_diffusers, from_modelscope, geometry_of_diffusers
from .bundled import BASE_KEY, grew_out_of_tiny, tiny_paths
from .model import DEFAULTS, Defaults, DemoTextToVideo
from .models.unet import UNet
from .tower_files import read_text_tower
from .weights import BASE, LICENCE, MOTION_MARK, PURPOSES, WEIGHTS

log = logging.getLogger(__name__)

# Part -> stems of its file, the published one first, and folders that hold it in a diffusers folder.
PARTS = {
    "unet": ("demo",),
    "motion_encoder": ("motion_encoder",),
    "content_encoder": ("open_clip_pytorch_model", "content_encoder", "text_encoder"),
    "autoencoder": ("VQGAN_autoencoder", "autoencoder", "vae"),
}
ENDINGS = (".safetensors", ".sft", ".pth", ".pt", ".bin")
RELEASE_FOLDERS = (Path("models/demo"), Path("models/modelscopet2v"))  # below the working folder
DEFAULTS_KEY = "defaults"


def search_folders() -> list[Path]:
    """Where DEMO's files are looked for: the release's folders below this one, then where downloads go."""
    downloads = default_folder()
    return [*RELEASE_FOLDERS, downloads / "demo" / WEIGHTS.name, downloads / "modelscopet2v" / BASE.name]


def find_files(
    folders: Sequence[Path],
    given: Mapping[str, str | os.PathLike[str]] | None = None,
    optional: Sequence[str] = (),
) -> dict[str, Path]:
    """Part -> file or folder.

    Args:
        folders: that are looked through, the first one first.
        given: parts whose place is known.
        optional: parts that need not be there.

    Raises:
        DisMoError: which parts are not there, and how they can be had.
    """
    found = {part: Path(place) for part, place in (given or {}).items()}
    missing = []
    for part, stems in PARTS.items():
        if part in found:
            if not found[part].exists():
                raise DisMoError(f"There is no {part} at {found[part]}: it {_purpose(stems)}. Check the path.")
            continue
        if part == "autoencoder" and "unet" in found and grew_out_of_tiny(found["unet"]):
            found[part] = tiny_folder()
            continue
        names = [f"{stem}{ending}" for stem in stems for ending in ENDINGS]
        places = [folder / name for folder in folders for name in names] + [
            folder / stem for folder in folders for stem in stems if (folder / stem / "config.json").is_file()
        ]
        place = next((place for place in places if place.exists()), None)
        if place is None and part in optional:
            continue
        if place is None:
            missing.append(f"{stems[0]} ({_purpose(stems)})")
        else:
            found[part] = place
    if missing:
        where = ", ".join(str(folder) for folder in folders)
        raise DisMoError(
            f"DEMO lacks {'; '.join(missing)}. Looked for in {where}. The files are demo.pth and motion_encoder.pth of {WEIGHTS.repo}, "
            f"and those of {BASE.repo}; {LICENCE}. Choose tiny, which comes with this version, or fetch them.",
            hint="download",
            name="demo",
        )
    return found


def _purpose(stems: Sequence[str]) -> str:
    return next((PURPOSES[stem] for stem in stems if stem in PURPOSES), stems[0])


def load_demo(
    source: str | os.PathLike[str] | Mapping[str, str | os.PathLike[str]] = "tiny",
    *,
    device: str | torch.device = "cpu",
    dtype: torch.dtype | None = None,
    precision: str = "auto",
    memory: str = "auto",
    stage: Callable[[str], None] = lambda label: None,
) -> DemoTextToVideo:
    """A whole model.

    Args:
        source: "tiny" (bundled), "demo" (the published files, looked for as `search_folders` says), a folder that holds the files, or a
            mapping of "unet", "motion_encoder", "content_encoder", "autoencoder" to files or folders; what it lacks is looked for, and the
            content encoder may be missing then.
        device: where it runs.
        dtype: that it computes in; None = that of `precision`.
        precision: auto (fp32 on a CPU, else bf16, or fp16 where the device has no bf16), fp32, bf16, fp16; fp8 stores the UNet's large
            matrices in a quarter of float32.
        memory: see `MemoryPlan`.
        stage: called with what is loaded next, see `Runtime`.

    Raises:
        DisMoError: a file that is not there, damaged, or of another kind.
    """
    where = torch.device(device)
    if precision not in PRECISIONS:
        raise DisMoError(f"There is no precision {precision!r}. Choose one of {', '.join(PRECISIONS)}.")
    if dtype is None:
        dtype = torch.float32 if precision == "auto" and where.type == "cpu" else compute_dtype(precision, where)
    if isinstance(source, Mapping):
        if unknown := set(source) - PARTS.keys():
            raise DisMoError(f"There is no part {sorted(unknown)[0]!r} of DEMO. Known are: {', '.join(PARTS)}.")
        paths, name = find_files(search_folders(), source, ("content_encoder",)), "demo"
    elif os.fspath(source) == "tiny":
        paths, name = tiny_paths(), "tiny"
    elif os.fspath(source) == "demo":
        paths, name = find_files(search_folders()), "demo"
    else:
        folder = Path(source)
        if not folder.is_dir():
            raise DisMoError(
                f"There is no folder {folder}. Give one that holds DEMO's files, or 'demo' for the published ones."
            )
        paths, name = find_files([folder]), folder.name
    stage("loading the UNet")
    unet, metadata = read_unet(paths["unet"], dtype)
    store(unet, attention_linears(unet), precision, where)
    stage("loading the text encoders")
    towers = {
        part: read_text_tower(paths[part], dtype) for part in ("motion_encoder", "content_encoder") if part in paths
    }
    _check_towers(unet, {paths[part]: tower for part, tower in towers.items()})
    if len(towers) == 2 and _equal(*towers.values()):
        log.warning(
            "%s and %s hold the same text tower, so the motion prompt is read as the content prompt is. The motion encoder is "
            "motion_encoder.pth, the content encoder open_clip_pytorch_model.bin.",
            paths["motion_encoder"].name,
            paths["content_encoder"].name,
        )
    stage("loading the autoencoder")
    return DemoTextToVideo(
        unet=unet,
        motion_encoder=towers["motion_encoder"],
        content_encoder=towers.get("content_encoder"),
        autoencoder=read_autoencoder(paths["autoencoder"], dtype),
        name=name,
        device=where,
        memory=memory,
        defaults=_defaults(metadata),
    )


def read_unet(path: Path, dtype: torch.dtype) -> tuple[UNet, dict[str, str]]:
    """DEMO's UNet, in evaluation mode, without gradients; and what the file says of itself.

    Args:
        path: demo.pth or a conversion, or a file of our training.
        dtype: precision of its weights.

    Raises:
        DisMoError: the base instead, damaged, or of another kind.
    """
    file = read_unwrapped(path)
    if BASE_KEY in file.metadata:
        file = replace(file, tensors=base_unet_file(tiny_folder()).tensors | file.tensors)
    if MOTION_MARK not in file.tensors and "input_blocks.0.0.weight" in file.tensors:
        raise DisMoError(
            f"{path} is the base: it lacks the motion tensors (416 at the published size). Start training from it, or load demo.pth."
        )
    return unet_of(file, dtype), file.metadata


def unet_of(file: WeightFile, dtype: torch.dtype) -> UNet:
    """The UNet of a file's tensors, in its geometry; that of the published one where it tells none."""
    told = json.loads(file.metadata[KEY]) if KEY in file.metadata else {}
    unet = _on_meta(told, str(file.path))
    adopt(unet, file.tensors, dtype, str(file.path))
    return unet.eval().requires_grad_(False)


def read_base_unet(path: Path, dtype: torch.dtype = torch.float32) -> UNet:
    """DEMO's UNet out of a base without motion modules: every M begins as a copy of the transformer before it.

    Args:
        path: text2video_pytorch_model.pth, or a diffusers folder of ModelScope or ZeroScope (or its `unet`).
        dtype: precision of its weights.

    Raises:
        DisMoError: DEMO's own weights, or a base of another kind.
    """
    return unet_of(base_unet_file(path), dtype)


def base_unet_file(path: Path) -> WeightFile:
    """What `read_base_unet` makes the UNet of: tensors in DEMO's names, and the geometry where that is told.

    Raises:
        DisMoError: see there.
    """
    if not path.is_dir():
        file = read_unwrapped(path)
        return replace(file, tensors=separate_copies(from_modelscope(file.tensors)))
    folder = path / "unet" if (path / "unet" / "config.json").is_file() else path
    config = read_config(folder)
    if config.get("_class_name", "UNet3DConditionModel") != "UNet3DConditionModel":
        raise DisMoError(
            f"{folder} is a {config['_class_name']}, not the UNet of ModelScope or ZeroScope. Choose one of these."
        )
    geometry = geometry_of_diffusers(config) | _noise_of(folder.parent / "scheduler")
    found: dict[str, Tensor] = {}
    for shard in shards(folder, "diffusion_pytorch_model"):
        with opened(shard) as tensors:
            found |= {name: tensors.get_tensor(name) for name in tensors.keys()}
    tensors = separate_copies(from_modelscope(from_diffusers(found, int(geometry["blocks"]))))  # type: ignore[call-overload]
    return WeightFile(folder, tensors, {KEY: json.dumps(geometry)})


def _noise_of(scheduler: Path) -> dict[str, Any]:
    """What the base's network says and how noisy its levels are, where a scheduler lies beside it; as published elsewhere."""
    if not (scheduler / "scheduler_config.json").is_file():
        return {}
    config = read_config(scheduler, "scheduler_config.json")
    kinds = {"epsilon": "noise", "sample": "sample"}
    prediction, schedule = (
        config.get("prediction_type", "epsilon"),
        config.get("beta_schedule", "linear"),
    )  # as diffusers has them
    if prediction not in kinds or schedule != "scaled_linear":
        raise DisMoError(
            f"{scheduler} is of a base with prediction_type {prediction} and beta_schedule {schedule}. DEMO grows out of one that "
            "predicts epsilon or sample, with scaled_linear."
        )
    return {"predicts": kinds[prediction], "betas": [config["beta_start"], config["beta_end"]]}


def separate_copies(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The same, where what `from_modelscope` shares between M and S is there twice: both will be trained apart."""
    seen: set[int] = set()
    result = {}
    for name, tensor in tensors.items():
        result[name] = tensor.clone() if id(tensor) in seen else tensor
        seen.add(id(tensor))
    return result


def read_autoencoder(path: Path, dtype: torch.dtype) -> Any:
    """diffusers' AutoencoderKL: the published file, any SD 1.x VAE file, or a diffusers folder.

    Raises:
        DisMoError: it holds more than tensors, or something else.
    """
    if path.is_dir():
        return load_vae(path / "vae" if (path / "vae" / "config.json").is_file() else path, dtype)
    try:
        tensors = read_unwrapped(path).tensors
    except DisMoError as error:
        raise DisMoError(f"{error} {REPLACEMENT}") from error
    if any(PREFIX in name for name in tensors):
        tensors = {name.split(PREFIX, 1)[1]: value for name, value in tensors.items() if PREFIX in name}
    tensors = {
        name: value
        for name, value in tensors.items()
        if name.startswith(("encoder.", "decoder.", "quant", "post_quant"))
    }
    if "encoder.conv_in.weight" not in tensors:
        raise DisMoError(f"{path} is no autoencoder of Stable Diffusion 1.x's kind. {REPLACEMENT}")
    levels = len({name.split(".")[2] for name in tensors if name.startswith("encoder.down.")})
    channels = [len(tensors[f"encoder.down.{level}.block.0.conv2.bias"]) for level in range(levels)]
    layers = len({name.split(".")[4] for name in tensors if name.startswith("encoder.down.0.block.")})
    return autoencoder_from_ldm({name: value.to(dtype) for name, value in tensors.items()}, channels, layers)


def _on_meta(geometry: Mapping[str, Any], source: str) -> UNet:
    try:
        with torch.device("meta"):
            return UNet(**geometry)
    except (TypeError, ValueError, ArithmeticError, RuntimeError) as error:
        raise DisMoError(
            f"{source} describes its network as {str(dict(geometry))[:200]}, which cannot be made ({error}). It is damaged or of another "
            "kind."
        ) from error


def _check_towers(unet: UNet, towers: Mapping[Path, Any]) -> None:
    wanted = unet.geometry["context_width"]
    for path, tower in towers.items():
        if tower.geometry["width"] != wanted:
            raise DisMoError(
                f"{path} is a text tower of width {tower.geometry['width']}, and the UNet reads {wanted}. DEMO's are OpenCLIP ViT-H/14, "
                "1024 wide."
            )


def _equal(one: Any, other: Any) -> bool:
    """Whether two towers have the same weights; DEMO's differ from block 10 on."""
    pairs = zip(one.parameters(), other.parameters(), strict=False)
    return all(a.shape == b.shape and torch.equal(a, b) for a, b in pairs)


def _defaults(metadata: Mapping[str, str]) -> Defaults:
    if DEFAULTS_KEY not in metadata:
        log.warning("demo: %s", LICENCE)  # a warning, so that scripts without logging show it, too
        return DEFAULTS
    told = json.loads(metadata[DEFAULTS_KEY])
    return replace(DEFAULTS, **(told | {"size": tuple(told["size"])} if "size" in told else told))
