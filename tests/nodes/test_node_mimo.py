"""MIMO's nodes with a stand-in for ComfyUI: what reaches `dismo_core.mimo`, and what comes back. The real one: `tests/comfyui`."""

from __future__ import annotations

import asyncio
import types
import zipfile
from fractions import Fraction

import numpy as np
import pytest
import torch

from dismo_core.mimo.drawn.drawn_scenes import draw_scene
from dismo_core.video import read_video, write_video

INSERT = dict(anchor="feet", scale="height", size=1.0, time="stretch", smooth=5, feather=1.0, flip=False)
INSERT |= dict(shadow=False, match_colour=False)
BUILD = dict(fps=30.0, max_frames=150, person_from="mask")
PLAN = dict(size=64, overlap=4, min_area=0.5, as_released=False)


@pytest.fixture(scope="module")
def scene():
    return draw_scene(12, camera="static", frames=10, size=(96, 64))


@pytest.fixture
def mimo(pack):
    """The core's MIMO as the pack has it, its folders registered."""
    asyncio.run(asyncio.run(pack().comfy_entrypoint()).get_node_list())
    return pack("dismo_core.mimo")


@pytest.fixture
def template(mimo, scene):
    return mimo.Template(sdc=scene.sdc, vid=scene.vid, bk=scene.bk, mask=scene.mask, occ=scene.occ)


def image(frames):
    """uint8 pictures or masks as ComfyUI has them."""
    return torch.from_numpy(np.asarray(frames)).float() / 255


def read_back(video):
    """Frames uint8 of a VIDEO in a file."""
    return read_video(video.get_stream_source()).frames.numpy()


def near(found, wanted, levels=3.0):
    """The same but for what a codec loses."""
    assert found.shape == wanted.shape
    return np.abs(found.astype(int) - wanted).mean() < levels


def test_the_example_is_inserted_as_the_core_does(pack, mimo):
    example = pack("nodes.mimo.example").Example
    made, reference, character, alpha = example.execute("gym")
    assert reference.shape[1] == reference.shape[2] and reference[0, 0, 0].tolist() == [1, 1, 1]
    assert character.shape[:3] == alpha.shape
    (video,) = pack("nodes.mimo.insert").InsertCharacter.execute(made, character=character, alpha=alpha, **INSERT)
    wanted = mimo.insert_character(
        (character * 255).round().byte().numpy(), (alpha * 255).round().byte().numpy(), made, feather=1
    )
    assert near(read_back(video), wanted)


def test_a_character_on_a_flat_background_or_transparent_or_in_a_video(pack, mimo, template, scene, tmp_path):
    node = pack("nodes.mimo.insert").InsertCharacter
    character = scene.character[:, :86, :82]  # even, as videos have it
    alpha = np.where(scene.alpha[:, :86, :82] > 127, 255, 0).astype(np.uint8)
    masked = node.execute(template, character=image(character), alpha=image(alpha), **INSERT)[0]
    four = torch.cat((image(character), image(alpha)[..., None]), 3)
    assert np.array_equal(read_back(node.execute(template, character=four, **INSERT)[0]), read_back(masked))
    green = np.where(alpha[..., None] > 0, character, np.array([20, 200, 60], np.uint8))
    assert near(read_back(node.execute(template, character=image(green), **INSERT)[0]), read_back(masked), 1)
    write_video(tmp_path / "character.mp4", torch.from_numpy(green), 30, crf=2)
    file = pack("nodes.mimo.media").InputImpl.VideoFromFile(str(tmp_path / "character.mp4"))
    assert near(read_back(node.execute(template, character_video=file, **INSERT)[0]), read_back(masked), 2)
    one = node.execute(template, character_video=file, alpha=image(alpha), **INSERT)[0]
    assert near(read_back(one), read_back(masked), 2)
    long = types.SimpleNamespace(images=image(np.repeat(character, 5, 0)), frame_rate=Fraction(30), audio=None)
    memory = types.SimpleNamespace(get_components=lambda: long)
    many = image(np.repeat(alpha, 5, 0))
    again = node.execute(template, character_video=memory, alpha=many, **INSERT | {"time": "stretch"})[0]
    assert near(read_back(again), read_back(masked), 2), "all 50 frames of it, over the template's 10"


