"""Names of the VAE's tensors: diffusers', which ComfyUI's single files have too, and those of the authors' own code (SAT).

SAT counts the decoder's levels from the picture, diffusers from the latents; the tensors are the same.
"""

from __future__ import annotations

import re

SAT = (  # in this order
    (re.compile(r"\.block\.(\d+)\."), r".resnets.\1."),
    (re.compile(r"\.mid\.block_1\."), ".mid_block.resnets.0."),
    (re.compile(r"\.mid\.block_2\."), ".mid_block.resnets.1."),
    (re.compile(r"\.down\.(\d+)\."), r".down_blocks.\1."),
    (re.compile(r"\.downsample\."), ".downsamplers.0."),
    (re.compile(r"\.upsample\."), ".upsamplers.0."),
    (re.compile(r"\.nin_shortcut\."), ".conv_shortcut."),
)
SAT_UP = re.compile(r"\.up\.(\d+)\.")


def diffusers_name(name: str, levels: int) -> str | None:
    """The name in diffusers of a tensor with SAT's name; diffusers' names stay. None = needed for training the VAE only.

    Args:
        levels: of the encoder and of the decoder; four.
    """
    if name.startswith("loss."):
        return None
    for pattern, replacement in SAT:
        name = pattern.sub(replacement, name)
    return SAT_UP.sub(lambda found: f".up_blocks.{levels - 1 - int(found[1])}.", name)
