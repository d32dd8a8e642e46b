"""The pack beside ComfyUI's own video nodes, and beside packs that give half-precision images."""

from __future__ import annotations

import copy
import io
from urllib.parse import urlencode

import pytest

FRAMES, FPS = 9, 8
CLIP, PICTURE, HALF_CLIP = "moving.mp4", "still.png", ["3", 0]
GRAPH = {
    "1": {"class_type": "LoadVideo", "inputs": {"file": CLIP}},
    "2": {"class_type": "GetVideoComponents", "inputs": {"video": ["1", 0]}},
    "3": {"class_type": "DisMoProbeHalf", "inputs": {"images": ["2", 0]}},
    "4": {"class_type": "LoadImage", "inputs": {"image": PICTURE}},
    "5": {"class_type": "LoadDisMoExtractor", "inputs": {"model": "tiny", "precision": "fp32", "download": False}},
    "6": {
        "class_type": "ExtractMotion",
        "inputs": {
            "extractor": ["5", 0],
            "video": ["1", 0],
            "fps": FPS,
            "start": 0.0,
            "frame_count": FRAMES,
            "reverse": False,
        },
    },
    "7": {"class_type": "DisMoLoadFrameGenerator", "inputs": {"model": "tiny", "precision": "fp32"}},
    "8": {
        "class_type": "MotionTransferSample",
        "inputs": {
            "model": ["7", 0],
            "motion": ["6", 0],
            "image": ["4", 0],
            "prompt": "",
            "negative_prompt": "",
            "steps": 1,
            "guidance": 0.0,
            "strength": 1.0,
            "seed": 0,
            "fit": "crop",
            "length": "trim",
            "audio": ["2", 1],
        },
    },
    "9": {
        "class_type": "SaveVideo",
        "inputs": {"video": ["8", 0], "filename_prefix": "video/core", "format": "auto", "codec": "auto"},
    },
    "10": {"class_type": "GetVideoComponents", "inputs": {"video": ["8", 0]}},
    "11": {"class_type": "SaveImage", "inputs": {"images": ["10", 0], "filename_prefix": "sockets"}},
    "12": {"class_type": "SaveAudio", "inputs": {"audio": ["10", 1], "filename_prefix": "audio/sockets"}},
    "13": {"class_type": "PreviewAny", "inputs": {"source": ["10", 2]}},
}


@pytest.fixture(scope="module", autouse=True)
def files(server):
    """A clip of 2 s at 24 fps with sound, and a photograph that is no square, in the server's input folder."""
    import numpy as np
    import torch
    from PIL import Image

    from dismo_core import write_video
    from dismo_core.video import Audio

    wave = torch.sin(torch.arange(2 * 44100) * 0.06)[None].repeat(2, 1)
    pattern = np.random.default_rng(0).integers(0, 255, (12, 20, 3), dtype=np.uint8)
    wide = torch.from_numpy(np.array(Image.fromarray(pattern).resize((400, 96), Image.Resampling.BICUBIC)))
    moving = torch.stack([wide[:, 3 * index : 3 * index + 160] for index in range(48)])
    write_video(server.base / "input" / CLIP, moving, 24, audio=Audio(wave, 44100))
    Image.fromarray(wide[:, :200].numpy()).save(server.base / "input" / PICTURE)


def changed(**nodes):
    """The graph with other inputs at some nodes, named n1, n2, ...; an input that is None is taken away."""
    prompt = copy.deepcopy(GRAPH)
    for node, inputs in nodes.items():
        merged = prompt[node[1:]]["inputs"] | inputs
        prompt[node[1:]]["inputs"] = {key: value for key, value in merged.items() if value is not None}
    return prompt


def results(server, prompt):
    """node id -> what it has shown."""
    run = server.run(prompt)
    assert run.events[-1]["type"] == "execution_success", run.events[-1]
    return {event["node"]: event["output"] for event in run.data("executed")}


