"""SAM 2 and SAM 3 of transformers in their real classes, with few random weights, saved to folders as the hub's are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

SIDE = 64  # px of the pictures that the toys see
WIDTH, MEMORY = 128, 64  # the second is fixed in transformers, and must be less


def make_sam2(folder: Path) -> None:
    """A Sam2VideoModel and its processor."""
    from transformers import (
        Sam2ImageProcessor,
        Sam2VideoConfig,
        Sam2VideoModel,
        Sam2VideoProcessor,
        Sam2VideoVideoProcessor,
    )

    torch.manual_seed(0)
    backbone = dict(
        model_type="sam2_hiera_det_model",
        hidden_size=8,
        image_size=[SIDE, SIDE],
        blocks_per_stage=[1, 1, 2, 1],
        embed_dim_per_stage=[8, 16, 32, 64],
        num_attention_heads_per_stage=[1, 1, 1, 1],
        window_size_per_stage=[8, 4, 14, 7],
        global_attention_blocks=[3],
    )
    sizes = [[SIDE // 4] * 2, [SIDE // 8] * 2, [SIDE // 16] * 2]
    vision = dict(
        model_type="sam2_vision_model",
        backbone_config=backbone,
        backbone_channel_list=[64, 32, 16, 8],
        backbone_feature_sizes=sizes,
        fpn_hidden_size=WIDTH,
    )
    config = Sam2VideoConfig(vision_config=vision, image_size=SIDE, **_tracker(16))
    Sam2VideoModel(config).save_pretrained(folder)
    size = {"height": SIDE, "width": SIDE}
    Sam2VideoProcessor(Sam2ImageProcessor(size=size), Sam2VideoVideoProcessor(size=size)).save_pretrained(folder)


def _tracker(patch: int) -> dict[str, Any]:
    """What both have: a memory of masks, and a decoder that is prompted."""
    return dict(
        prompt_encoder_config=dict(hidden_size=WIDTH, image_size=SIDE, patch_size=patch, mask_input_channels=4),
        mask_decoder_config=dict(hidden_size=WIDTH, mlp_dim=32, num_attention_heads=2, iou_head_hidden_dim=16),
        memory_attention_hidden_size=WIDTH,
        memory_attention_num_layers=1,
        memory_attention_feed_forward_hidden_size=32,
        memory_attention_rope_feat_sizes=[SIDE // patch] * 2,
        memory_encoder_hidden_size=WIDTH,
        memory_encoder_output_channels=MEMORY,
        mask_downsampler_embed_dim=WIDTH,
        memory_fuser_embed_dim=WIDTH,
        memory_fuser_intermediate_dim=32,
        num_maskmem=3,
    )


def make_sam3(folder: Path, threshold: float = 0.0) -> None:
    """A Sam3VideoModel and its processor; threshold: score above which it takes something for what the words mean."""
    from transformers import (
        CLIPTokenizer,
        Sam2VideoVideoProcessor,
        Sam3ImageProcessor,
        Sam3VideoConfig,
        Sam3VideoModel,
        Sam3VideoProcessor,
    )

    torch.manual_seed(0)
    patch = 8
    grid = SIDE // patch
    vision = dict(
        model_type="sam3_vision_model",
        backbone_config=dict(
            model_type="sam3_vit_model",
            hidden_size=32,
            intermediate_size=32,
            num_hidden_layers=2,
            num_attention_heads=2,
            image_size=SIDE,
            patch_size=patch,
            window_size=4,
            global_attn_indexes=[1],
            pretrain_image_size=SIDE // 2,
        ),
        fpn_hidden_size=WIDTH,
        backbone_feature_sizes=[[4 * grid] * 2, [2 * grid] * 2, [grid] * 2],
    )
    layers = dict(hidden_size=WIDTH, num_attention_heads=2)
    letters = {letter: number for number, letter in enumerate("abcdefghijklmnopqrstuvwxyz", 3)}
    ends = {f"{letter}</w>": number + 26 for letter, number in letters.items()}
    tokens = {"<|startoftext|>": 0, "<|endoftext|>": 1} | letters | ends
    detector = dict(
        model_type="sam3",
        vision_config=vision,
        text_config=dict(
            model_type="clip_text_model",
            vocab_size=64,
            hidden_size=32,
            intermediate_size=32,
            projection_dim=32,
            num_hidden_layers=1,
            num_attention_heads=2,
            max_position_embeddings=32,
            bos_token_id=0,
            eos_token_id=1,
            pad_token_id=1,
        ),
        geometry_encoder_config=layers | dict(num_layers=1, intermediate_size=32),
        detr_encoder_config=layers | dict(num_layers=1, intermediate_size=32),
        detr_decoder_config=layers | dict(num_layers=1, intermediate_size=32, num_queries=4),
        mask_decoder_config=layers,
    )
    tracker = dict(model_type="sam3_tracker_video", vision_config=vision, image_size=SIDE, **_tracker(patch))
    config = Sam3VideoConfig(
        detector_config=detector,
        tracker_config=tracker,
        low_res_mask_size=4 * grid,
        score_threshold_detection=threshold,
        new_det_thresh=threshold,
        fill_hole_area=0,
    )
    Sam3VideoModel(config).save_pretrained(folder)
    size = {"height": SIDE, "width": SIDE}
    pictures, frames = Sam3ImageProcessor(size=size), Sam2VideoVideoProcessor(size=size)
    Sam3VideoProcessor(pictures, frames, CLIPTokenizer(vocab=tokens, merges=[])).save_pretrained(folder)
