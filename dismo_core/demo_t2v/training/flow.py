"""The flow operator of the text-motion loss: torchvision's small RAFT (Teed and Deng 2020, arXiv:2003.12039)."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from ...errors import DisMoError
from ...weights.files import read_weights
from ..losses import Flow

FILE = "raft_small_C_T_V2-01064c6d.pth"  # as torchvision names it in its cache


def raft_flow(weights: Path | None, device: torch.device) -> Flow:
    """RAFT, frozen; the last of its 12 iterations.

    Args:
        weights: file of torchvision's `raft_small`; None = that in torch's cache, never fetched here.
        device: where it runs.

    Raises:
        DisMoError: torchvision or the weights are not there.
    """
    try:
        from torchvision.models.optical_flow import raft_small
    except (ImportError, RuntimeError) as error:
        raise DisMoError(
            f"The text-motion loss measures flow with torchvision, which does not load here ({error}). Install the torchvision of your "
            "torch, or set text_motion_weight to 0."
        ) from error
    path = weights or Path(torch.hub.get_dir()) / "checkpoints" / FILE
    if not path.is_file():
        raise DisMoError(
            f"There are no RAFT weights at {path}. Put torchvision's {FILE} there, name another file, or set text_motion_weight to 0."
        )
    model = raft_small(weights=None)
    model.load_state_dict(read_weights(path).tensors)
    model.eval().requires_grad_(False).to(device)

    def flow(first: Tensor, second: Tensor) -> Tensor:
        last: Tensor = model(first.float(), second.float())[-1]
        return last

    return flow