def test_what_cannot_be_inserted(pack, mimo, template, scene):
    node, error = pack("nodes.mimo.insert").InsertCharacter, pack("dismo_core").DisMoError
    with pytest.raises(error, match="exactly one character, but neither"):
        node.execute(template, **INSERT)
    with pytest.raises(error, match="its alpha 3 of"):
        node.execute(template, character=image(scene.character), alpha=image(scene.alpha[:3]), **INSERT)
    with pytest.raises(error, match="nor a background of one color"):
        node.execute(template, character=image(scene.vid), **INSERT)
    with pytest.raises(error, match="size must be"):
        node.execute(template, character=image(scene.character), alpha=image(scene.alpha), **INSERT | {"size": 9.0})


def test_a_reference_is_prepared_by_mask_transparency_or_flat_background(pack, mimo, scene):
    node = pack("nodes.mimo.reference").PrepareReference
    alpha = np.where(scene.alpha[0] > 127, 255, 0).astype(np.uint8)
    wanted = image(mimo.prepare_reference(scene.character[0], alpha)[None])
    picture = image(scene.character[:1])
    assert torch.equal(node.execute(picture, image(alpha[None]))[0], wanted)
    assert torch.equal(node.execute(torch.cat((picture, image(alpha)[None, ..., None]), 3))[0], wanted)
    flat = np.where(alpha[..., None] > 0, scene.character[0], np.array([250, 20, 240], np.uint8))
    assert torch.equal(node.execute(image(flat[None]))[0], image(mimo.prepare_reference(flat, alpha)[None]))
    error = pack("dismo_core").DisMoError
    with pytest.raises(error, match="takes one picture, and 2"):
        node.execute(image(scene.character[:2]))
    with pytest.raises(error, match="64x64 px"):
        node.execute(picture, torch.zeros(1, 64, 64))


def test_saved_templates_are_listed_and_loaded(pack, mimo, template, tmp_path):
    library = pack("nodes.mimo.template_library")
    files = pack("nodes.mimo.template_files")
    assert files.choices() == ["gym [example]"]
    paths = [library.SaveTemplate.execute(template, "dance/one", zipped)[0] for zipped in (False, False, True)]
    folder = tmp_path / "models/dismo/mimo/templates/dance"
    assert paths == [str(folder / name) for name in ("one", "one_2", "one.zip")]
    (tmp_path / "input/mine").mkdir(parents=True)
    template.save(tmp_path / "input/mine", overwrite=True)
    listed = ["dance/one", "dance/one.zip", "dance/one_2", "mine [input]"]
    assert files.choices() == ["gym [example]", *listed]
    for choice in listed:
        (loaded,) = library.LoadTemplate.execute(choice, 150, 0)
        assert len(loaded.open(None)) == 10 and files.fingerprint(choice).startswith(choice)
    assert pack("nodes.dismo.model_files").choices() == ["tiny"], "templates and weights of MIMO are none of DisMo's"
    (part,) = library.LoadTemplate.execute("dance/one", 4, 3)
    assert np.array_equal(part.open(None).bk[0], mimo.Template.load(folder / "one").open(None).bk[3])
    assert len(part.open(None)) == 4


