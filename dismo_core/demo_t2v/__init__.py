"""DEMO: text to video whose motion has a prompt and an encoder of its own (docs/methods/demo_t2v.md)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..imports import lazily

if TYPE_CHECKING:
    from ..text_to_video.clip_tokens import tokenize
    from .autoencoder import autoencoder_from_ldm, decode_frames, encode_frames, to_uint8
    from .base_names import from_modelscope
    from .clips import clip_indices, fit_frames
    from .images import prepare_images, wrapped_frames
    from .loading import load_demo
    from .losses import regularization_loss, text_motion_loss, training_losses
    from .model import DemoTextToVideo
    from .models.towers import ImageTower, TextTower
    from .models.unet import UNet
    from .noise_levels import alphas_cumprod
    from .prompt_table import output_names, read_prompts
    from .published_rate import one_cycle
    from .sampling import Conditioning, guide, invert_ddim, sample_ddim, sampling_times

_LAZY = {
    "Conditioning": ".sampling",
    "DemoTextToVideo": ".model",
    "ImageTower": ".models.towers",
    "TextTower": ".models.towers",
    "UNet": ".models.unet",
    "alphas_cumprod": ".noise_levels",
    "autoencoder_from_ldm": ".autoencoder",
    "clip_indices": ".clips",
    "decode_frames": ".autoencoder",
    "encode_frames": ".autoencoder",
    "fit_frames": ".clips",
    "from_modelscope": ".base_names",
    "guide": ".sampling",
    "invert_ddim": ".sampling",
    "load_demo": ".loading",
    "one_cycle": ".published_rate",
    "output_names": ".prompt_table",
    "prepare_images": ".images",
    "read_prompts": ".prompt_table",
    "regularization_loss": ".losses",
    "sample_ddim": ".sampling",
    "sampling_times": ".sampling",
    "text_motion_loss": ".losses",
    "to_uint8": ".autoencoder",
    "tokenize": "..text_to_video.clip_tokens",
    "training_losses": ".losses",
    "wrapped_frames": ".images",
}
__all__ = [
    "Conditioning",
    "DemoTextToVideo",
    "ImageTower",
    "TextTower",
    "UNet",
    "alphas_cumprod",
    "autoencoder_from_ldm",
    "clip_indices",
    "decode_frames",
    "encode_frames",
    "fit_frames",
    "from_modelscope",
    "guide",
    "invert_ddim",
    "load_demo",
    "one_cycle",
    "output_names",
    "prepare_images",
    "read_prompts",
    "regularization_loss",
    "sample_ddim",
    "sampling_times",
    "text_motion_loss",
    "to_uint8",
    "tokenize",
    "training_losses",
    "wrapped_frames",
]


__getattr__ = lazily(__name__, _LAZY)
