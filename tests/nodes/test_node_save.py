"""DisMoSaveVideo: a file with the graph in it."""

from __future__ import annotations

import json
import types
from fractions import Fraction

import pytest
import torch
from comfy_stub import VideoFromComponents

PROMPT = {"1": {"class_type": "DisMoSaveVideo"}}
WORKFLOW = {"nodes": [{"title": "größer"}]}


@pytest.fixture
def save(pack, tmp_path):
    """Function: images, settings -> (file, what the page shows)."""
    node = pack("nodes.shared.save").SaveVideo
    node.hidden = types.SimpleNamespace(prompt=PROMPT, extra_pnginfo={"workflow": WORKFLOW})

    def run(images=None, audio=None, format="mp4"):
        images = torch.rand(5, 7, 9, 3) if images is None else images
        components = types.SimpleNamespace(images=images, frame_rate=Fraction(8), audio=audio)
        output = node.execute(VideoFromComponents(components), "video/dismo", format, 18)
        return tmp_path / "output/video" / f"dismo_00001_.{format}", output.ui

    return run


@pytest.mark.parametrize("format", ["mp4", "webm"])
def test_container_holds_frames_sound_and_graph(pack, save, format):
    audio = {"waveform": torch.rand(1, 2, 5000) - 0.5, "sample_rate": 8000}
    file, shown = save(audio=audio, format=format)
    info = pack("dismo_core.video").probe(file)
    assert pack("dismo_core").read_video(file).frames.shape[0] == 5
    assert info.fps == 8 and info.has_audio
    assert json.loads(info.metadata["workflow"]) == WORKFLOW
    assert json.loads(info.metadata["prompt"]) == PROMPT
    assert shown["images"] == [(f"dismo_00001_.{format}", "video", "output")]


def test_webp_holds_the_graph_where_the_page_looks(save):
    from PIL import Image

    file, _ = save(audio={"waveform": torch.zeros(1, 1, 5000), "sample_rate": 8000}, format="webp")
    with Image.open(file) as picture:
        assert picture.n_frames == 5
        texts = dict(value.split(":", 1) for value in picture.getexif().values())
    assert json.loads(texts["workflow"]) == WORKFLOW
    assert json.loads(texts["prompt"]) == PROMPT


def test_gif(save):
    from PIL import Image

    with Image.open(save(format="gif")[0]) as picture:
        assert picture.n_frames == 5


def test_metadata_can_be_switched_off(pack, save):
    pack("nodes.shared.save").args.disable_metadata = True
    file, _ = save()
    assert not {"workflow", "prompt"} & set(pack("dismo_core.video").probe(file).metadata)


@pytest.mark.parametrize("value", [float("nan"), 255.0])
def test_bad_frames_leave_no_file(pack, save, tmp_path, value):
    images = torch.rand(5, 8, 8, 3)
    images[3] = value
    with pytest.raises(pack("dismo_core").DisMoError):
        save(images)
    assert list((tmp_path / "output/video").iterdir()) == []


def test_mp4_holds_the_graph_where_the_page_looks(save):
    """The page walks the boxes moov / udta / meta and takes names from `keys`, values from `ilst`."""
    file, _ = save()
    meta = box(box(box(file.read_bytes(), b"moov"), b"udta"), b"meta")[4:]
    keys, items = box(meta, b"keys")[8:], box(meta, b"ilst")
    names = [content.decode() for _, content in boxes(keys)]
    tags = {names[int.from_bytes(kind, "big") - 1]: box(content, b"data")[8:] for kind, content in boxes(items)}
    assert json.loads(tags["workflow"]) == WORKFLOW
    assert json.loads(tags["prompt"]) == PROMPT


def boxes(data):
    """(type, content) of each MP4 box in `data`."""
    found, position = [], 0
    while position < len(data):
        size = int.from_bytes(data[position : position + 4], "big")
        found.append((data[position + 4 : position + 8], data[position + 8 : position + size]))
        position += size
    return found


def box(data, kind):
    return dict(boxes(data))[kind]
