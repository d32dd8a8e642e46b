"""The five YAML files of the published code mean what they meant; what they cannot mean is said."""

import logging
import shutil

import pytest
import yaml

from dismo_core import DisMoError
from dismo_core.motiondirector.clips import readable_clips
from dismo_core.motiondirector.config import read_config

SHARED = """
pretrained_model_path: ./models/zeroscope_v2_576w/
output_dir: ./outputs/train
dataset_types: [{kind}]
cache_latents: True
cached_latent_dir: null
use_unet_lora: True
lora_unet_dropout: 0.1
save_pretrained_model: False
lora_rank: 32
learning_rate: 5e-4
adam_weight_decay: {decay}
max_train_steps: {steps}
checkpointing_steps: {save}
validation_steps: {preview}
mixed_precision: fp16
gradient_checkpointing: True
text_encoder_gradient_checkpointing: True
enable_xformers_memory_efficient_attention: True
enable_torch_2_attn: True
train_data:
  width: {width}
  height: {height}
  use_bucketing: True
  sample_start_idx: 1
  fps: 8
  frame_step: 1
  n_sample_frames: {frames}
  {data}
validation_data:
  prompt: ["a person is riding a bicycle", ""]
  sample_preview: True
  num_frames: {frames}
  width: {width}
  height: {height}
  num_inference_steps: 30
  guidance_scale: 12
  spatial_scale: {scale}
  noise_prior: {prior}
"""
VIDEO = dict(width=384, height=384, frames=16, scale=0, prior=0.5, decay="1e-2", steps=150, save=50, preview=50)
SINGLE = VIDEO | dict(kind="single_video", data="single_video_path: {clip}\n  single_video_prompt: a car")
PICTURE = VIDEO | dict(prior=0, scale=1, kind="image")
FIVE = {
    "multi_videos": (
        VIDEO
        | dict(kind="folder", data="path: {clips}\n  fallback_prompt: a bicycle", prior=0, decay="1e-4")
        | dict(steps=3000, save=100, preview=500),
        "", ["a bicycle"] * 2,
    ),
    "single_video": (SINGLE, "", ["a car"] * 8),
    "single_video_24": (
        SINGLE | dict(width=576, height=320, frames=24, steps=300),
        "seed: 64", ["a car"] * 5,
    ),
    "multi_images": (
        PICTURE | dict(data="image_dir: {pictures}\n  fallback_prompt: a warrior", steps=1000),
        "single_spatial_lora: True\ntrain_temporal_lora: False\nrandom_hflip_img: 0.5", ["from its file", "a warrior"],
    ),
    "single_image": (
        PICTURE | dict(data="image_dir: {pictures}\n  single_img_prompt: a car", steps=300, save=100, preview=100),
        "single_spatial_lora: True\ntrain_temporal_lora: False\nrandom_hflip_img: 0.5", ["a car"] * 2,
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def places(tmp_path_factory, real_clip, photograph):
    root = tmp_path_factory.mktemp("data")
    for folder, file, names in (("clips", real_clip, "ab"), ("pictures", photograph, "xy")):
        (root / folder).mkdir()
        for name in names:
            shutil.copy(file, root / folder / f"{name}{file.suffix}")
    (root / "pictures" / "x.txt").write_text("from its file")
    return {"clip": real_clip, "clips": root / "clips", "pictures": root / "pictures"}


def written(path, places, name, changes=()):
    options, more, _ = FIVE[name]
    text = SHARED.format(**options | {"data": options["data"].format(**places)}) + more
    content = yaml.safe_load(text)
    for key, value in changes:
        place = content
        *above, last = key.split(".")
        for part in above:
            place = place[part]
        place[last] = value
    path.write_text(text if not changes else yaml.safe_dump(content))
    return path


@pytest.mark.parametrize("name", FIVE)
def test_the_published_files(tmp_path, places, name, caplog):
    options, more, captions = FIVE[name]
    with caplog.at_level(logging.INFO):
        config = read_config(written(tmp_path / f"config_{name}.yaml", places, name), strict=True)
    training, preview = config.training, config.preview
    assert (training.steps, training.save_every, training.rank) == (options["steps"], options["save"], 32)
    assert (training.learning_rate, training.weight_decay) == (5e-4, float(options["decay"]))
    assert (training.motion, training.single_appearance, training.flip) == (
        (False, True, 0.5) if "image" in name else (True, False, 0.0)
    )
    assert (
        training.accumulation == 1
        and training.checkpointing
        and training.dropout == 0.1
        and training.clip == float("inf")
    )
    assert (config.size.width, config.size.height, config.size.fit) == (options["width"], options["height"], "official")
    assert (preview.every, preview.frames, preview.noise_prior) == (
        options["preview"],
        options["frames"],
        options["prior"],
    )
    assert preview.appearance_scale == options["scale"] and preview.prompts[0] == "a person is riding a bicycle"
    assert "enable_torch_2_attn changes nothing" in caplog.text and "lora_rank" not in caplog.text
    clips = readable_clips(config.clips())
    assert [clip.caption for clip in clips] == captions
    wanted = 16 if "image" in name else options["frames"]
    assert max(len(clip.read()) for clip in clips) == wanted


def test_absent_keys_have_the_published_defaults(tmp_path, places):
    path = tmp_path / "a.yaml"
    path.write_text(f"dataset_types: folder\ntrain_data:\n  path: {places['clips']}\n  width: 384\n  height: 384\n")
    config = read_config(path)
    training = config.training
    assert (training.learning_rate, training.rank, training.steps, training.checkpointing) == (5e-5, 16, 500, False)
    assert config.preview.every == 0 and config.size.fit == "stretch"


def test_several_data_sets_and_their_extension(tmp_path, places):
    more = [
        {
            "dataset_types": ["single_video"],
            "train_data": {"single_video_path": str(places["clip"]), "n_sample_frames": 60, "single_video_prompt": "b"},
        }
    ]
    changes = [("extra_train_data", more), ("extend_dataset", True), ("train_data.n_sample_frames", 4)]
    config = read_config(written(tmp_path / "a.yaml", places, "multi_videos", changes))
    clips = readable_clips(config.clips())
    assert [clip.caption for clip in clips] == ["a bicycle", "a bicycle", "b", "b"]


BAD = {
    "there is no key learn_rate. Known are": [("learn_rate", 1)],
    "there is no key train_data.hight": [("train_data.hight", 1)],
    "lora_rank is 'big', a str, where int belongs": [("lora_rank", "big")],
    "seed is True, a bool, where int belongs": [("seed", True)],
    r"train_data.path is outputs/bicycle-1, which is not there": [("train_data.path", "outputs/bicycle-1")],
    "no data set type 'video'": [("dataset_types", ["video"])],
    "needs train_data.image_dir": [("dataset_types", ["image"])],
    "multiples of 64": [("train_data.width", 400)],
    "cached_latent_dir is nowhere": [("cached_latent_dir", "nowhere")],
    "each entry of extra_train_data": [("extra_train_data", [1])],
}


@pytest.mark.parametrize(("message", "changes"), BAD.items())
def test_what_a_file_cannot_say(tmp_path, places, message, changes):
    with pytest.raises(DisMoError, match=message):
        read_config(written(tmp_path / "a.yaml", places, "multi_videos", changes), strict=True)


def test_unknown_keys_are_named_without_strict(tmp_path, places, caplog):
    read_config(written(tmp_path / "a.yaml", places, "multi_videos", [("learn_rate", 1)]))
    assert "the key learn_rate is not known" in caplog.text


@pytest.mark.parametrize("text", ["- 1", "a: [", "!!python/object/apply:os.system ['true']"])
def test_what_is_no_config(tmp_path, text):
    path = tmp_path / "a.yaml"
    path.write_text(text)
    with pytest.raises(DisMoError, match="a.yaml"):
        read_config(path)


def test_a_folder_that_is_not_there_is_named_with_its_neighbours(tmp_path, places):
    wrong = str(places["clips"].with_name("clips-1"))
    with pytest.raises(DisMoError, match="Beside it are: clips, pictures"):
        read_config(written(tmp_path / "a.yaml", places, "multi_videos", [("train_data.path", wrong)]))