def test_names_that_lead_nowhere_are_refused(pack, mimo, template, tmp_path):
    library, error = pack("nodes.mimo.template_library"), pack("dismo_core").DisMoError
    for name in ("", "..", "../x", "a:b", "a//b", "\0"):
        with pytest.raises(error, match="no name for a template"):
            library.SaveTemplate.execute(template, name, False)
    for choice in ("../secret", "nothing", "../x [input]"):
        with pytest.raises(error, match="leads out|no template"):
            library.LoadTemplate.execute(choice, 150, 0)
    assert not (tmp_path / "models/dismo/mimo/templates").exists()
    bomb = tmp_path / "models/dismo/mimo/templates/bad.zip"
    bomb.parent.mkdir(parents=True)
    with zipfile.ZipFile(bomb, "w") as archive:
        archive.writestr("../sdc.mp4", b"x")
    with pytest.raises(error, match="leads out of the folder"):
        library.LoadTemplate.execute("bad.zip", 150, 0)
    with pytest.raises(error, match="Lower start"):
        library.LoadTemplate.execute("gym [example]", 150, 400)


def test_a_template_is_taken_apart(pack, mimo, template, scene):
    node = pack("nodes.mimo.template_library").TemplateParts
    parts = node.execute(template)
    for found, wanted in zip(parts, (scene.vid, scene.sdc, scene.bk, scene.mask, scene.occ), strict=False):
        assert torch.equal(found, image(wanted))
    assert parts[5] == 30.0
    video, body, background, person, occlusion, _ = node.execute(mimo.Template(sdc=scene.sdc))
    assert torch.equal(video, background) and background.min() == 1 and occlusion.max() == 0
    assert torch.equal(body, image(scene.sdc)) and torch.equal(person, image(mimo.silhouette(scene.sdc)))
    assert node.execute(mimo.Template(mask=scene.mask))[1].max() == 0


def test_a_template_is_built_of_frames(pack, mimo, scene):
    node = pack("nodes.mimo.build_template").BuildTemplate
    given = dict(images=image(scene.vid), person=image(scene.mask), body=image(scene.sdc), occlusion=image(scene.occ))
    (built,) = node.execute(**BUILD | {"max_frames": 6}, **given)
    assert built.videos.keys() == {"vid", "sdc", "bk", "mask", "occ"} and len(built.vid) == 6
    assert np.array_equal(built.mask, scene.mask[:6]) and np.array_equal(built.sdc, scene.sdc[:6])
    assert np.array_equal(built.bk, mimo.fill_background(scene.vid[:6], scene.mask[:6]))
    (still,) = node.execute(**BUILD, **given | {"occlusion": image(scene.occ[:1])})
    assert np.array_equal(still.occ, np.repeat(scene.occ[:1], 10, 0))
    large = torch.rand(2, 1440, 1600, 3)
    (small,) = node.execute(**BUILD, images=large, person=torch.ones(2, 1440, 1600) * 0.1, background=large)
    assert small.vid.shape == (2, 720, 800, 3) and small.mask.shape == (2, 720, 800)


def test_masks_of_a_video_are_thinned_out_with_it(pack, mimo, scene, tmp_path):
    node = pack("nodes.mimo.build_template").BuildTemplate
    write_video(tmp_path / "clip.mp4", torch.from_numpy(scene.vid), 60, crf=2)
    video = pack("nodes.mimo.media").InputImpl.VideoFromFile(str(tmp_path / "clip.mp4"))
    (built,) = node.execute(**BUILD, video=video, person=image(scene.mask))
    assert built.fps == 30 and np.array_equal(built.mask, scene.mask[::2])
    assert near(built.vid, scene.vid[::2])
    components = types.SimpleNamespace(images=image(scene.vid), frame_rate=Fraction(15), audio=None)
    memory = types.SimpleNamespace(get_components=lambda: components)
    (slow,) = node.execute(**BUILD, video=memory, person=image(scene.mask))
    assert slow.fps == 15 and np.array_equal(slow.mask, scene.mask)


