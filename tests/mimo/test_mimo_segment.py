"""The person's mask by segmenters of transformers: its own classes with few random weights, and what is said where there are none."""

from collections import Counter

import numpy as np
import pytest
import torch
import transformers
from segmenter_toys import SIDE, make_sam2, make_sam3

from dismo_core import DisMoError
from dismo_core.cli.hints import HINTS as COMMAND_LINE
from dismo_core.cli.main import main
from dismo_core.mimo.templates.segment import segment_person
from dismo_core.mimo.templates.template import Template
from dismo_core.video import write_video

try:
    import torchvision  # noqa: F401
except (ImportError, RuntimeError):
    HAS_TORCHVISION = False  # or one that was made for another torch
else:
    HAS_TORCHVISION = True
needs_torchvision = pytest.mark.skipif(
    not HAS_TORCHVISION, reason="transformers prepares the pictures of SAM 2 and SAM 3 by torchvision"
)
FRAMES = np.random.default_rng(0).integers(0, 255, (3, 48, 64, 3), dtype=np.uint8)


def test_without_a_segmenter_the_error_says_how_to_give_a_mask(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(DisMoError, match="facebook/sam3 does not load.*hf download facebook/sam3.*mask") as found:
        segment_person(FRAMES, "person")
    assert "--mask" in str(found.value.spoken(COMMAND_LINE))
    with pytest.raises(DisMoError, match="sam2.1-hiera-small does not load"):
        segment_person(FRAMES, " 20, 30 ")
    with pytest.raises(DisMoError, match="64,10 lies outside of the clip, which is 64x48"):
        segment_person(FRAMES, "64,10")
    with pytest.raises(DisMoError, match="no words"):
        segment_person(FRAMES, " ")
    write_video(tmp_path / "clip.mp4", torch.from_numpy(FRAMES), 30)
    build = ["mimo", "template", "build", str(tmp_path / "clip.mp4"), "-o", str(tmp_path / "t")]
    assert main([*build, "--segment", "person"]) == 2
    assert "--mask" in capsys.readouterr().err and not (tmp_path / "t").exists()
    assert main(build) == 2
    assert "--mask" in capsys.readouterr().err


def spied(monkeypatch, owner, name):
    """What a method is given, and what it returns."""
    calls, method = [], getattr(owner, name)

    def spy(self, *given, **named):
        calls.append((given, method(self, *given, **named)))
        return calls[-1][1]

    monkeypatch.setattr(owner, name, spy)
    return calls


@pytest.fixture(scope="module")
def sam2(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sam2")
    make_sam2(folder)
    return str(folder)


@pytest.fixture(scope="module")
def sam3(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sam3")
    make_sam3(folder)
    return str(folder)


@needs_torchvision
def test_a_point_prompts_sam2(sam2, monkeypatch):
    points = spied(monkeypatch, transformers.Sam2VideoInferenceSession, "add_point_inputs")
    sizes = spied(monkeypatch, transformers.Sam2VideoModel, "forward")
    seen = []
    masks = segment_person(FRAMES, "20,30", sam2, progress=lambda *step: seen.append(step))
    assert masks.shape == FRAMES.shape[:3] and masks.dtype == np.uint8 and set(np.unique(masks)) == {0, 255}
    ((_, frame, given), _), *more = points
    height, width = FRAMES.shape[1:3]
    assert frame == 0 and not more and given["point_labels"].flatten().tolist() == [1]
    assert given["point_coords"].flatten().tolist() == pytest.approx([20 * SIDE / width, 30 * SIDE / height])
    assert [output.frame_idx for _, output in sizes] == [0, 1, 2] and seen == [(1, 3), (2, 3), (3, 3)]
    for mask, (_, output) in zip(masks, sizes, strict=True):
        small = torch.nn.functional.interpolate(output.pred_masks.float(), (height, width), mode="bilinear")
        assert np.array_equal(mask > 0, small[0, 0].numpy() > 0)


@needs_torchvision
def test_words_prompt_sam3_and_the_largest_thing_over_the_clip_is_taken(sam3, monkeypatch):
    words = spied(monkeypatch, transformers.Sam3VideoInferenceSession, "add_prompt")
    shown = spied(monkeypatch, transformers.Sam3VideoProcessor, "postprocess_outputs")
    masks = segment_person(FRAMES, "a person", sam3)
    assert masks.shape == FRAMES.shape[:3] and masks.dtype == np.uint8 and set(np.unique(masks)) == {0, 255}
    assert [given for given, _ in words] == [("a person",)]
    areas = Counter()
    for _, found in shown:
        areas.update({int(key): int(mask.sum()) for key, mask in zip(found["object_ids"], found["masks"], strict=True)})
    assert len(areas) > 1 and int((masks > 0).sum()) == max(areas.values())


@needs_torchvision
def test_segmenters_that_find_nothing_or_are_of_the_other_kind(sam2, sam3, tmp_path):
    make_sam3(tmp_path, threshold=1.0)
    with pytest.raises(DisMoError, match="finds no 'person'"):
        segment_person(FRAMES, "person", str(tmp_path))
    with pytest.raises(DisMoError, match="of another kind, sam2_video. Words need SAM 3; SAM 2 takes a point"):
        segment_person(FRAMES, "person", sam2)
    with pytest.raises(DisMoError, match="of another kind, sam3_video. A point needs SAM 2"):
        segment_person(FRAMES, "20,30", sam3)


@needs_torchvision
def test_a_template_is_built_with_a_segmenter(sam2, tmp_path, capsys):
    write_video(tmp_path / "clip.mp4", torch.from_numpy(FRAMES), 30, crf=0)
    build = ["mimo", "template", "build", str(tmp_path / "clip.mp4"), "-o", str(tmp_path / "t")]
    assert main([*build, "--segment", "20,30", "--segmenter", sam2, "--device", "cpu"]) == 0
    assert "vid, bk, mask; 3 frames" in capsys.readouterr().out
    assert Template.load(tmp_path / "t").read().mask.max() > 200


@pytest.mark.skipif(HAS_TORCHVISION, reason="torchvision is here")
def test_without_torchvision_the_error_names_it(tmp_path):
    with pytest.raises(ImportError):
        make_sam2(tmp_path)  # writes the model, and then has no processor
    with pytest.raises(DisMoError, match="needs torchvision.*pip install torchvision.*mask"):
        segment_person(FRAMES, "20,30", str(tmp_path))