def contents(server, entries):
    return [io.BytesIO(server.get(f"/view?{urlencode(entry)}")) for entry in entries]


def frames(server, shown):
    """[T,H,W,3] of the pictures that SaveImage has saved."""
    import numpy as np
    from PIL import Image

    return np.stack([np.asarray(Image.open(file)) for file in contents(server, shown["11"]["images"])]).astype(int)


def test_load_video_to_save_video_with_the_sound_of_the_clip(server):
    """Through ComfyUI's own nodes on both sides; 2 s of sound are cut to the 9 frames at 8 fps."""
    import av

    shown = results(server, GRAPH)
    with av.open(contents(server, shown["9"]["images"])[0]) as container:
        assert container.streams.video[0].average_rate == FPS
        assert "prompt" in container.metadata
        assert sum(1 for _ in container.decode(video=0)) == FRAMES
    with av.open(contents(server, shown["12"]["audio"])[0]) as container:
        assert container.streams.audio[0].sample_rate == 44100
        samples = sum(frame.samples for frame in container.decode(audio=0))
    assert samples == pytest.approx(FRAMES / FPS * 44100, abs=1)
    assert shown["13"]["text"] == [f"{FPS}.0"] or shown["13"]["text"] == (f"{FPS}.0",)
    assert len(frames(server, shown)) == FRAMES


def test_own_save_video_keeps_the_sound(server):
    import av

    prompt = changed()
    inputs = {"video": ["8", 0], "filename_prefix": "video/sound", "format": "mp4", "crf": 18}
    prompt["9"] = {"class_type": "DisMoSaveVideo", "inputs": inputs}
    shown = results(server, prompt)
    with av.open(contents(server, shown["9"]["images"])[0]) as container:
        seconds = sum(frame.samples for frame in container.decode(audio=0)) / 44100
    assert seconds == pytest.approx(FRAMES / FPS, abs=0.05)  # AAC counts in blocks


def difference(server, prompt, other):
    """Mean difference of two results, in 1/255."""
    return abs(frames(server, results(server, prompt)) - frames(server, results(server, other))).mean()


def test_a_video_of_frames_is_as_good_as_a_file(server):
    prompt = changed(n6={"video": ["20", 0]})
    prompt["20"] = {"class_type": "CreateVideo", "inputs": {"images": ["2", 0], "fps": 24.0}}
    assert difference(server, prompt, GRAPH) < 1


def test_a_batch_of_images_is_as_good_as_a_video(server):
    """Each at the rate of the clip, which Get Video Components tells."""
    images = changed(n6={"video": None, "images": ["2", 0], "fps": ["2", 2]})
    assert difference(server, images, changed(n6={"fps": 24.0})) < 1


def test_half_precision_images(server):
    """As clip, as picture, and in a video that is saved."""
    at_24 = {"video": None, "fps": 24.0}
    half = changed(n6=at_24 | {"images": HALF_CLIP}, n8={"image": ["21", 0]})
    half["21"] = {"class_type": "DisMoProbeHalf", "inputs": {"images": ["4", 0]}}
    half["22"] = {"class_type": "CreateVideo", "inputs": {"images": HALF_CLIP, "fps": 24.0}}
    inputs = {"video": ["22", 0], "filename_prefix": "video/half", "format": "mp4", "crf": 18}
    half["23"] = {"class_type": "DisMoSaveVideo", "inputs": inputs}
    assert difference(server, half, changed(n6=at_24 | {"images": ["2", 0]})) < 1


def test_a_clip_without_sound_gives_a_video_without_sound(server):
    import av

    from dismo_core.assets.examples import example

    (server.base / "input/silent.mp4").write_bytes(example("drawn")[0].read_bytes())
    prompt = changed(n1={"file": "silent.mp4"}, n9={"filename_prefix": "video/silent"})
    del prompt["12"]
    with av.open(contents(server, results(server, prompt)["9"]["images"])[0]) as container:
        assert not container.streams.audio