def test_a_person_is_found_by_difference(pack, mimo, scene):
    node = pack("nodes.mimo.build_template").BuildTemplate
    wide = draw_scene(12, camera="static", frames=24, size=(160, 104))
    (built,) = node.execute(**BUILD | {"person_from": "background difference"}, images=image(wide.vid))
    found, truth = built.mask > 127, wide.mask > 127
    assert (found & truth).sum() / (found | truth).sum() > 0.75
    still = np.repeat(wide.vid[:1], 4, 0)
    with pytest.raises(pack("dismo_core").DisMoError, match="Nothing moves"):
        node.execute(**BUILD | {"person_from": "background difference"}, images=image(still))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (dict(images=None), "exactly one clip"),
        (dict(person=None), "Neither a mask of the person nor a body"),
        (dict(person=torch.zeros(7, 64, 96)), "person has 7 pictures, the clip 10 frames"),
        (dict(person=torch.zeros(10, 64, 64)), "person is 64x64 px, the clip 96x64"),
        (dict(fps=float("nan")), "fps above 0"),
        (dict(max_frames=0), "max_frames must be 1"),
    ],
)
def test_templates_that_cannot_be_built(pack, mimo, scene, changed, message):
    node = pack("nodes.mimo.build_template").BuildTemplate
    with pytest.raises(pack("dismo_core").DisMoError, match=message):
        node.execute(**BUILD | dict(images=image(scene.vid), person=image(scene.mask)) | changed)


def test_background_and_occluders_are_those_of_the_core(pack, mimo, scene):
    fill = pack("nodes.mimo.fill_background").FillBackground
    background, unseen = fill.execute(image(scene.vid), image(scene.mask), 2, "none")
    wanted = mimo.fill_background(scene.vid, scene.mask, dilate=2, return_unseen=True)
    assert torch.equal(background, image(wanted[0])) and torch.equal(unseen, image(wanted[1]))
    depth = np.zeros((64, 96), np.uint8)
    person, body, segment = depth.copy(), np.zeros((64, 96, 3), np.uint8), depth.copy()
    person[20:60, 40:50], body[20:60, 30:50], segment[25:60, 30:40] = 255, 200, 255
    depth[:], depth[person > 0], depth[segment > 0] = 40, 120, 220
    node = pack("nodes.mimo.occluders").Occluders
    far = np.roll(segment, 40, 1)
    mask, kept = node.execute(
        image(person[None]),
        image(np.stack([segment, far])),
        image(np.repeat(depth[None, ..., None], 3, 3)),
        image(body[None]),
    )
    assert kept == 1 and mask.shape == (1, 64, 96)
    assert mask[0, 28:58, 32:38].min() == 1 and mask[0, :, 60:].max() == 0


def test_a_mesh_is_painted(pack, mimo, tmp_path):
    node = pack("nodes.mimo.render_body").RenderBody
    square = torch.tensor([[-1.0, -1, 100], [1, -1, 100], [1, 1, 100], [-1, 1, 100]])
    faces = torch.tensor([[0, 1, 2], [0, 2, 3]])
    mesh = types.SimpleNamespace(vertices=torch.stack([square, square + 0.5]), faces=faces[None].repeat(2, 1, 1))
    (frames,) = node.execute(mesh, 64, 48, 0.0, "height")
    assert frames.shape == (2, 48, 64, 3) and frames[:, 0, 0].max() == 0 and frames[0, 24, 32].max() > 0.2
    (again,) = node.execute(mesh, 64, 48, 5000 / 256 * 64, "height")
    assert torch.equal(frames, again)
    error = pack("dismo_core").DisMoError
    with pytest.raises(error, match="lies behind the camera"):
        node.execute(types.SimpleNamespace(vertices=-mesh.vertices, faces=mesh.faces), 64, 48, 0.0, "height")
    with pytest.raises(error, match="no file .*sdc_info.npy"):
        node.execute(mesh, 64, 48, 0.0, "release file")
    path = tmp_path / "models/dismo/mimo/sdc_info.npy"
    path.parent.mkdir(parents=True)
    np.save(path, {"smpl": np.full((4, 3), 250, np.uint8)})
    assert node.execute(mesh, 64, 48, 0.0, "release file")[0][0, 24, 32].min() > 0.97


