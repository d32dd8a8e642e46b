"""CLIP similarity with a CLIP of the real architecture, small and random."""

import json

import pytest
import torch

from dismo_core import DisMoError
from dismo_core.evaluation.similarity import ClipSimilarity


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel, CLIPTokenizer

    root = tmp_path_factory.mktemp("clip")
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    letters = "abcdefghijklmnopqrstuvwxyz"
    tokens = ["<|startoftext|>", "<|endoftext|>", *letters, *(letter + "</w>" for letter in letters)]
    (root / "vocab.json").write_text(json.dumps({token: i for i, token in enumerate(tokens)}))
    (root / "merges.txt").write_text("#version: 0.2\n")
    config = CLIPConfig(
        text_config=sizes
        | {
            "vocab_size": len(tokens),
            "max_position_embeddings": 16,
            "bos_token_id": 0,
            "eos_token_id": 1,
            "pad_token_id": 1,
        },
        vision_config=sizes | {"image_size": 32, "patch_size": 8},
        projection_dim=8,
    )
    CLIPModel(config).save_pretrained(root)
    CLIPTokenizer(str(root / "vocab.json"), str(root / "merges.txt"), model_max_length=16).save_pretrained(root)
    CLIPImageProcessor(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}).save_pretrained(root)
    return root


def frames(seed: int, count: int = 3) -> torch.Tensor:
    rng = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (count, 40, 48, 3), dtype=torch.uint8, generator=rng)


def test_a_video_of_the_picture_alone_is_wholly_alike(folder):
    similarity, video = ClipSimilarity(folder), frames(0)
    assert similarity(video[:1].expand(4, -1, -1, -1), picture=video[0]) == (None, pytest.approx(1, abs=1e-4))
    prompt, likeness = similarity(video, "a cat", torch.zeros(64, 64, 3, dtype=torch.uint8))
    assert -1 <= prompt <= 1 and likeness < 0.999


def test_it_is_the_mean_over_the_frames(folder):
    similarity, video = ClipSimilarity(folder), frames(1)
    one_by_one = [similarity(frame[None], "a dog", video[0]) for frame in video]
    whole = similarity(video, "a dog", video[0])
    assert whole == pytest.approx(tuple(sum(values) / 3 for values in zip(*one_by_one, strict=True)), abs=1e-4)
    assert similarity(video, "a dog") != similarity(video, "something else")
    assert similarity(video) == (None, None)
    assert similarity(video, "a word " * 100)[0] is not None  # longer than the model's text: cut


def test_a_folder_that_is_no_clip_model(tmp_path):
    with pytest.raises(DisMoError, match="no config.json"):
        ClipSimilarity(tmp_path)
    (tmp_path / "config.json").write_text('{"model_type": "clip"}')
    with pytest.raises(DisMoError, match="cannot be loaded"):
        ClipSimilarity(tmp_path)
