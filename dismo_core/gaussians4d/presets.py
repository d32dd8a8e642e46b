"""Published settings by name, YAML files, and key=value words (docs/methods/gaussians4d.md, 6.3, 6.4 and 7.8)."""

from __future__ import annotations

import difflib
import logging
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import DisMoError
from .choices import ENDS

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Table:
    """The settings of a command.

    Args:
        defaults: every key with its default, whose type is that of the key.
        presets: what a name stands for, beside the defaults.
        without_effect: keys that are accepted, and why they do nothing.
        choices: allowed words of a key.
        least: smallest value of a key.
    """

    defaults: Mapping[str, Any]
    presets: Mapping[str, Mapping[str, Any]]
    without_effect: Mapping[str, str]
    choices: Mapping[str, tuple[str, ...]]
    least: Mapping[str, float]


_READ_BY_NOTHING = dict.fromkeys(
    ("anneal_timestep", "warmup_rgb_loss", "t_max", "position_lr_delay_mult"), "nothing ever read it"
)
_NOT_OFFERED = dict.fromkeys(("lambda_sd", "lambda_mvdream", "lambda_imagedream"), "that guidance is not offered")
_FIT: dict[str, Any] = {
    "input": "", "save_path": "", "outdir": "logs", "visdir": "vis_data", "data_mode": "svd", "downsample_rate": 1, "batch_size": 14,
    "n_views": 4, "iters": 500, "seed": 888, "ref_size": 256, "radius": 1.5, "elevation": 0.0, "fovy": 49.1, "planes_time": 12,
    "invert_bg_prob": 0.0, "stable_zero123": True, "lambda_zero123": 1.0, "optimize_gaussians": True, "mesh_format": "frames",
    "density_thresh": 0.5, "save_model": False, "gui": False, "plane_tv_weight": 0.0, "time_smoothness_weight": 0.0,
    "l1_time_planes": 0.0, "load": "", "frame": 0, "rigid": 0.0, "smooth": 0.0, "depth": 0.0, "least_weight": 0.0, "frames_per_step": 0,
    "count": 1500, "thickness": 0.7, "end": "clamp",
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
FIT = Table(
    defaults=_FIT,
    presets=PRESETS,
    without_effect={
        **_READ_BY_NOTHING,
        **dict.fromkeys(
            ("deformation_lr_delay_mult", "density_start_iter", "densify_grad_threshold"), "nothing ever used it here"
        ),
        **dict.fromkeys(
            ("num_pts", "sh_degree", "H", "W", "iters_refine", "force_cuda_rast"), "the fit has no use for it"
        ),
        **dict.fromkeys(("mesh", "texture_lr", "geom_lr", "train_geo", "oom_hack"), "the refinement uses it"),
        **_NOT_OFFERED,
        "lambda_svd": "that guidance is not offered",
    },
    choices={"mesh_format": ("frames", "obj", "glb"), "data_mode": ("svd", "c4d"), "end": ENDS},
    least={
        **{
            "batch_size": 2,
            "iters": 1,
            "ref_size": 16,
            "downsample_rate": 1,
            "planes_time": 0,
            "n_views": 0,
            "frame": 0,
        },
        **{"radius": 0.1, "fovy": 1.0, "density_thresh": 0.0, "count": 50, "frames_per_step": 0},
    },
)
# 0 of batch_size, downsample_rate, radius and fovy: what the meshes and the frames say
_REFINE: dict[str, Any] = {
    "input": "", "save_path": "", "outdir": "logs", "visdir": "vis_data", "mesh": "", "data_mode": "svd", "batch_size": 0,
    "downsample_rate": 0, "iters_refine": 50, "texture_lr": 0.2, "geom_lr": 1e-4, "train_geo": False, "lambda_svd": 1.0, "oom_hack": False,
    "ref_size": 256, "radius": 0.0, "elevation": 0.0, "fovy": 0.0, "seed": 888,
}  # fmt: skip
REFINE = Table(
    defaults=_REFINE,
    presets={"refine": {}},
    without_effect={
        **_READ_BY_NOTHING,
        **dict.fromkeys(
            (*(set(_FIT) - set(_REFINE)), *(set(FIT.without_effect) - set(_REFINE))), "the refinement has no use for it"
        ),
        **_NOT_OFFERED,
    },
    choices={"data_mode": ("svd", "c4d")},
    least={
        "iters_refine": 1,
        "ref_size": 16,
        "batch_size": 0,
        "downsample_rate": 0,
        "radius": 0.0,
        "fovy": 0.0,
        "texture_lr": 0.0,
    },
)


def settings_of(config: str | os.PathLike[str], words: Iterable[str] = (), table: Table = FIT) -> dict[str, Any]:
    """All settings of a fit, or of another table.

    Args:
        config: name of a preset, or path of a YAML file.
        words: "key=value", which win.
        table: which keys there are.

    Raises:
        DisMoError: no such preset or file, an unknown key, or a value of another kind.
    """
    name = os.fspath(config)
    if name in table.presets:
        given = table.presets[name]
    elif Path(name).suffix.lower() in (".yaml", ".yml"):
        given = _read_yaml(Path(name))
    else:
        raise DisMoError(
            f"There is no preset {name!r}. Choose one of {', '.join(table.presets)}, or give the path of a .yaml file."
        )
    settings = dict(table.defaults)
    for key, value in given.items():
        _set(settings, table, str(key), value, name)
    for word in words:
        key, equals, text = word.partition("=")
        if not equals:
            raise DisMoError(f"{word!r} is not of the form key=value, such as input=fish.png.")
        _set(settings, table, key, text, "the command line")
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


def _set(settings: dict[str, Any], table: Table, key: str, value: Any, source: str) -> None:
    if key in table.without_effect:
        log.info("%s of %s has no effect: %s.", key, source, table.without_effect[key])
        return
    if key not in table.defaults:
        near = difflib.get_close_matches(key, list(table.defaults), 1)
        meant = f" Did you mean {near[0]}?" if near else ""
        raise DisMoError(f"There is no setting {key!r} (in {source}).{meant} Settings: {', '.join(table.defaults)}.")
    kind = type(table.defaults[key])
    try:
        settings[key] = _parsed(value, kind)
    except (TypeError, ValueError) as error:
        wanted = {bool: "True or False", int: "a whole number", float: "a number", str: "text"}[kind]
        raise DisMoError(f"{key} must be {wanted}, not {value!r} (in {source}).") from error
    if key in table.choices and settings[key] not in table.choices[key]:
        raise DisMoError(f"{key} is one of {', '.join(table.choices[key])}, not {value!r}.")
    if key in table.least and settings[key] < table.least[key]:
        raise DisMoError(f"{key} must be at least {table.least[key]}, not {value}.")


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