def small_networks(pack, mimo, in_channels=8):
    """Networks that know nothing, small enough for a test."""
    parts = pack("dismo_core.mimo.training.tiny_parts")
    torch.manual_seed(0)
    sizes = dict(channels=(32, 32, 32, 32), cross_attention_dim=parts.CONTEXT, heads=4, layers=1, groups=8)
    denoising = mimo.DenoisingUNet(**sizes, in_channels=in_channels)
    return mimo.ReferenceUNet(**sizes), denoising, mimo.PoseGuider(32, channels=(4, 8, 8, 16))


def small_pipeline(pack, mimo, in_channels):
    parts = pack("dismo_core.mimo.training.tiny_parts")
    networks = small_networks(pack, mimo, in_channels)
    return mimo.MimoPipeline(*networks, parts.new_vae(), parts.new_image_encoder(), defaults=(2, 1.5, (64, 64)))


@pytest.fixture
def pipeline(pack, mimo):
    """As the release has them."""
    return small_pipeline(pack, mimo, 8)


def test_single_steps_give_what_edit_gives(pack, mimo, template, scene, pipeline):
    crops, poses, backgrounds, boxes, _ = pack("nodes.mimo.plan_crops").PlanCrops.execute(template, **PLAN)
    assert poses.shape[1:] == (64, 64, 3) and poses.shape == backgrounds.shape and boxes.shape[0] == 10
    reference = image(mimo.prepare_reference(scene.character[0], scene.alpha[0])[None])
    options = dict(steps=0, guidance=0.0, seed=5, window=24, overlap=4, closed_loop=True)
    (frames,) = pack("nodes.mimo.sample").Sample.execute(pipeline, reference, poses, backgrounds=backgrounds, **options)
    (video,) = pack("nodes.mimo.compose").Compose.execute(frames, crops, template, 0.08, "")
    generate = pack("nodes.mimo.generate")
    edit = dict(size=0, steps=0, guidance=0.0, seed=5, max_frames=150)
    (whole,) = generate.Edit.execute(pipeline, reference, template, feather=0.08, **edit)
    assert np.array_equal(read_back(video), read_back(whole)) and read_back(video).shape == scene.vid.shape
    (alone,) = generate.Animate.execute(pipeline, reference, template, **edit | {"max_frames": 3, "size": 32})
    assert read_back(alone).shape == (3, 32, 32, 3)


def test_weights_of_12_channels_are_shown_what_stands_in_front(pack, mimo, template, scene, pipeline, caplog):
    """In single steps as in MIMO Edit; weights of 8 channels leave it out and say so."""
    crops, poses, backgrounds, _, occlusions = pack("nodes.mimo.plan_crops").PlanCrops.execute(template, **PLAN)
    assert occlusions.shape == poses.shape and occlusions.max() > 0 and occlusions.min() == 0
    sample, told = pack("nodes.mimo.sample").Sample, small_pipeline(pack, mimo, 12)
    reference = image(mimo.prepare_reference(scene.character[0], scene.alpha[0])[None])
    given = dict(steps=1, guidance=1.0, seed=5, window=24, overlap=4, closed_loop=True, backgrounds=backgrounds)
    (frames,) = sample.execute(told, reference, poses, occlusions=occlusions, **given)
    (video,) = pack("nodes.mimo.compose").Compose.execute(frames, crops, template, 0.08, "")
    edit = pack("nodes.mimo.generate").Edit
    (whole,) = edit.execute(told, reference, template, 0, 1, 1.0, 5, 150, 0.08)
    assert np.array_equal(read_back(video), read_back(whole))
    assert not torch.equal(frames, sample.execute(told, reference, poses, **given)[0])
    with pytest.raises(pack("dismo_core").DisMoError, match="10 body pictures and 9 of what stands in front"):
        sample.execute(told, reference, poses, occlusions=occlusions[:9], **given)
    with caplog.at_level("INFO"):
        (blind,) = sample.execute(pipeline, reference, poses, occlusions=occlusions, **given)
    assert "occlusions is left out" in caplog.text
    assert torch.equal(blind, sample.execute(pipeline, reference, poses, **given)[0])


