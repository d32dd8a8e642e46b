"""The parts of the tiny base: a text-to-video model of the ModelScope and ZeroScope family, as small as it can be."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

from torch import Tensor, nn

from ...imports import importing
from ...synthetic.captioned import COLORS, GROUNDS, SHAPES, SIZE
from ...synthetic.captioned_moves import MOVES
from ..single_frame import single_frame_bypass
from .latents import CHANNELS, FACTOR
from .words import write_tokenizer

with importing("diffusers"):
    from diffusers import DDIMScheduler, UNet3DConditionModel
    from diffusers.models.attention_processor import AttnProcessor
with importing("transformers"):
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

TOKENS = 16  # with CLIP's 77 the few words of a caption are a small part of what the UNet reads, and are learned late
TEXT_WIDTH = 64


def caption_words() -> list[str]:
    """Every word that a caption can have."""
    moves = (word for move in MOVES for word in move.split())
    return list(dict.fromkeys(["a", "on", *COLORS, *GROUNDS, *SHAPES, *moves]))


def new_unet() -> Any:
    """diffusers' UNet3DConditionModel: 8 x 8 latents, three levels, attention on the two smaller ones, 5.2 M weights; without dropout.

    Most of it sees 4 x 4 and 2 x 2 places: there the way of the object through all frames is laid out, at little cost.
    """
    unet: Any = UNet3DConditionModel(
        sample_size=SIZE // FACTOR,
        in_channels=CHANNELS,
        out_channels=CHANNELS,
        down_block_types=("DownBlock3D", "CrossAttnDownBlock3D", "CrossAttnDownBlock3D"),
        up_block_types=("CrossAttnUpBlock3D", "CrossAttnUpBlock3D", "UpBlock3D"),
        block_out_channels=(48, 64, 96),
        layers_per_block=1,
        norm_num_groups=16,
        cross_attention_dim=TEXT_WIDTH,
        attention_head_dim=16,
    )
    unet.set_attn_processor(AttnProcessor())  # faster than the default at this size on a CPU
    return unet.eval()


def new_text_encoder(tokenizer: Any) -> Any:
    """transformers' CLIPTextModel of one layer; it learns with the UNet."""
    encoder: Any = CLIPTextModel(
        CLIPTextConfig(
            vocab_size=len(tokenizer),
            hidden_size=TEXT_WIDTH,
            intermediate_size=2 * TEXT_WIDTH,
            projection_dim=TEXT_WIDTH,
            num_hidden_layers=1,
            num_attention_heads=4,
            max_position_embeddings=TOKENS,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )
    return encoder.eval()


def new_scheduler() -> Any:
    """diffusers' DDIMScheduler: noise levels drawn towards noise: half of the steps have three times more noise than signal.

    The network says the clean latent ("sample"): at such levels nothing else is left to say of it.
    """
    return DDIMScheduler(
        beta_start=0.002,
        beta_end=0.018,
        beta_schedule="scaled_linear",
        prediction_type="sample",
        clip_sample=False,
        set_alpha_to_one=True,
        timestep_spacing="trailing",
    )


class TinyBase(nn.Module):
    """UNet and text encoder, trained together.

    Args:
        folder: of the tokenizer, which is written there.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__()
        write_tokenizer(folder, caption_words(), TOKENS)
        self.tokenizer: Any = CLIPTokenizer.from_pretrained(folder)
        self.unet = new_unet()
        self.text_encoder = new_text_encoder(self.tokenizer)

    def embedded(self, captions: list[str]) -> Tensor:
        """[B, 16, 64]."""
        ids = self.tokenizer(captions, padding="max_length", truncation=True, return_tensors="pt").input_ids
        return cast(Tensor, self.text_encoder(ids).last_hidden_state)

    def forward(self, noisy: Tensor, step: Tensor, captions: list[str]) -> Tensor:
        """Clean latents, as the network says, float32.

        Args:
            noisy: latents [B, 12, N, 8, 8].
            step: [B], noise levels 0..999.
            captions: B.
        """
        with single_frame_bypass(self.unet):
            return cast(Tensor, self.unet(noisy, step, self.embedded(captions)).sample).float()

    def outer(self) -> list[nn.Parameter]:
        """First and last layers and embeddings, which are no maps between features."""
        kinds = ("conv_in", "conv_out", "embedding")
        return [p for name, p in self.named_parameters() if any(kind in name for kind in kinds)]
