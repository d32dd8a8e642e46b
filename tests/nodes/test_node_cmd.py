"""The nodes of CMD: how widgets and pictures reach `dismo_core`, and what is refused. On small made models."""

from __future__ import annotations

import asyncio
import os
import shutil
from fractions import Fraction

import pytest
import torch
from cmd_models import CLASSES, FRAMES, SIDE, made_clips, made_models
from schema_reader import read_schemas

FOLDER = "nodes.content_motion."


def defaults(node):
    return {port["id"]: port["default"] for port in read_schemas()[node]["inputs"] if "default" in port}


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    return made_models(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return made_clips(tmp_path_factory.mktemp("clips"), classes=1, each=1) / "class0" / "0.mp4"


@pytest.fixture
def nodes(pack, models, tmp_path):
    """The nodes by their class names, with the made models in ComfyUI's folder."""
    asyncio.run(asyncio.run(pack().comfy_entrypoint()).get_node_list())
    shutil.copytree(models, tmp_path / "models/dismo/content_motion/made")
    (tmp_path / "input").mkdir()
    found = {}
    for name in ("cmd_loader", "cmd_encode", "cmd_decode", "cmd_sample", "cmd_edit", "cmd_library"):
        found |= vars(pack(FOLDER + name))
    return found


@pytest.fixture
def model(nodes):
    (loaded,) = nodes["CMDLoadModel"].execute("made", "fp32")
    return loaded


@pytest.fixture
def parts(nodes, model, clip):
    """content, motion, weights, sampled of the clip."""
    from comfy_api.latest import InputImpl

    how = defaults("DisMoCMDEncode") | {"frame_count": FRAMES}
    return nodes["CMDEncode"].execute(model, video=InputImpl.VideoFromFile(str(clip)), **how)


def test_models_are_found_in_folders_and_files(pack, nodes, tmp_path, models):
    files = pack(FOLDER + "cmd_files")
    shutil.copy(models / "autoencoder.safetensors", tmp_path / "models/dismo/content_motion/alone.safetensors")
    assert files.models() == ["tiny", "made", "alone.safetensors"]
    before = nodes["CMDLoadModel"].fingerprint_inputs("made")
    os.utime(tmp_path / "models/dismo/content_motion/made/motion_model.safetensors", (1, 1))
    assert nodes["CMDLoadModel"].fingerprint_inputs("made") != before
    (alone,) = nodes["CMDLoadModel"].execute("alone.safetensors", "bf16")
    assert alone.motion_model is None and alone.autoencoder.pre_xt.weight.dtype == torch.bfloat16
    for wrong in ("gone", "../../../input"):
        with pytest.raises(pack("dismo_core").DisMoError, match="There is no gone|leads out"):
            nodes["CMDLoadModel"].execute(wrong, "fp32")


def test_a_clip_taken_apart_is_put_together(nodes, model, parts):
    content, motion, weights, sampled = parts
    assert content.shape == weights.shape == (1, SIDE, SIDE, 3) and sampled.shape == (FRAMES, SIDE, SIDE, 3)
    assert 0 <= content.min() and content.max() <= 1
    assert (weights - 0.5).abs().max() < 0.01  # the made model's content is the mean frame
    assert (content - sampled.mean(dim=0)).abs().max() < 0.01
    (video,), (images,) = nodes["CMDDecode"].execute(model, content, motion, 1.0)
    assert images.shape == sampled.shape and video.get_components().frame_rate == Fraction(8)
    again = nodes["CMDEncode"].execute(
        model, images=sampled, **defaults("DisMoCMDEncode") | {"frame_count": FRAMES, "refine": 2}
    )
    assert again[1].frames == FRAMES and not torch.equal(again[1].values, motion.values)


def test_a_batch_of_pictures_of_any_size_moves_alike(nodes, model, parts, caplog):
    _, motion, _, _ = parts
    videos, batches = nodes["CMDDecode"].execute(model, torch.rand(2, 40, 60, 4), motion, 0.0)
    assert len(videos) == 2 and all(images.shape == (FRAMES, SIDE, SIDE, 3) for images in batches)
    assert f"The picture of 60x40 px was cut and scaled to {SIDE}x{SIDE} px" in caplog.text


def test_what_is_drawn_depends_on_the_seed_alone(nodes, model):
    how = defaults("DisMoCMDSampleContent") | {"steps": 2}
    (one,) = nodes["CMDSampleContent"].execute(model, **how | {"batch_size": 2})
    (second,) = nodes["CMDSampleContent"].execute(model, **how | {"seed": 1})
    assert one.shape == (2, SIDE, SIDE, 3)
    torch.testing.assert_close(one[1:], second, atol=1e-5, rtol=0)
    motions = [
        nodes["CMDSampleMotion"].execute(
            model, one[:1], **defaults("DisMoCMDSampleMotion") | {"steps": 2, "seed": seed, "frames": FRAMES}
        )[0]
        for seed in (4, 4, 5)
    ]
    assert torch.equal(motions[0].values, motions[1].values) and not torch.equal(motions[0].values, motions[2].values)
    nodes["CMDDecode"].execute(model, one[:1], motions[0], 0.5)  # which needs its still motion


OPERATIONS = {
    "scale": (dict(amount=0.5), lambda m: m.scaled(0.5)),
    "reverse": (dict(), lambda m: m.reversed()),
    "retime": (dict(frames=5), lambda m: m.retimed(5)),
    "shift": (dict(x=4.0, y=-2.0), lambda m: m.shifted(4, -2)),
    "loop": (dict(frames=20), lambda m: m.loop(20)),
    "hold": (dict(frames=20), lambda m: m.hold(20)),
    "trim": (dict(frames=3), lambda m: m.trimmed(3)),
}


@pytest.mark.parametrize("operation", OPERATIONS)
def test_edits(operation, nodes, parts):
    given, expected = OPERATIONS[operation]
    how = defaults("DisMoCMDEdit") | given | {"operation": operation}
    (edited,) = nodes["CMDEdit"].execute(parts[1], **how)
    assert torch.equal(edited.values, expected(parts[1]).values)
    assert OPERATIONS.keys() == set(
        next(p for p in read_schemas()["DisMoCMDEdit"]["inputs"] if p["id"] == "operation")["options"]
    )


def test_mixes(nodes, parts, pack):
    motion, mix = parts[1], nodes["CMDMix"].execute
    back = motion.reversed()
    region = torch.zeros(1, 4, 4)
    region[0, 1:3, 0:2] = 1  # rows 4..12, columns 0..8 of the frame
    cases = {
        "interpolate": motion.mixed(back, 0.25),
        "add": motion.added(back, 0.25),
        "concatenate": motion.concatenate(back),
        "transplant": motion.transplanted(back, (0, SIDE / 4, SIDE / 2, 3 * SIDE / 4)),
    }
    for mode, expected in cases.items():
        (mixed,) = mix(motion, back, mode, 0.25, region)
        assert torch.equal(mixed.values, expected.values), mode
    for wrong, told in ((None, "needs a mask"), (torch.zeros(1, 4, 4), "region is empty")):
        with pytest.raises(pack("dismo_core").DisMoError, match=told):
            mix(motion, back, "transplant", 0.5, wrong)


def test_a_file_is_a_motion_or_a_clip(nodes, parts, pack, tmp_path):
    content, motion, _, _ = parts
    save, load, files = nodes["CMDSave"].execute, nodes["CMDLoad"], pack(FOLDER + "cmd_files")
    shown = save(motion, "motion/cmd")
    assert shown.ui is None
    found, grey = load.execute("motion/cmd_00001_.safetensors [output]")
    assert torch.equal(found.values, motion.values) and (grey == 0.5).all()
    shown = save(motion, "clip", content)
    assert torch.equal(shown.ui["images"], content)
    assert files.motions() == ["clip_00001_.safetensors [output]", "motion/cmd_00001_.safetensors [output]"]
    _, kept = load.execute("clip_00001_.safetensors [output]")
    torch.testing.assert_close(kept, content)
    before = load.fingerprint_inputs("clip_00001_.safetensors [output]")
    os.utime(tmp_path / "output/clip_00001_.safetensors", (1, 1))
    assert load.fingerprint_inputs("clip_00001_.safetensors [output]") != before
    for wrong in ("gone.safetensors", "../secret.safetensors", "../secret.safetensors [output]"):
        with pytest.raises(pack("dismo_core").DisMoError, match="There is no motion file|leads out"):
            load.execute(wrong)
    with pytest.raises(pack("dismo_core").DisMoError, match="leads out"):
        save(motion, "../motion")


def test_what_is_refused(nodes, model, parts, pack, clip):
    from comfy_api.latest import InputImpl

    error = pack("dismo_core").DisMoError
    content, motion, _, sampled = parts
    how = defaults("DisMoCMDEncode")
    for given in ({}, {"video": InputImpl.VideoFromFile(str(clip)), "images": sampled}):
        with pytest.raises(error, match="needs exactly one clip"):
            nodes["CMDEncode"].execute(model, **how, **given)
    with pytest.raises(error, match="read 1 frames"):
        nodes["CMDEncode"].execute(model, images=sampled[:1], **how)
    with pytest.raises(error, match=f"draws {FRAMES} frames, as it was trained, not 16"):
        nodes["CMDSampleMotion"].execute(model, content, **defaults("DisMoCMDSampleMotion"))
    with pytest.raises(error, match=str(CLASSES + 5)):
        nodes["CMDSampleContent"].execute(model, **defaults("DisMoCMDSampleContent") | {"label": CLASSES + 5})
    from dataclasses import replace

    with pytest.raises(error, match=f"{'0' * 16}.*{model.autoencoder.id}"):
        nodes["CMDDecode"].execute(model, content, replace(motion, autoencoder="0" * 16), 1.0)
