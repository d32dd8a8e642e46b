"""Both UNets begun from Stable Diffusion 1.5 and AnimateDiff."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from ...errors import DisMoError

_OUTPUT = ("conv_norm_out.", "conv_out.")  # which the reference UNet does not have
CONV_IN = "conv_in.weight"


def unets_from_sd15(
    unet_state: Mapping[str, Tensor],
    motion_state: Mapping[str, Tensor] | None = None,
    *,
    in_channels: int = 8,
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """The weights of a reference UNet and of a denoising UNet.

    Args:
        unet_state: of Stable Diffusion 1.5's UNet, in diffusers' names.
        motion_state: of AnimateDiff's motion modules; None = they are left out of the second result.
        in_channels: of the denoising UNet; weights of those that Stable Diffusion does not have are zero.

    Returns:
        (weights of the reference UNet, weights of the denoising UNet).

    Raises:
        DisMoError: not such weights.
    """
    first = unet_state.get(CONV_IN)
    if first is None or first.ndim != 4 or first.shape[1] > in_channels:
        found = "no conv_in.weight" if first is None else f"conv_in.weight {list(first.shape)}"
        raise DisMoError(
            f"These are not the weights of a UNet of Stable Diffusion 1.5: there is {found}, where 4 input channels are expected. "
            "Give the file of its folder `unet`."
        )
    reference = {name: tensor for name, tensor in unet_state.items() if not name.startswith(_OUTPUT)}
    denoising = {
        **unet_state,
        CONV_IN: widened(first, in_channels),
        **(motion_modules(motion_state) if motion_state else {}),
    }
    return reference, denoising


def widened(weight: Tensor, in_channels: int) -> Tensor:
    """The weights of a convolution [C, I, k, k] with more input channels, of which the new ones change nothing: zeros."""
    wider = weight.new_zeros((weight.shape[0], in_channels, *weight.shape[2:]))
    wider[:, : weight.shape[1]] = weight
    return wider


def motion_modules(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The motion modules in a file of AnimateDiff, whose names may begin with `module.`.

    Raises:
        DisMoError: there are none.
    """
    found = {name.removeprefix("module."): tensor for name, tensor in state.items() if ".motion_modules." in name}
    if not found:
        raise DisMoError(
            f"There are no motion modules among these {len(state)} tensors, such as {next(iter(state), 'none')!r}. "
            "Give motion_module.pth, or mm_sd_v15_v2 of AnimateDiff."
        )
    return found
