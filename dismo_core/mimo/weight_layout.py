"""Where the weights of MIMO lie: the release's folder, its YAML file, or paths one by one (docs/methods/mimo.md, 2.5)."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import DisMoError, first_line

# Key of the release's YAML file -> place in its folder of weights.
PLACES = {
    "pretrained_base_model_path": "stable-diffusion-v1-5",
    "pretrained_vae_path": "sd-vae-ft-mse",
    "image_encoder_path": "image_encoder",
    "denoising_unet_path": "denoising_unet.pth",
    "reference_unet_path": "reference_unet.pth",
    "pose_guider_path": "pose_guider.pth",
    "motion_module_path": "motion_module.pth",
}
# Where a download puts what the release has elsewhere: each repository in a folder of its own.
_DOWNLOADED = {
    "image_encoder_path": "sd-image-variations-diffusers/image_encoder",
    **{key: f"MIMO/{place}" for key, place in PLACES.items() if place.endswith(".pth")},
}
# The base and the motion modules only where the denoising UNet's file is not whole.
NEEDED = tuple(key for key in PLACES if key not in ("pretrained_base_model_path", "motion_module_path"))
# What training begins with.
TO_BEGIN = ("pretrained_base_model_path", "pretrained_vae_path", "image_encoder_path")


@dataclass(frozen=True)
class Layout:
    """Files and folders of the weights.

    Args:
        paths: by the keys of `PLACES`; those that there are.
        precision: that the YAML file asks for, fp16 or fp32; None = it does not.
    """

    paths: Mapping[str, Path]
    precision: str | None = None

    def path(self, key: str) -> Path:
        """A file or folder.

        Raises:
            DisMoError: it is not there.
        """
        if key not in self.paths:
            raise DisMoError(
                f"The weights lack {PLACES[key]} ({key}). Put it beside the others, or name it by that key.",
                hint="weights",
            )
        return self.paths[key]


def find_layout(
    source: str | os.PathLike[str] | Mapping[str, str | os.PathLike[str]],
    needed: Sequence[str] = NEEDED,
) -> Layout:
    """The weights in a folder laid out as the release's, in a YAML file of it, or as a mapping with its keys.

    Files may be safetensors conversions with the same names, and lie where a download puts them.

    Args:
        source: see `load_mimo`.
        needed: keys that must be there.

    Raises:
        DisMoError: no such folder or file, unknown keys, or weights that are missing.
    """
    if isinstance(source, Mapping):
        return _named(source, Path(), needed)
    path = Path(source)
    if path.suffix.lower() in (".yaml", ".yml"):
        return _named(_read_yaml(path), path.parent, needed)
    if not path.is_dir():
        raise DisMoError(
            f"There is no folder of MIMO's weights {path}. It holds {', '.join(PLACES.values())}.", hint="weights"
        )
    found = {}
    for key, place in PLACES.items():
        places = [place, _DOWNLOADED[key]] if key in _DOWNLOADED else [place]
        candidates = [path / each for name in places for each in (Path(name), Path(name).with_suffix(".safetensors"))]
        if there := next((candidate for candidate in candidates if candidate.exists()), None):
            found[key] = there
    return _complete(found, path, needed)


def _named(content: Mapping[str, Any], folder: Path, needed: Sequence[str]) -> Layout:
    found: dict[str, Path] = {}
    for key in PLACES:
        if (given := content.get(key)) is None:
            continue
        # the release's paths begin where its scripts are started, the folder above that of the YAML file
        candidates = [base / os.fspath(given) for base in (Path(), folder, folder.parent)]
        there = next((path for path in candidates if path.exists()), None)
        if there is None:
            raise DisMoError(f"There is no {given}, which {key} names. Correct the path.")
        found[key] = there
    precision = content.get("weight_dtype")
    if precision not in (None, "fp16", "fp32", "bf16"):
        raise DisMoError(f"weight_dtype must be fp16, bf16 or fp32, not {precision!r}.")
    if unknown := sorted(set(content) - {*PLACES, "weight_dtype", "inference_config"}):
        raise DisMoError(f"Unknown key {unknown[0]!r} of MIMO's weights. Known are {', '.join(PLACES)}.")
    layout = _complete(found, folder, needed)
    return Layout(layout.paths, precision)


def _complete(found: dict[str, Path], place: Path, needed: Sequence[str]) -> Layout:
    missing = [f"{PLACES[key]} ({key})" for key in needed if key not in found]
    if missing:
        alone = " Stable Diffusion 1.5 alone is no MIMO." if "pretrained_base_model_path" in found else ""
        raise DisMoError(f"The weights in {place} lack {', '.join(missing)}.{alone}", hint="weights")
    return Layout(found)


def _read_yaml(path: Path) -> dict[str, Any]:
    import yaml

    try:
        content = yaml.safe_load(path.read_text("utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise DisMoError(f"Cannot read {path} as YAML: {first_line(error)}. Check the path and its content.") from error
    if not isinstance(content, dict):
        raise DisMoError(
            f"{path} holds a {type(content).__name__}, not keys with values. It should name {', '.join(PLACES)}."
        )
    return content
