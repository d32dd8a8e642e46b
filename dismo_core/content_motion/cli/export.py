"""`dismo content-motion export`: finished weights of a checkpoint, as safetensors or for the published classes."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ...cli.given import refuse
from ...cli.options import check_input
from ...errors import DisMoError
from .shared import add_result


def add_parser(actions: Any) -> None:
    """Register the command."""
    parser: argparse.ArgumentParser = actions.add_parser(
        "export",
        help="finished weights of a checkpoint",
        description="Write the weights of a checkpoint, averaged where it holds averages: as safetensors that knows its geometry, or "
        "with --published as a .pt file that the published classes load.",
    )
    parser.add_argument(
        "checkpoint", type=Path, metavar="FILE", help="checkpoint or weights of any of the three stages"
    )
    add_result(parser, "file to write: .safetensors, or .pt with --published")
    parser.add_argument("--published", action="store_true", help="in the layout of the published checkpoints")
    parser.add_argument("--bf16", action="store_true", help="half as large; of safetensors")
    parser.add_argument(
        "--image-size", type=int, nargs=2, metavar=("H", "W"), help="of the content frame, where the file does not say"
    )
    parser.add_argument("--n-frames", type=int, help="of a clip, likewise")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Read, write."""
    import torch

    from ...files import check_free
    from ...weights.files import read_weights
    from ..checkpoints import published_stage, save_model, save_published
    from ..kinds import AUTOENCODER, KINDS, MOTION_MODEL
    from ..weights import load_autoencoder, load_content_model, load_motion_model

    path: Path = arguments.checkpoint
    check_input(path, "checkpoint")
    wanted = ".pt" if arguments.published else ".safetensors"
    if arguments.out.suffix != wanted:
        raise DisMoError(f"{arguments.out} must end in {wanted}{' with --published' if arguments.published else ''}.")
    if arguments.published:
        refuse(arguments, ["bf16"], "is for safetensors: published checkpoints are float32.")
    check_free(arguments.out, overwrite=arguments.overwrite)
    stage = published_stage(path) if path.suffix in (".pt", ".pth") else None
    if stage is None:
        names = read_weights(path).tensors.keys()
        stage = next((kind for kind in KINDS if names & set(kind.marks)), None)
    if stage is None:
        raise DisMoError(f"{path} holds no model of CMD: none of its three stages has these names.")
    size = None if arguments.image_size is None else tuple(arguments.image_size)
    if stage is AUTOENCODER:
        refuse(
            arguments, ["image_size", "n_frames"], "is for diffusion models: an autoencoder takes clips of any size."
        )
        model: Any = load_autoencoder(path)
    elif stage is MOTION_MODEL:
        model = load_motion_model(path, size=size, frames=arguments.n_frames)
    else:
        refuse(arguments, ["n_frames"], "is for motion models.")
        model = load_content_model(path, size=size)
    if arguments.published:
        save_published(
            stage, model.state_dict(), arguments.out, options=_options(stage, model), overwrite=arguments.overwrite
        )
    else:
        dtype = torch.bfloat16 if arguments.bf16 else None
        save_model(model, arguments.out, overwrite=arguments.overwrite, dtype=dtype)
    print(f"{arguments.out}: {stage.what}.")


def _options(stage: Any, model: Any) -> dict[str, Any]:
    """What the published scripts keep beside the weights, as far as the model tells it, and its geometry."""
    import json

    from ...weights.geometry import KEY
    from ..kinds import AUTOENCODER, MOTION_MODEL

    options: dict[str, Any] = {KEY: json.dumps(model.geometry)}
    if stage is AUTOENCODER:
        return options | {"mode": model.mode, "embed_dim": model.motion_channels}
    if stage is MOTION_MODEL:
        return options | {"image_size": list(model.content_size), "n_frames": model.latent_size[0]}
    return options | {"image_size": list(model.image_size), "num_classes": model.num_classes}
