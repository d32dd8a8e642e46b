"""Published settings by name, YAML files, and key=value words (docs/methods/gaussians4d.md, 6.3 and 6.4)."""

from __future__ import annotations

import difflib
import logging
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ..errors import DisMoError

log = logging.getLogger(__name__)
_DEFAULTS: dict[str, Any] = {
    "input": "", "save_path": "", "outdir": "logs", "visdir": "vis_data", "data_mode": "svd", "downsample_rate": 1, "batch_size": 14,
    "n_views": 4, "iters": 500, "seed": 888, "ref_size": 256, "radius": 1.5, "elevation": 0.0, "fovy": 49.1, "planes_time": 12,
    "invert_bg_prob": 0.0, "stable_zero123": True, "lambda_zero123": 1.0, "optimize_gaussians": True, "mesh_format": "frames",
    "density_thresh": 0.5, "save_model": False, "gui": False, "plane_tv_weight": 0.0, "time_smoothness_weight": 0.0,
    "l1_time_planes": 0.0, "load": "", "frame": 0, "rigid": 0.0, "smooth": 0.0, "depth": 0.0, "least_weight": 0.0, "frames_per_step": 0,
    "count": 1500, "thickness": 0.7,
}  # fmt: skip
PRESETS: dict[str, dict[str, Any]] = {
    "inflate": {
        **{"n_views": 0, "iters": 300, "ref_size": 64, "seed": 0, "rigid": 200.0, "smooth": 2e4, "depth": 20.0},
        **{"planes_time": 0, "least_weight": 0.2, "frames_per_step": 3, "lambda_zero123": 0.0, "save_model": True},
    },
    "4d": {},
    "4d_low": {"n_views": 1, "planes_time": 22},
    "4d_demo": {"batch_size": 7, "n_views": 1, "downsample_rate": 2},
    "4d_c4d": {"batch_size": 32, "planes_time": 32, "data_mode": "c4d"},
    "4d_c4d_low": {"batch_size": 8, "n_views": 1, "downsample_rate": 4, "data_mode": "c4d"},
}
# Keys of the published files that nothing there reads, or that have no meaning here: accepted, and said.
_WITHOUT_EFFECT = {
    **dict.fromkeys(("anneal_timestep", "warmup_rgb_loss", "t_max", "position_lr_delay_mult"), "nothing ever read it"),
    **dict.fromkeys(
        ("deformation_lr_delay_mult", "density_start_iter", "densify_grad_threshold"), "nothing ever used it here"
    ),
    **dict.fromkeys(("num_pts", "sh_degree", "H", "W", "iters_refine", "force_cuda_rast"), "the fit has no use for it"),
    **dict.fromkeys(("lambda_sd", "lambda_svd", "lambda_mvdream", "lambda_imagedream"), "that guidance is not offered"),
}
_CHOICES = {"mesh_format": ("frames", "obj", "glb"), "data_mode": ("svd", "c4d")}
_LEAST = {
    **{"batch_size": 2, "iters": 1, "ref_size": 16, "downsample_rate": 1, "planes_time": 0, "n_views": 0, "frame": 0},
    **{"radius": 0.1, "fovy": 1.0, "density_thresh": 0.0, "count": 50, "frames_per_step": 0},
}


def settings_of(config: str | os.PathLike[str], words: Iterable[str] = ()) -> dict[str, Any]:
    """All settings of a fit.

    Args:
        config: name of a preset, or path of a YAML file.
        words: "key=value", which win.

    Raises:
        DisMoError: no such preset or file, an unknown key, or a value of another kind.
    """
    name = os.fspath(config)
    if name in PRESETS:
        given: Mapping[str, Any] = PRESETS[name]
    elif Path(name).suffix.lower() in (".yaml", ".yml"):
        given = _read_yaml(Path(name))
    else:
        raise DisMoError(
            f"There is no preset {name!r}. Choose one of {', '.join(PRESETS)}, or give the path of a .yaml file."
        )
    settings = dict(_DEFAULTS)
    for key, value in given.items():
        _set(settings, str(key), value, name)
    for word in words:
        key, equals, text = word.partition("=")
        if not equals:
            raise DisMoError(f"{word!r} is not of the form key=value, such as input=fish.png.")
        _set(settings, key, text, "the command line")
    return settings


def _read_yaml(path: Path) -> Mapping[str, Any]:
    import yaml

    try:
        content = yaml.safe_load(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise DisMoError(
            f"Cannot read {path} as YAML: {str(error).splitlines()[0]}. Check the path and the file."
        ) from error
    if not isinstance(content, dict):
        raise DisMoError(f"{path} holds no settings: it must be lines of the form key: value.")
    return content


def _set(settings: dict[str, Any], key: str, value: Any, source: str) -> None:
    if key in _WITHOUT_EFFECT:
        log.info("%s of %s has no effect: %s.", key, source, _WITHOUT_EFFECT[key])
        return
    if key not in _DEFAULTS:
        near = difflib.get_close_matches(key, _DEFAULTS, 1)
        meant = f" Did you mean {near[0]}?" if near else ""
        raise DisMoError(f"There is no setting {key!r} (in {source}).{meant} Settings: {', '.join(_DEFAULTS)}.")
    kind = type(_DEFAULTS[key])
    try:
        settings[key] = _parsed(value, kind)
    except (TypeError, ValueError) as error:
        wanted = {bool: "True or False", int: "a whole number", float: "a number", str: "text"}[kind]
        raise DisMoError(f"{key} must be {wanted}, not {value!r} (in {source}).") from error
    if key in _CHOICES and settings[key] not in _CHOICES[key]:
        raise DisMoError(f"{key} is one of {', '.join(_CHOICES[key])}, not {value!r}.")
    if key in _LEAST and settings[key] < _LEAST[key]:
        raise DisMoError(f"{key} must be at least {_LEAST[key]}, not {value}.")


def _parsed(value: Any, kind: type) -> Any:
    if kind is bool:
        word = str(value).lower()
        if word not in ("true", "false", "1", "0", "yes", "no"):
            raise ValueError(word)
        return word in ("true", "1", "yes")
    if value is None:
        return kind()
    if kind is int and not float(value).is_integer():
        raise ValueError(value)
    return kind(float(value)) if kind is int else kind(value)