def test_crops_without_a_body_follow_the_mask(pack, mimo, scene):
    planned = pack("nodes.mimo.plan_crops").PlanCrops.execute(mimo.Template(mask=scene.mask), **PLAN)
    _, poses, backgrounds, _, occlusions = planned
    assert poses.max() == 1 and torch.equal(poses[..., 0], poses[..., 2]) and backgrounds.min() == 1
    assert occlusions.shape == poses.shape and occlusions.max() == 0
    with pytest.raises(pack("dismo_core").DisMoError, match="multiples of 8"):
        pack("nodes.mimo.plan_crops").PlanCrops.execute(mimo.Template(mask=scene.mask), **PLAN | {"size": 65})


def test_squares_that_do_not_belong_to_the_template(pack, mimo, template, scene):
    crops, poses, *_ = pack("nodes.mimo.plan_crops").PlanCrops.execute(template, **PLAN)
    node, error = pack("nodes.mimo.compose").Compose, pack("dismo_core").DisMoError
    with pytest.raises(error, match="Give one picture for each"):
        node.execute(poses[:-1], crops, template, 0.08, "")
    with pytest.raises(error, match="crops are those of 10 frames"):
        node.execute(poses, crops, mimo.Template(sdc=scene.sdc[:5]), 0.08, "")
    with pytest.raises(error, match="has no alpha2_"):
        node.execute(poses, crops, template, 0.08, "nowhere")


def test_weights_are_listed_found_and_refused(pack, mimo, tmp_path):
    files, error = pack("nodes.mimo.weight_files"), pack("dismo_core").DisMoError
    assert files.models() == ["tiny", "MIMO"] and files.loras() == ["none"]
    mine = tmp_path / "models/dismo/mimo/mine"
    mine.mkdir(parents=True)
    (mine / "denoising_unet.pth").touch()
    (mine / "other.yaml").touch()
    assert files.models() == ["tiny", "MIMO", "mine", "mine/other.yaml"]
    assert files.find("mine", False, print) == str(mine)
    assert files.fingerprint("mine", "none") != files.fingerprint("tiny", "none")
    with pytest.raises(error, match="no weights 'MIMO'"):
        files.find("MIMO", False, print)
    with pytest.raises(error, match="leads out of the folder"):
        files.find("../../..", False, print)


def test_a_model_is_loaded_with_a_lora_of_one_character(pack, mimo, tmp_path):
    parts, lora = (pack(f"dismo_core.mimo.{name}") for name in ("training.tiny_parts", "lora"))
    networks = pack("dismo_core.mimo.training.networks").Networks(*small_networks(pack, mimo))
    encoders = pack("dismo_core.mimo.training.examples").Encoders(parts.new_vae(), parts.new_image_encoder(), 64)
    pack("dismo_core.mimo.training.export").export_whole(networks, encoders, tmp_path / "models/dismo/mimo/mine")
    lora.add_lora(networks, 2)
    for weight in networks.parameters():
        if weight.requires_grad:
            torch.nn.init.normal_(weight, std=0.3)
    (tmp_path / "models/loras").mkdir(parents=True, exist_ok=True)
    lora.save_lora(networks, tmp_path / "models/loras/hero.safetensors")
    load = pack("nodes.mimo.load_model").LoadModel.execute
    plain, hero = (load("mine", "fp32", "full", False, lora=name)[0] for name in ("none", "hero.safetensors"))
    body = [np.full((64, 64, 3), 90, np.uint8)] * 2
    made = [
        model.sample(body[0], body, None, width=64, height=64, steps=1, generator=torch.Generator().manual_seed(0))
        for model in (plain, hero)
    ]
    assert made[0].shape == made[1].shape and not np.array_equal(*made)
    with pytest.raises(pack("dismo_core").DisMoError, match="no file gone.safetensors"):
        load("mine", "fp32", "full", False, lora="gone.safetensors")
