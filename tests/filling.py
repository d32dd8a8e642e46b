"""Weights that a name and a shape give, behind the figures of the published code: sines (`fill`), or draws (`filled`)."""

import math
import zlib

import numpy as np
import torch
from torch import Tensor, nn

SMALL = {
    "query_tokens", "cls_token", "pos_embed", "register_tokens", "mask_token", "init_gru_state", "final_latent_cond_padding",
}  # fmt: skip


def wave(step: float, *shape: int) -> Tensor:
    """sin(step n) over the flat index."""
    n = torch.arange(math.prod(shape), dtype=torch.float64)
    return torch.sin(step * n).float().view(shape)


def fill(module: nn.Module) -> nn.Module:
    state = module.state_dict()
    for key, tensor in state.items():
        if tensor.is_floating_point() and "pos_emb." not in key:
            phase = (sum(key.encode()) % 1000) / 100
            s = torch.sin(0.7 * torch.arange(tensor.numel(), dtype=torch.float64) + phase).view(tensor.shape)
            last = key.split(".")[-1]
            if last in ("self_scale", "cross_scale"):
                value = 10 + s
            elif last in ("scale", "gamma") or ("norm" in key and last == "weight"):
                value = 1 + 0.1 * s
            elif tensor.ndim == 1 or last in SMALL:
                value = 0.1 * s
            else:
                value = s * math.sqrt(2 / tensor[0].numel())
            state[key] = value.float()
    module.load_state_dict(state)
    return module.eval()


def filled(name: str, shape: tuple[int, ...]) -> Tensor:
    """float32 values of a state-dict entry: normal, variance 1 / (product of all sizes but the first); of one dimension
    1 + 0.1 x normal for weights and 0.1 x normal for the rest. RandomState, whose stream NumPy promises to keep."""
    draw = np.random.RandomState(zlib.crc32(name.encode())).standard_normal(tuple(shape))
    if len(shape) >= 2:
        draw = draw / np.sqrt(np.prod(shape[1:]))
    else:
        draw = 0.1 * draw + (1 if name.endswith("weight") else 0)
    return torch.from_numpy(np.asarray(draw, np.float32))


def assert_figures(
    x: Tensor, mean: float, std: float, first: list[float], last: list[float], tolerance: float = 1e-4
) -> None:
    """Mean, population standard deviation, first four and last two values."""
    flat = x.detach().flatten().double()
    found = [flat.mean(), flat.std(correction=0), *flat[:4], *flat[-2:]]
    torch.testing.assert_close(
        torch.stack(found), torch.tensor([mean, std, *first, *last]).double(), atol=tolerance, rtol=0
    )
